//! The judge of everything that clients were told: the log, replayed.
//!
//! `order-events` is the only source of state, so whoever replays it with the ledger's rules knows every value
//! that every product ever had, and what became of every order. An answer is *wrong* when it contradicts
//! that: another stock than the log has at its version, a version that the log does not have, or, if it says
//! that it is fresh, a version older than one that the same client had been told before it asked.
//!
//! Every order of the experiment carries an idempotency key, and the key is part of the order's id. So an
//! order is found in the log even when its answer was lost, and one that took stock twice under two ids, too.

use std::collections::{BTreeMap, HashMap};

use tolerancia_bus::Message;
use tolerancia_core::ledger::{Event, Ledger, OrderState};
use tolerancia_core::{OrderId, ProductId, Stock};
use tolerancia_wire::record::OrderEvent;

/// The log, replayed.
#[derive(Debug, Default)]
pub struct Truth {
    ledger: Ledger,
    stocks: HashMap<ProductId, BTreeMap<u64, Stock>>,
    orders_by_key: HashMap<u128, Vec<OrderId>>,
    ends: BTreeMap<u16, u64>,
    unreadable: u64,
}

/// What a client asked and was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A voted query was answered.
    Stock {
        /// The product.
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
        /// Its idempotency key, as in [`OrderId::key_part`].
        key: u128,
        /// The answer.
        answer: OrderAnswer,
    },
    /// A cancel was acknowledged.
    Cancelled {
        /// The order.
        order: OrderId,
    },
}

/// What a client was told about its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// No valid answer: the order may or may not be in the log, but at most once.
    Unknown,
}

/// What the log says about one thing that a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// An answer contradicts the log.
    Wrong(String),
    /// An acknowledged order or cancel is not in the log.
    Lost(String),
    /// An order took stock more than once.
    Doubled(String),
}

impl Truth {
    /// Replays records of `order-events`, each partition from its beginning. Records that cannot be read are
    /// skipped, as every replica does.
    #[must_use]
    pub fn replay(mut log: Vec<Message>) -> Self {
        log.sort_by_key(|message| (message.partition, message.offset));
        let mut truth = Self::default();
        for message in log {
            truth.ends.insert(message.partition, message.offset + 1);
            match OrderEvent::from_bytes(&message.payload) {
                Ok(record) => truth.apply(message.partition, message.offset, &record.body),
                Err(_) => truth.unreadable += 1,
            }
        }
        for (&order, _) in truth.ledger.orders() {
            truth.orders_by_key.entry(order.key_part()).or_default().push(order);
        }
        truth
    }

    fn apply(&mut self, partition: u16, offset: u64, event: &Event) {
        let changed = self.ledger.apply(partition, offset, event).product;
        if let Some(product) = changed {
            let newest = self.ledger.product(&product).expect("it was just changed").newest();
            self.stocks
                .entry(product)
                .or_default()
                .insert(newest.version, newest.stock);
        }
    }

    /// The digest that every replica has at [`ends`](Self::ends).
    #[must_use]
    pub fn digest(&self) -> String {
        self.ledger.digest().to_string()
    }

    /// The offset after the last record of each partition that has any.
    #[must_use]
    pub const fn ends(&self) -> &BTreeMap<u16, u64> {
        &self.ends
    }

    /// Records that could not be read.
    #[must_use]
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Judges what a client was told; `None` if the log agrees.
    #[must_use]
    pub fn judge(&self, told: &Told) -> Option<Finding> {
        match told {
            Told::Stock {
                product,
                version,
                stock,
                fresh,
                known,
            } => self.judge_stock(product, *version, *stock, known.filter(|_| *fresh)),
            Told::Order { key, answer } => self.judge_order(*key, *answer),
            Told::Cancelled { order } => match self.ledger.order(*order).map(|order| order.state) {
                Some(OrderState::Cancelled(_)) => None,
                state => Some(Finding::Lost(format!(
                    "the cancel of order {order} was acknowledged, the log has it as {state:?}"
                ))),
            },
        }
    }

    fn judge_stock(&self, product: &ProductId, version: u64, stock: Stock, known: Option<u64>) -> Option<Finding> {
        let truth = self.stocks.get(product).and_then(|versions| versions.get(&version));
        if truth != Some(&stock) {
            return Some(Finding::Wrong(format!(
                "{product} at version {version}: the answer was {stock:?}, the log has {truth:?}"
            )));
        }
        let known = known.filter(|&known| version < known)?;
        Some(Finding::Wrong(format!(
            "{product}: version {version} was called fresh after version {known} had been confirmed"
        )))
    }

    fn judge_order(&self, key: u128, answer: OrderAnswer) -> Option<Finding> {
        let ids = self.orders_by_key.get(&key).map(Vec::as_slice).unwrap_or_default();
        let state = |id: &OrderId| self.ledger.order(*id).map(|order| order.state);
        let took = |id: &&OrderId| matches!(state(id), Some(OrderState::Confirmed(_) | OrderState::Cancelled(_)));
        if ids.iter().filter(took).count() > 1 {
            return Some(Finding::Doubled(format!("one order took stock as each of {ids:?}")));
        }
        match answer {
            OrderAnswer::Unknown => None,
            OrderAnswer::Pending { order } => match state(&order) {
                Some(_) => None,
                None => Some(Finding::Lost(format!(
                    "order {order} was accepted and is not in the log"
                ))),
            },
            OrderAnswer::Confirmed { order, version } => match state(&order) {
                None => Some(Finding::Lost(format!(
                    "order {order} was confirmed and is not in the log"
                ))),
                Some(OrderState::Rejected(reason)) => Some(Finding::Wrong(format!(
                    "order {order} was confirmed, the log rejects it: {reason:?}"
                ))),
                Some(OrderState::Confirmed(at) | OrderState::Cancelled(at)) => {
                    let told = version.filter(|&told| told != at)?;
                    Some(Finding::Wrong(format!(
                        "order {order} was confirmed at version {told}, the log has it at {at}"
                    )))
                }
            },
            OrderAnswer::Rejected => {
                let taken = ids.iter().find(|id| took(id))?;
                Some(Finding::Wrong(format!(
                    "order {taken} was rejected, the log confirms it"
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests;
