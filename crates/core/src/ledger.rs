//! The ledger: the deterministic state machine behind every inventory replica.
//!
//! State machine replication (Schneider, "Implementing Fault-Tolerant Services Using the State Machine
//! Approach", ACM Computing Surveys 22(4), 1990): replicas that apply the same log with the same
//! deterministic code are equal at equal positions. So nothing here may depend on a clock, on chance or
//! on the order of a hash table.
//!
//! Invariants, asserted on every change:
//! * `available + reserved` of a product is the sum of all its accepted restocks;
//! * neither is ever negative (they are unsigned and every step is checked);
//! * a repeated order id gives its first outcome again and changes nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};

mod digest;
mod event;

use serde::{Deserialize, Serialize};

use digest::{hash_order, hash_product};

use crate::planted::{self, Planted};
use crate::{OrderId, ProductId};

pub use digest::StateDigest;
pub use event::{Event, Outcome, Refusal, Rejection, Stock, Versioned};

/// How many versions of a product a replica remembers and lists in its replies.
pub const HISTORY: usize = 8;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Its units are reserved since this version of the product.
    Confirmed(u64),
    /// It was cancelled; before that it was confirmed at this version.
    Cancelled(u64),
    /// It never held anything.
    Rejected(Rejection),
}

/// One order as the ledger remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What was ordered.
    pub product: ProductId,
    /// How many units.
    pub quantity: u64,
    /// Where it stands.
    pub state: OrderState,
}

impl Order {
    /// The outcome of the order's first reserve.
    const fn first_outcome(&self) -> Outcome {
        match self.state {
            OrderState::Confirmed(version) | OrderState::Cancelled(version) => Outcome::Reserved { version },
            OrderState::Rejected(reason) => Outcome::Rejected { reason },
        }
    }
}

/// One product as the ledger remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Partition of `order-events` that holds the product's events.
    pub partition: u16,
    /// Everything ever restocked; `available + reserved` at all times.
    pub restocked: u64,
    /// The newest [`HISTORY`] versions, newest first; never empty.
    pub history: VecDeque<Versioned>,
}

impl Product {
    /// The stock now.
    #[must_use]
    pub fn newest(&self) -> Versioned {
        self.history[0]
    }

    fn push(&mut self, version: u64, stock: Stock) {
        assert!(
            stock.available.checked_add(stock.reserved) == Some(self.restocked),
            "units were made or lost: {stock:?}, restocked {}",
            self.restocked
        );
        if let Some(newest) = self.history.front() {
            assert!(
                version > newest.version,
                "offset {version} applied after {}",
                newest.version
            );
        }
        self.history.truncate(HISTORY - 1);
        self.history.push_front(Versioned { version, stock });
    }
}

/// What one event changed, for an incremental snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The outcome to publish.
    pub outcome: Outcome,
    /// The product whose stock changed.
    pub product: Option<ProductId>,
    /// The order whose record changed.
    pub order: Option<OrderId>,
}

/// The state of one replica.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    products: BTreeMap<ProductId, Product>,
    orders: HashMap<OrderId, Order>,
    digest: StateDigest,
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.products == other.products && self.orders == other.orders
    }
}

impl Ledger {
    /// The state before the first event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state that a snapshot holds.
    pub fn restore(
        products: impl IntoIterator<Item = (ProductId, Product)>,
        orders: impl IntoIterator<Item = (OrderId, Order)>,
    ) -> Self {
        let mut ledger = Self {
            products: products.into_iter().collect(),
            orders: orders.into_iter().collect(),
            ..Self::default()
        };
        for (id, product) in &ledger.products {
            ledger.digest.toggle(hash_product(id, product));
        }
        for (id, order) in &ledger.orders {
            ledger.digest.toggle(hash_order(*id, order));
        }
        ledger
    }

    /// All products, by name.
    pub fn products(&self) -> impl Iterator<Item = (&ProductId, &Product)> {
        self.products.iter()
    }

    /// One product.
    #[must_use]
    pub fn product(&self, id: &ProductId) -> Option<&Product> {
        self.products.get(id)
    }

    /// All orders, in no particular order.
    pub fn orders(&self) -> impl Iterator<Item = (&OrderId, &Order)> {
        self.orders.iter()
    }

    /// One order.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// The digest over all products and orders.
    #[must_use]
    pub const fn digest(&self) -> StateDigest {
        self.digest
    }

    /// Applies the event at `offset` of `partition`.
    ///
    /// The caller applies each partition's events in the order of their offsets, each once.
    ///
    /// # Panics
    /// When an offset goes backwards for a product, or when units would be made or lost: both are
    /// programming errors, and a wrong state is worse than none.
    pub fn apply(&mut self, partition: u16, offset: u64, event: &Event) -> Applied {
        match event {
            Event::Reserve {
                order_id,
                product_id,
                quantity,
            } => self.reserve(partition, offset, *order_id, product_id, *quantity),
            Event::Release { order_id } => self.release(partition, offset, *order_id),
            Event::Restock { product_id, quantity } => self.restock(partition, offset, product_id, *quantity),
        }
    }

    fn reserve(&mut self, partition: u16, offset: u64, id: OrderId, product_id: &ProductId, quantity: u64) -> Applied {
        // Records of different partitions come to different replicas in different orders. What one says about an order of
        // another must therefore change nothing, and not depend on what is known of the order. (Replicas do not let
        // such records come here; whoever replays a log need not know that.)
        if id.partition() != partition {
            let reason = Rejection::UnknownProduct;
            return Applied {
                outcome: Outcome::Rejected { reason },
                product: None,
                order: None,
            };
        }
        if let Some(known) = self.orders.get(&id) {
            let same = known.product == *product_id && known.quantity == quantity;
            let outcome = if same { known.first_outcome() } else { Outcome::Conflict };
            if !(same && planted::is(Planted::DoubleApply)) {
                return Applied {
                    outcome,
                    product: None,
                    order: None,
                };
            }
        }
        let taken = match self.products.get(product_id) {
            _ if quantity == 0 => Err(Rejection::ZeroQuantity),
            // A record in the wrong partition could not be ordered against the product's others.
            None => Err(Rejection::UnknownProduct),
            Some(product) if product.partition != partition => Err(Rejection::UnknownProduct),
            Some(product) => {
                let Stock { available, reserved } = product.newest().stock;
                let quantity = if planted::is(Planted::Oversell) {
                    quantity.min(available)
                } else {
                    quantity
                };
                match (available.checked_sub(quantity), reserved.checked_add(quantity)) {
                    (Some(available), Some(reserved)) => Ok(Stock { available, reserved }),
                    (None, _) => Err(Rejection::InsufficientStock),
                    (_, None) => Err(Rejection::Overflow),
                }
            }
        };
        let (state, outcome, product) = match taken {
            Ok(stock) => {
                self.set_stock(product_id, offset, stock);
                (
                    OrderState::Confirmed(offset),
                    Outcome::Reserved { version: offset },
                    Some(product_id.clone()),
                )
            }
            Err(reason) => (OrderState::Rejected(reason), Outcome::Rejected { reason }, None),
        };
        // Share the product's name with the catalogue: orders outnumber products by far.
        let name = self
            .products
            .get_key_value(product_id)
            .map_or_else(|| product_id.clone(), |(name, _)| name.clone());
        self.set_order(
            id,
            Order {
                product: name,
                quantity,
                state,
            },
        );
        Applied {
            outcome,
            product,
            order: Some(id),
        }
    }

    fn release(&mut self, partition: u16, offset: u64, id: OrderId) -> Applied {
        let refuse = |reason| Applied {
            outcome: Outcome::Refused { reason },
            product: None,
            order: None,
        };
        // As with a reserve, a record of another partition than the order's knows nothing of it.
        let Some(order) = self.orders.get(&id).filter(|_| id.partition() == partition) else {
            return refuse(Refusal::UnknownOrder);
        };
        let version = match order.state {
            OrderState::Confirmed(version) => version,
            OrderState::Cancelled(_) => return refuse(Refusal::AlreadyReleased),
            OrderState::Rejected(_) => return refuse(Refusal::NeverConfirmed),
        };
        let mut order = order.clone();
        let Stock { available, reserved } = self
            .products
            .get(&order.product)
            .expect("a confirmed order names a known product")
            .newest()
            .stock;
        let given_back = if planted::is(Planted::HalfCancel) {
            order.quantity - 1
        } else if planted::is(Planted::Oversell) {
            order.quantity.min(reserved)
        } else {
            order.quantity
        };
        let stock = Stock {
            available: available
                .checked_add(given_back)
                .expect("available + reserved fits, so this does"),
            reserved: reserved
                .checked_sub(given_back)
                .expect("a confirmed order's units are reserved"),
        };
        self.set_stock(&order.product, offset, stock);
        order.state = OrderState::Cancelled(version);
        let product = order.product.clone();
        self.set_order(id, order);
        Applied {
            outcome: Outcome::Released { version: offset },
            product: Some(product),
            order: Some(id),
        }
    }

    fn restock(&mut self, partition: u16, offset: u64, id: &ProductId, quantity: u64) -> Applied {
        let reject = |reason| Applied {
            outcome: Outcome::Rejected { reason },
            product: None,
            order: None,
        };
        if quantity == 0 {
            return reject(Rejection::ZeroQuantity);
        }
        let stock = match self.products.get(id) {
            None => Stock {
                available: quantity,
                reserved: 0,
            },
            Some(product) if product.partition != partition => return reject(Rejection::UnknownProduct),
            Some(product) => {
                if product.restocked.checked_add(quantity).is_none() {
                    return reject(Rejection::Overflow);
                }
                let Stock { available, reserved } = product.newest().stock;
                Stock {
                    available: available + quantity,
                    reserved,
                }
            }
        };
        if let Some(product) = self.products.get_mut(id) {
            self.digest.toggle(hash_product(id, product));
            product.restocked += quantity;
            product.push(offset, stock);
        } else {
            let mut product = Product {
                partition,
                restocked: quantity,
                history: VecDeque::with_capacity(HISTORY),
            };
            product.push(offset, stock);
            self.products.insert(id.clone(), product);
        }
        self.digest.toggle(hash_product(id, &self.products[id]));
        Applied {
            outcome: Outcome::Restocked { version: offset },
            product: Some(id.clone()),
            order: None,
        }
    }

    fn set_stock(&mut self, id: &ProductId, offset: u64, stock: Stock) {
        let product = self.products.get_mut(id).expect("the caller looked the product up");
        self.digest.toggle(hash_product(id, product));
        product.push(offset, stock);
        self.digest.toggle(hash_product(id, product));
    }

    fn set_order(&mut self, id: OrderId, order: Order) {
        if let Some(old) = self.orders.get(&id) {
            self.digest.toggle(hash_order(id, old));
        }
        self.digest.toggle(hash_order(id, &order));
        self.orders.insert(id, order);
    }
}

#[cfg(test)]
mod tests;
