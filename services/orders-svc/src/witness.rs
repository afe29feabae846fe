//! What this service has seen of the replicas since it last told the monitor.
//!
//! Each report about an order is an observation: right, or contradicted by a quorum. A lie leaves within
//! [`PRESSING_NS`], right reports once a second. A report that is missing is no observation: a replica may
//! lag, and how far is the monitor's to judge.

use std::collections::BTreeMap;

use tolerancia_core::ledger::Outcome;
use tolerancia_core::{OrderId, ReplicaId};
use tolerancia_wire::evidence::{Batch, Dissent};

/// The shortest time between two batches while something is wrong, in nanoseconds.
pub const PRESSING_NS: u64 = 50_000_000;
/// The time between two batches while nothing is wrong, in nanoseconds.
const CALM_NS: u64 = 1_000_000_000;

/// The observations since the last batch.
#[derive(Debug, Default)]
pub struct Witness {
    batches: BTreeMap<ReplicaId, Batch>,
    told_ns: u64,
}

impl Witness {
    /// A replica said `said` of an event about which a quorum agreed on `agreed`.
    pub fn judge(&mut self, replica: ReplicaId, order_id: Option<OrderId>, said: Outcome, agreed: Outcome) {
        let batch = self.batches.entry(replica).or_insert_with(|| Batch::new(replica));
        if said == agreed {
            batch.good = batch.good.saturating_add(1);
        } else {
            batch.add_dissent(Dissent::Outcome { order_id, said, agreed });
        }
    }

    /// The batches, if it is time to tell them at `now_ns`.
    pub fn take(&mut self, now_ns: u64) -> Option<Vec<Batch>> {
        let wait = if self.batches.values().any(Batch::is_bad) {
            PRESSING_NS
        } else {
            CALM_NS
        };
        if self.batches.is_empty() || now_ns.saturating_sub(self.told_ns) < wait {
            return None;
        }
        self.told_ns = now_ns;
        Some(std::mem::take(&mut self.batches).into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TRUTH: Outcome = Outcome::Reserved { version: 1 };
    const MS: u64 = 1_000_000;

    fn id(n: u8) -> ReplicaId {
        ReplicaId::new(n).unwrap()
    }

    #[test]
    fn good_reports_are_told_once_a_second() {
        let mut witness = Witness::default();
        assert_eq!(witness.take(5000 * MS), None, "nothing was seen");
        for _ in 0..7 {
            witness.judge(id(1), None, TRUTH, TRUTH);
        }
        witness.judge(id(2), None, TRUTH, TRUTH);
        let batches = witness.take(5000 * MS).unwrap();
        assert_eq!(batches.iter().map(|b| b.good).collect::<Vec<_>>(), [7, 1]);
        witness.judge(id(1), None, TRUTH, TRUTH);
        assert_eq!(witness.take(5999 * MS), None);
        assert_eq!(witness.take(6000 * MS).map(|b| b.len()), Some(1));
    }

    #[test]
    fn a_lie_is_told_at_once_with_all_that_were_told_besides() {
        let mut witness = Witness::default();
        let order = |n| OrderId::from_random(0, [n; 14]);
        witness.judge(id(1), None, TRUTH, TRUTH);
        assert!(witness.take(5000 * MS).is_some());
        for n in 0..100 {
            witness.judge(id(3), Some(order(n % 50)), Outcome::Conflict, TRUTH);
        }
        assert_eq!(witness.take(5049 * MS), None);
        let batches = witness.take(5050 * MS).unwrap();
        assert_eq!(batches.len(), 1);
        assert_eq!((batches[0].dissents.len(), batches[0].lies()), (50, 100));
        let first = Dissent::Outcome {
            order_id: Some(order(0)),
            said: Outcome::Conflict,
            agreed: TRUTH,
        };
        assert_eq!(
            (&batches[0].dissents[0].dissent, batches[0].dissents[0].count),
            (&first, 2)
        );
        assert!(batches[0].is_bad());
    }
}
