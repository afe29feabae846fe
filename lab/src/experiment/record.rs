//! What an experiment remembers while it runs; everything in the report is computed from this.

use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::Stamp;
use tolerancia_wire::status::{Transition, Verdict};

pub(crate) use super::hit::Hit;
pub(crate) use super::steady::{SteadyCheck, When};
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
    pub case: usize,
    /// The detector in force.
    pub detector: DetectorKind,
    /// The instances that are hit at the same time, at least one.
    pub hits: Vec<Hit>,
    /// Whether the monitor said meanwhile that the quorum was lost.
    pub alarmed: bool,
    /// When the system was steady again.
    pub over: Option<Stamp>,
    /// Whether the trace and the monitor's audit were told of it, or at least asked to listen.
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

    /// From an instant to another, or open.
    pub(super) fn of(from: Stamp, to: Option<Stamp>) -> Self {
        Self {
            from_ns: from.mono_ns,
            to_ns: to.map_or(u64::MAX, |to| to.mono_ns),
        }
    }
}

impl Trial {
    /// Takes from the monitor's transitions what is known by now.
    pub(crate) fn learn(&mut self, transitions: &[Transition]) {
        for hit in &mut self.hits {
            hit.learn(transitions);
        }
        let window = Window::of(self.activated(), self.recovered().or(self.over));
        self.alarmed = transitions
            .iter()
            .any(|t| t.quorum_lost && window.holds(t.stamp.mono_ns));
    }

    /// When the first of its faults became active.
    pub(crate) fn activated(&self) -> Stamp {
        let all = self.hits.iter().map(|hit| hit.activated);
        all.min_by_key(|stamp| stamp.mono_ns).unwrap_or_else(Stamp::now)
    }

    /// The OFF of the instance that was turned OFF last; `None` while one is still ON.
    pub(crate) fn detected(&self) -> Option<&Transition> {
        let all: Option<Vec<&Transition>> = self.hits.iter().map(|hit| hit.detected.as_ref()).collect();
        all?.into_iter().max_by_key(|off| off.stamp.mono_ns)
    }

    /// When the last of its faults was cleared; never for a crash.
    pub(crate) fn cleared(&self) -> Option<Stamp> {
        self.last(|hit| hit.cleared)
    }

    /// When the last of its instances was ON for good.
    pub(crate) fn recovered(&self) -> Option<Stamp> {
        self.last(|hit| hit.recovered)
    }

    /// The latest of the instants, if all hits have one.
    fn last(&self, when: impl Fn(&Hit) -> Option<Stamp>) -> Option<Stamp> {
        let all: Option<Vec<Stamp>> = self.hits.iter().map(when).collect();
        all?.into_iter().max_by_key(|stamp| stamp.mono_ns)
    }

    /// In which the fault is there for clients to suffer from: from activation to the end of the fault, which for
    /// a crash is the recovery. The healthy time after it would only dilute what was measured.
    pub(crate) fn during(&self) -> Window {
        Window::of(self.activated(), self.cleared().or(self.recovered()).or(self.over))
    }

    /// Time to detect, in milliseconds: until all instances are OFF.
    pub(crate) fn ttd_ms(&self) -> Option<f64> {
        self.detected().map(|off| off.stamp.ms_since(self.activated()))
    }

    /// Time to recovery, in milliseconds: until all instances are ON.
    pub(crate) fn ttr_ms(&self) -> Option<f64> {
        self.recovered().map(|on| on.ms_since(self.activated()))
    }

    /// Repair time, in milliseconds: from the end of the fault, which for a crash is the crash.
    pub(crate) fn repair_ms(&self) -> Option<f64> {
        self.recovered()
            .map(|on| on.ms_since(self.cleared().unwrap_or_else(|| self.activated())))
    }

    /// How much longer than the quarantine in force repair took, in milliseconds, of the instance where it was most.
    pub(crate) fn over_quarantine_ms(&self) -> Option<f64> {
        let all: Option<Vec<f64>> = self.hits.iter().map(Hit::over_quarantine_ms).collect();
        all?.into_iter().max_by(f64::total_cmp)
    }

    /// Changes of verdict of its instances while the faults were active.
    pub(crate) fn transitions_while_active(&self) -> u64 {
        self.hits.iter().map(|hit| hit.transitions_while_active).sum()
    }

    /// Returns of its instances to ON while the faults were active.
    pub(crate) fn readmitted_while_active(&self) -> u64 {
        self.hits.iter().map(|hit| hit.readmitted_while_active).sum()
    }
}

/// Everything but the load's observations and the monitor's transitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub baseline: Option<Window>,
    /// Whether the system was steady after the baseline.
    pub steady: bool,
    /// The checks of the steady state since then, in order of time.
    pub steady_checks: Vec<SteadyCheck>,
    /// Why the monitor's events are not known to be all; `None`: they are.
    pub deaf: Option<String>,
    /// The detectors that trials are made with; the first is judged.
    pub detectors: Vec<DetectorKind>,
    /// The one that the monitor judges by; `None`: it was asked to change it and has not answered.
    pub in_force: Option<DetectorKind>,
    /// Since when it judges by which, in order of time, as far as the experiment knows.
    pub switches: Vec<(Stamp, DetectorKind)>,
    /// The one to put in force again at the end, if another one was.
    pub restore: Option<DetectorKind>,
    /// Whether a fault was injected, or at least asked for.
    pub injected: bool,
    pub trials: Vec<Trial>,
    /// What a reader of the report should know.
    pub notes: Vec<String>,
}

impl Record {
    /// From now on the monitor judges by this one.
    pub(super) fn judges_by(&mut self, kind: DetectorKind) {
        if self.in_force != Some(kind) {
            self.switches.push((Stamp::now(), kind));
        }
        self.in_force = Some(kind);
    }

    /// The one that the monitor judged by; what was in force at the start was so before.
    pub(crate) fn detector_at(&self, stamp: Stamp) -> Option<DetectorKind> {
        let until = self
            .switches
            .partition_point(|(since, _)| since.mono_ns <= stamp.mono_ns);
        self.switches.get(until.saturating_sub(1)).map(|(_, kind)| *kind)
    }
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
        trials.iter().any(|trial| {
            let hit = trial.hits.iter().find(|hit| hit.instance == off.instance);
            hit.is_some_and(|hit| hit.explained(trial.over).holds(off.stamp.mono_ns))
        })
    };
    transitions.iter().filter(|t| is_off(t) && !explained(t)).collect()
}

#[cfg(test)]
pub(crate) mod tests;
