//! Which products there are, and when all replicas were last asked about each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use tolerancia_core::ProductId;

/// The product whose last full vote is oldest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oldest {
    /// Which one.
    pub product: ProductId,
    /// When that vote began, on a monotonic clock, in ns; 0 for never.
    pub voted_ns: u64,
    /// How many products there are.
    pub count: u64,
}

/// Products that a quorum lists, with the time of their last full vote on a monotonic clock, in ns.
#[derive(Debug, Default)]
pub struct Catalogue {
    products: RwLock<BTreeMap<ProductId, AtomicU64>>,
    /// All products by the time of their last vote as it was when they were filed here. Votes do not touch it: who
    /// looks for the oldest files those anew that were voted on meanwhile, each at most once per look.
    filed: Mutex<BTreeSet<(u64, ProductId)>>,
}

impl Catalogue {
    /// From now on these are the products.
    pub fn replace(&self, names: impl Iterator<Item = ProductId>) {
        let mut products = self.products.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *products);
        *products = names
            .map(|name| before.remove_entry(&name).unwrap_or((name, AtomicU64::new(0))))
            .collect();
        *self.filed() = products
            .iter()
            .map(|(name, at)| (at.load(Ordering::Relaxed), name.clone()))
            .collect();
    }

    /// A vote in which every replica was asked about `product` began at `now_ns`.
    pub fn voted(&self, product: &ProductId, now_ns: u64) {
        let products = self.products.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = products.get(product) {
            at.store(now_ns, Ordering::Relaxed);
        }
    }

    /// The product whose last vote is oldest; of several that were never voted on, the first by name.
    #[must_use]
    pub fn oldest(&self) -> Option<Oldest> {
        let products = self.products.read().unwrap_or_else(PoisonError::into_inner);
        let mut filed = self.filed();
        while let Some((then_ns, product)) = filed.pop_first() {
            // Both change together, so every product is in both.
            let Some(at) = products.get(&product) else { continue };
            let voted_ns = at.load(Ordering::Relaxed);
            filed.insert((voted_ns, product.clone()));
            if voted_ns <= then_ns {
                let count = products.len() as u64;
                return Some(Oldest {
                    product,
                    voted_ns,
                    count,
                });
            }
        }
        None
    }

    fn filed(&self) -> MutexGuard<'_, BTreeSet<(u64, ProductId)>> {
        self.filed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn name(name: &str) -> ProductId {
        name.parse().unwrap()
    }

    #[test]
    fn each_product_has_its_turn() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.oldest(), None);
        catalogue.replace(["A", "B", "C"].map(name).into_iter());
        let turns: Vec<_> = (1..=5)
            .map(|now| {
                let Oldest { product, count, .. } = catalogue.oldest().unwrap();
                catalogue.voted(&product, now);
                (product.to_string(), count)
            })
            .collect();
        assert_eq!(turns, ["A", "B", "C", "A", "B"].map(|name| (name.to_owned(), 3)));
        catalogue.replace(["A", "D"].map(name).into_iter());
        let oldest = |product, voted_ns| {
            let product = name(product);
            let count = 2;
            Some(Oldest {
                product,
                voted_ns,
                count,
            })
        };
        assert_eq!(catalogue.oldest(), oldest("D", 0), "new, so never voted on");
        catalogue.voted(&name("D"), 6);
        assert_eq!(catalogue.oldest(), oldest("A", 4), "a refresh keeps the times");
    }

    proptest! {
        /// Whoever votes on what and whenever somebody looks: it is the oldest.
        #[test]
        fn the_oldest_is_found(steps in prop::collection::vec((0usize..6, any::<bool>()), 0..200)) {
            let names = ["A", "B", "C", "D", "E", "UNKNOWN"].map(name);
            let catalogue = Catalogue::default();
            catalogue.replace(names[..5].iter().cloned());
            let mut times = [0; 6];
            for (now, (product, look)) in (1..).zip(steps) {
                catalogue.voted(&names[product], now);
                times[product] = now;
                if look {
                    let found = catalogue.oldest().unwrap();
                    let oldest = *times[..5].iter().min().unwrap();
                    prop_assert_eq!((found.voted_ns, found.count), (oldest, 5));
                    let found = names.iter().position(|name| *name == found.product).unwrap();
                    prop_assert_eq!(times[found], oldest);
                }
            }
        }
    }
}
