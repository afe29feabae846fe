//! Bodies of the orders API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tolerancia_core::{OrderId, ProductId};

use crate::Stamp;

/// The largest quantity of one order: the largest integer that every JSON reader keeps exact (2^53 − 1).
pub const MAX_QUANTITY: u64 = (1 << 53) - 1;

/// `POST /orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// What to order.
    pub product_id: ProductId,
    /// How many units, 1 to [`MAX_QUANTITY`].
    #[serde(deserialize_with = "tolerancia_core::whole::deserialize")]
    #[schemars(range(min = 1, max = MAX_QUANTITY))]
    pub quantity: u64,
}

/// Where an order stands for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// In the log; no quorum has reported yet.
    Pending,
    /// A quorum reserved it.
    Confirmed,
    /// A quorum rejected it: `reason` says why.
    Rejected,
    /// A quorum released it.
    Cancelled,
}

/// An order as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderView {
    /// The order.
    pub order_id: OrderId,
    /// What was ordered; absent only for an order of which this service has seen nothing but its result.
    pub product_id: Option<ProductId>,
    /// How many units.
    pub quantity: Option<u64>,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Version of the product that the order or its cancel made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When the order was accepted.
    pub created: Stamp,
    /// When its status last changed.
    pub updated: Stamp,
}

/// `GET /orders`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderList {
    /// Newest first.
    pub orders: Vec<OrderView>,
}
