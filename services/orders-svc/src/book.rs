//! The orders that this service knows, in memory and bounded.
//!
//! The book follows what quorums decided; it decides nothing. An order only moves forward:
//! `PENDING` → `CONFIRMED` → `CANCELLED`, or `PENDING` → `REJECTED`. Outcomes may come twice and late
//! (replicas replay the log after a restart, and a repeated reserve reports its first outcome again even
//! when the order was cancelled meanwhile), so a step backwards is ignored, never believed.
//!
//! Orders are filed under the part of their id that an idempotency key determines. A key that comes back
//! with another product therefore meets the first order, although that is in another partition where no
//! replica could see the conflict.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use tolerancia_core::OrderId;
use tolerancia_core::ledger::{Outcome, Refusal};
use tolerancia_wire::Stamp;
use tolerancia_wire::order::{OrderRequest, OrderStatus, OrderView};

/// What the book knows when a client asks for an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// Nothing: the order is entered as `PENDING`.
    New,
    /// The same order, asked for before.
    Again(OrderView),
    /// The key stands for another order.
    Taken,
}

impl Claim {
    /// What a request for the order `id` is, given an order with the same key.
    pub fn on(known: &OrderView, id: OrderId, request: &OrderRequest) -> Self {
        if known.order_id != id {
            return Self::Taken;
        }
        match (&known.product_id, known.quantity) {
            (Some(product), Some(quantity)) if *product == request.product_id && quantity == request.quantity => {
                Self::Again(known.clone())
            }
            (Some(_), Some(_)) => Self::Taken,
            // Known by its result only: the replicas must say whether this is it.
            _ => Self::New,
        }
    }
}

/// The order that `request` asks for, not decided yet.
pub fn pending(now: Stamp, id: OrderId, request: &OrderRequest) -> OrderView {
    OrderView {
        product_id: Some(request.product_id.clone()),
        quantity: Some(request.quantity),
        ..bare(now, id)
    }
}

/// An order of which nothing is known but its id.
pub const fn bare(now: Stamp, id: OrderId) -> OrderView {
    OrderView {
        order_id: id,
        product_id: None,
        quantity: None,
        status: OrderStatus::Pending,
        reason: None,
        version: None,
        created: now,
        updated: now,
    }
}

/// The newest orders; the oldest give way.
#[derive(Debug)]
pub struct Book {
    capacity: usize,
    orders: HashMap<u128, OrderView>,
    by_age: BTreeSet<(Timestamp, u128)>,
}

impl Book {
    /// Orders in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// An empty book for at most `capacity` orders (some 300 bytes each).
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            orders: HashMap::new(),
            by_age: BTreeSet::new(),
        }
    }

    /// A client asks for an order at `now`.
    pub fn claim(&mut self, now: Stamp, id: OrderId, request: &OrderRequest) -> Claim {
        if let Some(known) = self.orders.get(&id.key_part()) {
            return Claim::on(known, id, request);
        }
        self.insert(pending(now, id, request));
        Claim::New
    }

    /// Takes back an order that did not come about. One that a quorum has decided stays.
    pub fn forget(&mut self, id: OrderId) {
        if self.get(id).is_some_and(|known| known.status == OrderStatus::Pending)
            && let Some(known) = self.orders.remove(&id.key_part())
        {
            self.by_age.remove(&(known.created.at, id.key_part()));
        }
    }

    /// Takes out again what `request` entered under an id that may stand for another body: an earlier request with the same
    /// key, of which nobody knew whether it is in the log. What quorums decided about the id stays, and the next request
    /// with the key is appended, so that the replicas say whether it is theirs.
    pub fn disown(&mut self, id: OrderId, request: &OrderRequest) {
        self.forget(id);
        if let Some(known) = self.orders.get_mut(&id.key_part()).filter(|known| known.order_id == id)
            && known.product_id.as_ref() == Some(&request.product_id)
            && known.quantity == Some(request.quantity)
        {
            known.product_id = None;
            known.quantity = None;
        }
    }

    /// Adds what the store or the log says about an order. What the book knows already stays, gaps are
    /// filled, and of two statuses the later one holds. Returns whether the book knew less before.
    pub fn learn(&mut self, other: OrderView) -> bool {
        let Some(known) = self.orders.get_mut(&other.order_id.key_part()) else {
            self.insert(other);
            return true;
        };
        if known.order_id != other.order_id {
            return false;
        }
        let mut learnt = false;
        if known.product_id.is_none() && other.product_id.is_some() {
            learnt = true;
            self.by_age.remove(&(known.created.at, other.order_id.key_part()));
            self.by_age.insert((other.created.at, other.order_id.key_part()));
            known.product_id = other.product_id;
            known.quantity = other.quantity;
            known.created = other.created;
        }
        if rank(other.status) > rank(known.status) {
            known.status = other.status;
            known.reason = other.reason;
            known.version = other.version;
            known.updated = other.updated;
            learnt = true;
        }
        learnt
    }

    /// A quorum decided, at `now`, what an event of this order did. Returns the order if it moved.
    pub fn apply(&mut self, now: Stamp, id: OrderId, outcome: Outcome) -> Option<&OrderView> {
        let (status, version, reason) = match outcome {
            Outcome::Reserved { version } => (OrderStatus::Confirmed, Some(version), None),
            Outcome::Rejected { reason } => (OrderStatus::Rejected, None, Some(word(reason))),
            Outcome::Released { version } => (OrderStatus::Cancelled, Some(version), None),
            Outcome::Refused {
                reason: Refusal::AlreadyReleased,
            } => (OrderStatus::Cancelled, None, None),
            Outcome::Refused {
                reason: Refusal::NeverConfirmed,
            } => (OrderStatus::Rejected, None, None),
            // The id stands for another order than this event asked for, so what was entered for the event
            // is wrong. What a quorum has decided is about the other; whose body the book has then nobody knows here.
            Outcome::Conflict => {
                self.forget(id);
                if let Some(known) = self.orders.get_mut(&id.key_part()).filter(|known| known.order_id == id) {
                    known.product_id = None;
                    known.quantity = None;
                }
                return None;
            }
            Outcome::Restocked { .. }
            | Outcome::Refused {
                reason: Refusal::UnknownOrder,
            } => return None,
        };
        let key = id.key_part();
        if !self.orders.contains_key(&key) {
            self.insert(bare(now, id));
        }
        let order = self.orders.get_mut(&key).filter(|known| known.order_id == id)?;
        if rank(status) <= rank(order.status) {
            return None;
        }
        order.status = status;
        order.version = version.or(order.version);
        order.reason = reason;
        order.updated = now;
        Some(order)
    }

    /// Whether there is an order with the same key.
    pub fn knows_key(&self, id: OrderId) -> bool {
        self.orders.contains_key(&id.key_part())
    }

    /// One order.
    pub fn get(&self, id: OrderId) -> Option<&OrderView> {
        self.orders.get(&id.key_part()).filter(|known| known.order_id == id)
    }

    /// The newest `limit` orders (with this status), newest first.
    pub fn newest(&self, status: Option<OrderStatus>, limit: usize) -> Vec<OrderView> {
        self.by_age
            .iter()
            .rev()
            .filter_map(|(_, key)| self.orders.get(key))
            .filter(|order| status.is_none_or(|wanted| order.status == wanted))
            .take(limit)
            .cloned()
            .collect()
    }

    fn insert(&mut self, order: OrderView) {
        let key = order.order_id.key_part();
        self.by_age.insert((order.created.at, key));
        self.orders.insert(key, order);
        while self.orders.len() > self.capacity {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                return;
            };
            self.orders.remove(&oldest);
        }
    }
}

const fn rank(status: OrderStatus) -> u8 {
    match status {
        OrderStatus::Pending => 0,
        OrderStatus::Confirmed => 1,
        OrderStatus::Rejected | OrderStatus::Cancelled => 2,
    }
}

/// A reason as the records spell it.
pub fn word(reason: impl serde::Serialize) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests;
