//! What clients do meanwhile.

use std::time::Duration;

use serde::Serialize;
use tolerancia_core::ProductId;

/// What clients do meanwhile, open loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Load {
    /// Voted queries per second, 0.1 to 100,000, or 0: none.
    pub queries_rps: f64,
    /// Orders per second, 0.1 to 100,000, or 0: none.
    pub orders_rps: f64,
    /// Share of the confirmed orders that are cancelled later, 0 to 1. Below 1, stock runs out in the end, and orders
    /// are rejected, which is a valid answer.
    pub cancel: f64,
    /// The load rises evenly from nothing to its rates for so long, 0 to 600 s.
    pub ramp: Duration,
    /// The load runs so long before anything is measured, at least as long as the ramp, 0 to 3600 s.
    pub warm_up: Duration,
}

/// Opening connections is no part of what is measured.
pub(super) const WARM_UP: Duration = Duration::from_millis(500);

impl Default for Load {
    fn default() -> Self {
        Self {
            queries_rps: 50.0,
            orders_rps: 10.0,
            cancel: 1.0,
            ramp: Duration::ZERO,
            warm_up: WARM_UP,
        }
    }
}

impl Load {
    /// Whether clients do nothing at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.queries_rps <= 0.0 && self.orders_rps <= 0.0
    }
}

/// Which products of the catalogue clients ask for and order.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Products {
    /// All, each as often as any other.
    #[default]
    All,
    /// The first so many, in the order of their names, at least one.
    First(usize),
    /// These, as often as their weights say; at least one, each weight above 0; in the order of their names.
    These(Vec<(ProductId, f64)>),
}

impl Products {
    /// Those of the catalogue that are meant, each with its weight.
    ///
    /// # Errors
    /// When the catalogue has not all of them; the message says what it has.
    pub(crate) fn of(&self, mut catalogue: Vec<ProductId>) -> Result<Vec<(ProductId, f64)>, String> {
        catalogue.sort();
        let has = || {
            let names: Vec<String> = catalogue.iter().take(MOST_NAMED).map(ToString::to_string).collect();
            let more = if catalogue.len() > MOST_NAMED { ", …" } else { "" };
            format!("the catalogue has {}: {}{more}", catalogue.len(), names.join(", "))
        };
        match self {
            Self::First(count) if *count > catalogue.len() => {
                Err(format!("the load is about {count} products, {}", has()))
            }
            Self::These(named) => match named.iter().find(|(product, _)| !catalogue.contains(product)) {
                Some((product, _)) => Err(format!("the load is about the product {product}, {}", has())),
                None => Ok(named.clone()),
            },
            Self::All => Ok(evenly(catalogue)),
            Self::First(count) => {
                catalogue.truncate(*count);
                Ok(evenly(catalogue))
            }
        }
    }
}

/// So many products are named in a message.
const MOST_NAMED: usize = 10;

fn evenly(products: Vec<ProductId>) -> Vec<(ProductId, f64)> {
    products.into_iter().map(|product| (product, 1.0)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ids(names: &[&str]) -> Vec<ProductId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn products_are_taken_from_the_catalogue() {
        let catalogue = || ids(&["C", "A", "B"]);
        let names = |products: Products| {
            let chosen = products.of(catalogue()).unwrap();
            chosen
                .into_iter()
                .map(|(id, weight)| (id.to_string(), weight))
                .collect::<Vec<_>>()
        };
        let of = |name: &str, weight| (name.to_owned(), weight);
        assert_eq!(names(Products::All), [of("A", 1.0), of("B", 1.0), of("C", 1.0)]);
        assert_eq!(names(Products::First(2)), [of("A", 1.0), of("B", 1.0)]);
        let these = vec![("C".parse().unwrap(), 3.0), ("A".parse().unwrap(), 0.5)];
        assert_eq!(names(Products::These(these)), [of("C", 3.0), of("A", 0.5)]);
    }

    #[test]
    fn what_the_catalogue_has_not_is_told() {
        let missing = Products::These(vec![("X".parse().unwrap(), 1.0)]);
        let error = missing.of(ids(&["B", "A"])).unwrap_err();
        assert!(error.contains('X') && error.contains("has 2: A, B"), "{error}");
        let error = Products::First(3).of(ids(&["A"])).unwrap_err();
        assert!(error.contains("3 products") && error.contains("has 1"), "{error}");
    }
}
