//! What clients asked and what they were told, with the times.
//!
//! A request without an answer stays open for ever: whatever it asked for may have happened, may not, or may still. So
//! [`Answer::Failed`] proves nothing about the system, and no check may hold it against it.

use std::collections::BTreeMap;

use serde::Serialize;
use tolerancia_core::ledger::{Refusal, Rejection};
use tolerancia_core::{OrderId, ProductId, ReplicaId, Stock};
use tolerancia_wire::order::OrderStatus;

use crate::load::api::Failure;

/// Entries that a history holds at most, some 100 bytes each. Clients stop when it is full.
pub const MOST: usize = 300_000;

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Which client; each sends one request after the other.
    pub client: u16,
    /// When it was sent, `CLOCK_MONOTONIC` in nanoseconds.
    pub sent_ns: u64,
    /// When the answer was complete, or given up.
    pub ended_ns: u64,
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub answer: Answer,
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// `POST /orders`.
    Order {
        /// The idempotency key, `<run>-<key>`.
        key: u32,
        /// What.
        product: ProductId,
        /// How many units.
        quantity: u64,
        /// How often the key was sent before, with whatever body.
        attempt: u16,
    },
    /// `POST /orders/{order}/cancel`.
    Cancel {
        /// Which order.
        order: OrderId,
        /// The key that it was made from; none if the client made the id up.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<u32>,
    },
    /// `GET /inventory/{product}` on the voter; or one product of `GET /inventory`.
    Read {
        /// Which product.
        product: ProductId,
        /// The newest version of it that this client's own orders and cancels were confirmed at before it asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        known: Option<u64>,
        /// Whether all products were asked for.
        all: bool,
    },
    /// `GET /orders/{order}`, at the end.
    Show {
        /// Which order.
        order: OrderId,
    },
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// 201 to an order.
    Confirmed {
        /// Its id.
        order: OrderId,
        /// The product's version that it, or since then its cancel, made.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
    },
    /// 409 to an order.
    Rejected {
        /// Its id, if it was told.
        #[serde(skip_serializing_if = "Option::is_none")]
        order: Option<OrderId>,
        /// Why; none if the answer did not say.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Rejection>,
    },
    /// 202 to an order: it is in the log.
    Pending {
        /// Its id.
        order: OrderId,
    },
    /// 422: the key stands for another order.
    KeyTaken,
    /// 200 to a cancel.
    Cancelled {
        /// The product's version that the cancel made.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
    },
    /// 202 to a cancel: it is in the log.
    CancelPending,
    /// 409 to a cancel.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// 404 to a cancel or about an order.
    UnknownOrder,
    /// 200 about a product.
    Stock {
        /// The product that the answer is about.
        product: ProductId,
        /// The version.
        version: u64,
        /// The stock at this version.
        #[serde(flatten)]
        stock: Stock,
        /// Whether it is at least as new as anything that the first quorum of replicas claimed.
        fresh: bool,
        /// Who had confirmed it.
        votes: Vec<ReplicaId>,
    },
    /// 404 about a product.
    NoProduct,
    /// 200 about an order.
    Shown {
        /// The order that the answer is about.
        order: OrderId,
        /// Where it stands.
        status: OrderStatus,
        /// What was ordered.
        #[serde(skip_serializing_if = "Option::is_none")]
        product: Option<ProductId>,
        /// How many units.
        #[serde(skip_serializing_if = "Option::is_none")]
        quantity: Option<u64>,
        /// The product's version that the order or its cancel made.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
    },
    /// 2xx or 409 with a body that the interface does not promise, a negative number of units for instance.
    Malformed {
        /// HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// No answer that tells anything: it may have happened or not.
    Failed {
        /// In which way.
        why: Failure,
    },
}

impl Answer {
    /// How it is counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "confirmed",
            Self::Rejected { .. } => "rejected",
            Self::Pending { .. } => "pending",
            Self::KeyTaken => "key_taken",
            Self::Cancelled { .. } => "cancelled",
            Self::CancelPending => "cancel_pending",
            Self::Refused { .. } => "refused",
            Self::UnknownOrder => "unknown_order",
            Self::Stock { fresh: true, .. } => "fresh",
            Self::Stock { fresh: false, .. } => "not_fresh",
            Self::NoProduct => "no_product",
            Self::Shown { .. } => "shown",
            Self::Malformed { .. } => "malformed",
            Self::Failed { why } => match why {
                Failure::Timeout => "timeout",
                Failure::Connect => "no_connection",
                Failure::Lost => "connection_lost",
                Failure::Malformed => "malformed",
                Failure::Pending => "pending",
                Failure::Dropped => "given_up",
                Failure::Status(503) => "unavailable",
                Failure::Status(500..) => "server_error",
                Failure::Status(_) => "client_error",
            },
        }
    }

    /// The order that the answer names.
    #[must_use]
    pub const fn order(&self) -> Option<OrderId> {
        match self {
            Self::Confirmed { order, .. } | Self::Pending { order } | Self::Shown { order, .. } => Some(*order),
            Self::Rejected { order, .. } => *order,
            _ => None,
        }
    }
}

/// Everything that clients asked and were told, by the time at which they were answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// What all idempotency keys of this run begin with.
    pub run: String,
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether there was no room for more.
    pub full: bool,
}

impl History {
    /// The idempotency key with this number.
    #[must_use]
    pub fn key(&self, number: u32) -> String {
        format!("{}-{number}", self.run)
    }

    /// What all ids made from this key have in common.
    #[must_use]
    pub fn key_part(&self, number: u32) -> u128 {
        OrderId::from_key(0, &self.key(number)).key_part()
    }

    /// How often each answer was given, by request: `order: {confirmed: 3}`.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let mut counts: BTreeMap<_, BTreeMap<_, u64>> = BTreeMap::new();
        for entry in &self.entries {
            let request = match entry.request {
                Request::Order { .. } => "order",
                Request::Cancel { .. } => "cancel",
                Request::Read { .. } => "read",
                Request::Show { .. } => "show",
            };
            *counts
                .entry(request)
                .or_default()
                .entry(entry.answer.name())
                .or_default() += 1;
        }
        counts
    }
}
