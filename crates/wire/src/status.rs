//! Verdicts: the records on `instance-status` and the monitor's answers and events.

use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;

use crate::{Record, Stamp};

/// Whether an instance's votes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// They count.
    On,
    /// They do not count.
    Off,
}

/// Where an instance is on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Working; the verdict is ON.
    On,
    /// OFF for at least the quarantine time.
    Quarantine,
    /// OFF and collecting good checks and agreeing shadow votes.
    Probation,
}

/// What kind of evidence led to a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// The connection was lost or refused.
    Unreachable,
    /// Checks or answers came late or not at all.
    Late,
    /// Checks or answers were errors.
    Errors,
    /// A proven lie.
    Dissent,
    /// Applied position behind the quorum for longer than the lag budget.
    Stale,
    /// The quarantine is over and probation begins; still OFF.
    QuarantineOver,
    /// Good checks in a row after an OFF.
    Recovered,
    /// The first verdict after the monitor started.
    Initial,
}

/// Why a verdict was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The kind of evidence.
    pub kind: ReasonKind,
    /// A sentence for people, with the evidence that led to the verdict.
    pub text: String,
}

/// One instance's status; the body of a record on `instance-status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// `inventory-svc`.
    pub service: String,
    /// The replica.
    pub instance: ReplicaId,
    /// ON or OFF.
    pub status: Verdict,
    /// Where it is on its way.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Stamp,
    /// Process of the instance, from its last good health answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// The body of a record on `instance-status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StatusBody {
    /// The instance's status changed, or is repeated for a new listener.
    Status(InstanceStatus),
}

/// A record on `instance-status`.
pub type StatusRecord = Record<StatusBody>;

/// `GET /status` on the monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemStatus {
    /// Configured replicas.
    pub replicas: usize,
    /// Replicas needed for a quorum.
    pub quorum: usize,
    /// Replicas that are ON.
    pub on: usize,
    /// Fewer than a quorum are ON: no unverified answer is served, and that is an alarm.
    pub quorum_lost: bool,
    /// The detector in use.
    pub detector: String,
    /// All instances.
    pub instances: Vec<InstanceStatus>,
}

/// One change of an instance's status: an entry of `GET /failures` and an event of `GET /events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Strictly increases, over restarts of the monitor too; the `id` of the server-sent event.
    pub seq: u64,
    /// The instant of the verdict.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// `inventory-svc`.
    pub service: String,
    /// The replica.
    pub instance: ReplicaId,
    /// Verdict before.
    pub from: Verdict,
    /// Verdict after (equal to `from` for a change of phase).
    pub to: Verdict,
    /// Phase after.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// Whether fewer than a quorum are ON after it.
    pub quorum_lost: bool,
}

/// `GET /failures` on the monitor, without times; with them it is [`Audit`](crate::activation::Audit).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    /// Newest first.
    pub failures: Vec<Transition>,
}
