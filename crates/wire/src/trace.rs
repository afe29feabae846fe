//! The trace: everything that the monitor saw and decided, one JSON object per line.
//!
//! `GET /trace` on the monitor writes it as it happens. `tolerancia experiment --record` keeps it in a file and adds
//! what only the experiment knows, the load and the faults; `tolerancia simulate --trace` reads that file. The first
//! line is [`TraceLine::Begin`]. Instants are `CLOCK_MONOTONIC` of the monitor's host in nanoseconds unless a field
//! says otherwise. Readers skip fields that they do not know.
//!
//! Lines of the monitor never say which fault is active: the experiment writes [`TraceLine::Fault`] after a trial.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::{DetectorKind, Seen};
use tolerancia_core::fault::FaultSpec;

use crate::status::ReasonKind;

/// The version of the trace that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TraceLine {
    /// The first line: how the monitor is set.
    Begin {
        /// [`SCHEMA`].
        schema: u32,
        /// Wall clock at `mono_ns`.
        #[serde(with = "crate::time::micros")]
        at: Timestamp,
        /// The instant of this line.
        mono_ns: u64,
        /// Configured replicas.
        replicas: u8,
        /// The detector in force.
        detector: DetectorKind,
        /// Between two health checks of an instance.
        interval_ms: u64,
        /// After which a health check is abandoned.
        timeout_ms: u64,
        /// Lowest value of the adaptive late bound.
        late_floor_ms: u64,
        /// Highest value of that bound.
        late_cap_ms: u64,
        /// How long a replica may stay behind the quorum.
        lag_budget_ms: u64,
    },
    /// What clients do from here on. Written by the experiment.
    Load {
        /// Voted queries per second.
        queries_rps: f64,
        /// Orders per second.
        orders_rps: f64,
    },
    /// The result of a health check, or the loss of the connection to an instance.
    Check {
        /// When it was known.
        at_ns: u64,
        /// Who.
        instance: ReplicaId,
        /// What it was taken for; `stale` is decided already.
        seen: Seen,
        /// Microseconds from the question to the answer, if one came in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_us: Option<u64>,
    },
    /// What a reporter saw of one instance's answers since its last report.
    Report {
        /// When it arrived.
        at_ns: u64,
        /// When it was made, on the reporter's monotonic clock: the same clock where it runs on the same host.
        made_ns: u64,
        /// Whom it is about.
        instance: ReplicaId,
        /// Who reports.
        from: String,
        /// Answers that were right and in time.
        good: u32,
        /// How many of those came before the first that was not; absent: not known, or all were good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        good_first: Option<u32>,
        /// Late or missing ones.
        late: u32,
        /// Microseconds before the report was made at which the last of those was noticed; absent: not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        late_us_ago: Option<u32>,
        /// Errors.
        failed: u32,
        /// Proven lies.
        lies: u64,
    },
    /// A verdict changed.
    Verdict {
        /// When.
        at_ns: u64,
        /// Whose.
        instance: ReplicaId,
        /// Whether its votes count from now on.
        on: bool,
        /// The kind of evidence.
        kind: ReasonKind,
    },
    /// The monitor itself stood still: what it did not see meanwhile is no evidence.
    Stall {
        /// When it went on.
        at_ns: u64,
        /// For how long it had stood still.
        for_ns: u64,
    },
    /// One trial is over. Written by the experiment.
    Fault {
        /// When the fault became active.
        activated_ns: u64,
        /// When it was cleared; absent: never, since a crash takes its fault with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cleared_ns: Option<u64>,
        /// When the instance was turned OFF for it; absent: it was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detected_ns: Option<u64>,
        /// Where.
        instance: ReplicaId,
        /// What was broken, all at once.
        faults: Vec<FaultSpec>,
        /// The detector in force.
        detector: DetectorKind,
    },
    /// The reader was too slow: so many lines are missing here.
    Lost {
        /// How many.
        lines: u64,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use tolerancia_core::fault::{Fault, Scope};

    use super::*;

    fn id() -> ReplicaId {
        ReplicaId::new(2).unwrap()
    }

    fn lines() -> Vec<TraceLine> {
        vec![
            TraceLine::Begin {
                schema: SCHEMA,
                at: "2026-01-01T00:00:00.000001Z".parse().unwrap(),
                mono_ns: u64::MAX,
                replicas: 3,
                detector: DetectorKind::Accrual,
                interval_ms: 200,
                timeout_ms: 1000,
                late_floor_ms: 50,
                late_cap_ms: 200,
                lag_budget_ms: 1000,
            },
            TraceLine::Load {
                queries_rps: 50.0,
                orders_rps: 0.5,
            },
            TraceLine::Check {
                at_ns: 1,
                instance: id(),
                seen: Seen::Good,
                took_us: Some(812),
            },
            TraceLine::Check {
                at_ns: 2,
                instance: id(),
                seen: Seen::Unreachable,
                took_us: None,
            },
            TraceLine::Report {
                at_ns: 3,
                made_ns: 2,
                instance: id(),
                from: "voter-svc".to_owned(),
                good: 71,
                good_first: Some(40),
                late: 1,
                late_us_ago: Some(7),
                failed: 2,
                lies: 3,
            },
            TraceLine::Verdict {
                at_ns: 4,
                instance: id(),
                on: false,
                kind: ReasonKind::Late,
            },
            TraceLine::Stall { at_ns: 5, for_ns: 4 },
            TraceLine::Fault {
                activated_ns: 6,
                cleared_ns: Some(8),
                detected_ns: None,
                instance: id(),
                faults: vec![
                    FaultSpec {
                        fault: Fault::Latency { latency_ms: None },
                        scope: Scope::Health,
                    },
                    FaultSpec {
                        fault: Fault::Incorrect {
                            product: "PROD-001".parse().unwrap(),
                        },
                        scope: Scope::All,
                    },
                ],
                detector: DetectorKind::Consecutive,
            },
            TraceLine::Lost { lines: 7 },
        ]
    }

    #[test]
    fn every_line_is_read_as_it_was_written() {
        for line in lines() {
            let text = serde_json::to_string(&line).unwrap();
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(serde_json::from_str::<TraceLine>(&text).unwrap(), line);
        }
    }

    #[test]
    fn lines_look_as_documented() {
        let lines: Vec<_> = lines().iter().map(|line| serde_json::to_value(line).unwrap()).collect();
        assert_eq!(lines[0]["at"], "2026-01-01T00:00:00.000001Z");
        assert_eq!(
            lines[3],
            json!({"type": "check", "at_ns": 2, "instance": "2", "seen": "unreachable"})
        );
        assert_eq!(
            lines[7],
            json!({"type": "fault", "activated_ns": 6, "cleared_ns": 8, "instance": "2",
                "faults": [{"fault": "latency", "scope": "health"},
                    {"fault": "incorrect", "product": "PROD-001", "scope": "all"}],
                "detector": "consecutive"})
        );
        assert_eq!(lines[8], json!({"type": "lost", "lines": 7}));
    }

    #[test]
    fn what_is_not_known_is_skipped_in_a_line_but_no_line_is_guessed() {
        let read = |text: &str| serde_json::from_str::<TraceLine>(text);
        assert!(read(r#"{"type":"lost","lines":1,"new":2}"#).is_ok());
        for wrong in [
            r#"{"type":"other","lines":1}"#,
            r#"{"lines":1}"#,
            r#"{"type":"lost"}"#,
            r#"{"type":"check","at_ns":2,"instance":"0","seen":"good"}"#,
            r#"{"type":"check","at_ns":2,"instance":"1","seen":"go"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
