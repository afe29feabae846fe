//! How far a quorum is known to have come, over time.

use std::collections::VecDeque;

/// Changes that are kept: some seconds of them, which is longer than an answer is waited for.
const MOST: usize = 256;

/// The positions that a quorum has reached, and since when that is known, oldest first; one entry per change. What a
/// quorum has reached once it has reached for good, whoever begins anew.
#[derive(Debug, Default)]
pub(super) struct Reached(VecDeque<(u64, u64)>);

impl Reached {
    /// A quorum is known to have reached `position` at `at_ns`.
    pub(super) fn note(&mut self, at_ns: u64, position: u64) {
        let (newest_ns, newest) = self.0.back().copied().unzip();
        if newest.is_some_and(|newest| newest >= position) {
            return;
        }
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        // An answer may be noted after one that came later.
        let at_ns = newest_ns.map_or(at_ns, |newest_ns| at_ns.max(newest_ns));
        self.0.push_back((at_ns, position));
    }

    /// The position that was known at `at_ns`; none if none was, or that is too long ago.
    pub(super) fn by(&self, at_ns: u64) -> Option<u64> {
        let later = self.0.partition_point(|(since_ns, _)| *since_ns <= at_ns);
        later.checked_sub(1).map(|index| self.0[index].1)
    }

    /// The position that is known now.
    pub(super) fn newest(&self) -> Option<u64> {
        self.0.back().map(|(_, position)| *position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_when_is_known_for_a_while() {
        let mut reached = Reached::default();
        assert_eq!((reached.by(u64::MAX), reached.newest()), (None, None));
        reached.note(10, 100);
        reached.note(20, 100);
        reached.note(30, 120);
        reached.note(25, 130);
        reached.note(40, 5);
        assert_eq!(
            [9, 10, 29, 30, 99].map(|at| reached.by(at)),
            [None, Some(100), Some(100), Some(130), Some(130)]
        );
        assert_eq!(reached.newest(), Some(130), "nobody goes back");
    }

    #[test]
    fn it_is_bounded() {
        let mut reached = Reached::default();
        for n in 0..10 * MOST as u64 {
            reached.note(n, n);
        }
        assert_eq!(reached.0.len(), MOST);
        assert_eq!((reached.by(0), reached.by(u64::MAX)), (None, reached.newest()));
    }
}
