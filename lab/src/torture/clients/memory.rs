//! What one client remembers, which is little: its newest orders, and the versions that it must not see gone.

use std::collections::{BTreeMap, VecDeque};

use rand::Rng;
use rand::seq::IndexedRandom as _;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::order::OrderRequest;

/// Orders of each sort that a client remembers.
const MOST: usize = 32;

/// An order that was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// The number of its key.
    pub(super) key: u32,
    /// What was asked for first.
    pub(super) body: OrderRequest,
    /// How often the key was sent.
    pub(super) times: u16,
}

/// An order whose id is known.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) order: OrderId,
    pub(super) key: u32,
    pub(super) product: ProductId,
}

/// The newest few of something.
#[derive(Debug)]
pub(super) struct Newest<T>(VecDeque<T>);

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Newest<T> {
    /// Adds one; the oldest comes out if there are too many.
    pub(super) fn push(&mut self, item: T) -> Option<T> {
        self.0.push_back(item);
        (self.0.len() > MOST).then(|| self.0.pop_front()).flatten()
    }

    /// Takes any out.
    pub(super) fn take(&mut self, rng: &mut impl Rng) -> Option<T> {
        if self.0.is_empty() {
            return None;
        }
        let index = rng.random_range(0..self.0.len());
        self.0.remove(index)
    }

    /// Any.
    pub(super) fn any(&mut self, rng: &mut impl Rng) -> Option<&mut T> {
        if self.0.is_empty() {
            return None;
        }
        let index = rng.random_range(0..self.0.len());
        self.0.get_mut(index)
    }
}

/// What one client remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Orders that were sent, to be sent again.
    pub(super) sent: Newest<Sent>,
    /// Confirmed and pending orders.
    pub(super) open: Newest<Known>,
    /// Orders that were cancelled or rejected, or whose cancel got no answer.
    pub(super) closed: Newest<Known>,
    /// Of each product the newest version that this client's own writes were confirmed at.
    pub(super) known: BTreeMap<ProductId, u64>,
}

impl Memory {
    /// A write of this client's was confirmed at this version.
    pub(super) fn learn(&mut self, product: &ProductId, version: Option<u64>) {
        if let Some(version) = version {
            let newest = self.known.entry(product.clone()).or_insert(version);
            *newest = version.max(*newest);
        }
    }
}

/// What an order asks for: mostly little, sometimes much, now and then what cannot be.
pub(super) fn body(rng: &mut impl Rng, products: &[ProductId]) -> OrderRequest {
    let unknown = || "NO-SUCH-PRODUCT".parse().expect("a valid name");
    let product_id = match rng.random_range(0..100) {
        0..5 => unknown(),
        _ => products.choose(rng).cloned().unwrap_or_else(unknown),
    };
    let quantity = match rng.random_range(0..100) {
        0..65 => rng.random_range(1..=5),
        65..85 => rng.random_range(20..=150),
        85..95 => rng.random_range(500..=3000),
        95..98 => rng.random_range(10_000..=1_000_000),
        _ => tolerancia_wire::order::MAX_QUANTITY,
    };
    OrderRequest { product_id, quantity }
}

/// Another body than this one.
pub(super) fn other_body(rng: &mut impl Rng, body: &OrderRequest, products: &[ProductId]) -> OrderRequest {
    let other = products.iter().find(|product| **product != body.product_id);
    match other {
        Some(product) if rng.random_bool(0.4) => OrderRequest {
            product_id: product.clone(),
            quantity: body.quantity,
        },
        _ => OrderRequest {
            product_id: body.product_id.clone(),
            quantity: if body.quantity > 1 { body.quantity - 1 } else { 2 },
        },
    }
}
