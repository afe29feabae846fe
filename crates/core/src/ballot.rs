//! The ballot: a majority vote over versioned replies, one product at a time.
//!
//! A reply lists the newest versions of the product, newest first. Replicas that are correct but lag
//! list older versions, so a vote over bare values would call lag a lie. The ballot votes over
//! *(version, value)* pairs instead: two correct replicas never disagree about a version.
//!
//! **Rule.** A value at version v is supported by each replica that lists exactly (v, value). The
//! *target* is the newest version that the first quorum of replies claims. The ballot is decided at the
//! highest v ≥ target that a quorum of counted replicas supports.
//!
//! **Why the order of replies does not matter.** Let q be the quorum of n replicas. A version above the
//! target is listed by none of the first q replies, so at most n − q < q replicas can ever support it.
//! A decision at v ≥ target is therefore at the highest version that a quorum supports at all, which is
//! a property of the set of replies. If nobody reaches the target in time, [`Ballot::close`] serves that
//! same highest version and says that it may not be fresh. So order can change `fresh`, never the value.
//!
//! **Why a liar cannot win.** With at most f = n − q liars, each quorum holds a correct replica, and it
//! lists only true pairs. A liar can claim a version nobody has, which delays the answer until the
//! laggards have been asked again and the time is up; it cannot make a false value pass.
//!
//! A correct replica that confirmed an order is in each quorum that reads it (two quorums of n intersect),
//! so a client reads its own confirmed orders.
//!
//! The 2σ outlier rule, which is often proposed here, cannot work: with n = 3 values the largest possible
//! |z| is (n − 1)/√n = 1.155 (Samuelson, "How Deviant Can You Be?", JASA 63(324), 1968).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::ledger::{Stock, Versioned};
use crate::planted::{self, Planted};
use crate::{ReplicaId, quorum};

/// What one replica said about one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Who said it.
    pub replica: ReplicaId,
    /// The newest versions, newest first; empty if the replica knows no such product.
    pub versions: Vec<Versioned>,
    /// How many events of the product's partition the replica had applied (the next offset).
    pub applied: u64,
    /// Whether the vote counts: the monitor has the replica ON. Others are judged all the same.
    pub counts: bool,
}

impl Reply {
    fn newest(&self) -> Option<u64> {
        self.versions.first().map(|v| v.version)
    }

    fn at(&self, version: u64) -> Option<Stock> {
        self.versions.iter().find(|v| v.version == version).map(|v| v.stock)
    }

    /// Versions strictly descend. A reply that breaks this is malformed and counts as failed.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.versions.windows(2).all(|pair| pair[0].version > pair[1].version)
    }
}

/// What a quorum agrees on: a stock at a version, or that there is no such product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The agreed value; `None`: a quorum knows no such product.
    pub value: Option<Versioned>,
    /// Whether the value is at least as new as anything the first quorum of replies claimed.
    pub fresh: bool,
}

/// How one reply stands to the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It lists the agreed value at the agreed version.
    Agrees,
    /// It knows only older versions: lag, not a lie.
    Stale,
    /// The quorum contradicts it: a proven lie.
    Dissents {
        /// The version at which it lied.
        version: u64,
        /// What it said there; `None`: it denied that the version exists.
        said: Option<Stock>,
        /// What the quorum says.
        agreed: Option<Stock>,
    },
    /// It lists only newer versions than the agreed one, so it neither agrees nor contradicts. The
    /// newest of them waits in [`crate::ahead`] until others reach it.
    Ahead,
}

/// One vote on one product. Not reused.
#[derive(Debug, Clone)]
pub struct Ballot {
    quorum: usize,
    replies: Vec<Reply>,
    target: Option<Option<u64>>,
    decision: Option<Decision>,
    closed: bool,
}

impl Ballot {
    /// A ballot among `replicas` configured replicas (not only those that are ON: a majority of the
    /// configured ones is needed, however many are OFF).
    #[must_use]
    pub fn new(replicas: usize) -> Self {
        Self {
            quorum: if planted::is(Planted::MinorityValue) {
                1
            } else {
                quorum(replicas)
            },
            replies: Vec::with_capacity(replicas),
            target: None,
            decision: None,
            closed: false,
        }
    }

    /// Takes one reply and says what is decided now. A decision is final.
    ///
    /// A replica may reply again (laggards are asked again). All that it ever listed in this ballot
    /// supports and is judged.
    pub fn add(&mut self, reply: Reply) -> Option<Decision> {
        self.replies.push(reply);
        if self.decision.is_some() {
            return self.decision;
        }
        if self.target.is_none() && self.voters() >= self.quorum {
            self.target = self.replies.iter().filter(|r| r.counts).map(Reply::newest).max();
        }
        let target = self.target?;
        if let Some(best) = self.best(|reply| reply.counts)
            && (best.map(|v| v.version) >= target || planted::is(Planted::StaleRead))
        {
            self.decision = Some(Decision {
                value: best,
                fresh: true,
            });
        }
        self.decision
    }

    /// Ends the ballot: the highest version that a quorum supports, not fresh unless it was decided
    /// before; `None` when no quorum agrees on anything.
    pub fn close(&mut self) -> Option<Decision> {
        self.closed = true;
        if self.decision.is_none() {
            self.decision = self
                .best(|reply| reply.counts)
                .map(|value| Decision { value, fresh: false });
        }
        self.decision
    }

    /// The decision, if there is one.
    #[must_use]
    pub const fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// What replies are judged by: the decision. Where the ballot closed without one, what a quorum of all
    /// replies supports, those of replicas that are OFF included. With at most f liars that is true as well,
    /// though it is served to nobody; without it replicas that are OFF could never prove themselves again once
    /// fewer than a quorum are ON.
    #[must_use]
    pub fn basis(&self) -> Option<Decision> {
        let undecided = || self.best(|_| true).map(|value| Decision { value, fresh: false });
        self.decision.or_else(|| self.closed.then(undecided).flatten())
    }

    /// All replies so far, in the order they came.
    #[must_use]
    pub fn replies(&self) -> &[Reply] {
        &self.replies
    }

    /// While undecided: counted replicas whose replies do not reach the newest version that anyone
    /// claims (laggards), or that lag behind every version which the others still list. Asking them
    /// again can decide the ballot.
    #[must_use]
    pub fn ask_again(&self) -> Vec<ReplicaId> {
        if self.decision.is_some() {
            return Vec::new();
        }
        let newest = self
            .replies
            .iter()
            .filter(|r| r.counts)
            .map(Reply::newest)
            .max()
            .flatten();
        let mut ask: Vec<ReplicaId> = self
            .latest()
            .into_iter()
            .filter(|r| r.newest() < newest)
            .map(|r| r.replica)
            .collect();
        ask.sort_unstable();
        ask
    }

    /// How a reply stands to the [basis](Self::basis); `None` while there is none.
    #[must_use]
    pub fn judge(&self, reply: &Reply) -> Option<Judgement> {
        self.basis().map(|decision| judge(decision, reply))
    }

    /// How many distinct replicas support the decided value, counted or not.
    #[must_use]
    pub fn supporters(&self) -> usize {
        let Some(decision) = self.decision else { return 0 };
        let mut who: Vec<ReplicaId> = self
            .replies
            .iter()
            .filter(|reply| judge(decision, reply) == Judgement::Agrees)
            .map(|reply| reply.replica)
            .collect();
        who.sort_unstable();
        who.dedup();
        who.len()
    }

    fn voters(&self) -> usize {
        let mut who: Vec<ReplicaId> = self.replies.iter().filter(|r| r.counts).map(|r| r.replica).collect();
        who.sort_unstable();
        who.dedup();
        who.len()
    }

    /// The newest reply of each counted replica.
    fn latest(&self) -> Vec<&Reply> {
        let mut latest: BTreeMap<ReplicaId, &Reply> = BTreeMap::new();
        for reply in self.replies.iter().filter(|r| r.counts) {
            let entry = latest.entry(reply.replica).or_insert(reply);
            if reply.newest() >= entry.newest() {
                *entry = reply;
            }
        }
        latest.into_values().collect()
    }

    /// The highest version that a quorum of these replicas supports. `Some(None)`: a quorum knows no such
    /// product (which is older than any version).
    fn best(&self, takes_part: impl Fn(&Reply) -> bool) -> Option<Option<Versioned>> {
        // (version, value) -> the replicas that list it. Absence is the version before all.
        let mut support: BTreeMap<Option<(u64, Reverse<Stock>)>, Vec<ReplicaId>> = BTreeMap::new();
        for reply in self.replies.iter().filter(|reply| takes_part(reply)) {
            let absent = reply.versions.is_empty().then_some(None);
            let listed = reply.versions.iter().map(|v| Some((v.version, Reverse(v.stock))));
            for claim in absent.into_iter().chain(listed) {
                let who = support.entry(claim).or_default();
                if !who.contains(&reply.replica) {
                    who.push(reply.replica);
                }
            }
        }
        let (claim, _) = support.into_iter().rev().find(|(_, who)| who.len() >= self.quorum)?;
        Some(claim.map(|(version, Reverse(stock))| Versioned { version, stock }))
    }
}

/// How a reply stands to a decision. Lag is never dissent: a reply dissents only if it lists the agreed
/// version with another value, or versions on both sides of it but not it, or if it hides that version
/// although its own applied position is past it.
#[must_use]
pub fn judge(decision: Decision, reply: &Reply) -> Judgement {
    let Some(agreed) = decision.value else {
        // Others may have seen the restock that creates the product before the quorum did.
        return if reply.versions.is_empty() {
            Judgement::Agrees
        } else {
            Judgement::Ahead
        };
    };
    match reply.at(agreed.version) {
        Some(said) if said == agreed.stock => Judgement::Agrees,
        Some(said) => Judgement::Dissents {
            version: agreed.version,
            said: Some(said),
            agreed: Some(agreed.stock),
        },
        None => {
            let newer = reply.versions.iter().any(|v| v.version > agreed.version);
            let older = reply.versions.iter().any(|v| v.version < agreed.version);
            match (newer, older) {
                (true, true) => Judgement::Dissents {
                    version: agreed.version,
                    said: None,
                    agreed: Some(agreed.stock),
                },
                (true, false) => Judgement::Ahead,
                // It says itself that it has applied the event which made the agreed version.
                (false, _) if reply.applied > agreed.version || planted::is(Planted::LagIsALie) => {
                    Judgement::Dissents {
                        version: agreed.version,
                        said: None,
                        agreed: Some(agreed.stock),
                    }
                }
                (false, _) => Judgement::Stale,
            }
        }
    }
}

#[cfg(test)]
mod tests;
