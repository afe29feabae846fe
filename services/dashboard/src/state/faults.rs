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
    /// Takes a window in, in the place of the one with the same key; says whether that was news. Of too many, the oldest
    /// that is over goes first.
    pub(super) fn put(&mut self, window: FaultWindow) -> bool {
        if let Some(known) = self.0.iter_mut().find(|known| key(known) == key(&window)) {
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

    /// What a report says. It ends a window, but begins none again that is over.
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
                cleared_at: known.cleared_at.or(window.cleared_at),
                active: known.active && window.active,
                ..known.clone()
            },
            None => window,
        }
    }

    /// What it means that these, and no others, are active in a replica.
    pub(crate) fn listed(&self, instance: ReplicaId, active: &[ActiveFault]) -> Vec<FaultWindow> {
        let active: Vec<_> = active.iter().map(|fault| begun(instance, fault)).collect();
        let is_gone = |known: &&FaultWindow| active.iter().all(|now| key(now) != key(known));
        let gone = self.active(instance).filter(is_gone).map(over);
        gone.chain(active.iter().cloned()).collect()
    }

    /// What it means that `fault` was injected and put an end to `ended`. A crash puts an end to all.
    pub(crate) fn injected(&self, instance: ReplicaId, fault: &ActiveFault, ended: &[ActiveFault]) -> Vec<FaultWindow> {
        let mut windows = self.ended(instance, ended, Some(fault.activated_at));
        let new = begun(instance, fault);
        if new.fault == FaultName::Crash {
            windows.extend(self.active(instance).map(over));
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

    fn active(&self, instance: ReplicaId) -> impl Iterator<Item = &FaultWindow> {
        self.0
            .iter()
            .filter(move |known| known.active && known.instance == instance)
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

/// It is not there any more, and nobody told since when: its process has died, or somebody else has cleared it.
fn over(window: &FaultWindow) -> FaultWindow {
    FaultWindow {
        active: false,
        ..window.clone()
    }
}

#[cfg(test)]
mod tests;
