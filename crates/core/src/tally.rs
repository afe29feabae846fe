//! The outcome that a quorum of replicas reported for one event.
//!
//! Orders are answered from what replicas *reported*, not from what one of them says first: the first
//! outcome that a quorum reports is the outcome, and a replica that reported another one has lied.

use crate::ledger::Outcome;
use crate::{ReplicaId, quorum};

/// The reports of all replicas about the event at one offset.
#[derive(Debug, Clone)]
pub struct Tally {
    quorum: usize,
    reports: Vec<(ReplicaId, Outcome)>,
    decided: Option<Outcome>,
}

/// A replica whose report the quorum contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction {
    /// Who.
    pub replica: ReplicaId,
    /// What it reported.
    pub said: Outcome,
    /// What the quorum reported.
    pub agreed: Outcome,
}

impl Tally {
    /// An empty tally among `replicas` configured replicas.
    #[must_use]
    pub fn new(replicas: usize) -> Self {
        Self {
            quorum: quorum(replicas),
            reports: Vec::with_capacity(replicas),
            decided: None,
        }
    }

    /// Takes one report and returns the outcome if this report decided it. A replica reports once; what
    /// it repeats (after a restart it replays the log) is ignored.
    pub fn add(&mut self, replica: ReplicaId, outcome: Outcome) -> Option<Outcome> {
        if self.reports.iter().any(|(who, _)| *who == replica) {
            return None;
        }
        self.reports.push((replica, outcome));
        if self.decided.is_none() && self.reports.iter().filter(|(_, said)| *said == outcome).count() >= self.quorum {
            self.decided = Some(outcome);
            return self.decided;
        }
        None
    }

    /// The decided outcome.
    #[must_use]
    pub const fn decided(&self) -> Option<Outcome> {
        self.decided
    }

    /// How many replicas reported.
    #[must_use]
    pub fn reports(&self) -> usize {
        self.reports.len()
    }

    /// The replicas whose report the decision contradicts.
    pub fn contradictions(&self) -> impl Iterator<Item = Contradiction> + '_ {
        self.decided.into_iter().flat_map(|agreed| {
            self.reports
                .iter()
                .filter(move |(_, said)| *said != agreed)
                .map(move |&(replica, said)| Contradiction { replica, said, agreed })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ReplicaId {
        ReplicaId::new(n).expect("from 1")
    }

    #[test]
    fn two_equal_reports_of_three_decide_and_the_third_is_contradicted() {
        let mut tally = Tally::new(3);
        let (truth, lie) = (Outcome::Reserved { version: 4 }, Outcome::Conflict);
        assert_eq!(tally.add(id(1), lie), None);
        assert_eq!(tally.add(id(1), truth), None, "a replica reports once");
        assert_eq!(tally.add(id(2), truth), None);
        assert_eq!(tally.add(id(3), truth), Some(truth));
        let liars: Vec<_> = tally.contradictions().collect();
        assert_eq!(
            liars,
            [Contradiction {
                replica: id(1),
                said: lie,
                agreed: truth
            }]
        );
    }
}
