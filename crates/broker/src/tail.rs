//! The newest batches of one partition, in memory, as the producers sent them.
//!
//! Consumers that keep up read only these, without touching the storage. It is a cache and nothing more:
//! whatever is not in it is read from the storage.

use std::collections::VecDeque;

use tansu_sans_io::record::deflated::Batch;

/// Bytes that the tail of one partition may hold.
const LIMIT: usize = 4 * 1024 * 1024;
/// What a batch costs besides its records.
const OVERHEAD: usize = 200;

/// Consecutive batches without a gap.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    batches: VecDeque<Batch>,
    bytes: usize,
}

impl Tail {
    /// Adds a batch that got its offset. Batches committed at the same time may come in the wrong order:
    /// then the tail starts anew from the later one.
    pub(crate) fn push(&mut self, batch: Batch) {
        if let Some(last) = self.batches.back() {
            let next = last.max_offset() + 1;
            if batch.base_offset < next {
                return;
            }
            if batch.base_offset > next {
                self.batches.clear();
                self.bytes = 0;
            }
        }
        self.bytes += size(&batch);
        self.batches.push_back(batch);
        while self.bytes > LIMIT && self.batches.len() > 1 {
            self.bytes -= self.batches.pop_front().as_ref().map_or(0, size);
        }
    }

    /// The batches from the one with `offset` on, `budget` bytes but at least one; `None` when `offset` is
    /// older than the tail or not yet in it.
    pub(crate) fn read(&self, offset: i64, budget: usize) -> Option<Vec<Batch>> {
        if self.batches.front()?.base_offset > offset {
            return None;
        }
        let first = self.batches.partition_point(|batch| batch.max_offset() < offset);
        let mut bytes = 0;
        let mut found = Vec::new();
        for batch in self.batches.range(first..) {
            bytes += size(batch);
            if bytes > budget && !found.is_empty() {
                break;
            }
            found.push(batch.clone());
        }
        (!found.is_empty()).then_some(found)
    }
}

fn size(batch: &Batch) -> usize {
    batch.record_data.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base_offset: i64, records: i32, bytes: usize) -> Batch {
        Batch {
            base_offset,
            last_offset_delta: records - 1,
            record_data: vec![0; bytes].into(),
            ..Batch::default()
        }
    }

    fn offsets(tail: &Tail, offset: i64, budget: usize) -> Option<Vec<i64>> {
        let found = tail.read(offset, budget)?;
        Some(found.iter().map(|batch| batch.base_offset).collect())
    }

    #[test]
    fn reads_from_the_batch_that_holds_the_offset() {
        let mut tail = Tail::default();
        assert_eq!(offsets(&tail, 0, 1000), None);
        tail.push(batch(10, 5, 100));
        tail.push(batch(15, 1, 100));
        tail.push(batch(16, 4, 100));
        assert_eq!(offsets(&tail, 9, 10_000), None);
        assert_eq!(offsets(&tail, 10, 10_000), Some(vec![10, 15, 16]));
        assert_eq!(offsets(&tail, 14, 600), Some(vec![10, 15]));
        assert_eq!(offsets(&tail, 15, 1), Some(vec![15]));
        assert_eq!(offsets(&tail, 19, 1), Some(vec![16]));
        assert_eq!(offsets(&tail, 20, 1), None);
    }

    #[test]
    fn starts_anew_after_a_gap_and_ignores_what_is_older() {
        let mut tail = Tail::default();
        tail.push(batch(0, 5, 1));
        tail.push(batch(7, 2, 1));
        tail.push(batch(5, 2, 1));
        assert_eq!(offsets(&tail, 5, 10_000), None);
        assert_eq!(offsets(&tail, 7, 10_000), Some(vec![7]));
    }

    #[test]
    fn forgets_the_oldest_beyond_its_limit() {
        let mut tail = Tail::default();
        for base in 0..10 {
            tail.push(batch(base, 1, LIMIT / 4));
        }
        assert!(tail.bytes <= LIMIT);
        assert_eq!(offsets(&tail, 6, usize::MAX), None);
        assert_eq!(offsets(&tail, 7, usize::MAX), Some(vec![7, 8, 9]));
        tail.push(batch(10, 1, LIMIT * 2));
        assert_eq!(offsets(&tail, 10, 1), Some(vec![10]));
    }
}
