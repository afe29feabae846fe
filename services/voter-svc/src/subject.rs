//! What a vote is about: one product or all of them. A [`crate::round::Round`] runs either.

use tolerancia_core::ballot::{Ballot, Judgement, Reply};
use tolerancia_core::ledger::Versioned;
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_wire::evidence::Dissent;
use tolerancia_wire::inventory::VotedProduct;
use tolerancia_wire::live::Standing;

use crate::robust::robust_z;

/// What is being voted on.
pub trait Subject: Send + 'static {
    /// Takes one answer; `false` when it is not a valid vote.
    fn take(&mut self, voter: &Voice<'_>, status: u16, body: &[u8]) -> bool;
    /// Whether its answers are like others of their kind, so that their times teach the late bound and are judged by it.
    /// An answer about all products takes as long as there are products.
    fn adapts(&self) -> bool;
    /// Whether a quorum has decided everything that is voted on.
    fn is_decided(&self) -> bool;
    /// Replicas whose answer might decide the vote if they were asked again.
    fn ask_again(&self) -> Vec<ReplicaId>;
    /// The time is up or nobody is left to ask: what a quorum supports now is the result.
    fn close(&mut self);
    /// What the result says about all answers of one replica; `None` where no quorum decided anything. Notes what
    /// [`Subject::disputed`] tells.
    fn opinion(&mut self, replica: ReplicaId) -> Option<Opinion>;
    /// How many ballots all configured replicas, counted or not, agree on.
    fn unanimous(&self) -> u64;
    /// The newest version that a replica claimed, where the vote is about one product.
    fn newest(&self, replica: ReplicaId) -> Option<Versioned>;
    /// The replies of a vote about one product, for the watch on claims that nobody else reaches.
    fn claims(&self) -> Option<(&ProductId, &[Reply])>;
    /// Where replicas disagree, if they do, as far as they were judged: the product and its ballot. A vote about all
    /// products names the only one on which they differ; `None` if there are several. This judges nothing: it is asked
    /// for while a client waits.
    fn disputed(&self) -> Option<(&ProductId, &Ballot)>;
}

/// Whose answer it is.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'a> {
    /// The replica that was asked.
    pub replica: ReplicaId,
    /// Its number as text, as its answers carry it.
    pub label: &'a str,
    /// Whether its vote counts.
    pub counts: bool,
}

/// How a replica's answers stand to what was decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Opinion {
    /// Products about which it confirmed the decided value.
    pub agreed: Vec<ProductId>,
    /// It gave an answer that neither lags nor lies.
    pub current: bool,
    /// There is a product about which it only said something newer.
    pub ahead: bool,
    /// There is a product about which it only said something older.
    pub stale: bool,
    /// Proven lies.
    pub dissents: Vec<Dissent>,
}

impl Opinion {
    /// Adds what `ballot` says about `replica`. Says whether the replica goes along with what was decided there: it
    /// confirms it, or says something newer, and did not lie.
    ///
    /// Whatever a replica said at any time in the ballot can prove a lie; one answer that agrees is enough
    /// not to be stale, because a laggard that caught up when it was asked again did nothing wrong.
    pub fn add(&mut self, product: &ProductId, ballot: &Ballot, replica: ReplicaId) -> bool {
        let (mut agreed, mut ahead, mut stale) = (false, false, false);
        let known = self.dissents.len();
        for reply in ballot.replies().iter().filter(|r| r.replica == replica) {
            match ballot.judge(reply) {
                Some(Judgement::Agrees) => agreed = true,
                Some(Judgement::Ahead) => ahead = true,
                Some(Judgement::Stale) => stale = true,
                None => {}
                Some(Judgement::Dissents { version, said, agreed }) => {
                    let all: Vec<u64> = ballot
                        .replies()
                        .iter()
                        .filter_map(|r| r.versions.first().map(|v| v.stock.available))
                        .collect();
                    let dissent = Dissent::Stock {
                        product: product.clone(),
                        version,
                        said,
                        agreed,
                        robust_z: said.and_then(|said| robust_z(said.available, &all)),
                    };
                    // Asked twice, it may have lied twice: that is one lie.
                    if !self.dissents.contains(&dissent) {
                        self.dissents.push(dissent);
                    }
                }
            }
        }
        if agreed {
            self.agreed.push(product.clone());
        }
        self.current |= agreed || ahead;
        self.ahead |= ahead && !agreed;
        self.stale |= stale && !agreed && !ahead;
        (agreed || ahead) && self.dissents.len() == known
    }

    /// All of it in one word: the worst that can be said.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        if !self.dissents.is_empty() {
            Standing::Dissents
        } else if self.stale {
            Standing::Stale
        } else if self.ahead {
            Standing::Ahead
        } else if self.current {
            Standing::Agrees
        } else {
            Standing::Undecided
        }
    }
}

/// How what `replica` said in `ballot`, which is about `product`, stands to what was decided there.
#[must_use]
pub fn standing(product: &ProductId, ballot: &Ballot, replica: ReplicaId) -> Standing {
    let mut opinion = Opinion::default();
    opinion.add(product, ballot, replica);
    opinion.standing()
}

/// The newest version that `replica` claimed in `ballot`.
#[must_use]
pub fn newest(ballot: &Ballot, replica: ReplicaId) -> Option<Versioned> {
    let replies = ballot.replies().iter().filter(|r| r.replica == replica);
    replies
        .filter_map(|r| r.versions.first().copied())
        .max_by_key(|v| v.version)
}

/// Whether `replica` ever confirmed the decided value in `ballot`.
fn confirmed(ballot: &Ballot, replica: ReplicaId) -> bool {
    ballot
        .replies()
        .iter()
        .any(|r| r.replica == replica && ballot.judge(r) == Some(Judgement::Agrees))
}

/// The answer for a client: `Some(None)`: a quorum knows no such product; `None`: undecided.
#[must_use]
pub fn voted(product: &ProductId, ballot: &Ballot) -> Option<Option<VotedProduct>> {
    let decision = ballot.decision()?;
    Some(decision.value.map(|Versioned { version, stock }| {
        let mut votes: Vec<ReplicaId> = ballot
            .replies()
            .iter()
            .filter(|r| r.counts)
            .map(|r| r.replica)
            .collect();
        votes.sort_unstable();
        votes.dedup();
        votes.retain(|&replica| confirmed(ballot, replica));
        VotedProduct {
            product_id: product.clone(),
            version,
            stock,
            fresh: decision.fresh,
            votes,
        }
    }))
}
