//! What the log means, by a small model of its own.
//!
//! It shares no code with the ledger that the replicas run: whatever is wrong there must show as a difference. It is
//! told of each event at the moment that the log takes it, and remembers every version and every outcome.

use std::collections::{BTreeMap, HashMap};

use tolerancia_core::ledger::{Event, Outcome, Refusal, Rejection, Stock};
use tolerancia_core::{OrderId, ProductId};

/// Where an order stands by the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It holds its units.
    Held,
    /// It gave them back.
    GivenBack,
    /// It never held any.
    Never,
}

/// One order by the log.
#[derive(Debug, Clone)]
pub struct ModelOrder {
    /// What was ordered.
    pub product: ProductId,
    /// How many units.
    pub quantity: u64,
    /// Where it stands.
    pub standing: Standing,
    /// What its first reserve gave.
    pub first: Outcome,
}

#[derive(Debug, Default)]
struct Shelf {
    all: u64,
    held: u64,
    versions: BTreeMap<u64, Stock>,
}

/// What happened to one event, and whether it was a repetition of an order that was known.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What a correct replica reports.
    pub outcome: Outcome,
    /// A reserve of an order that was there already.
    pub repeated: bool,
}

/// The truth.
#[derive(Debug, Default)]
pub struct Model {
    shelves: BTreeMap<ProductId, Shelf>,
    orders: HashMap<OrderId, ModelOrder>,
    entries: Vec<Vec<Entry>>,
}

impl Model {
    /// An empty log of so many partitions.
    #[must_use]
    pub fn new(partitions: u16) -> Self {
        Self {
            entries: (0..partitions).map(|_| Vec::new()).collect(),
            ..Self::default()
        }
    }

    /// The log took this event as the next of this partition.
    pub fn append(&mut self, partition: u16, event: &Event) {
        let offset = self.entries[usize::from(partition)].len() as u64;
        let (outcome, repeated) = match event {
            Event::Reserve {
                order_id,
                product_id,
                quantity,
            } => self.reserve(offset, *order_id, product_id, *quantity),
            Event::Release { order_id } => (self.release(offset, *order_id), false),
            Event::Restock { product_id, quantity } => {
                let shelf = self.shelves.entry(product_id.clone()).or_default();
                shelf.all += quantity;
                shelf.write(offset);
                (Outcome::Restocked { version: offset }, false)
            }
        };
        self.entries[usize::from(partition)].push(Entry { outcome, repeated });
    }

    fn reserve(&mut self, offset: u64, id: OrderId, product: &ProductId, quantity: u64) -> (Outcome, bool) {
        if let Some(known) = self.orders.get(&id) {
            let same = known.product == *product && known.quantity == quantity;
            return (if same { known.first } else { Outcome::Conflict }, true);
        }
        let first = match self.shelves.get_mut(product) {
            None => Outcome::Rejected {
                reason: Rejection::UnknownProduct,
            },
            Some(shelf) if shelf.all - shelf.held < quantity => Outcome::Rejected {
                reason: Rejection::InsufficientStock,
            },
            Some(shelf) => {
                shelf.held += quantity;
                shelf.write(offset);
                Outcome::Reserved { version: offset }
            }
        };
        let standing = match first {
            Outcome::Reserved { .. } => Standing::Held,
            _ => Standing::Never,
        };
        let order = ModelOrder {
            product: product.clone(),
            quantity,
            standing,
            first,
        };
        self.orders.insert(id, order);
        (first, false)
    }

    fn release(&mut self, offset: u64, id: OrderId) -> Outcome {
        let refused = |reason| Outcome::Refused { reason };
        let Some(order) = self.orders.get_mut(&id) else {
            return refused(Refusal::UnknownOrder);
        };
        match order.standing {
            Standing::GivenBack => refused(Refusal::AlreadyReleased),
            Standing::Never => refused(Refusal::NeverConfirmed),
            Standing::Held => {
                order.standing = Standing::GivenBack;
                let shelf = self.shelves.get_mut(&order.product).expect("it holds units of it");
                shelf.held -= order.quantity;
                shelf.write(offset);
                Outcome::Released { version: offset }
            }
        }
    }

    /// What correct replicas report of the event at `offset`, and whether it was a repetition.
    #[must_use]
    pub fn entry(&self, partition: u16, offset: u64) -> Option<Entry> {
        let entries = self.entries.get(usize::from(partition))?;
        entries.get(usize::try_from(offset).ok()?).copied()
    }

    /// The stock at a version; none if there is no such version.
    #[must_use]
    pub fn at(&self, product: &ProductId, version: u64) -> Option<Stock> {
        self.shelves.get(product)?.versions.get(&version).copied()
    }

    /// The newest version and its stock.
    #[must_use]
    pub fn newest(&self, product: &ProductId) -> Option<(u64, Stock)> {
        let shelf = self.shelves.get(product)?;
        shelf
            .versions
            .last_key_value()
            .map(|(version, stock)| (*version, *stock))
    }

    /// The products.
    pub fn products(&self) -> impl Iterator<Item = &ProductId> {
        self.shelves.keys()
    }

    /// One order.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<&ModelOrder> {
        self.orders.get(&id)
    }

    /// The orders that hold units.
    pub fn held(&self) -> impl Iterator<Item = OrderId> + '_ {
        let held = self.orders.iter().filter(|(_, order)| order.standing == Standing::Held);
        held.map(|(id, _)| *id)
    }

    /// How many orders there are.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.orders.len()
    }
}

impl Shelf {
    fn write(&mut self, offset: u64) {
        assert!(self.held <= self.all, "the model itself oversold");
        let stock = Stock {
            available: self.all - self.held,
            reserved: self.held,
        };
        self.versions.insert(offset, stock);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_model_knows_what_orders_and_cancels_do() {
        let mut model = Model::new(1);
        let product: ProductId = "P".parse().unwrap();
        let order = |n| OrderId::from_random(0, [n; 14]);
        let reserve = |n, quantity| Event::Reserve {
            order_id: order(n),
            product_id: "P".parse().unwrap(),
            quantity,
        };
        let restock = Event::Restock {
            product_id: product.clone(),
            quantity: 10,
        };
        let release = Event::Release { order_id: order(1) };
        for event in [
            restock,
            reserve(1, 7),
            reserve(2, 4),
            reserve(1, 7),
            release.clone(),
            release,
            reserve(1, 6),
        ] {
            model.append(0, &event);
        }
        let stock = |version| model.at(&product, version).map(|s| (s.available, s.reserved));
        assert_eq!(
            (stock(0), stock(1), stock(4)),
            (Some((10, 0)), Some((3, 7)), Some((10, 0)))
        );
        assert_eq!((stock(2), stock(3), stock(5)), (None, None, None));
        assert!(model.entry(0, 3).unwrap().repeated);
        assert_eq!(model.entry(0, 6).unwrap().outcome, Outcome::Conflict);
        assert_eq!(model.order(order(2)).unwrap().standing, Standing::Never);
    }
}
