//! Which fault was there when, from three sources: what was injected from here, what the replicas say is active, and
//! what other injectors reported to the monitor's audit.
//!
//! Only the replicas know what is active. A report may be all that is known of a fault, though, where they cannot be
//! asked.

use serde::Serialize;
use tolerancia_core::ReplicaId;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::{Activation, FaultName};
use tolerancia_wire::fault::ActiveFault;

use crate::browser::FaultWindow;

/// Windows that are kept.
pub(crate) const MOST_FAULTS: usize = 200;

type Key = (ReplicaId, FaultName, u64);

fn key(window: &FaultWindow) -> Key {
    (window.instance, window.fault, window.activated_at.mono_ns)
}

/// The windows, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(transparent)]
pub(crate) struct Faults(Vec<FaultWindow>);

impl Faults {
    /// Takes a window in, in the place of the one with the same key; says whether that was news. What was cleared stays so:
    /// whoever says otherwise is late. Of too many, the oldest that is over goes first.
    pub(super) fn put(&mut self, window: FaultWindow) -> bool {
        if let Some(known) = self.0.iter_mut().find(|known| key(known) == key(&window)) {
            if known.cleared_at.is_some() && (window.active || window.cleared_at.is_none()) {
                return false;
            }
            let is_news = *known != window;
            *known = window;
            return is_news;
        }
        let at = window.activated_at.at;
        let place = self.0.partition_point(|known| known.activated_at.at >= at);
        self.0.insert(place, window);
        if self.0.len() <= MOST_FAULTS {
            return true;
        }
        let oldest = self.0.iter().rposition(|known| !known.active);
        let gone = oldest.unwrap_or(self.0.len() - 1);
        self.0.remove(gone);
        gone != place
    }

    /// What a report says. It ends a window, and says best when, but begins none again that is over.
    pub(crate) fn reported(&self, report: &Activation) -> FaultWindow {
        let window = FaultWindow {
            instance: report.instance,
            fault: report.fault,
            spec: None,
            activated_at: report.activated_at,
            cleared_at: report.cleared_at,
            active: report.cleared_at.is_none() && report.fault != FaultName::Crash,
        };
        match self.known(&window) {
            Some(known) => FaultWindow {
                cleared_at: window.cleared_at.or(known.cleared_at),
                active: known.active && window.active,
                ..known.clone()
            },
            None => window,
        }
    }

    /// What it means that a replica said at `at` that these, and no others, are active. What was not known to be active
    /// `before` it was asked may have begun since.
    pub(crate) fn listed(
        &self,
        instance: ReplicaId,
        before: &[FaultWindow],
        active: &[ActiveFault],
        at: Stamp,
    ) -> Vec<FaultWindow> {
        let active: Vec<_> = active.iter().map(|fault| begun(instance, fault)).collect();
        let is_in = |list: &[FaultWindow], window: &FaultWindow| list.iter().any(|one| key(one) == key(window));
        let is_gone = |known: &&FaultWindow| is_in(before, known) && !is_in(&active, known);
        let gone = self.active(instance).filter(is_gone);
        let gone = gone.map(|window| over(window, self.died(window).unwrap_or(at)));
        gone.chain(active.iter().cloned()).collect()
    }

    /// What it means that `fault` was injected and put an end to `ended`. A crash puts an end to all.
    pub(crate) fn injected(&self, instance: ReplicaId, fault: &ActiveFault, ended: &[ActiveFault]) -> Vec<FaultWindow> {
        let mut windows = self.ended(instance, ended, Some(fault.activated_at));
        let new = begun(instance, fault);
        if new.fault == FaultName::Crash {
            windows.extend(self.active(instance).map(|window| over(window, new.activated_at)));
        }
        windows.push(new);
        windows
    }

    /// What it means that these were ended in a replica, and when.
    pub(crate) fn ended(&self, instance: ReplicaId, ended: &[ActiveFault], at: Option<Stamp>) -> Vec<FaultWindow> {
        let ended = ended.iter().map(|fault| begun(instance, fault));
        ended
            .map(|window| FaultWindow {
                cleared_at: self.known(&window).and_then(|known| known.cleared_at).or(at),
                active: false,
                ..window
            })
            .collect()
    }

    fn known(&self, window: &FaultWindow) -> Option<&FaultWindow> {
        self.0.iter().find(|known| key(known) == key(window))
    }

    /// The windows of a replica's faults that are active as far as is known.
    pub(crate) fn active(&self, instance: ReplicaId) -> impl Iterator<Item = &FaultWindow> {
        self.0
            .iter()
            .filter(move |known| known.active && known.instance == instance)
    }

    /// When the process died that had this fault, if a crash is known that says so.
    fn died(&self, window: &FaultWindow) -> Option<Stamp> {
        let is_crash = |one: &&FaultWindow| one.fault == FaultName::Crash && one.instance == window.instance;
        let crashes = self.0.iter().filter(is_crash).map(|crash| crash.activated_at);
        crashes
            .filter(|crash| crash.at >= window.activated_at.at)
            .min_by_key(|crash| crash.at)
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The window of a fault that a replica says is active.
pub(crate) fn begun(instance: ReplicaId, fault: &ActiveFault) -> FaultWindow {
    let name = FaultName::from(&fault.spec.fault);
    FaultWindow {
        instance,
        fault: name,
        spec: Some(fault.spec.clone()),
        activated_at: fault.activated_at,
        cleared_at: None,
        active: name != FaultName::Crash,
    }
}

/// It was gone by then, and nobody told since when: its process has died, or somebody else has cleared it. Stamps may be of
/// two hosts, but nothing ends before it begins.
fn over(window: &FaultWindow, at: Stamp) -> FaultWindow {
    let begin = window.activated_at;
    FaultWindow {
        cleared_at: Some(if at.at < begin.at { begin } else { at }),
        active: false,
        ..window.clone()
    }
}

#[cfg(test)]
mod tests;
