//! What the page knows: the newest of everything, and how each event changes it. No clock, no I/O, and bounded whatever
//! comes.
//!
//! A browser that has a state and hears the events after it has the state that is here, so an event changes it by what it
//! says and by nothing else.

pub(crate) mod disagreements;
pub(crate) mod failures;
pub(crate) mod faults;
pub(crate) mod window;

use std::collections::BTreeMap;

use serde::Serialize;
use tolerancia_wire::activation::AuditEntry;
use tolerancia_wire::live::{ReplicaView, RequestsSecond, Suspicion, VotesSecond};
use tolerancia_wire::status::{InstanceStatus, SystemStatus, Transition, Verdict};

use crate::browser::{BrowserEvent, Source};
use crate::experiments::{ExperimentState, Folder};
use disagreements::Disagreements;
use failures::Failures;
use faults::Faults;
use window::Window;

/// Folders that are kept.
pub(crate) const MOST_FOLDERS: usize = 200;
/// Replicas that are told of: more than can be configured.
const MOST_REPLICAS: usize = 16;

/// All of it. As JSON, the greater part of a `snapshot`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct State {
    sources: BTreeMap<String, Source>,
    status: Option<SystemStatus>,
    replicas: Vec<ReplicaView>,
    suspicion: Window<Suspicion>,
    requests: Window<RequestsSecond>,
    votes: Window<VotesSecond>,
    disagreements: Disagreements,
    failures: Failures,
    faults: Faults,
    #[serde(skip_deserializing)]
    experiment: Option<ExperimentState>,
    #[serde(skip_deserializing)]
    folders: Vec<Folder>,
}

impl State {
    /// Takes an event in, and gives back what of it was news.
    pub(crate) fn apply(&mut self, event: BrowserEvent) -> Option<BrowserEvent> {
        use BrowserEvent as E;
        let event = match event {
            E::Requests(mut rows) => {
                rows.retain(|row| self.requests.put(row.clone()));
                return (!rows.is_empty()).then_some(E::Requests(rows));
            }
            E::Replicas(mut replicas) => {
                replicas.truncate(MOST_REPLICAS);
                E::Replicas(replicas)
            }
            E::Folders(mut folders) => {
                folders.truncate(MOST_FOLDERS);
                E::Folders(folders)
            }
            other => other,
        };
        let is_news = match &event {
            E::Source(named) => {
                let before = self.sources.insert(named.name.clone(), named.source.clone());
                before.as_ref() != Some(&named.source)
            }
            E::Status(status) => set(&mut self.status, Some(status.clone())),
            E::Transition(transition) => {
                // Of a change of phase the status does not say when it was.
                let is_late = transition.from == transition.to && self.failures.has_later(transition);
                let status = self.status.as_mut().filter(|_| !is_late);
                let turned = status.is_some_and(|status| turn(status, transition));
                self.failures.transition(transition) || turned
            }
            E::Times(times) => self.failures.times(*times),
            E::Suspicion(suspicion) => self.suspicion.put(suspicion.clone()),
            E::Replicas(replicas) => set(&mut self.replicas, replicas.clone()),
            // Above.
            E::Requests(_) => false,
            E::Votes(votes) => self.votes.put(*votes),
            E::Disagreement(disagreement) => self.disagreements.put(disagreement.clone()),
            E::Fault(window) => self.faults.put(window.clone()),
            E::Experiment(experiment) => set(&mut self.experiment, experiment.clone()),
            E::Folders(folders) => set(&mut self.folders, folders.clone()),
        };
        is_news.then_some(event)
    }

    /// Takes the audit's own list in, which may add to the past; says whether there was news.
    pub(crate) fn audit(&mut self, entries: Vec<AuditEntry>) -> bool {
        self.failures.audit(entries)
    }

    /// The services that the page is about.
    pub(crate) fn sources(&self) -> &BTreeMap<String, Source> {
        &self.sources
    }

    /// The faults.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The verdicts, once they are known.
    pub(crate) fn status(&self) -> Option<&SystemStatus> {
        self.status.as_ref()
    }

    /// The replicas, as the health checks see them.
    pub(crate) fn replicas(&self) -> &[ReplicaView] {
        &self.replicas
    }
}

/// Says whether it was another one.
fn set<T: PartialEq>(now: &mut T, new: T) -> bool {
    let is_news = *now != new;
    *now = new;
    is_news
}

/// Writes a transition into the status, which may know of it already. Says whether it did not.
fn turn(status: &mut SystemStatus, transition: &Transition) -> bool {
    let mut instances = status.instances.iter_mut();
    let Some(instance) = instances.find(|one| one.instance == transition.instance) else {
        return false;
    };
    // Either clock may begin anew: the one with the host, the other when somebody sets it.
    let (since, stamp) = (instance.since, transition.stamp);
    if stamp.at <= since.at && stamp.mono_ns <= since.mono_ns {
        return false;
    }
    let turned = InstanceStatus {
        status: transition.to,
        phase: transition.phase,
        reason: transition.reason.clone(),
        // A change of phase is no change of the verdict.
        since: if transition.from == transition.to { since } else { stamp },
        ..instance.clone()
    };
    let is_news = set(instance, turned);
    let on = status.instances.iter().filter(|one| one.status == Verdict::On).count();
    set(&mut status.on, on) | set(&mut status.quorum_lost, transition.quorum_lost) | is_news
}

#[cfg(test)]
mod tests;
