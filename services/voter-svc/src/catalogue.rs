//! Which products there are, and when all replicas were last asked about each.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use tolerancia_core::ProductId;

/// Products that a quorum lists, with the time of their last full vote on a monotonic clock, in ns.
#[derive(Debug, Default)]
pub struct Catalogue {
    products: RwLock<BTreeMap<ProductId, AtomicU64>>,
    turn: Mutex<Option<ProductId>>,
}

impl Catalogue {
    /// From now on these are the products.
    pub fn replace(&self, names: impl Iterator<Item = ProductId>) {
        let mut products = self.products.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *products);
        *products = names
            .map(|name| before.remove_entry(&name).unwrap_or((name, AtomicU64::new(0))))
            .collect();
    }

    /// A vote in which every replica was asked about `product` began at `now_ns`.
    pub fn voted(&self, product: &ProductId, now_ns: u64) {
        let products = self.products.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = products.get(product) {
            at.store(now_ns, Ordering::Relaxed);
        }
    }

    /// Whose turn it is, round robin, among the products that were not voted on since `before_ns`.
    pub fn next(&self, before_ns: u64) -> Option<ProductId> {
        let products = self.products.read().unwrap_or_else(PoisonError::into_inner);
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let after = turn.as_ref().map_or(Unbounded, Excluded);
        let next = products
            .range::<ProductId, _>((after, Unbounded))
            .chain(products.iter())
            .find(|(_, at)| at.load(Ordering::Relaxed) <= before_ns)
            .map(|(product, _)| product.clone());
        if next.is_some() {
            turn.clone_from(&next);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(name: &str) -> ProductId {
        name.parse().unwrap()
    }

    #[test]
    fn each_product_has_its_turn() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.next(u64::MAX), None);
        catalogue.replace(["A", "B", "C"].map(name).into_iter());
        let turns: Vec<_> = (0..5).map(|_| catalogue.next(u64::MAX).unwrap().to_string()).collect();
        assert_eq!(turns, ["A", "B", "C", "A", "B"]);
        catalogue.replace(["A", "D"].map(name).into_iter());
        assert_eq!(catalogue.next(u64::MAX), Some(name("D")), "the one before was B");
    }

    #[test]
    fn products_that_clients_ask_for_are_left_out() {
        let catalogue = Catalogue::default();
        catalogue.replace(["A", "B"].map(name).into_iter());
        catalogue.voted(&name("A"), 50);
        catalogue.voted(&name("UNKNOWN"), 50);
        assert_eq!(catalogue.next(49), Some(name("B")));
        assert_eq!(catalogue.next(49), Some(name("B")));
        catalogue.replace(["A", "B"].map(name).into_iter());
        catalogue.voted(&name("B"), 60);
        assert_eq!(catalogue.next(49), None, "a refresh keeps the times");
        assert_eq!(catalogue.next(55), Some(name("A")));
    }
}
