//! Evidence about replicas on `error-queue`.

use serde::{Deserialize, Serialize};
use tolerancia_core::ledger::{Outcome, Stock};
use tolerancia_core::{OrderId, ProductId, ReplicaId};

use crate::Record;

/// The body of a record on `error-queue`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ErrorBody {
    /// How the answers of some replicas were since the reporter's last batch.
    Evidence {
        /// One entry per replica that was asked or that reported.
        batches: Vec<Batch>,
    },
    /// A record that could not be read. Skipped by all replicas alike.
    BadRecord {
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: u16,
        /// Its offset.
        offset: u64,
        /// Why it could not be read.
        error: String,
    },
}

/// A record on `error-queue`.
pub type ErrorRecord = Record<ErrorBody>;

/// What a reporter saw of one replica since its last batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Whom it is about.
    pub instance: ReplicaId,
    /// Answers that came in time and were right.
    #[serde(default)]
    pub good: u32,
    /// Answers that came late or not within the voting timeout.
    #[serde(default)]
    pub late: u32,
    /// Answers that were errors, malformed or cut off.
    #[serde(default)]
    pub failed: u32,
    /// Answers that were only older than the quorum's: lag, not a lie.
    #[serde(default)]
    pub stale: u32,
    /// Products about which a shadow vote (the replica is OFF, its vote does not count) agreed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreed: Vec<ProductId>,
    /// Proven lies; at most a few per batch are spelt out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dissents: Vec<Dissent>,
}

impl Batch {
    /// An empty batch about `instance`.
    #[must_use]
    pub const fn new(instance: ReplicaId) -> Self {
        Self {
            instance,
            good: 0,
            late: 0,
            failed: 0,
            stale: 0,
            agreed: Vec::new(),
            dissents: Vec::new(),
        }
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.good == 0 && !self.is_bad() && self.agreed.is_empty()
    }

    /// Whether something was wrong.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.late > 0 || self.failed > 0 || self.stale > 0 || !self.dissents.is_empty()
    }
}

/// A proven lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Dissent {
    /// About a product's stock.
    Stock {
        /// The product.
        product: ProductId,
        /// The version at which a quorum contradicts the replica.
        version: u64,
        /// What the replica said there; absent: it denied that the version exists.
        said: Option<Stock>,
        /// What the quorum agreed on; absent: the version does not exist.
        agreed: Option<Stock>,
        /// Distance of what was said from the agreed value in robust standard deviations of all replies
        /// (median and MAD); absent when it is not defined.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        robust_z: Option<f64>,
    },
    /// About an order's outcome.
    Outcome {
        /// The order; absent for a restock.
        order_id: Option<OrderId>,
        /// What the replica reported.
        said: Outcome,
        /// What the quorum reported.
        agreed: Outcome,
    },
}

impl std::fmt::Display for Dissent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stock = |s: &Option<Stock>| {
            s.map_or_else(
                || "no such version".to_owned(),
                |s| format!("available {} reserved {}", s.available, s.reserved),
            )
        };
        match self {
            Self::Stock {
                product,
                version,
                said,
                agreed,
                ..
            } => {
                write!(
                    f,
                    "dissent: {product} at version {version}: said {}, agreed {}",
                    stock(said),
                    stock(agreed)
                )
            }
            Self::Outcome { order_id, said, agreed } => {
                let order = order_id.map_or_else(|| "restock".to_owned(), |id| format!("order {id}"));
                write!(f, "dissent: {order}: said {said:?}, agreed {agreed:?}")
            }
        }
    }
}
