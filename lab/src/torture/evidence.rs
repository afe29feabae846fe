//! Everything that the checks judge by, gathered and put in order.

use serde::Serialize;
use tolerancia_core::ledger::Versioned;
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_wire::status::{Phase, ReasonKind, Verdict};

use super::action::Window;
use super::history::History;
use super::model::{LogRecord, Model};

/// What there is to judge.
#[derive(Debug, Default)]
pub struct Evidence {
    /// How many replicas there are.
    pub replicas: u8,
    /// The beginning, `CLOCK_MONOTONIC` in nanoseconds.
    pub began_ns: u64,
    /// The end of load and faults, same clock.
    pub ended_ns: u64,
    /// What clients asked and were told.
    pub history: History,
    /// The log, by partition and offset.
    pub log: Vec<LogRecord>,
    /// What it means.
    pub model: Model,
    /// The digest that the ledger's own code makes of it; none if that code stopped on it.
    pub digest: Option<String>,
    /// The replicas at the end, or why one could not be asked.
    pub finals: Vec<Result<Final, String>>,
    /// The monitor's verdicts, by time.
    pub verdicts: Vec<Change>,
    /// Why verdicts may be missing; `None`: the monitor was heard whenever it could be.
    pub deaf: Option<String>,
    /// What was done to the system.
    pub windows: Vec<Window>,
    /// When this host itself stood still, by time.
    pub stalls: Vec<Stall>,
    /// When processes of this host had to wait for a processor for more than half of the time, by time.
    pub busy: Vec<Stall>,
}

/// A replica at the end, when it had applied the whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Final {
    /// Which.
    pub instance: ReplicaId,
    /// The digest of its state.
    pub digest: String,
    /// Its products with the newest versions, newest first.
    pub products: Vec<(ProductId, Vec<Versioned>)>,
}

/// A verdict of the monitor's, or a step on the way back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// When it was given, `CLOCK_MONOTONIC` in nanoseconds.
    pub at_ns: u64,
    /// About whom.
    pub instance: ReplicaId,
    /// ON or OFF from here on.
    pub verdict: Verdict,
    /// Where it is on its way.
    pub phase: Phase,
    /// Why.
    pub reason: ReasonKind,
    /// The same in words.
    pub text: String,
}

/// A stretch in which a process of this host that wanted to run did not: whoever was late then need not be to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stall {
    /// From when, `CLOCK_MONOTONIC` in nanoseconds.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
}

impl Evidence {
    /// The verdicts that turned a replica from ON to OFF, by time.
    pub fn turned_off(&self) -> impl Iterator<Item = &Change> {
        let mut on = vec![true; usize::from(self.replicas)];
        self.verdicts.iter().filter(move |change| {
            let Some(was_on) = on.get_mut(change.instance.index()) else {
                return false;
            };
            let is_on = change.verdict == Verdict::On;
            std::mem::replace(was_on, is_on) && !is_on
        })
    }

    /// The stretches within `from_ns..to_ns` in which the monitor had a replica ON.
    #[must_use]
    pub fn stretches_on(&self, replica: ReplicaId, from_ns: u64, to_ns: u64) -> Vec<(u64, u64)> {
        let mut stretches = Vec::new();
        let mut since = Some(0);
        for change in self.verdicts.iter().filter(|change| change.instance == replica) {
            match (change.verdict, since) {
                (Verdict::On, None) => since = Some(change.at_ns),
                (Verdict::Off, Some(begin)) => {
                    stretches.push((begin, change.at_ns));
                    since = None;
                }
                _ => {}
            }
        }
        stretches.extend(since.map(|begin| (begin, u64::MAX)));
        let within = stretches
            .into_iter()
            .map(|(from, to)| (from.max(from_ns), to.min(to_ns)));
        within.filter(|(from, to)| from < to).collect()
    }
}
