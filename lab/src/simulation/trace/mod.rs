//! What a recorded trace says: how well the model agrees with the live system, how good the health of real replicas
//! is, and how often each detector would have turned one of them OFF.

mod bootstrap;
mod compare;
mod file;
mod fit;
mod health;
mod replay;
mod stretch;

use tolerancia_core::ReplicaId;
use tolerancia_core::detector::{DetectorKind, Seen};
use tolerancia_core::fault::FaultSpec;

pub(crate) use bootstrap::{Bootstrap, bootstrap};
pub(crate) use compare::{Agreement, compare};
pub(crate) use file::read;
pub(crate) use fit::fit;
pub(crate) use health::{Health, health};
pub(crate) use replay::{Replay, replay};
pub(crate) use stretch::{Span, healthy_spans, seconds};

/// A trace in memory, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trace {
    /// How the monitor was set.
    pub begin: Begin,
    /// Queries and orders per second, where the experiment said so.
    pub load: Option<[f64; 2]>,
    pub entries: Vec<Entry>,
    pub verdicts: Vec<Turn>,
    /// When the monitor stood still: from and to.
    pub stalls: Vec<Span>,
    /// Where the trace is torn, lines are lost, or the monitor began anew: what happened there is not known.
    pub tears: Vec<Span>,
    pub faults: Vec<Trial>,
    /// From a report to its arrival, nanoseconds.
    pub report_delays_ns: Vec<u64>,
}

/// How the monitor was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    pub replicas: u8,
    pub detector: DetectorKind,
    pub interval_ms: u64,
    pub timeout_ms: u64,
    pub late_floor_ms: u64,
    pub late_cap_ms: u64,
    pub lag_budget_ms: u64,
}

/// One piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub at_ns: u64,
    pub instance: ReplicaId,
    pub evidence: Evidence,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// By the monitor's own check.
    Check { seen: Seen, took_us: Option<u32> },
    /// By a reporter.
    Report {
        good: u32,
        /// How many of those came before the first that was not, if that is known.
        good_first: Option<u32>,
        late: u32,
        /// Microseconds before the report came at which the last of those was noticed, if that is known.
        late_us_ago: Option<u32>,
        failed: u32,
        lies: bool,
    },
}

impl Evidence {
    /// Whether anything in it speaks against the instance.
    pub(crate) const fn is_bad(self) -> bool {
        match self {
            Self::Check { seen, .. } => seen.is_miss(),
            Self::Report { late, failed, lies, .. } => late > 0 || failed > 0 || lies,
        }
    }
}

/// A verdict changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub at_ns: u64,
    pub instance: ReplicaId,
    pub on: bool,
}

/// One trial of the experiment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trial {
    pub activated_ns: u64,
    pub cleared_ns: Option<u64>,
    pub detected_ns: Option<u64>,
    pub instance: ReplicaId,
    pub faults: Vec<FaultSpec>,
    pub detector: DetectorKind,
    /// Whether the trace says how it ended. Not where the recording ended during the fault.
    pub over: bool,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const MS: u64 = 1_000_000;

    pub(crate) fn id(n: u8) -> ReplicaId {
        ReplicaId::new(n).expect("from 1")
    }

    pub(crate) fn empty() -> Trace {
        Trace {
            begin: Begin {
                replicas: 3,
                detector: DetectorKind::Accrual,
                interval_ms: 200,
                timeout_ms: 1000,
                late_floor_ms: 50,
                late_cap_ms: 200,
                lag_budget_ms: 1000,
            },
            load: Some([50.0, 0.0]),
            entries: Vec::new(),
            verdicts: Vec::new(),
            stalls: Vec::new(),
            tears: Vec::new(),
            faults: Vec::new(),
            report_delays_ns: Vec::new(),
        }
    }

    pub(crate) fn check(at_ms: u64, n: u8, seen: Seen) -> Entry {
        Entry {
            at_ns: at_ms * MS,
            instance: id(n),
            evidence: Evidence::Check {
                seen,
                took_us: (seen == Seen::Good).then_some(900),
            },
        }
    }

    pub(crate) fn report(at_ms: u64, n: u8, [good, late, failed]: [u32; 3]) -> Entry {
        Entry {
            at_ns: at_ms * MS,
            instance: id(n),
            evidence: Evidence::Report {
                good,
                good_first: None,
                late,
                late_us_ago: None,
                failed,
                lies: false,
            },
        }
    }

    /// `seconds` of perfect health: five checks and one report of 70 answers per second and instance. `bad` is
    /// entered besides.
    pub(crate) fn healthy(seconds: u64, bad: Vec<Entry>) -> Trace {
        let mut trace = empty();
        for second in 0..seconds {
            for n in 1..=3 {
                let at_ms = second * 1000 + u64::from(n);
                trace
                    .entries
                    .extend((0..5).map(|i| check(at_ms + i * 200, n, Seen::Good)));
                trace.entries.push(report(at_ms + 500, n, [70, 0, 0]));
            }
        }
        trace.entries.extend(bad);
        trace.entries.sort_by_key(|entry| entry.at_ns);
        trace
    }
}
