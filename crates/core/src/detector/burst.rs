//! How much one miss counts.
//!
//! The detectors take observations for independent. Misses that come together are not: one stall of the
//! host, or one burst of re-checks, makes several answers late at once. Counting each would turn one cause
//! into a verdict, so the misses of one burst share one unit of weight.
//!
//! * **Late** answers of one instance within [`LATE_SPAN_NS`] are one piece of evidence, whoever saw them.
//! * Late answers of *several* instances within [`TOGETHER_NS`] most likely have the host as their common
//!   cause: each counts for its share only. (Two instances that are really slow still fall, in twice the
//!   number of observations.) The span is longer than the pause between two checks of an instance that is OFF,
//!   so that the ones which fell first do not leave the whole blame to the others.
//! * **Unreachable** is a fact about a socket, not about timing: re-checks count again after
//!   [`UNREACHABLE_SPAN_NS`], which only merges what one broken connection makes fail at once.
//! * **Errors** and **stale** answers are what the instance itself said; a stall cannot cause them.

use std::collections::BTreeMap;

use super::Seen;
use crate::ReplicaId;

/// Late answers closer together than this are one piece of evidence (45 ms): the floor of the late bound less the
/// jitter of timers. Requests that overlap are late of the same cause. So silence counts by its length, once per
/// bound, however many requests it leaves unanswered: a stall of d milliseconds is d/50 misses.
pub const LATE_SPAN_NS: u64 = 45_000_000;

/// Late answers of several instances closer together than this have one cause (250 ms).
pub const TOGETHER_NS: u64 = 250_000_000;

/// Lost or refused connections closer together than this are one piece of evidence (2 ms).
pub const UNREACHABLE_SPAN_NS: u64 = 2_000_000;

/// The recent misses of all instances.
#[derive(Debug, Clone, Default)]
pub struct Bursts {
    last: BTreeMap<(ReplicaId, Seen), u64>,
}

impl Bursts {
    /// No misses yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The weight, 0 to 1, of what was `seen` of `instance` at `now_ns`.
    pub fn weigh(&mut self, now_ns: u64, instance: ReplicaId, seen: Seen) -> f64 {
        let span = match seen {
            Seen::Good | Seen::Error | Seen::Stale => return 1.0,
            Seen::Late => LATE_SPAN_NS,
            Seen::Unreachable => UNREACHABLE_SPAN_NS,
        };
        let within = |at: u64, span: u64| now_ns.saturating_sub(at) < span;
        if self.last.get(&(instance, seen)).is_some_and(|at| within(*at, span)) {
            return 0.0;
        }
        self.last.insert((instance, seen), now_ns);
        if seen != Seen::Late {
            return 1.0;
        }
        let together = self
            .last
            .iter()
            .filter(|((_, kind), at)| *kind == Seen::Late && within(**at, TOGETHER_NS));
        1.0 / together.count() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn id(n: u8) -> ReplicaId {
        ReplicaId::new(n).expect("from 1")
    }

    #[test]
    fn one_stall_is_one_piece_of_evidence() {
        let mut bursts = Bursts::new();
        assert_eq!(bursts.weigh(0, id(1), Seen::Late), 1.0);
        assert_eq!(bursts.weigh(5 * MS, id(1), Seen::Late), 0.0);
        assert_eq!(bursts.weigh(5 * MS, id(2), Seen::Late), 0.5);
        assert_eq!(bursts.weigh(6 * MS, id(3), Seen::Late), 1.0 / 3.0);
        assert_eq!(bursts.weigh(44 * MS, id(1), Seen::Late), 0.0);
        assert_eq!(bursts.weigh(50 * MS, id(1), Seen::Late), 1.0 / 3.0);
        assert_eq!(bursts.weigh(400 * MS, id(1), Seen::Late), 1.0);
    }

    #[test]
    fn errors_are_what_the_instance_said() {
        let mut bursts = Bursts::new();
        assert_eq!([0; 3].map(|at| bursts.weigh(at, id(1), Seen::Error)), [1.0; 3]);
    }

    #[test]
    fn refused_connections_count_again_soon() {
        let mut bursts = Bursts::new();
        assert_eq!(bursts.weigh(0, id(1), Seen::Unreachable), 1.0);
        assert_eq!(bursts.weigh(MS, id(1), Seen::Unreachable), 0.0);
        assert_eq!(bursts.weigh(3 * MS, id(1), Seen::Unreachable), 1.0);
    }
}
