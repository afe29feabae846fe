//! What clients were told, as it is kept until the log is there to judge it, and in `answers.jsonl.zst`.

use serde::{Deserialize, Serialize};
use tolerancia_core::ledger::Refusal;
use tolerancia_core::{OrderId, ProductId, Stock};
use tolerancia_wire::order::OrderRequest;

/// What a client asked and was told. As JSON, an object with the variant's name as its only key:
///
/// ```json
/// {"order":{"key":"0123456789ab8def8123456789ab","asked":{"product_id":"PROD-001","quantity":2},
///  "answer":{"confirmed":{"order":"00000123-4567-89ab-8def-8123456789ab","version":7}},"first":null}}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Told {
    /// A voted query was answered.
    Stock {
        /// The product that was asked for.
        asked: ProductId,
        /// The product that the answer is about.
        product: ProductId,
        /// Its version.
        version: u64,
        /// The value.
        stock: Stock,
        /// Whether the answer claims to be fresh.
        fresh: bool,
        /// The newest version of the product that this client knew to be confirmed before it asked.
        known: Option<u64>,
    },
    /// An order was answered, or not.
    Order {
        /// Its idempotency key, as in [`OrderId::key_part`]; as JSON, the last 28 hexadecimal digits of the order's id.
        #[serde(with = "key")]
        key: u128,
        /// What was ordered.
        asked: OrderRequest,
        /// The answer.
        answer: OrderAnswer,
        /// If it had been sent before with the same key: the answer then.
        first: Option<OrderAnswer>,
    },
    /// A cancel was acknowledged.
    Cancelled {
        /// The order.
        order: OrderId,
    },
    /// A cancel was refused, although this client had not cancelled the order before.
    Refused {
        /// The order.
        order: OrderId,
        /// Why, or so it was told.
        reason: Refusal,
    },
}

/// What a client was told about its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OrderAnswer {
    /// Confirmed, at this version of the product if the answer named one.
    Confirmed {
        /// The order.
        order: OrderId,
        /// The version.
        version: Option<u64>,
    },
    /// In the log, undecided.
    Pending {
        /// The order.
        order: OrderId,
    },
    /// Rejected.
    Rejected,
    /// That its key belongs to another order.
    Conflict,
    /// No valid answer: the order may or may not be in the log, but at most once.
    Unknown,
}

impl Told {
    /// Whether it is a successful answer to a query.
    #[must_use]
    pub const fn is_stock(&self) -> bool {
        matches!(self, Self::Stock { .. })
    }

    /// Whether something was promised that must be in the log: an order, or a cancel. An order that was sent again is
    /// still one order.
    #[must_use]
    pub const fn is_acknowledgement(&self) -> bool {
        match self {
            Self::Order {
                answer, first: None, ..
            } => matches!(answer, OrderAnswer::Confirmed { .. } | OrderAnswer::Pending { .. }),
            Self::Cancelled { .. } => true,
            Self::Order { .. } | Self::Refused { .. } | Self::Stock { .. } => false,
        }
    }
}

/// Keys as text: not every reader of JSON has integers of 128 bits.
mod key {
    use serde::de::Error;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(key: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{key:028x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_key = (28..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u128::from_str_radix(&text, 16)
            .ok()
            .filter(|_| is_key)
            .ok_or_else(|| D::Error::custom("a key has 28 hexadecimal digits"))
    }
}
