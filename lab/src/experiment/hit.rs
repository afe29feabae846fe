//! What became of one instance that was hit.

use std::time::Duration;

use tolerancia_core::ReplicaId;
use tolerancia_core::fault::FaultSpec;
use tolerancia_wire::Stamp;
use tolerancia_wire::status::Transition;

use super::record::{Window, is_off, is_on};

/// What was seen of a fault may reach the monitor this much later, and turn an instance OFF that was ON when the fault
/// was cleared: a check is abandoned after a second.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// A fault that was not detected by then was not detected.
pub(super) const DETECT: Duration = Duration::from_secs(10);

/// One instance of a trial.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub instance: ReplicaId,
    /// Its faults, at least one.
    pub faults: Vec<FaultSpec>,
    pub activated: Stamp,
    /// Never for a crash: the process that had the fault is gone.
    pub cleared: Option<Stamp>,
    /// The monitor's first OFF.
    pub detected: Option<Transition>,
    /// ON for good.
    pub recovered: Option<Stamp>,
    /// Changes of verdict from the activation to the recovery.
    pub transitions: u64,
    /// Those of them while the fault was active.
    pub transitions_while_active: u64,
    /// Returns to ON while the fault was active.
    pub readmitted_while_active: u64,
    /// The length of the last quarantine before the recovery, milliseconds.
    pub quarantine_ms: Option<f64>,
}

/// The instant, on the monotonic clock in nanoseconds, that is so much later.
fn after(stamp: Stamp, duration: Duration) -> u64 {
    stamp
        .mono_ns
        .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

impl Hit {
    /// Faults that are active since then.
    pub(super) fn new(instance: ReplicaId, faults: Vec<FaultSpec>, activated: Stamp) -> Self {
        Self {
            instance,
            faults,
            activated,
            cleared: None,
            detected: None,
            recovered: None,
            transitions: 0,
            transitions_while_active: 0,
            readmitted_while_active: 0,
            quarantine_ms: None,
        }
    }

    /// Takes from the monitor's transitions, oldest first, what is known by now.
    ///
    /// A fault that shows itself only now and then may let an instance return while it is still active. What counts
    /// for the recovery is the ON after the last OFF that the fault can have caused; where the instance was ON when the
    /// fault ended, and stayed so, that was the recovery.
    pub(super) fn learn(&mut self, transitions: &[Transition]) {
        let from = self.activated.mono_ns;
        let since: Vec<&Transition> = transitions
            .iter()
            .filter(|t| t.instance == self.instance && t.stamp.mono_ns >= from && (is_off(t) || is_on(t)))
            .skip_while(|t| !is_off(t))
            .collect();
        let Some(first) = since
            .first()
            .filter(|off| off.stamp.mono_ns <= after(self.activated, DETECT))
        else {
            return;
        };
        self.detected = Some((*first).clone());

        // An instance that crashed may be turned OFF late, but only once.
        let latest = after(self.cleared.unwrap_or(self.activated), LINGER).max(first.stamp.mono_ns);
        let last = since
            .iter()
            .rposition(|t| is_off(t) && t.stamp.mono_ns <= latest)
            .unwrap_or(0);
        self.quarantine_ms = since[last].quarantine_ms;
        let on = since[last..].iter().find(|t| is_on(t)).map(|t| t.stamp);
        self.recovered = on.map(|on| self.cleared.filter(|end| end.mono_ns > on.mono_ns).unwrap_or(on));

        // A crash is active for as long as nobody is there: it never is once the instance is ON.
        let active = self.cleared.or(self.recovered).map_or(u64::MAX, |end| end.mono_ns);
        let recovered = self.recovered.map_or(u64::MAX, |on| on.mono_ns);
        let count = |wanted: &dyn Fn(&Transition) -> bool| since.iter().filter(|t| wanted(t)).count() as u64;
        self.transitions = count(&|t| t.stamp.mono_ns <= recovered);
        self.transitions_while_active = count(&|t| t.stamp.mono_ns < active);
        self.readmitted_while_active = count(&|t| is_on(t) && t.stamp.mono_ns < active);
    }

    /// In which its OFFs have an explanation: from activation to recovery; without one, to the steady state after it,
    /// and for as long as what was seen of the fault may linger; or open.
    pub(super) fn explained(&self, over: Option<Stamp>) -> Window {
        let lingers_ns = self.cleared.map_or(0, |end| after(end, LINGER));
        let to_ns = match (self.recovered, over) {
            (Some(on), _) => on.mono_ns,
            (None, Some(over)) => over.mono_ns.max(lingers_ns),
            (None, None) => u64::MAX,
        };
        Window {
            from_ns: self.activated.mono_ns,
            to_ns,
        }
    }

    /// Whether what was seen of its fault may still turn it OFF: it was ON when the fault ended, and still is.
    pub(super) fn may_linger(&self) -> bool {
        self.detected.is_none() || (self.recovered.is_some() && self.recovered == self.cleared)
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

    /// How much longer than the quarantine in force repair took, in milliseconds.
    pub(crate) fn over_quarantine_ms(&self) -> Option<f64> {
        Some((self.repair_ms()? - self.quarantine_ms?).max(0.0))
    }
}
