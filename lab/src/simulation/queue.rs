//! What is still to happen, in the order in which it will.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tolerancia_core::checks::CheckId;
use tolerancia_core::detector::Seen;

/// Something that happens at one instant. Replicas by their place, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    /// The voter finds something out about a replica.
    Found(usize, Finding),
    /// A health check is answered.
    Checked(usize, CheckId, Seen),
    /// The monitor's connection to a replica is lost.
    Cut(usize),
    /// A report of the voter arrives: its place in the voter's list.
    Reported(usize),
}

/// What the voter finds out, as the voter service names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A right answer in time, which took so many nanoseconds.
    Good(u64),
    /// A right answer that counted as late before.
    Slow(u64),
    /// Unanswered at the late bound.
    Late,
    /// An error.
    Failed,
    /// No connection.
    Unreachable,
    /// A proven lie about this product.
    Lie(usize),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at_ns: u64,
    /// What is entered first happens first.
    serial: u64,
    happening: Happening,
}

impl Entry {
    const fn key(&self) -> (u64, u64) {
        (self.at_ns, self.serial)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// The events of one trial.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    serial: u64,
}

impl Queue {
    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.serial = 0;
    }

    pub(crate) fn push(&mut self, at_ns: u64, happening: Happening) {
        self.serial += 1;
        self.heap.push(Reverse(Entry {
            at_ns,
            serial: self.serial,
            happening,
        }));
    }

    /// When the next thing happens; `u64::MAX`: nothing does.
    pub(crate) fn next_ns(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |Reverse(entry)| entry.at_ns)
    }

    pub(crate) fn pop(&mut self) -> Option<Happening> {
        self.heap.pop().map(|Reverse(entry)| entry.happening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_order_of_time_and_then_of_entry() {
        let mut queue = Queue::default();
        for (at_ns, replica) in [(5, 0), (3, 1), (5, 2), (3, 3)] {
            queue.push(at_ns, Happening::Cut(replica));
        }
        assert_eq!(queue.next_ns(), 3);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [1, 3, 0, 2].map(Happening::Cut));
        assert_eq!(queue.next_ns(), u64::MAX);
    }
}
