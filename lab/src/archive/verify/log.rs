//! The log of a folder: whether all of it is there, and what it says.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Checked, Found};
use crate::archive::log::{self, Header, Partition};
use crate::archive::{ArchiveError, LOG};
use crate::oracle::{Replay, Truth};

/// What the oracle has to know of so many records fits into the memory of a small machine.
const MOST_RECORDS: u64 = 20_000_000;

/// Replays the log.
pub(super) fn replay(dir: &Path, checked: &mut Checked, found: &mut Found) -> Result<Truth, ArchiveError> {
    let (header, mut reader) = log::open(dir)?;
    let mut places = Places::new(&header, found);
    let mut replay = Replay::default();
    while let Some((partition, offset, payload)) = log::next(&mut reader)? {
        checked.records += 1;
        if checked.records > MOST_RECORDS {
            let message = format!("a log of more than {MOST_RECORDS} records cannot be replayed");
            return Err(reader.garbage(message));
        }
        // What is not in order cannot be replayed.
        if places.take(partition, offset, reader.number(), found) {
            replay.add(partition, offset, &payload);
        }
    }
    places.done(found);
    if header.records != checked.records {
        let what = format!("{} records are to follow, {} do", header.records, checked.records);
        found.tell(LOG, Some(1), what);
    }
    let truth = replay.done();
    checked.unreadable_records = truth.unreadable();
    Ok(truth)
}

/// The offsets of the records, compared with what the first line says about them.
struct Places<'a> {
    partitions: BTreeMap<u16, Place<'a>>,
    /// Partition and offset of the last record.
    last: Option<(u16, u64)>,
}

struct Place<'a> {
    said: &'a Partition,
    /// Offsets without a record; none if they are not known.
    gaps: Option<&'a [(u64, u64)]>,
    /// The lowest offset that was not seen yet.
    next: u64,
    records: u64,
}

impl<'a> Places<'a> {
    fn new(header: &'a Header, found: &mut Found) -> Self {
        let mut partitions = BTreeMap::new();
        for said in &header.partitions {
            let gaps = said.gaps.as_deref();
            let is_sound = gaps.is_none_or(|gaps| is_sound(said, gaps));
            if !is_sound {
                let what = format!("what is said about partition {} contradicts itself", said.partition);
                found.tell(LOG, Some(1), what);
            }
            let place = Place {
                said,
                gaps: gaps.filter(|_| is_sound),
                next: 0,
                records: 0,
            };
            if partitions.insert(said.partition, place).is_some() {
                found.tell(LOG, Some(1), format!("partition {} is there twice", said.partition));
            }
        }
        Self { partitions, last: None }
    }

    /// Takes the next record; whether it can be replayed after those before it.
    fn take(&mut self, partition: u16, offset: u64, line: usize, found: &mut Found) -> bool {
        if let Some(last) = self.last.filter(|last| (partition, offset) <= *last) {
            let what = format!(
                "the record of partition {partition} at offset {offset} comes after that of partition {} at {}",
                last.0, last.1
            );
            found.tell(LOG, Some(line), what);
            return false;
        }
        self.last = Some((partition, offset));
        let Some(place) = self.partitions.get_mut(&partition) else {
            found.tell(
                LOG,
                Some(line),
                format!("the first line knows of no partition {partition}"),
            );
            return true;
        };
        if offset >= place.said.end || place.gap_at(offset) {
            let what = format!("the first line knows of no record of partition {partition} at offset {offset}");
            found.tell(LOG, Some(line), what);
        }
        place.tell_missing(offset, Some(line), found);
        place.records += 1;
        place.next = offset.saturating_add(1);
        true
    }

    fn done(mut self, found: &mut Found) {
        for (partition, place) in &mut self.partitions {
            place.tell_missing(place.said.end, None, found);
            if place.gaps.is_none() && place.records != place.said.records {
                let what = format!(
                    "partition {partition} had {} records, there are {}",
                    place.said.records, place.records
                );
                found.tell(LOG, None, what);
            }
        }
    }
}

impl Place<'_> {
    /// Names the records that should be between the last one and this offset.
    fn tell_missing(&self, offset: u64, line: Option<usize>, found: &mut Found) {
        let partition = self.said.partition;
        let Some(gaps) = self.gaps else { return };
        for (from, to) in missing(self.next, offset, gaps) {
            let what = match to - from {
                1 => format!("the record of partition {partition} at offset {from} is missing"),
                many => format!("{many} records of partition {partition} are missing, from offset {from} on"),
            };
            found.tell(LOG, line, what);
        }
    }

    fn gap_at(&self, offset: u64) -> bool {
        let gaps = self.gaps.unwrap_or_default();
        let next = gaps.partition_point(|gap| gap.1 <= offset);
        gaps.get(next).is_some_and(|gap| gap.0 <= offset)
    }
}

/// Whether the gaps are in order and make up, with the records, all offsets there are.
fn is_sound(said: &Partition, gaps: &[(u64, u64)]) -> bool {
    let mut next = 0;
    let mut sum = Some(said.records);
    for &(from, to) in gaps {
        if from < next || to <= from || to > said.end {
            return false;
        }
        sum = sum.and_then(|sum| sum.checked_add(to - from));
        next = to;
    }
    sum == Some(said.end)
}

/// The offsets from one to before another that are in no gap, as ranges; the gaps are in order.
fn missing(from: u64, to: u64, gaps: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    let mut at = from;
    for &(begin, end) in &gaps[gaps.partition_point(|gap| gap.1 <= from)..] {
        if begin >= to {
            break;
        }
        if begin > at {
            ranges.push((at, begin));
        }
        at = at.max(end);
    }
    if at < to {
        ranges.push((at, to));
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_no_gap_is_missing() {
        let gaps = [(0, 2), (5, 7), (9, 10)];
        for (from, to, expected) in [
            (0, 2, vec![]),
            (0, 3, vec![(2, 3)]),
            (2, 5, vec![(2, 5)]),
            (3, 9, vec![(3, 5), (7, 9)]),
            (6, 12, vec![(7, 9), (10, 12)]),
            (4, 4, vec![]),
        ] {
            assert_eq!(missing(from, to, &gaps), expected, "{from} to {to}");
        }
        assert_eq!(missing(0, 3, &[]), [(0, 3)]);
    }

    #[test]
    fn a_first_line_must_add_up() {
        let said = |end, records| Partition {
            partition: 0,
            end,
            records,
            gaps: None,
        };
        assert!(is_sound(&said(3, 3), &[]));
        assert!(is_sound(&said(6, 3), &[(0, 2), (5, 6)]));
        for (said, gaps) in [
            (said(4, 3), vec![]),
            (said(6, 3), vec![(0, 2), (5, 7)]),
            (said(6, 3), vec![(5, 6), (0, 2)]),
            (said(6, 3), vec![(0, 3), (2, 2)]),
            (said(u64::MAX, u64::MAX), vec![(0, u64::MAX - 1)]),
        ] {
            assert!(!is_sound(&said, &gaps), "{said:?} {gaps:?}");
        }
    }
}
