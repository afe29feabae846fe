//! What enters the ledger, and what comes out of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{OrderId, ProductId};

/// What a product's stock is at one version, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Stock {
    /// Units that can still be ordered.
    pub available: u64,
    /// Units held by confirmed orders.
    pub reserved: u64,
}

impl std::fmt::Display for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "available {} reserved {}", self.available, self.reserved)
    }
}

/// A stock together with the offset of the event that produced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Versioned {
    /// Offset in the product's partition of the last event that touched the product.
    pub version: u64,
    /// The stock after that event.
    #[serde(flatten)]
    pub stock: Stock,
}

/// One entry of the log `order-events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Take `quantity` units of a product for an order.
    Reserve {
        /// The order.
        order_id: OrderId,
        /// What it wants.
        product_id: ProductId,
        /// How many units; at least 1.
        quantity: u64,
    },
    /// Give an order's units back.
    Release {
        /// The order.
        order_id: OrderId,
    },
    /// Add units of a product; creates the product if it is new.
    Restock {
        /// The product.
        product_id: ProductId,
        /// How many units; at least 1.
        quantity: u64,
    },
}

/// Why a reserve or a restock was rejected. Rejections change nothing but are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// Fewer units available than asked for.
    InsufficientStock,
    /// No restock ever named this product.
    UnknownProduct,
    /// A quantity of zero.
    ZeroQuantity,
    /// The sum would not fit the counter.
    Overflow,
}

/// Why a release changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such order in this partition.
    UnknownOrder,
    /// The order was cancelled before.
    AlreadyReleased,
    /// The order was rejected, so it holds nothing.
    NeverConfirmed,
}

/// What an event did. Equal on all correct replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The units are reserved; the product is at `version` since then.
    Reserved {
        /// Version of the product that the reserve made.
        version: u64,
    },
    /// Nothing was reserved or restocked.
    Rejected {
        /// Why.
        reason: Rejection,
    },
    /// The order id is known with another product or quantity (a reused idempotency key).
    Conflict,
    /// The order's units are available again; the product is at `version` since then.
    Released {
        /// Version of the product that the release made.
        version: u64,
    },
    /// The release changed nothing.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// Units were added; the product is at `version` since then.
    Restocked {
        /// Version of the product that the restock made.
        version: u64,
    },
}
