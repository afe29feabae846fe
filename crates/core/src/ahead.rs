//! Claims of a version that nobody else has reached yet.
//!
//! A replica that has applied an event before the others is *ahead*: right now neither right nor wrong.
//! A liar may claim a version that will never exist, to hide fresh values behind it. The claim waits here
//! until the facts are in:
//! * another replica lists the version: cleared (the ballot judges the value);
//! * another replica's applied position has passed the version and it does not list it: that is for the
//!   ballot too (versions on both sides), so the claim is cleared here;
//! * the lag budget is over, and no other replica reached the version **although none of them moved**:
//!   they have applied all there is, so the version does not exist. Dissent.
//!
//! The last condition differs from a bare time-out on purpose. Replicas that are still moving are
//! catching up, and then the claimant may be the only one who is in time. Lag must never be called a lie.

use std::collections::BTreeMap;

use crate::ballot::Reply;
use crate::{ProductId, ReplicaId};

/// Claims that are kept at most. Each costs some 200 bytes; beyond it new ones wait for a place.
const MOST_CLAIMS: usize = 1024;

#[derive(Debug, Clone)]
struct Claim {
    version: u64,
    /// Since when the claim stands and no other replica moved.
    since_ns: u64,
    /// Applied position of each other replica when last heard.
    others: BTreeMap<ReplicaId, u64>,
}

/// The claims of all replicas that wait for confirmation.
#[derive(Debug, Clone)]
pub struct Ahead {
    budget_ns: u64,
    quorum: usize,
    claims: BTreeMap<(ReplicaId, ProductId), Claim>,
}

/// A claim that turned out to be a lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FalseClaim {
    /// Who made it.
    pub replica: ReplicaId,
    /// About which product.
    pub product: ProductId,
    /// The version that does not exist.
    pub version: u64,
}

impl Ahead {
    /// No claims yet, among `replicas` replicas. `budget_ns` is the lag budget.
    #[must_use]
    pub const fn new(replicas: usize, budget_ns: u64) -> Self {
        Self {
            budget_ns,
            quorum: crate::quorum(replicas),
            claims: BTreeMap::new(),
        }
    }

    /// Takes the replies of one ballot at `now_ns` and returns the claims that are now known to be false.
    pub fn observe(&mut self, now_ns: u64, product: &ProductId, replies: &[Reply]) -> Vec<FalseClaim> {
        // Per replica: the newest version it lists, and how far it has applied the log.
        let mut heard: BTreeMap<ReplicaId, (Option<u64>, u64)> = BTreeMap::new();
        for reply in replies {
            let (newest, applied) = heard.entry(reply.replica).or_default();
            *newest = (*newest).max(reply.versions.first().map(|v| v.version));
            *applied = (*applied).max(reply.applied);
        }
        let mut lies = Vec::new();
        for (&replica, &(newest, _)) in &heard {
            let others = || {
                heard
                    .iter()
                    .filter(|(other, _)| **other != replica)
                    .map(|(other, (_, applied))| (*other, *applied))
            };
            let key = (replica, product.clone());
            let version = match newest {
                Some(version) if others().all(|(_, applied)| applied <= version) => version,
                // Taken back, or reached by somebody: then the ballot judges it.
                _ => {
                    self.claims.remove(&key);
                    continue;
                }
            };
            if self.claims.len() >= MOST_CLAIMS && !self.claims.contains_key(&key) {
                continue;
            }
            let fresh = || Claim {
                version,
                since_ns: now_ns,
                others: BTreeMap::new(),
            };
            let claim = self.claims.entry(key.clone()).or_insert_with(fresh);
            // A liar must not gain time by raising its number, so the claim keeps its start.
            claim.version = version;
            for (other, applied) in others() {
                if claim
                    .others
                    .insert(other, applied)
                    .is_some_and(|before| before != applied)
                {
                    claim.since_ns = now_ns;
                }
            }
            if now_ns.saturating_sub(claim.since_ns) >= self.budget_ns && claim.others.len() >= self.quorum {
                self.claims.remove(&key);
                lies.push(FalseClaim {
                    replica,
                    product: product.clone(),
                    version,
                });
            }
        }
        lies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Stock, Versioned};

    const SECOND: u64 = 1_000_000_000;

    fn reply(n: u8, version: u64, applied: u64) -> Reply {
        let versions = vec![Versioned {
            version,
            stock: Stock {
                available: 1,
                reserved: 0,
            },
        }];
        Reply {
            replica: ReplicaId::new(n).expect("from 1"),
            versions,
            applied,
            counts: true,
        }
    }

    fn product() -> ProductId {
        "PROD-001".parse().expect("valid")
    }

    #[test]
    fn a_version_that_does_not_exist_is_a_lie_after_the_budget() {
        let mut ahead = Ahead::new(3, SECOND);
        let replies = [reply(1, 1000, 1001), reply(2, 7, 8), reply(3, 7, 8)];
        assert_eq!(ahead.observe(0, &product(), &replies), []);
        assert_eq!(ahead.observe(SECOND / 2, &product(), &replies), []);
        let lies = ahead.observe(SECOND, &product(), &replies);
        assert_eq!(lies.len(), 1);
        assert_eq!((lies[0].replica.number(), lies[0].version), (1, 1000));
    }

    #[test]
    fn replicas_that_are_still_moving_are_catching_up() {
        let mut ahead = Ahead::new(3, SECOND);
        for step in 0..20 {
            let others = 8 + step;
            let replies = [reply(1, 1000, 1001), reply(2, 7, others), reply(3, 7, others)];
            assert_eq!(
                ahead.observe(step * SECOND / 2, &product(), &replies),
                [],
                "step {step}"
            );
        }
    }

    #[test]
    fn a_version_that_others_reach_is_forgotten() {
        let mut ahead = Ahead::new(3, SECOND);
        ahead.observe(0, &product(), &[reply(1, 9, 10), reply(2, 7, 8), reply(3, 7, 8)]);
        ahead.observe(1, &product(), &[reply(1, 9, 10), reply(2, 9, 10), reply(3, 9, 10)]);
        assert_eq!(
            ahead.observe(
                5 * SECOND,
                &product(),
                &[reply(1, 9, 10), reply(2, 9, 10), reply(3, 9, 10)]
            ),
            []
        );
    }

    #[test]
    fn raising_the_number_does_not_gain_time() {
        let mut ahead = Ahead::new(3, SECOND);
        let mut lies = Vec::new();
        for step in 0..4u64 {
            let replies = [reply(1, 1000 + step, 1001 + step), reply(2, 7, 8), reply(3, 7, 8)];
            lies.extend(ahead.observe(step * SECOND / 2, &product(), &replies));
        }
        assert!(!lies.is_empty());
    }
}
