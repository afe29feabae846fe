//! What an experiment remembers while it runs; everything in the report is computed from this.

use tolerancia_core::ReplicaId;
use tolerancia_wire::Stamp;
use tolerancia_wire::status::{Transition, Verdict};

use crate::load::Operation;
use crate::load::stats::End;
use crate::oracle::Told;

/// One request of the load.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub operation: Operation,
    /// When it was meant to start.
    pub intended_ns: u64,
    /// From then to its end.
    pub latency_ns: u64,
    pub end: End,
    /// What the oracle can judge.
    pub told: Option<Told>,
}

/// One trial. It is entered when its fault became active, and completed as it goes on, so that an
/// interruption leaves what is known.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    /// Its fault's place in the scenario.
    pub fault: usize,
    pub instance: ReplicaId,
    pub activated: Stamp,
    /// The monitor's OFF.
    pub detected: Option<Transition>,
    /// Never for a crash: the process that had the fault is gone.
    pub cleared: Option<Stamp>,
    /// ON for good.
    pub recovered: Option<Stamp>,
    /// When the system was steady again.
    pub over: Option<Stamp>,
    /// Whether the monitor's audit was told of it, or at least asked to listen.
    pub told: bool,
}

/// A span on `CLOCK_MONOTONIC`, in nanoseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub from_ns: u64,
    pub to_ns: u64,
}

impl Window {
    pub(crate) const fn holds(&self, ns: u64) -> bool {
        self.from_ns <= ns && ns <= self.to_ns
    }
}

impl Trial {
    /// In which the instance's OFFs have an explanation: from activation to recovery; of a trial without one, to
    /// the steady state after it, or open.
    pub(crate) fn explained(&self) -> Window {
        self.until(self.recovered.or(self.over))
    }

    /// In which the fault is there for clients to suffer from: from activation to the end of the fault, which for
    /// a crash is the recovery. The healthy time after it would only dilute what was measured.
    pub(crate) fn during(&self) -> Window {
        self.until(self.cleared.or(self.recovered).or(self.over))
    }

    fn until(&self, end: Option<Stamp>) -> Window {
        Window {
            from_ns: self.activated.mono_ns,
            to_ns: end.map_or(u64::MAX, |end| end.mono_ns),
        }
    }

    /// Time to detect, in milliseconds.
    pub(crate) fn ttd_ms(&self) -> Option<f64> {
        self.detected.as_ref().map(|off| off.stamp.ms_since(self.activated))
    }

    /// Time to recovery, in milliseconds.
    pub(crate) fn ttr_ms(&self) -> Option<f64> {
        self.recovered.map(|on| on.ms_since(self.activated))
    }

    /// Repair time, in milliseconds: from the end of the fault, which for a crash is the crash.
    pub(crate) fn repair_ms(&self) -> Option<f64> {
        self.recovered
            .map(|on| on.ms_since(self.cleared.unwrap_or(self.activated)))
    }
}

/// Everything but the load's observations and the monitor's transitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub baseline: Option<Window>,
    /// Whether a fault was injected, or at least asked for.
    pub injected: bool,
    pub trials: Vec<Trial>,
    /// What a reader of the report should know.
    pub notes: Vec<String>,
}

/// Whether the monitor turned the instance OFF.
pub(crate) fn is_off(transition: &Transition) -> bool {
    transition.from == Verdict::On && transition.to == Verdict::Off
}

/// Whether the monitor turned the instance ON.
pub(crate) fn is_on(transition: &Transition) -> bool {
    transition.from == Verdict::Off && transition.to == Verdict::On
}

/// The OFFs of instances in which no fault was active: neither in this trial nor recovering from it.
pub(crate) fn false_alarms<'a>(transitions: &'a [Transition], trials: &[Trial]) -> Vec<&'a Transition> {
    let explained = |off: &Transition| {
        trials
            .iter()
            .any(|trial| trial.instance == off.instance && trial.explained().holds(off.stamp.mono_ns))
    };
    transitions.iter().filter(|t| is_off(t) && !explained(t)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tolerancia_wire::status::{Phase, Reason, ReasonKind};

    pub(crate) fn stamp(ms: u64) -> Stamp {
        Stamp {
            at: jiff::Timestamp::from_millisecond(1_700_000_000_000 + i64::try_from(ms).unwrap()).unwrap(),
            mono_ns: ms * 1_000_000,
        }
    }

    pub(crate) fn transition(instance: u8, ms: u64, to: Verdict) -> Transition {
        let (from, phase, kind) = match to {
            Verdict::On => (Verdict::Off, Phase::On, ReasonKind::Recovered),
            Verdict::Off => (Verdict::On, Phase::Quarantine, ReasonKind::Unreachable),
        };
        Transition {
            seq: ms,
            stamp: stamp(ms),
            service: "inventory-svc".to_owned(),
            instance: ReplicaId::new(instance).unwrap(),
            from,
            to,
            phase,
            reason: Reason {
                kind,
                text: "because".to_owned(),
            },
            quorum_lost: false,
        }
    }

    pub(crate) fn trial(instance: u8, activated: u64, detected: u64, cleared: Option<u64>, recovered: u64) -> Trial {
        Trial {
            fault: 0,
            instance: ReplicaId::new(instance).unwrap(),
            activated: stamp(activated),
            detected: Some(transition(instance, detected, Verdict::Off)),
            cleared: cleared.map(stamp),
            recovered: Some(stamp(recovered)),
            over: Some(stamp(recovered + 300)),
            told: true,
        }
    }

    #[test]
    fn times_start_where_the_definitions_say() {
        let latency = trial(1, 1000, 1150, Some(1700), 3000);
        assert_eq!(latency.ttd_ms(), Some(150.0));
        assert_eq!(latency.ttr_ms(), Some(2000.0));
        assert_eq!(latency.repair_ms(), Some(1300.0));
        let crash = trial(1, 1000, 1010, None, 3000);
        assert_eq!(crash.repair_ms(), Some(2000.0));
    }

    #[test]
    fn clients_suffer_only_while_the_fault_is_there() {
        let latency = trial(1, 1000, 1150, Some(1700), 3000);
        assert!(latency.during().holds(1_700_000_000) && !latency.during().holds(1_700_000_001));
        assert!(latency.explained().holds(2_999_000_000));
        let crash = trial(1, 1000, 1010, None, 3000);
        assert_eq!(crash.during(), crash.explained());
    }

    #[test]
    fn an_off_without_a_fault_is_a_false_alarm() {
        let trials = [trial(1, 1000, 1150, Some(1700), 3000)];
        let off = |instance, ms| transition(instance, ms, Verdict::Off);
        let transitions = [
            off(1, 999),
            off(1, 1150),
            off(2, 1200),
            transition(1, 3000, Verdict::On),
            // Off again after it had recovered.
            off(1, 3100),
        ];
        let alarms: Vec<_> = false_alarms(&transitions, &trials)
            .iter()
            .map(|t| (t.instance.number(), t.seq))
            .collect();
        assert_eq!(alarms, [(1, 999), (2, 1200), (1, 3100)]);
    }

    #[test]
    fn a_trial_that_was_cut_short_explains_what_follows() {
        let mut trial = trial(1, 1000, 1150, None, 3000);
        (trial.recovered, trial.over) = (None, None);
        assert!(false_alarms(&[transition(1, 9000, Verdict::Off)], &[trial]).is_empty());
    }
}
