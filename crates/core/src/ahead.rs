//! Claims of versions that the others do not have.
//!
//! A replica that has applied an event before the others is *ahead*: right now neither right nor wrong. A liar
//! may claim a version that will never exist, to hide fresh values behind it, or one that others have long
//! passed without it. Lag must never be called a lie, so a claim is false only when one of these is proven:
//!
//! * more than f other replicas (at least one of them is correct) have applied the log past the version and do
//!   not have it;
//! * the claim is older than the lag budget, and the end of the log, asked for after it was made, is not past
//!   the version: the event that it names was never written.
//!
//! Neither asks who moves how fast. A correct replica whose peers hang for a minute stays ahead for a minute.

use std::collections::BTreeMap;

use crate::ballot::Reply;
use crate::{ProductId, ReplicaId};

/// Claims that are kept at most. Each costs some 200 bytes; beyond it new ones wait for a place.
const MOST_CLAIMS: usize = 1024;

#[derive(Debug, Clone)]
struct Claim {
    version: u64,
    /// Since when the replica claims something that nobody has.
    since_ns: u64,
    /// Since when it claims this version.
    version_since_ns: u64,
}

/// The claims of all replicas that wait for proof.
#[derive(Debug, Clone)]
pub struct Ahead {
    budget_ns: u64,
    /// As many replicas as cannot all be faulty.
    witnesses: usize,
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
        let faulty = replicas - crate::quorum(replicas);
        Self {
            budget_ns,
            witnesses: faulty + 1,
            claims: BTreeMap::new(),
        }
    }

    /// Takes the replies of one ballot at `now_ns`: returns the claims that they prove false, and keeps those
    /// that nobody else has reached.
    pub fn observe(&mut self, now_ns: u64, product: &ProductId, replies: &[Reply]) -> Vec<FalseClaim> {
        let mut lies: Vec<FalseClaim> = Vec::new();
        for reply in replies {
            let replica = reply.replica;
            let key = (replica, product.clone());
            let false_version = reply
                .versions
                .iter()
                .map(|v| v.version)
                .find(|version| self.refuted(*version, replica, replies));
            if let Some(version) = false_version {
                self.claims.remove(&key);
                let lie = FalseClaim {
                    replica,
                    product: product.clone(),
                    version,
                };
                if !lies.contains(&lie) {
                    lies.push(lie);
                }
                continue;
            }
            let others = replies.iter().filter(|other| other.replica != replica);
            let reached = others.map(|other| other.applied).max().unwrap_or(0);
            match reply.versions.first().map(|v| v.version) {
                Some(version) if version >= reached => self.keep(now_ns, key, version),
                // Taken back, or reached by somebody.
                _ => {
                    self.claims.remove(&key);
                }
            }
        }
        lies
    }

    /// Whether the end of the log has to be asked for: a claim is older than the budget.
    #[must_use]
    pub fn is_due(&self, now_ns: u64) -> bool {
        self.claims.values().any(|claim| self.over(now_ns, claim))
    }

    /// Settles the claims that are older than the budget with the ends of the log, asked for at `asked_ns`;
    /// `end_of` gives the end (the next offset) of a product's partition, if known.
    pub fn settle(&mut self, asked_ns: u64, end_of: impl Fn(&ProductId) -> Option<u64>) -> Vec<FalseClaim> {
        let mut lies = Vec::new();
        let due: Vec<_> = self
            .claims
            .iter()
            .filter(|(_, claim)| self.over(asked_ns, claim))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let Some(claim) = self.claims.get_mut(&key) else {
                continue;
            };
            let Some(end) = end_of(&key.1) else { continue };
            if claim.version < end {
                // It exists, so the others lag. Ask again after another budget.
                claim.since_ns = asked_ns;
            } else if claim.version_since_ns <= asked_ns {
                lies.push(FalseClaim {
                    replica: key.0,
                    product: key.1.clone(),
                    version: claim.version,
                });
                self.claims.remove(&key);
            }
        }
        lies
    }

    const fn over(&self, now_ns: u64, claim: &Claim) -> bool {
        now_ns.saturating_sub(claim.since_ns) >= self.budget_ns
    }

    fn keep(&mut self, now_ns: u64, key: (ReplicaId, ProductId), version: u64) {
        if let Some(claim) = self.claims.get_mut(&key) {
            if claim.version != version {
                // A liar must not gain time by raising its number, so the claim keeps its start.
                claim.version = version;
                claim.version_since_ns = now_ns;
            }
        } else if self.claims.len() < MOST_CLAIMS {
            self.claims.insert(
                key,
                Claim {
                    version,
                    since_ns: now_ns,
                    version_since_ns: now_ns,
                },
            );
        }
    }

    /// Whether replicas that cannot all be faulty have applied the log past `version` and do not have it.
    fn refuted(&self, version: u64, by: ReplicaId, replies: &[Reply]) -> bool {
        let mut without: Vec<ReplicaId> = replies
            .iter()
            .filter(|r| r.replica != by && lacks(r, version))
            .map(|r| r.replica)
            .collect();
        without.sort_unstable();
        without.dedup();
        without.len() >= self.witnesses
    }
}

/// Whether a reply says that there is no such version: it is past it, and would list it if it existed.
fn lacks(reply: &Reply, version: u64) -> bool {
    let older = || reply.versions.iter().any(|v| v.version < version);
    let complete = reply.versions.is_empty() || older();
    reply.applied > version && complete && reply.versions.iter().all(|v| v.version != version)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::{Stock, Versioned};

    const SECOND: u64 = 1_000_000_000;

    fn reply(n: u8, versions: &[u64], applied: u64) -> Reply {
        let stock = Stock {
            available: 1,
            reserved: 0,
        };
        let versions = versions.iter().map(|&version| Versioned { version, stock }).collect();
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

    fn false_versions(lies: &[FalseClaim]) -> Vec<(u8, u64)> {
        lies.iter().map(|lie| (lie.replica.number(), lie.version)).collect()
    }

    #[test]
    fn a_version_past_the_end_of_the_log_is_a_lie_after_the_budget_whatever_else_is_written() {
        let mut ahead = Ahead::new(3, SECOND);
        for step in 0..4 {
            let others = 8 + step;
            let replies = [
                reply(1, &[1_000_000, 7], 1_000_001),
                reply(2, &[7], others),
                reply(3, &[7], others),
            ];
            assert_eq!(ahead.observe(step * SECOND / 4, &product(), &replies), []);
            assert!(!ahead.is_due(step * SECOND / 4));
        }
        assert!(ahead.is_due(SECOND));
        assert_eq!(false_versions(&ahead.settle(SECOND, |_| Some(12))), [(1, 1_000_000)]);
        assert!(!ahead.is_due(9 * SECOND));
    }

    #[test]
    fn a_replica_whose_peers_hang_is_no_liar() {
        let mut ahead = Ahead::new(3, SECOND);
        for step in 0..50 {
            let now = step * SECOND;
            assert_eq!(
                ahead.observe(
                    now,
                    &product(),
                    &[reply(1, &[11, 7], 12), reply(2, &[7], 8), reply(3, &[7], 8)]
                ),
                []
            );
            assert_eq!(ahead.settle(now, |_| Some(12)), [], "the event is in the log");
        }
    }

    #[test]
    fn a_version_that_the_others_have_passed_without_it_is_a_lie_at_once() {
        let mut ahead = Ahead::new(3, SECOND);
        let replies = [reply(1, &[50, 10], 100), reply(2, &[10], 100), reply(3, &[10], 100)];
        assert_eq!(false_versions(&ahead.observe(0, &product(), &replies)), [(1, 50)]);
        let alone = [reply(1, &[50, 10], 100), reply(2, &[10], 100), reply(3, &[10], 40)];
        assert_eq!(ahead.observe(0, &product(), &alone), [], "one witness may be the liar");
        let ghost = [reply(1, &[50], 100), reply(2, &[], 100), reply(3, &[], 100)];
        assert_eq!(false_versions(&ahead.observe(0, &product(), &ghost)), [(1, 50)]);
    }

    #[test]
    fn raising_the_number_does_not_gain_time() {
        let mut ahead = Ahead::new(3, SECOND);
        for step in 0..=4u64 {
            let replies = [
                reply(1, &[1000 + step], 1001 + step),
                reply(2, &[7], 8),
                reply(3, &[7], 8),
            ];
            ahead.observe(step * SECOND / 4, &product(), &replies);
        }
        assert_eq!(false_versions(&ahead.settle(SECOND, |_| Some(9))), [(1, 1004)]);
    }

    proptest! {
        /// Replicas that tell the truth are never accused, however they lag.
        #[test]
        fn lag_is_never_a_false_claim(
            gaps in prop::collection::vec(1u64..4, 1..24),
            steps in prop::collection::vec((0usize..25, 0usize..25, 0usize..25, 0u64..SECOND), 1..40),
        ) {
            let mut version = 0;
            let history: Vec<u64> = gaps.into_iter().map(|gap| { version += gap; version }).collect();
            let mut ahead = Ahead::new(3, SECOND);
            let (mut seen, mut now) = ([0usize; 3], 0);
            for (a, b, c, pause) in steps {
                now += pause;
                for (seen, new) in seen.iter_mut().zip([a, b, c]) {
                    *seen = (*seen).max(new.min(history.len()));
                }
                let replies: Vec<Reply> = (1u8..).zip(seen).map(|(n, seen)| {
                    let listed: Vec<u64> = history[..seen].iter().rev().take(crate::ledger::HISTORY).copied().collect();
                    let applied = listed.first().map_or(0, |newest| newest + 1);
                    reply(n, &listed, applied)
                }).collect();
                prop_assert_eq!(ahead.observe(now, &product(), &replies), []);
                prop_assert_eq!(ahead.settle(now, |_| history.last().map(|last| last + 1)), []);
            }
        }
    }
}
