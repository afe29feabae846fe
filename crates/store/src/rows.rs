//! The rows, as the services see them. Where the wire has a type for the thing, the row is that type.

use serde::{Deserialize, Serialize};
use tolerancia_wire::Stamp;
use tolerancia_wire::core::ReplicaId;
use tolerancia_wire::evidence::Dissent;
use tolerancia_wire::status::Transition;
use uuid::Uuid;

/// An order. Its idempotency key is part of its id, so it needs no column of its own here.
pub type OrderRow = tolerancia_wire::order::OrderView;

/// One entry of the failure audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// What happened. `seq` identifies it: a second row with the same `seq` and another instant is rejected.
    #[serde(flatten)]
    pub transition: Transition,
    /// Milliseconds from the activation of the fault to OFF, when known.
    pub ttd_ms: Option<f64>,
    /// Milliseconds from the activation of the fault to ON again, when known.
    pub ttr_ms: Option<f64>,
}

impl From<Transition> for AuditRow {
    /// The monitor does not know when a fault became active: whoever does adds it with
    /// [`Write::AuditTimes`](crate::Write::AuditTimes).
    fn from(transition: Transition) -> Self {
        Self {
            transition,
            ttd_ms: None,
            ttr_ms: None,
        }
    }
}

/// The requests to one endpoint of one process that ended with one status within one second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMetricsRow {
    /// `voter-svc`, …
    pub service: String,
    /// `1`, …
    pub instance: String,
    /// The route, not the path: `/inventory/{product}`.
    pub endpoint: String,
    /// HTTP status; 0 for requests that got none.
    pub status: u16,
    /// Unix time in seconds.
    pub second: i64,
    /// Requests.
    pub count: u64,
    /// Median latency in microseconds.
    pub p50_us: u64,
    /// 95th percentile in microseconds.
    pub p95_us: u64,
    /// 99th percentile in microseconds.
    pub p99_us: u64,
    /// Largest latency in microseconds.
    pub max_us: u64,
    /// The encoded histogram (HDR V2), so that seconds can be merged; empty if the caller keeps none.
    pub histogram: Vec<u8>,
}

/// What votes said about one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VotingEvent {
    /// Identifies the event (made by the caller from the record it comes from): writing it twice is writing it once.
    pub event_id: Uuid,
    /// When; for what is counted the end of the interval.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// Who saw it: `voter-svc`, `orders-svc`.
    pub source: String,
    /// About whom.
    pub instance: ReplicaId,
    /// What.
    #[serde(flatten)]
    pub kind: VotingKind,
}

/// Agreements are counted (one row per replica and second at most); so is a lie that is told again, but each
/// different lie is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VotingKind {
    /// Answers that agreed with the quorum.
    Agreements {
        /// How many.
        count: u64,
    },
    /// A proven lie.
    Disagreement {
        /// How often it was told in the interval, from 1.
        count: u64,
        /// What was said and what was agreed.
        dissent: Dissent,
    },
}
