//! Verdicts: the records on `instance-status` and the monitor's answers and events.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::{DetectorKind, Seen};

use crate::{Record, Stamp};

/// Whether an instance's votes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// They count.
    On,
    /// They do not count.
    Off,
}

/// Where an instance is on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The kind of evidence.
    pub kind: ReasonKind,
    /// A sentence for people, with the evidence that led to the verdict.
    pub text: String,
    /// The evidence piece by piece, oldest first, the newest few at most. Empty where a verdict is no matter of
    /// statistics, and in what older versions wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Clue>,
}

impl Reason {
    /// A reason that is no matter of statistics.
    #[must_use]
    pub fn new(kind: ReasonKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            evidence: Vec::new(),
        }
    }
}

/// One piece of the evidence that led to a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Clue {
    /// When the monitor took it in.
    #[serde(with = "crate::time::micros")]
    #[schemars(with = "crate::time::Rfc3339")]
    pub at: Timestamp,
    /// Milliseconds from then to the verdict.
    pub ms_before: f64,
    /// What was seen.
    pub what: Seen,
    /// By whom: `health check`, or the service that reported it.
    pub from: String,
    /// How many answers it stands for.
    pub count: u32,
    /// How much it counts, 0 to 1: misses with a common cause share one unit.
    pub weight: f64,
    /// What it added to the detector's statistic, in the detector's unit: for `accrual` a logarithm of a likelihood
    /// ratio, in nats.
    pub likelihood: f64,
}

/// One instance's status; the body of a record on `instance-status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The length of the quarantine that begins with it, in milliseconds; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine_ms: Option<f64>,
}

/// `GET` and `PUT /detector` on the monitor: which detector judges all instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectorChoice {
    /// Its name.
    pub detector: DetectorKind,
}

/// `GET /failures` on the monitor, without times; with them it is [`Audit`](crate::activation::Audit).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    /// Newest first.
    pub failures: Vec<Transition>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_reason_without_evidence_is_written_as_before_and_reads_so() {
        let reason = Reason::new(ReasonKind::Initial, "innocent");
        let value = serde_json::to_value(&reason).unwrap();
        assert_eq!(value, json!({ "kind": "initial", "text": "innocent" }));
        assert_eq!(serde_json::from_value::<Reason>(value).unwrap(), reason);
    }

    #[test]
    fn evidence_is_written_as_documented() {
        let clue = json!({ "at": "2026-01-01T00:00:00.000001Z", "ms_before": 104.25, "what": "late",
            "from": "health check", "count": 2, "weight": 0.5, "likelihood": 2.85 });
        let value = json!({ "kind": "late", "text": "", "evidence": [clue] });
        let reason: Reason = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(reason.evidence[0].what, Seen::Late);
        assert_eq!(serde_json::to_value(&reason).unwrap(), value);
    }

    #[test]
    fn a_transition_says_how_long_its_quarantine_is_or_nothing() {
        let mut value = json!({ "seq": 1, "at": "2026-01-01T00:00:00.000000Z", "mono_ns": 5,
            "service": "inventory-svc", "instance": "2", "from": "ON", "to": "OFF", "phase": "quarantine",
            "reason": { "kind": "late", "text": "" }, "quorum_lost": false });
        let read = |value: &Value| serde_json::from_value::<Transition>(value.clone()).unwrap();
        assert_eq!(read(&value).quarantine_ms, None);
        assert_eq!(serde_json::to_value(read(&value)).unwrap(), value);
        value["quarantine_ms"] = 400.0.into();
        assert_eq!(read(&value).quarantine_ms, Some(400.0));
        assert_eq!(serde_json::to_value(read(&value)).unwrap(), value);
    }

    #[test]
    fn a_detector_is_chosen_by_its_name_alone() {
        let read = |text: &str| serde_json::from_str::<DetectorChoice>(text);
        assert_eq!(
            read(r#"{"detector":"consecutive"}"#).unwrap().detector,
            DetectorKind::Consecutive
        );
        for wrong in [
            r#"{"detector":"guess"}"#,
            "{}",
            r#"{"detector":"accrual","threshold":9}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
