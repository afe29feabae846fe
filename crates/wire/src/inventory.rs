//! What replicas and the voter answer about stock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tolerancia_core::ledger::Versioned;
use tolerancia_core::{ProductId, ReplicaId, Stock};

/// One replica's answer about one product (`GET /inventory/{product}` on a replica).
///
/// An unknown product is a 404 with the same body and no versions, so that a quorum can agree on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaProduct {
    /// The product.
    pub product_id: ProductId,
    /// Who answers.
    pub instance: ReplicaId,
    /// Its partition of `order-events`.
    pub partition: u16,
    /// Events of that partition applied so far (the next offset).
    pub applied: u64,
    /// The newest versions, newest first; empty if there is no such product.
    pub versions: Vec<Versioned>,
}

/// One replica's answer about all products (`GET /inventory` on a replica).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaInventory {
    /// Who answers.
    pub instance: ReplicaId,
    /// All products by name.
    pub products: Vec<ReplicaProduct>,
}

/// The voter's answer about one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VotedProduct {
    /// The product.
    pub product_id: ProductId,
    /// The version a quorum agreed on.
    pub version: u64,
    /// Units that can be ordered and units reserved at that version.
    #[serde(flatten)]
    pub stock: Stock,
    /// Whether it is at least as new as anything the first quorum of replies claimed.
    pub fresh: bool,
    /// Replicas that had confirmed the value when the answer left.
    pub votes: Vec<ReplicaId>,
}

/// The voter's answer about all products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VotedInventory {
    /// One voted product each, by name.
    pub products: Vec<VotedProduct>,
    /// Products on which no quorum agreed in time; never served with a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<ProductId>,
}

/// What one replica said when there was no quorum; in the 503 problem's `replies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// Who.
    pub instance: ReplicaId,
    /// `ok`, `timeout`, `error 500`, `unreachable`, …
    pub answer: String,
    /// Whether its vote counts.
    pub on: bool,
    /// Its newest version, if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Versioned>,
}

/// The voter's counters since its start (`GET /voting-stats`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct VotingStats {
    /// Votes on behalf of clients.
    pub votes: u64,
    /// Votes of the scrub, without a client.
    pub scrub_votes: u64,
    /// Client votes that a quorum decided.
    pub decided: u64,
    /// Client votes in which all configured replicas agreed.
    pub unanimous: u64,
    /// Client votes that were served with `fresh: false`.
    pub not_fresh: u64,
    /// Client votes without a quorum (503).
    pub no_quorum: u64,
    /// `decided / votes`, 1 when there was no vote.
    pub quorum_rate: f64,
    /// Milliseconds from request to decision: median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Evidence batches dropped because the queue to Kafka was full.
    pub evidence_dropped: u64,
    /// Per replica.
    pub instances: Vec<InstanceStats>,
}

/// What the voter saw of one replica since its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceStats {
    /// The replica.
    pub instance: ReplicaId,
    /// Whether its votes count.
    pub on: bool,
    /// Whether the connection is open.
    pub connected: bool,
    /// Right answers in time.
    pub good: u64,
    /// Late or missing answers.
    pub late: u64,
    /// Errors.
    pub failed: u64,
    /// Older than the quorum.
    pub stale: u64,
    /// Proven lies.
    pub dissents: u64,
}
