//! A replica's answer, read strictly.
//!
//! An answer is a vote only if it is about the product that was asked for, comes from the replica that
//! was asked, and could have come from a correct replica (versions strictly descend, no more of them than
//! a replica remembers). Anything else is a failure of that replica, not a vote: a ballot must not have
//! to guess what a garbled answer might have meant.
//!
//! The shapes here mirror [`tolerancia_wire::inventory`] and borrow from the answer's bytes. This is the
//! hottest code of the voter: three answers are read per query, and the owned types with their flattened
//! fields cost several times as much. A test keeps both in step.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use tolerancia_core::ledger::{HISTORY, Versioned};
use tolerancia_core::{ProductId, Stock};

#[derive(Deserialize)]
struct RawProduct<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    #[serde(borrow)]
    instance: Cow<'a, str>,
    applied: u64,
    versions: Vec<RawVersion>,
}

#[derive(Deserialize)]
struct RawVersion {
    version: u64,
    available: u64,
    reserved: u64,
}

#[derive(Deserialize)]
struct RawInventory<'a> {
    #[serde(borrow)]
    instance: Cow<'a, str>,
    #[serde(borrow)]
    products: Vec<RawProduct<'a>>,
}

/// What a replica lists about one product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Events of the product's partition that it had applied (the next offset).
    pub applied: u64,
    /// The newest versions, newest first; empty if it knows no such product.
    pub versions: Vec<Versioned>,
}

/// Reads the answer of replica `instance` about `product`; `None` when it is no valid vote.
#[must_use]
pub fn product(status: u16, body: &[u8], instance: &str, product: &ProductId) -> Option<Listed> {
    let raw: RawProduct<'_> = serde_json::from_slice(body).ok()?;
    let known = !raw.versions.is_empty();
    let status_fits = matches!((status, known), (200, true) | (404, false));
    let mine = raw.product_id == product.as_str() && raw.instance == instance;
    (status_fits && mine).then(|| listed(raw)).flatten()
}

/// Reads the answer of replica `instance` about all products; `None` when it is no valid vote.
#[must_use]
pub fn inventory(status: u16, body: &[u8], instance: &str) -> Option<BTreeMap<ProductId, Listed>> {
    if status != 200 {
        return None;
    }
    let raw: RawInventory<'_> = serde_json::from_slice(body).ok()?;
    if raw.instance != instance {
        return None;
    }
    let mut products = BTreeMap::new();
    for product in raw.products {
        let id: ProductId = product.product_id.parse().ok()?;
        let listed_once = product.instance == instance && !product.versions.is_empty() && !products.contains_key(&id);
        if !listed_once {
            return None;
        }
        products.insert(id, listed(product)?);
    }
    Some(products)
}

fn listed(raw: RawProduct<'_>) -> Option<Listed> {
    let descending = raw.versions.windows(2).all(|pair| pair[0].version > pair[1].version);
    (descending && raw.versions.len() <= HISTORY).then(|| Listed {
        applied: raw.applied,
        versions: raw.versions.into_iter().map(Versioned::from).collect(),
    })
}

impl From<RawVersion> for Versioned {
    fn from(raw: RawVersion) -> Self {
        Self {
            version: raw.version,
            stock: Stock {
                available: raw.available,
                reserved: raw.reserved,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use tolerancia_core::ReplicaId;
    use tolerancia_wire::inventory::{ReplicaInventory, ReplicaProduct};

    use super::*;

    fn name() -> ProductId {
        "PROD-001".parse().unwrap()
    }

    fn body(versions: &[u64]) -> ReplicaProduct {
        ReplicaProduct {
            product_id: name(),
            instance: ReplicaId::new(2).unwrap(),
            partition: 0,
            applied: 9,
            versions: versions
                .iter()
                .map(|&version| Versioned {
                    version,
                    stock: Stock {
                        available: version * 10,
                        reserved: 3,
                    },
                })
                .collect(),
        }
    }

    #[test]
    fn reads_what_the_wire_types_write() {
        let sent = body(&[8, 7, 2]);
        let bytes = serde_json::to_vec(&sent).unwrap();
        let read = product(200, &bytes, "2", &name()).unwrap();
        assert_eq!((read.applied, read.versions), (sent.applied, sent.versions.clone()));

        let all = serde_json::to_vec(&ReplicaInventory {
            instance: sent.instance,
            products: vec![sent.clone()],
        });
        let read = inventory(200, &all.unwrap(), "2").unwrap();
        assert_eq!(read[&name()].versions, sent.versions);

        let absent = serde_json::to_vec(&body(&[])).unwrap();
        assert_eq!(product(404, &absent, "2", &name()).unwrap().versions, []);
    }

    #[test]
    fn whatever_is_not_a_vote_is_refused() {
        let good = serde_json::to_vec(&body(&[8, 7])).unwrap();
        let absent = serde_json::to_vec(&body(&[])).unwrap();
        let other: ProductId = "PROD-002".parse().unwrap();
        assert_eq!(product(200, &good, "1", &name()), None, "another replica's answer");
        assert_eq!(product(200, &good, "2", &other), None, "another product");
        assert_eq!(product(500, &good, "2", &name()), None, "an error");
        assert_eq!(product(404, &good, "2", &name()), None, "not found, yet listed");
        assert_eq!(product(200, &absent, "2", &name()), None, "found, yet nothing listed");
        assert_eq!(product(200, &good[..good.len() - 1], "2", &name()), None, "cut off");
        assert_eq!(product(200, b"", "2", &name()), None);
        for versions in [vec![7, 8], vec![7, 7], (0..9).rev().collect()] {
            let bytes = serde_json::to_vec(&body(&versions)).unwrap();
            assert_eq!(product(200, &bytes, "2", &name()), None, "{versions:?}");
        }
        for (field, value) in [
            ("available", json!(-1)),
            ("available", json!(1.5)),
            ("available", json!("5")),
            ("reserved", json!(null)),
        ] {
            let mut json = serde_json::to_value(body(&[8])).unwrap();
            json["versions"][0][field] = value;
            assert_eq!(product(200, json.to_string().as_bytes(), "2", &name()), None, "{json}");
        }
    }

    #[test]
    fn a_list_must_be_one_replicas_own_and_name_each_product_once() {
        let list = |products: Vec<ReplicaProduct>| {
            serde_json::to_vec(&ReplicaInventory {
                instance: ReplicaId::new(2).unwrap(),
                products,
            })
            .unwrap()
        };
        assert!(inventory(200, &list(vec![]), "2").is_some_and(|products| products.is_empty()));
        assert_eq!(inventory(200, &list(vec![body(&[1])]), "3"), None);
        assert_eq!(inventory(503, &list(vec![body(&[1])]), "2"), None);
        assert_eq!(inventory(200, &list(vec![body(&[1]), body(&[2])]), "2"), None);
        assert_eq!(inventory(200, &list(vec![body(&[])]), "2"), None);
    }
}
