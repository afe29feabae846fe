//! A digest over the whole state of a ledger.

use sha2::{Digest as _, Sha256};

use super::{Order, OrderState, Product, Versioned};
use crate::{OrderId, ProductId};

/// A digest over the whole state, the same for equal states whatever way they were reached.
///
/// It is the XOR of the SHA-256 of every product and order, so one change costs two hashes rather than
/// a pass over the state. XOR of hashes is a set hash that detects accidents, not an adversary.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct StateDigest([u8; 16]);

impl StateDigest {
    pub(super) fn toggle(&mut self, entry: [u8; 16]) {
        for (a, b) in self.0.iter_mut().zip(entry) {
            *a ^= b;
        }
    }
}

impl std::fmt::Debug for StateDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for StateDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

pub(super) fn hash_product(id: &ProductId, product: &Product) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"product\0");
    hash.update(id.as_str());
    hash.update([0]);
    hash.update(product.partition.to_be_bytes());
    hash.update(product.restocked.to_be_bytes());
    for Versioned { version, stock } in &product.history {
        for number in [*version, stock.available, stock.reserved] {
            hash.update(number.to_be_bytes());
        }
    }
    truncate(hash)
}

pub(super) fn hash_order(id: OrderId, order: &Order) -> [u8; 16] {
    let (tag, detail) = match order.state {
        OrderState::Confirmed(version) => (0u8, version),
        OrderState::Cancelled(version) => (1, version),
        OrderState::Rejected(reason) => (2, reason as u64),
    };
    let mut hash = Sha256::new();
    hash.update(b"order\0");
    hash.update(id.uuid().as_bytes());
    hash.update(order.product.as_str());
    hash.update([0, tag]);
    hash.update(order.quantity.to_be_bytes());
    hash.update(detail.to_be_bytes());
    truncate(hash)
}

fn truncate(hash: Sha256) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}
