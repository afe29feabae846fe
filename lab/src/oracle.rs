//! The judge of everything that clients were told: the log, replayed.
//!
//! `order-events` is the only source of state, so whoever replays it with the ledger's rules knows every value
//! that every product ever had, and what became of every order. An answer is *wrong* when it contradicts
//! that: another stock than the log has at its version, a version that the log does not have, or, if it says
//! that it is fresh, a version older than one that the same client had been told before it asked.
//!
//! Every order of the experiment carries an idempotency key, and the key is part of the order's id. So an
//! order is found in the log even when its answer was lost, and one that took stock twice under two ids, too.
//!
//! An answer is also wrong when it is about something else than what was asked: another product, another order.

mod audit;
mod told;
mod words;

use std::collections::{BTreeMap, HashMap};

use tolerancia_bus::Message;
use tolerancia_core::ledger::{Event, Ledger, Order, OrderState, Refusal};
use tolerancia_core::{OrderId, ProductId, Stock};
use tolerancia_wire::order::OrderRequest;
use tolerancia_wire::record::OrderEvent;

use audit::Audit;
pub use told::{OrderAnswer, Told};
use words::{answered, ids as listed, order_state, refusal, rejection, request, stock_or_none};

/// The log, replayed.
#[derive(Debug, Default)]
pub struct Truth {
    ledger: Ledger,
    stocks: HashMap<ProductId, BTreeMap<u64, Stock>>,
    orders_by_key: HashMap<u128, Vec<OrderId>>,
    ends: BTreeMap<u16, u64>,
    unreadable: u64,
    audit: Audit,
    audited: Vec<Finding>,
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

/// The log while it is being replayed, record by record, so that it need not be in memory as a whole.
#[derive(Debug, Default)]
pub struct Replay(Truth);

impl Replay {
    /// Adds a record. Records come by partition, then by offset.
    ///
    /// # Panics
    /// When they do not.
    pub fn add(&mut self, partition: u16, offset: u64, payload: &[u8]) {
        let Self(truth) = self;
        truth.ends.insert(partition, offset.saturating_add(1));
        match OrderEvent::from_bytes(payload) {
            Ok(record) => truth.apply(partition, offset, &record.body),
            Err(_) => truth.unreadable += 1,
        }
    }

    /// What the log says.
    #[must_use]
    pub fn done(self) -> Truth {
        let Self(mut truth) = self;
        // Every product, not only those that the ledger says were changed.
        for product in truth.audit.products() {
            truth.audit_product(&product);
        }
        for (&order, _) in truth.ledger.orders() {
            truth.orders_by_key.entry(order.key_part()).or_default().push(order);
        }
        truth
    }
}

impl Truth {
    /// Replays records of `order-events`, each partition from its beginning. Records that cannot be read are
    /// skipped, as every replica does.
    #[must_use]
    pub fn replay(log: &[Message]) -> Self {
        let mut order: Vec<&Message> = log.iter().collect();
        order.sort_by_key(|message| (message.partition, message.offset));
        let mut replay = Replay::default();
        for message in order {
            replay.add(message.partition, message.offset, &message.payload);
        }
        replay.done()
    }

    fn apply(&mut self, partition: u16, offset: u64, event: &Event) {
        if let Some(finding) = self.misplaced(partition, offset, event) {
            self.audited.push(finding);
            return;
        }
        let changed = self.ledger.apply(partition, offset, event).product;
        self.audit.add(partition, event);
        if let Some(product) = changed {
            self.audit_product(&product);
            let newest = self.ledger.product(&product).expect("it was just changed").newest();
            self.stocks
                .entry(product)
                .or_default()
                .insert(newest.version, newest.stock);
        }
    }

    /// A release outside its product's partition has no place among the product's versions, and the ledger stops at it
    /// where its offset is not above all of them.
    fn misplaced(&self, partition: u16, offset: u64, event: &Event) -> Option<Finding> {
        let Event::Release { order_id } = event else {
            return None;
        };
        let order = self.ledger.order(*order_id)?;
        let product = self.ledger.product(&order.product)?;
        let is_open = matches!(order.state, OrderState::Confirmed(_));
        (is_open && product.partition != partition && offset <= product.newest().version).then(|| {
            Finding::Wrong(format!(
                "the record of partition {partition} at offset {offset} releases order {order_id} of {}, whose events \
                 are in partition {}",
                order.product, product.partition
            ))
        })
    }

    fn audit_product(&mut self, product: &ProductId) {
        let stock = self.ledger.product(product).map(|product| product.newest().stock);
        self.audited.extend(self.audit.compare(product, stock));
    }

    /// What the ledger itself has wrong: stock that is not what the orders and restocks add up to, and records that it
    /// cannot apply.
    #[must_use]
    pub fn audited(&self) -> &[Finding] {
        &self.audited
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
            Told::Stock { asked, product, .. } if asked != product => Some(Finding::Wrong(format!(
                "asked for {asked}, the answer was about {product}"
            ))),
            Told::Stock {
                asked: _,
                product,
                version,
                stock,
                fresh,
                known,
            } => self.judge_stock(product, *version, *stock, known.filter(|_| *fresh)),
            Told::Order {
                key,
                asked,
                answer,
                first,
            } => first
                .and_then(|first| judge_again(first, *answer))
                .or_else(|| self.judge_order(*key, asked, *answer)),
            Told::Refused { order, reason } => self.judge_refusal(*order, *reason),
            Told::Cancelled { order } => match self.ledger.order(*order).map(|order| order.state) {
                Some(OrderState::Cancelled(_)) => None,
                state => Some(Finding::Lost(format!(
                    "the cancel of order {order} was acknowledged, in the log it is {}",
                    order_state(state)
                ))),
            },
        }
    }

    fn judge_stock(&self, product: &ProductId, version: u64, stock: Stock, known: Option<u64>) -> Option<Finding> {
        let truth = self.stocks.get(product).and_then(|versions| versions.get(&version));
        if truth != Some(&stock) {
            return Some(Finding::Wrong(format!(
                "{product} at version {version}: the answer was {stock}, the log has {}",
                stock_or_none(truth)
            )));
        }
        let known = known.filter(|&known| version < known)?;
        Some(Finding::Wrong(format!(
            "{product}: version {version} was called fresh after version {known} had been confirmed"
        )))
    }

    fn judge_order(&self, key: u128, asked: &OrderRequest, answer: OrderAnswer) -> Option<Finding> {
        let ids = self.orders_by_key.get(&key).map(Vec::as_slice).unwrap_or_default();
        let took = |id: &&OrderId| self.ledger.order(**id).is_some_and(holds_or_held);
        if ids.iter().filter(took).count() > 1 {
            return Some(Finding::Doubled(format!(
                "one order took stock as each of {}",
                listed(ids)
            )));
        }
        match answer {
            OrderAnswer::Unknown => None,
            OrderAnswer::Conflict => Some(Finding::Wrong(format!(
                "an order of {} was answered as if its key, which was new, stood for another one",
                request(asked)
            ))),
            OrderAnswer::Pending { order } => match self.asked_for(key, asked, order) {
                Ok(None) => Some(Finding::Lost(format!(
                    "order {order} was accepted and is not in the log"
                ))),
                Ok(Some(_)) => None,
                Err(finding) => Some(finding),
            },
            OrderAnswer::Confirmed { order, version } => match self.asked_for(key, asked, order) {
                Ok(None) => Some(Finding::Lost(format!(
                    "order {order} was confirmed and is not in the log"
                ))),
                Ok(Some(OrderState::Rejected(reason))) => Some(Finding::Wrong(format!(
                    "order {order} was confirmed, the log rejects it: {}",
                    rejection(reason)
                ))),
                Ok(Some(OrderState::Confirmed(at) | OrderState::Cancelled(at))) => {
                    let told = version.filter(|&told| told != at)?;
                    Some(Finding::Wrong(format!(
                        "order {order} was confirmed at version {told}, the log has it at {at}"
                    )))
                }
                Err(finding) => Some(finding),
            },
            OrderAnswer::Rejected => match ids.iter().find(took) {
                Some(taken) => Some(Finding::Wrong(format!(
                    "order {taken} was rejected, the log confirms it"
                ))),
                None if ids.is_empty() => Some(Finding::Wrong(format!(
                    "an order of {} was rejected and is not in the log",
                    request(asked)
                ))),
                None => ids.iter().find_map(|&id| self.asked_for(key, asked, id).err()),
            },
        }
    }

    /// Where the order stands that a client was told is its own; an error if it is somebody else's.
    fn asked_for(&self, key: u128, asked: &OrderRequest, order: OrderId) -> Result<Option<OrderState>, Finding> {
        if order.key_part() != key {
            return Err(Finding::Wrong(format!(
                "an order of {} was answered with order {order}, which has another key",
                request(asked)
            )));
        }
        let Some(found) = self.ledger.order(order) else {
            return Ok(None);
        };
        if found.product != asked.product_id || found.quantity != asked.quantity {
            return Err(Finding::Wrong(format!(
                "order {order} was of {}, the log has {} of {}",
                request(asked),
                found.quantity,
                found.product
            )));
        }
        Ok(Some(found.state))
    }

    /// An order is never confirmed after it was rejected, nor is a cancelled one open again: how it stands now
    /// tells what it cannot have been.
    fn judge_refusal(&self, order: OrderId, reason: Refusal) -> Option<Finding> {
        let found = self.ledger.order(order)?;
        let right = match reason {
            Refusal::UnknownOrder => false,
            Refusal::NeverConfirmed => !holds_or_held(found),
            Refusal::AlreadyReleased => matches!(found.state, OrderState::Cancelled(_)),
        };
        (!right).then(|| {
            Finding::Wrong(format!(
                "the cancel of order {order} was refused as {}, in the log it is {}",
                refusal(reason),
                order_state(Some(found.state))
            ))
        })
    }
}

const fn holds_or_held(order: &Order) -> bool {
    matches!(order.state, OrderState::Confirmed(_) | OrderState::Cancelled(_))
}

/// The same key and body must give the same answer, unless the first was not final or the second is missing.
fn judge_again(first: OrderAnswer, again: OrderAnswer) -> Option<Finding> {
    use OrderAnswer::{Confirmed, Pending, Unknown};
    let id = |answer| match answer {
        Confirmed { order, .. } | Pending { order } => Some(order),
        _ => None,
    };
    if let (Some(one), Some(other)) = (id(first), id(again))
        && one != other
    {
        return Some(Finding::Doubled(format!(
            "order {one}, sent again, became order {other}"
        )));
    }
    let same = first == again || matches!(first, Pending { .. } | Unknown) || again == Unknown;
    (!same).then(|| {
        Finding::Wrong(format!(
            "an order, sent again, was first {}, then {}",
            answered(first),
            answered(again)
        ))
    })
}

#[cfg(test)]
mod tests;
