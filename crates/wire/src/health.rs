//! The body of `GET /health`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a service can do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HealthState {
    /// Ready (200).
    Up,
    /// Works, but something it can do without is missing: `details` says what (200).
    Degraded,
    /// A replica that has not yet applied the log as it stood at start (503).
    CatchingUp,
    /// Not able to work: `details` says why (503).
    Down,
}

impl HealthState {
    /// Whether the HTTP status is 200.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Up | Self::Degraded)
    }
}

/// The body of `GET /health`. It never says whether a fault is injected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `UP`, `DEGRADED`, `CATCHING_UP` or `DOWN`.
    pub status: HealthState,
    /// `inventory-svc`, …
    pub service: String,
    /// `1`, …
    pub instance: String,
    /// The process.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// Seconds since the service started.
    pub uptime_s: f64,
    /// Replicas: events applied per partition of `order-events` (the next offset).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied: BTreeMap<u16, u64>,
    /// Replicas: digest over the whole state; equal at equal positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Replicas: milliseconds for which it has not been waiting for its log; 0 while it is. A replica that has stopped
    /// reading cannot be told by its position while nothing is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// Services that keep history: `postgres` or `sqlite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What is missing or why the service is down, by part: `kafka`, `database`, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}
