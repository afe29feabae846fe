//! What a vote amounted to: what is counted of it, and what there is to tell when replicas disagree.

use tolerancia_core::ballot::Ballot;
use tolerancia_core::ledger::Versioned;
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_wire::live::{Standing, Voice};

use super::disagreements::Kind;
use crate::round::{Round, Seat};
use crate::subject::{self, Subject};
use crate::voter::Purpose;

/// What is counted of one vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub purpose: Purpose,
    /// All configured replicas confirm what was decided.
    pub agreed: bool,
    /// A replica lied.
    pub dissenting: bool,
    /// A replica lagged.
    pub stale: bool,
    /// A replica gave no valid answer in time, or was not asked.
    pub missing: bool,
    /// No quorum decided it.
    pub no_quorum: bool,
}

impl Marks {
    /// The marks of a vote that is over. Every vote pays for this: it neither allocates nor locks.
    pub(super) fn of<S: Subject>(purpose: Purpose, round: &Round<S>, liars: &[ReplicaId]) -> Self {
        let no_quorum = round.lacks_quorum();
        let mut marks = Self {
            purpose,
            agreed: !no_quorum,
            dissenting: false,
            stale: false,
            missing: false,
            no_quorum,
        };
        for seat in round.seats() {
            match proven(seat.replica(), seat.standing(), liars) {
                Standing::Agrees => continue,
                Standing::Dissents => marks.dissenting = true,
                Standing::Stale => marks.stale = true,
                Standing::Missing | Standing::NotAsked => marks.missing = true,
                Standing::Ahead | Standing::Undecided => {}
            }
            marks.agreed = false;
        }
        marks
    }

    /// Whether there is something to tell. Silence alone is not: who is slow or dead contradicts nobody.
    pub(super) const fn is_disagreement(self) -> bool {
        self.dissenting || self.stale || self.no_quorum
    }
}

/// A vote in which replicas disagree.
pub(super) struct Dispute<'a, S> {
    round: &'a Round<S>,
    about: Option<(&'a ProductId, &'a Ballot)>,
    /// How each replica stands, in the order of their numbers.
    standings: Vec<Standing>,
}

/// What is told of a disagreement besides who and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Details {
    /// What was decided, if it was and the product exists.
    pub decided: Option<Versioned>,
    /// What each replica said, in the order of their numbers.
    pub voices: Vec<Voice>,
}

impl<'a, S: Subject> Dispute<'a, S> {
    /// What `round` disagrees on.
    pub(super) fn of(round: &'a Round<S>, liars: &[ReplicaId]) -> Self {
        let about = round.subject().disputed();
        let standing = |seat: &Seat| {
            let replica = seat.replica();
            let standing = match (seat.standing(), about) {
                (silent @ (Standing::Missing | Standing::NotAsked), _) => silent,
                (_, Some((product, ballot))) => subject::standing(product, ballot, replica),
                (all, None) => all,
            };
            match proven(replica, standing, liars) {
                // Without a decision there is nothing to confirm.
                Standing::Agrees | Standing::Ahead if round.lacks_quorum() => Standing::Undecided,
                standing => standing,
            }
        };
        Self {
            round,
            about,
            standings: round.seats().iter().map(standing).collect(),
        }
    }

    /// What others must have in common with it to be like it.
    pub(super) fn kind(&self) -> Kind<'_> {
        Kind {
            product: self.about.map(|(product, _)| product),
            standings: &self.standings,
            no_quorum: self.round.lacks_quorum(),
        }
    }

    /// All that is told of it.
    pub(super) fn details(&self) -> Details {
        let ballot = self.about.map(|(_, ballot)| ballot);
        let decision = ballot.and_then(Ballot::decision).filter(|_| !self.round.lacks_quorum());
        let said = self.round.said().into_iter().zip(&self.standings);
        let voices = said.map(|(mut said, &standing)| {
            said.newest = ballot.and_then(|ballot| subject::newest(ballot, said.instance));
            Voice { said, standing }
        });
        Details {
            decided: decision.and_then(|decision| decision.value),
            voices: voices.collect(),
        }
    }
}

/// How `replica` stands when it is known who lied.
fn proven(replica: ReplicaId, standing: Standing, liars: &[ReplicaId]) -> Standing {
    if liars.contains(&replica) {
        Standing::Dissents
    } else {
        standing
    }
}

#[cfg(test)]
mod tests;
