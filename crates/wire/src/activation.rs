//! The failure audit: what an injector reports to it (`POST /faults` on the monitor), and what it then says
//! (`GET /failures`).
//!
//! The report is made by whoever injected the fault, not by the replica that has it, and it reaches the audit
//! alone: nothing that detects reads it, and the audit's answer holds times but not the fault.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::Fault;

use crate::Stamp;
use crate::fault::ActiveFault;
use crate::status::Transition;

/// Which fault it was, without its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultName {
    /// The process died. It took its fault with it, so nobody clears it.
    Crash,
    /// Answers were slow.
    Latency,
    /// Answers were errors now and then.
    Intermittent,
    /// The stock of one product was reported wrong.
    Incorrect,
    /// The process was stopped.
    Freeze,
    /// The replica stopped consuming.
    Stale,
}

impl From<&Fault> for FaultName {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Crash => Self::Crash,
            Fault::Latency { .. } => Self::Latency,
            Fault::Intermittent { .. } => Self::Intermittent,
            Fault::Incorrect { .. } => Self::Incorrect,
            Fault::Freeze => Self::Freeze,
            Fault::Stale => Self::Stale,
        }
    }
}

/// The body of `POST /faults` on the monitor. It may be sent again with more in it: `activated_at` says which
/// activation of the instance is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The replica.
    pub instance: ReplicaId,
    /// The fault.
    pub fault: FaultName,
    /// The instant from which it acted, as the answer of `PUT /fault` names it.
    pub activated_at: Stamp,
    /// The instant at which it was cleared, as the answer of `DELETE /fault` names it. Null while it is active,
    /// and for ever after a crash.
    #[serde(default)]
    pub cleared_at: Option<Stamp>,
}

impl Activation {
    /// What is to be reported about a fault of `instance`.
    #[must_use]
    pub fn new(instance: ReplicaId, active: &ActiveFault, cleared_at: Option<Stamp>) -> Self {
        Self {
            instance,
            fault: FaultName::from(&active.spec.fault),
            activated_at: active.activated_at,
            cleared_at,
        }
    }
}

/// One entry of `GET /failures`. The times are those of the fault that the entry, an OFF, is the detection of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// What happened.
    #[serde(flatten)]
    pub transition: Transition,
    /// Milliseconds from the activation of the fault to this OFF, when known; never negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttd_ms: Option<f64>,
    /// Milliseconds from the activation of the fault to ON again, when known; at least `ttd_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttr_ms: Option<f64>,
}

/// The answer of `GET /failures` with the times. Who needs none reads [`Failures`](crate::status::Failures).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Newest first.
    pub failures: Vec<AuditEntry>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::status::Failures;
    use serde_json::json;

    fn stamp() -> serde_json::Value {
        json!({ "at": "2026-01-01T00:00:00.000000Z", "mono_ns": 5 })
    }

    #[test]
    fn every_fault_is_reported_by_the_name_that_it_is_injected_by() {
        for fault in [
            Fault::Crash,
            Fault::Latency { latency_ms: None },
            Fault::Intermittent { probability: 0.5 },
            Fault::Incorrect {
                product: "PROD-001".parse().unwrap(),
            },
            Fault::Freeze,
            Fault::Stale,
        ] {
            assert_eq!(serde_json::to_value(FaultName::from(&fault)).unwrap(), fault.name());
        }
    }

    #[test]
    fn a_report_may_leave_out_the_clearing_and_nothing_else() {
        let read = serde_json::from_value::<Activation>;
        let report = read(json!({ "instance": "2", "fault": "latency", "activated_at": stamp() })).unwrap();
        assert_eq!(report.cleared_at, None);
        let null = json!({ "instance": "2", "fault": "latency", "activated_at": stamp(), "cleared_at": null });
        assert_eq!(read(null).unwrap(), report);
        for wrong in [
            json!({ "instance": "2", "fault": "latency" }),
            json!({ "instance": "0", "fault": "latency", "activated_at": stamp() }),
            json!({ "instance": "2", "fault": "flood", "activated_at": stamp() }),
            json!({ "instance": "2", "fault": "latency", "activated_at": stamp(), "cleared": stamp() }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_entry_without_times_reads_as_before_and_one_with_times_reads_without() {
        let mut entry = json!({ "seq": 1, "at": "2026-01-01T00:00:00.000000Z", "mono_ns": 5,
            "service": "inventory-svc", "instance": "2", "from": "ON", "to": "OFF", "phase": "quarantine",
            "reason": { "kind": "late", "text": "" }, "quorum_lost": false });
        let audit: Audit = serde_json::from_value(json!({ "failures": [entry] })).unwrap();
        assert_eq!(serde_json::to_value(&audit).unwrap()["failures"][0], entry);
        entry["ttd_ms"] = 1.5.into();
        let audit: Audit = serde_json::from_value(json!({ "failures": [entry] })).unwrap();
        assert_eq!((audit.failures[0].ttd_ms, audit.failures[0].ttr_ms), (Some(1.5), None));
        serde_json::from_value::<Failures>(serde_json::to_value(&audit).unwrap()).unwrap();
    }
}
