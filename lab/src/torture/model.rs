//! The trusted model: what the log means, said once more.
//!
//! The replicas share one ledger, so a mistake in it makes all of them wrong alike, and a judge who used it would agree.
//! This model is written anew from the documented rules, uses nothing of the ledger's code, and is kept so small that it
//! can be checked by reading:
//!
//! 1. A record that cannot be read, or that is about an order or a product of another partition, counts for nothing.
//! 2. `restock`: adds units, and with the first the product exists. Zero units, or more than the sum can count, add nothing.
//! 3. `reserve`: the first record with an order's id decides. The order holds its units if the product exists, the quantity
//!    is not zero, and so many are available; otherwise it is rejected for ever. Every later reserve with this id changes
//!    nothing.
//! 4. `release`: gives back what the order holds, exactly, once. Any other changes nothing.
//! 5. Every change makes a new version of the product, whose number is the record's offset.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use tolerancia_bus::Message;
use tolerancia_core::ledger::{Event, Rejection};
use tolerancia_core::{OrderId, ProductId, Stock};
use tolerancia_wire::partition;
use tolerancia_wire::record::OrderEvent;

/// What a record of the log did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Units were added.
    Restocked,
    /// An order holds its units from here on.
    Reserved,
    /// An order was rejected.
    Rejected(Rejection),
    /// A reserve of an order that was decided before.
    Repeated,
    /// A reserve with a known order's id, about another product or quantity.
    Conflict,
    /// An order's units were given back.
    Released,
    /// A release of an order that holds nothing.
    Refused,
    /// Not readable, or in a partition where it does not belong.
    Skipped,
}

/// One record of `order-events`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogRecord {
    /// Partition.
    pub partition: u16,
    /// Offset.
    pub offset: u64,
    /// When it was made, by its maker's `CLOCK_MONOTONIC` in nanoseconds; 0 if it cannot be read.
    pub made_ns: u64,
    /// What it says; none if it cannot be read.
    #[serde(flatten)]
    pub event: Option<Event>,
    /// What it did.
    pub effect: Effect,
}

/// One version of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its number: the offset of the record that made it.
    pub version: u64,
    /// The stock.
    pub stock: Stock,
    /// All that was restocked up to here.
    pub restocked: u64,
    /// The order that made it; none: a restock.
    pub by: Option<OrderId>,
    /// Whether it was made by giving units back.
    pub is_release: bool,
}

/// A product, with all its versions from the first on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Product {
    /// Its partition.
    pub partition: u16,
    /// The versions, oldest first; never empty.
    pub versions: Vec<Made>,
}

impl Product {
    /// The newest version.
    #[must_use]
    pub fn newest(&self) -> Option<&Made> {
        self.versions.last()
    }

    /// The version with this number.
    #[must_use]
    pub fn at(&self, version: u64) -> Option<&Made> {
        let found = self.versions.binary_search_by_key(&version, |made| made.version);
        found.ok().map(|index| &self.versions[index])
    }
}

/// How an order stands at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds its units since this version.
    Held(u64),
    /// It gave them back.
    Released {
        /// It held them since this version.
        held: u64,
        /// They are available again since this version.
        released: u64,
    },
    /// It never held any.
    Rejected(Rejection),
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Of what.
    pub product: ProductId,
    /// How many units.
    pub quantity: u64,
    /// How it stands.
    pub state: State,
    /// The offset of its first reserve, which decided it.
    pub first: u64,
}

impl Order {
    /// The version since which it held units, if it ever did.
    #[must_use]
    pub const fn held(&self) -> Option<u64> {
        match self.state {
            State::Held(held) | State::Released { held, .. } => Some(held),
            State::Rejected(_) => None,
        }
    }
}

/// What the log means.
#[derive(Debug, Clone, Default)]
pub struct Model {
    partitions: u16,
    /// The products.
    pub products: BTreeMap<ProductId, Product>,
    /// The orders.
    pub orders: HashMap<OrderId, Order>,
    /// Reserves that changed nothing because their order was decided before, by partition and offset.
    pub repeats: HashMap<(u16, u64), OrderId>,
    /// Releases in the log, with effect or without, by order.
    pub releases: HashMap<OrderId, u32>,
}

impl Model {
    /// What the log means, and what each record did. Every partition from its beginning, `partitions` in all.
    #[must_use]
    pub fn replay(log: &[Message], partitions: u16) -> (Self, Vec<LogRecord>) {
        let mut model = Self {
            partitions,
            ..Self::default()
        };
        let mut order: Vec<&Message> = log.iter().collect();
        order.sort_by_key(|message| (message.partition, message.offset));
        let records = order.into_iter().map(|message| model.read(message)).collect();
        (model, records)
    }

    fn read(&mut self, message: &Message) -> LogRecord {
        let Message { partition, offset, .. } = *message;
        let record = OrderEvent::from_bytes(&message.payload).ok();
        let made_ns = record.as_ref().map_or(0, |record| record.mono_ns);
        let event = record.map(|record| record.body);
        let effect = match &event {
            Some(event) => self.add(partition, offset, event),
            None => Effect::Skipped,
        };
        LogRecord {
            partition,
            offset,
            made_ns,
            event,
            effect,
        }
    }

    fn add(&mut self, partition: u16, offset: u64, event: &Event) -> Effect {
        let is_home = |product: &ProductId| partition::of_product(product, self.partitions) == partition;
        match event {
            Event::Restock { product_id, .. } if !is_home(product_id) => Effect::Skipped,
            Event::Reserve {
                order_id, product_id, ..
            } if order_id.partition() != partition || !is_home(product_id) => Effect::Skipped,
            Event::Release { order_id } if order_id.partition() != partition => Effect::Skipped,
            Event::Restock { product_id, quantity } => self.restock(partition, offset, product_id, *quantity),
            Event::Reserve {
                order_id,
                product_id,
                quantity,
            } => self.reserve(partition, offset, *order_id, product_id, *quantity),
            Event::Release { order_id } => self.release(offset, *order_id),
        }
    }

    fn restock(&mut self, partition: u16, offset: u64, id: &ProductId, quantity: u64) -> Effect {
        if quantity == 0 {
            return Effect::Rejected(Rejection::ZeroQuantity);
        }
        let newest = self.products.get(id).and_then(Product::newest).copied();
        let before = newest.map_or(0, |made| made.restocked);
        let Some(restocked) = before.checked_add(quantity) else {
            return Effect::Rejected(Rejection::Overflow);
        };
        let stock = newest.map_or(
            Stock {
                available: 0,
                reserved: 0,
            },
            |made| made.stock,
        );
        let product = self.products.entry(id.clone()).or_default();
        product.partition = partition;
        product.versions.push(Made {
            version: offset,
            stock: Stock {
                available: stock.available + quantity,
                reserved: stock.reserved,
            },
            restocked,
            by: None,
            is_release: false,
        });
        Effect::Restocked
    }

    fn reserve(&mut self, partition: u16, offset: u64, id: OrderId, product: &ProductId, quantity: u64) -> Effect {
        if let Some(known) = self.orders.get(&id) {
            let same = known.product == *product && known.quantity == quantity;
            self.repeats.insert((partition, offset), id);
            return if same { Effect::Repeated } else { Effect::Conflict };
        }
        let newest = self.products.get(product).and_then(Product::newest).copied();
        let state = match newest {
            _ if quantity == 0 => State::Rejected(Rejection::ZeroQuantity),
            None => State::Rejected(Rejection::UnknownProduct),
            Some(made) if made.stock.available < quantity => State::Rejected(Rejection::InsufficientStock),
            Some(made) => {
                self.change(
                    product,
                    offset,
                    id,
                    false,
                    Stock {
                        available: made.stock.available - quantity,
                        // Both together are what was restocked, which fits.
                        reserved: made.stock.reserved + quantity,
                    },
                );
                State::Held(offset)
            }
        };
        let order = Order {
            product: product.clone(),
            quantity,
            state,
            first: offset,
        };
        self.orders.insert(id, order);
        match state {
            State::Rejected(why) => Effect::Rejected(why),
            _ => Effect::Reserved,
        }
    }

    fn release(&mut self, offset: u64, id: OrderId) -> Effect {
        *self.releases.entry(id).or_default() += 1;
        let Some(order) = self.orders.get_mut(&id) else {
            return Effect::Refused;
        };
        let State::Held(held) = order.state else {
            return Effect::Refused;
        };
        order.state = State::Released { held, released: offset };
        let (product, quantity) = (order.product.clone(), order.quantity);
        let newest = self.products.get(&product).and_then(Product::newest).copied();
        if let Some(made) = newest {
            self.change(
                &product,
                offset,
                id,
                true,
                Stock {
                    available: made.stock.available + quantity,
                    reserved: made.stock.reserved - quantity,
                },
            );
        }
        Effect::Released
    }

    fn change(&mut self, id: &ProductId, version: u64, by: OrderId, is_release: bool, stock: Stock) {
        let Some(product) = self.products.get_mut(id) else {
            return;
        };
        let restocked = product.newest().map_or(0, |made| made.restocked);
        product.versions.push(Made {
            version,
            stock,
            restocked,
            by: Some(by),
            is_release,
        });
    }

    /// The version of a product with this number.
    #[must_use]
    pub fn at(&self, product: &ProductId, version: u64) -> Option<&Made> {
        self.products.get(product)?.at(version)
    }

    /// The partition in which a product's records belong.
    #[must_use]
    pub fn partition_of(&self, product: &ProductId) -> u16 {
        partition::of_product(product, self.partitions)
    }
}

#[cfg(test)]
mod tests;
