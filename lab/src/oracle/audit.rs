//! A second opinion on the ledger, which the replicas and the oracle share: were it wrong, all would agree.
//!
//! Sums instead of a state machine. Of every product: what was restocked; what is held by distinct orders, each
//! by its first reserve and until its first release. What is available is the difference. An order
//! holds units if the difference has them, so nothing can become negative.

use std::collections::{BTreeMap, HashMap};

use tolerancia_core::ledger::Event;
use tolerancia_core::{OrderId, ProductId, Stock};

use super::Finding;

/// The sums so far.
#[derive(Debug, Default)]
pub(super) struct Audit {
    sums: BTreeMap<ProductId, Sums>,
    orders: HashMap<OrderId, Option<(ProductId, u64)>>,
}

#[derive(Debug)]
struct Sums {
    partition: u16,
    restocked: u64,
    reserved: u64,
    /// Told once, not again at every later version.
    contradicted: bool,
}

impl Audit {
    /// Adds an event. One about an order of another partition counts for nothing.
    pub(super) fn add(&mut self, partition: u16, event: &Event) {
        match event {
            Event::Reserve { order_id, .. } | Event::Release { order_id } if order_id.partition() != partition => {}
            Event::Restock { product_id, quantity } if *quantity > 0 => {
                let sums = self.sums.entry(product_id.clone()).or_insert(Sums {
                    partition,
                    restocked: 0,
                    reserved: 0,
                    contradicted: false,
                });
                if sums.partition == partition {
                    // A sum that does not fit was not accepted.
                    sums.restocked = sums.restocked.checked_add(*quantity).unwrap_or(sums.restocked);
                }
            }
            Event::Restock { .. } => {}
            Event::Reserve {
                order_id,
                product_id,
                quantity,
            } => {
                if self.orders.contains_key(order_id) {
                    return;
                }
                let held = self.sums.get_mut(product_id).filter(|sums| {
                    sums.partition == partition && *quantity > 0 && *quantity <= sums.restocked - sums.reserved
                });
                let held = held.map(|sums| {
                    sums.reserved += quantity;
                    (product_id.clone(), *quantity)
                });
                self.orders.insert(*order_id, held);
            }
            Event::Release { order_id } => {
                let held = self.orders.get_mut(order_id).and_then(Option::take);
                if let Some((product, quantity)) = held
                    && let Some(sums) = self.sums.get_mut(&product)
                {
                    sums.reserved -= quantity;
                }
            }
        }
    }

    /// Compares the ledger's stock with the sums, by product.
    pub(super) fn compare(&mut self, product: &ProductId, stock: Option<Stock>) -> Option<Finding> {
        let sums = self.sums.get_mut(product)?;
        let right = Stock {
            available: sums.restocked - sums.reserved,
            reserved: sums.reserved,
        };
        if stock == Some(right) || std::mem::replace(&mut sums.contradicted, true) {
            return None;
        }
        let text = format!("{product}: the ledger has {stock:?}, the orders and restocks add up to {right:?}");
        let too_much = stock.is_some_and(|stock| stock.reserved > right.reserved || stock.available < right.available);
        Some(if too_much {
            Finding::Doubled(text)
        } else {
            Finding::Wrong(text)
        })
    }

    /// The products that were ever restocked.
    pub(super) fn products(&self) -> Vec<ProductId> {
        self.sums.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;
    use tolerancia_core::ledger::Ledger;

    fn product(n: u32) -> ProductId {
        format!("P{n}").parse().unwrap()
    }

    fn reserve(key: &str, quantity: u64) -> Event {
        Event::Reserve {
            order_id: OrderId::from_key(0, key),
            product_id: product(0),
            quantity,
        }
    }

    fn audit() -> Audit {
        let mut audit = Audit::default();
        let restock = Event::Restock {
            product_id: product(0),
            quantity: 10,
        };
        for event in [restock, reserve("a", 3), reserve("a", 3), reserve("b", 8)] {
            audit.add(0, &event);
        }
        audit
    }

    fn found(available: u64, reserved: u64) -> Option<Finding> {
        audit().compare(&product(0), Some(Stock { available, reserved }))
    }

    #[test]
    fn a_ledger_that_is_wrong_is_found() {
        assert_eq!(found(7, 3), None);
        // The repeated order, applied again.
        assert!(matches!(found(4, 6), Some(Finding::Doubled(_))));
        // Units that vanished.
        assert!(matches!(found(6, 3), Some(Finding::Doubled(_))));
        // An order that holds nothing.
        assert!(matches!(found(10, 0), Some(Finding::Wrong(_))));
        assert!(matches!(audit().compare(&product(0), None), Some(Finding::Wrong(_))));
        let mut audit = audit();
        assert!(audit.compare(&product(0), None).is_some());
        assert!(audit.compare(&product(0), None).is_none(), "it is told once");
    }

    #[test]
    fn the_ledger_as_it_is_agrees_with_the_sums() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..20 {
            let (mut audit, mut ledger) = (Audit::default(), Ledger::new());
            for offset in 0..400 {
                let product_id = product(rng.random_range(0..3));
                // Some records are in the wrong partition.
                let partition = u16::from(rng.random_bool(0.05));
                let order_id = OrderId::from_key(0, &rng.random_range(0..60).to_string());
                let quantity = match rng.random_range(0..20) {
                    0 => 0,
                    1 => u64::MAX - 5,
                    _ => rng.random_range(1..9),
                };
                let event = match rng.random_range(0..4) {
                    0 => Event::Restock { product_id, quantity },
                    1 => Event::Release { order_id },
                    _ => Event::Reserve {
                        order_id,
                        product_id,
                        quantity,
                    },
                };
                audit.add(partition, &event);
                ledger.apply(partition, offset, &event);
                for product in audit.products() {
                    let stock = ledger.product(&product).map(|product| product.newest().stock);
                    assert_eq!(audit.compare(&product, stock), None, "after {event:?}");
                }
            }
        }
    }
}
