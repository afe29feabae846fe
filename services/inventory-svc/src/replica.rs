//! One replica's state and what each record of the log does to it: no I/O, so a test can do it too.
//!
//! Replicas must stay equal whatever the order in which they read *different* partitions. So a record counts
//! only in the partition where its product and its order belong; elsewhere it is skipped like one that
//! cannot be parsed, by all replicas alike.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tolerancia_bus::Message;
use tolerancia_core::ledger::{Event, Ledger, Product};
use tolerancia_core::planted::{self, Planted};
use tolerancia_core::{OrderId, ProductId, ReplicaId};
use tolerancia_wire::evidence::{ErrorBody, ErrorRecord};
use tolerancia_wire::record::{InventoryResult, OrderEvent, ResultBody};
use tolerancia_wire::{partition, topic};

pub use crate::snapshot::{Delta, Fingerprint, Restored};

/// How much of an error's text is reported, in characters.
const ERROR_LIMIT: usize = 300;

/// A record to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where to.
    pub topic: &'static str,
    /// Its key.
    pub key: Vec<u8>,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// The ledger, its position in the log, and what is not yet shown or saved of it.
#[derive(Debug)]
pub struct Replica {
    me: ReplicaId,
    replicas: u8,
    source: String,
    ledger: Ledger,
    positions: BTreeMap<u16, u64>,
    /// The record before each position, as it was restored …
    last: BTreeMap<u16, Fingerprint>,
    /// … and the bytes of those that were applied since.
    newest: BTreeMap<u16, Vec<u8>>,
    /// Products that changed since they were last shown.
    unseen: BTreeSet<ProductId>,
    unsaved_products: BTreeSet<ProductId>,
    unsaved_orders: HashSet<OrderId>,
    unsaved_events: usize,
    /// The positions of the last delta, which the next begins from. None: the next is the whole state.
    since: Option<BTreeMap<u16, u64>>,
}

impl Replica {
    /// The replica `me` of `replicas`, in the state that was restored, reading `partitions` partitions.
    pub fn new(me: ReplicaId, replicas: u8, source: String, restored: Restored, partitions: u16) -> Self {
        let since = Some(restored.positions.clone());
        let mut positions = restored.positions;
        for partition in 0..partitions {
            positions.entry(partition).or_insert(0);
        }
        Self {
            me,
            replicas,
            source,
            unseen: restored.ledger.products().map(|(id, _)| id.clone()).collect(),
            ledger: restored.ledger,
            positions,
            last: restored.last,
            newest: BTreeMap::new(),
            unsaved_products: BTreeSet::new(),
            unsaved_orders: HashSet::new(),
            unsaved_events: 0,
            since,
        }
    }

    /// The state.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The next offset of each partition.
    pub const fn positions(&self) -> &BTreeMap<u16, u64> {
        &self.positions
    }

    /// Applies one record. Returns what is to be told about it: the outcome, or, from the replica whose turn
    /// it is, that the record cannot be read.
    pub fn apply(&mut self, message: &Message) -> Option<Letter> {
        let Message { partition, offset, .. } = *message;
        self.positions.insert(partition, offset + 1);
        let newest = self.newest.entry(partition).or_default();
        newest.clear();
        newest.extend_from_slice(&message.payload);
        self.unsaved_events += 1;
        if planted::is(Planted::SkippedEvent) && self.me.number() == 2 && offset % 100 == 99 {
            return None;
        }
        let event = match self.read(message) {
            Ok(event) => event,
            Err(error) => {
                metrics::counter!("inventory_bad_records_total").increment(1);
                tracing::warn!(
                    partition,
                    offset,
                    error,
                    "a record of the log cannot be read and is skipped"
                );
                return self.report(partition, offset, error);
            }
        };
        let applied = self.ledger.apply(partition, offset, &event);
        if let Some(product) = applied.product {
            self.unseen.insert(product.clone());
            self.unsaved_products.insert(product);
        }
        self.unsaved_orders.extend(applied.order);
        let (order_id, product_id) = match event {
            Event::Reserve { order_id, .. } | Event::Release { order_id } => (Some(order_id), None),
            Event::Restock { product_id, .. } => (None, Some(product_id)),
        };
        let key = match (&order_id, &product_id) {
            (Some(order), _) => order.to_string(),
            (None, product) => product.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let outcome = applied.outcome;
        let body = ResultBody::Result {
            instance: self.me,
            partition,
            offset,
            order_id,
            product_id,
            outcome,
        };
        let payload = InventoryResult::new(self.source.clone(), body).to_bytes();
        Some(Letter {
            topic: topic::INVENTORY_RESULTS,
            key: key.into_bytes(),
            payload,
        })
    }

    fn read(&self, message: &Message) -> Result<Event, String> {
        let event = OrderEvent::from_bytes(&message.payload)
            .map_err(|error| error.to_string())?
            .body;
        let (order, product) = match &event {
            Event::Reserve {
                order_id, product_id, ..
            } => (Some(order_id), Some(product_id)),
            Event::Release { order_id } => (Some(order_id), None),
            Event::Restock { product_id, .. } => (None, Some(product_id)),
        };
        let home = order.map(|order| order.partition());
        if let Some(home) = home.filter(|home| *home != message.partition) {
            return Err(format!(
                "its order belongs to partition {home}, not to {}",
                message.partition
            ));
        }
        let count = u16::try_from(self.positions.len()).unwrap_or(u16::MAX);
        let home = product.map(|product| partition::of_product(product, count));
        if let Some(home) = home.filter(|home| *home != message.partition) {
            return Err(format!(
                "its product belongs to partition {home}, not to {}",
                message.partition
            ));
        }
        Ok(event)
    }

    /// Every replica meets the same bad record; they take turns, so it is reported once.
    fn report(&self, partition: u16, offset: u64, error: String) -> Option<Letter> {
        if offset % u64::from(self.replicas) + 1 != u64::from(self.me.number()) {
            return None;
        }
        let error = error.chars().take(ERROR_LIMIT).collect();
        let body = ErrorBody::BadRecord {
            topic: topic::ORDER_EVENTS.to_owned(),
            partition,
            offset,
            error,
        };
        let payload = ErrorRecord::new(self.source.clone(), body).to_bytes();
        Some(Letter {
            topic: topic::ERROR_QUEUE,
            key: self.source.clone().into_bytes(),
            payload,
        })
    }

    /// The products that changed since the last call.
    pub fn take_unseen(&mut self) -> BTreeSet<ProductId> {
        std::mem::take(&mut self.unseen)
    }

    /// Records that were applied since the last [`take_delta`](Self::take_delta).
    pub const fn unsaved(&self) -> usize {
        self.unsaved_events
    }

    /// Nothing of the state is saved any more: the next [`take_delta`](Self::take_delta) is the whole of it. Until it is
    /// taken, what is unsaved is never more than that, however much is applied.
    pub fn forget_saved(&mut self) {
        self.unsaved_products = self.ledger.products().map(|(id, _)| id.clone()).collect();
        self.unsaved_orders = self.ledger.orders().map(|(id, _)| *id).collect();
        self.unsaved_events = self.unsaved_events.max(1);
        self.since = None;
    }

    /// What has changed since the last call, as it is now, with the position that it belongs to.
    pub fn take_delta(&mut self) -> Delta {
        self.unsaved_events = 0;
        let since = self.since.replace(self.positions.clone());
        for (partition, payload) in &self.newest {
            self.last.insert(*partition, Fingerprint::of(payload));
        }
        let products = std::mem::take(&mut self.unsaved_products).into_iter();
        let orders = std::mem::take(&mut self.unsaved_orders).into_iter();
        let product = |id: ProductId| self.ledger.product(&id).map(|product| (id, product.clone()));
        let order = |id: OrderId| self.ledger.order(id).map(|order| (id, order.clone()));
        Delta {
            since,
            products: products.filter_map(product).collect(),
            orders: orders.filter_map(order).collect(),
            positions: self.positions.clone(),
            last: self.last.clone(),
            digest: self.ledger.digest(),
        }
    }

    /// One product as it is now.
    pub fn product(&self, id: &ProductId) -> Option<&Product> {
        self.ledger.product(id)
    }
}

#[cfg(test)]
mod record_tests;
#[cfg(test)]
mod tests;
