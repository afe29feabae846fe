//! What a browser is told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tolerancia_core::ReplicaId;
use tolerancia_wire::activation::FaultName;
use tolerancia_wire::fault::FaultSpec;
use tolerancia_wire::health::HealthState;
use tolerancia_wire::live::{Disagreement, ReplicaView, RequestsSecond, Suspicion, Times, VotesSecond};
use tolerancia_wire::status::{SystemStatus, Transition};
use tolerancia_wire::{Stamp, time};

use crate::experiments::{ExperimentState, Folder, ScenarioAbout};

/// An event of `GET /api/live`: its [name](BrowserEvent::name), and as its data what the variant holds. Besides these
/// there are `snapshot` and `tick`, which are no changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum BrowserEvent {
    /// How a service that the page is about can be reached.
    Source(NamedSource),
    /// All verdicts.
    Status(SystemStatus),
    /// A verdict or a phase changed.
    Transition(Transition),
    /// What the audit found out about an earlier transition.
    Times(Times),
    /// How suspicious the instances are.
    Suspicion(Suspicion),
    /// What the health checks tell of the instances.
    Replicas(Vec<ReplicaView>),
    /// Requests that the services answered. A row takes the place of an earlier one about the same service and second.
    Requests(Vec<RequestsSecond>),
    /// How the votes of one second ended.
    Votes(VotesSecond),
    /// A vote in which not all said the same. One with the same `id` and `first` takes the place of an earlier one.
    Disagreement(Disagreement),
    /// A fault. One with the same instance, name and `activated_at` takes the place of an earlier one.
    Fault(FaultWindow),
    /// The experiment that runs, or the last one that ran.
    Experiment(Option<ExperimentState>),
    /// The folders of results, newest first.
    Folders(Vec<Folder>),
}

impl BrowserEvent {
    /// The event's name on the wire.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Status(_) => "status",
            Self::Transition(_) => "transition",
            Self::Times(_) => "times",
            Self::Suspicion(_) => "suspicion",
            Self::Replicas(_) => "replicas",
            Self::Requests(_) => "requests",
            Self::Votes(_) => "votes",
            Self::Disagreement(_) => "disagreement",
            Self::Fault(_) => "fault",
            Self::Experiment(_) => "experiment",
            Self::Folders(_) => "folders",
        }
    }
}

/// A service that the page is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Source {
    /// Whether it can be reached: its stream, if it has one, is open; otherwise it answers.
    pub up: bool,
    /// Since when that is so.
    #[serde(with = "time::micros")]
    pub since: Timestamp,
    /// What it says of itself; null while it does not answer.
    pub state: Option<HealthState>,
    /// What it lacks, by part.
    pub details: BTreeMap<String, String>,
    /// Its process, when known.
    pub pid: Option<u32>,
    /// What is in the way, for people.
    pub error: Option<String>,
}

/// A [`Source`] by its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct NamedSource {
    /// `monitor-svc`, `voter-svc`, `orders-svc`.
    pub name: String,
    /// How it is.
    #[serde(flatten)]
    pub source: Source,
}

/// A fault from its activation to its end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct FaultWindow {
    /// The replica.
    pub instance: ReplicaId,
    /// The fault.
    pub fault: FaultName,
    /// Its parameters, when known: an injector reports the name only.
    pub spec: Option<FaultSpec>,
    /// Since when it acted.
    pub activated_at: Stamp,
    /// When it was cleared, as whoever did it told; otherwise when its process died or it was seen to be gone.
    pub cleared_at: Option<Stamp>,
    /// Whether it acts now, as far as is known. A crash never does: it is over in an instant.
    pub active: bool,
}

/// What is there, and what can be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct System {
    /// Configured replicas.
    pub replicas: u8,
    /// Whether faults and experiments can be asked for from here.
    pub injection: bool,
    /// Whether that takes a token.
    pub token: bool,
    /// Whether experiments can be started from here.
    pub experiments: bool,
    /// The scenarios to choose from.
    pub scenarios: Vec<ScenarioAbout>,
}
