//! Which replicas stay behind the quorum for longer than the lag budget.
//!
//! A replica is behind when it has not even applied what a quorum had applied one lag budget ago. That
//! needs no clock of the replica's and no knowledge of the log's end, and it stays silent while nothing is
//! written. It is lag, never a lie.

use std::collections::{BTreeMap, VecDeque};

use crate::{ReplicaId, quorum};

/// Applied positions of all replicas over the last lag budget.
#[derive(Debug, Clone)]
pub struct Staleness {
    quorum: usize,
    budget_ns: u64,
    newest: BTreeMap<ReplicaId, u64>,
    /// What a quorum had applied, over time, oldest first; one entry per change.
    agreed: VecDeque<(u64, u64)>,
}

/// Changes of the quorum's position that are kept; beyond it they are thinned out.
const MOST: usize = 512;

impl Staleness {
    /// Nothing known yet, among `replicas` replicas, with a lag budget in nanoseconds.
    #[must_use]
    pub fn new(replicas: usize, budget_ns: u64) -> Self {
        Self {
            quorum: quorum(replicas),
            budget_ns,
            newest: BTreeMap::new(),
            agreed: VecDeque::new(),
        }
    }

    /// Takes the number of events that `replica` has applied in all at `now_ns` and says by how many it is
    /// behind what a quorum had applied one budget ago; 0: in time.
    pub fn observe(&mut self, now_ns: u64, replica: ReplicaId, applied: u64) -> u64 {
        self.newest.insert(replica, applied);
        let mut positions: Vec<u64> = self.newest.values().copied().collect();
        positions.sort_unstable_by(|a, b| b.cmp(a));
        if let Some(&reached) = positions.get(self.quorum - 1)
            && self.agreed.back().is_none_or(|(_, before)| *before < reached)
        {
            self.agreed.push_back((now_ns, reached));
            if self.agreed.len() > MOST {
                let mut nth = 0;
                self.agreed.retain(|_| {
                    nth += 1;
                    nth % 2 == 0
                });
            }
        }
        let then = now_ns.saturating_sub(self.budget_ns);
        // The newest entry that is at least one budget old is what had been reached by then.
        while self.agreed.get(1).is_some_and(|(at, _)| *at <= then) {
            self.agreed.pop_front();
        }
        match self.agreed.front() {
            Some(&(at, reached)) if at <= then => reached.saturating_sub(applied),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn id(n: u8) -> ReplicaId {
        ReplicaId::new(n).expect("from 1")
    }

    #[test]
    fn a_replica_that_stopped_consuming_is_behind_after_the_budget() {
        let mut staleness = Staleness::new(3, 1000 * MS);
        let mut first = None;
        for step in 0..20u64 {
            let now = step * 200 * MS;
            let moving = 100 + 40 * step;
            assert_eq!(staleness.observe(now, id(2), moving), 0);
            assert_eq!(staleness.observe(now, id(3), moving), 0);
            if staleness.observe(now, id(1), 120) > 0 {
                first.get_or_insert(now);
            }
        }
        // A quorum passed 120 at 200 ms (140), so the budget is over at 1200 ms.
        assert_eq!(first, Some(1200 * MS));
    }

    #[test]
    fn one_replica_ahead_makes_nobody_stale() {
        let mut staleness = Staleness::new(3, 1000 * MS);
        for step in 0..50u64 {
            let now = step * 200 * MS;
            assert_eq!(staleness.observe(now, id(1), 1_000_000), 0);
            assert_eq!(staleness.observe(now, id(2), 5), 0);
            assert_eq!(staleness.observe(now, id(3), 5), 0);
        }
    }

    proptest! {
        /// Replicas whose lag never exceeds the budget are never called stale.
        #[test]
        fn lag_within_the_budget_is_never_stale(
            rate in 1u64..5000,
            lags in prop::collection::vec(prop::collection::vec(0u64..1000, 3), 1..200),
        ) {
            let mut staleness = Staleness::new(3, 1000 * MS);
            let mut applied = [0u64; 3];
            for (step, lags) in lags.iter().enumerate() {
                let now_ms = step as u64 * 50;
                for (i, lag) in lags.iter().enumerate() {
                    applied[i] = applied[i].max(now_ms.saturating_sub(*lag) * rate / 1000);
                    prop_assert_eq!(staleness.observe(now_ms * MS, id(i as u8 + 1), applied[i]), 0);
                }
            }
        }
    }
}
