//! The disk of a replica: what its last snapshot was.

use std::collections::BTreeMap;

use tolerancia_core::ledger::{Ledger, Order, Product, StateDigest};
use tolerancia_core::{OrderId, ProductId};
use tolerancia_inventory_svc::replica::{Delta, Fingerprint, Restored};

/// What is on disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    products: BTreeMap<ProductId, Product>,
    orders: BTreeMap<OrderId, Order>,
    positions: BTreeMap<u16, u64>,
    last: BTreeMap<u16, Fingerprint>,
    digest: StateDigest,
    writes: u64,
}

/// Every so many writes the whole of the disk is compared with what was to be saved; besides at every start.
const COMPARED: u64 = 16;

impl Disk {
    /// What a snapshot changes is written, all of it or nothing.
    pub(crate) fn write(&mut self, delta: Delta) {
        match &delta.since {
            None => {
                self.products.clear();
                self.orders.clear();
            }
            Some(since) => assert_eq!(
                *since, self.positions,
                "a delta that does not begin where the snapshot ends"
            ),
        }
        self.products.extend(delta.products);
        self.orders.extend(delta.orders);
        self.positions = delta.positions;
        self.last = delta.last;
        self.digest = delta.digest;
        self.writes += 1;
        if self.writes.is_multiple_of(COMPARED) {
            self.restore();
        }
    }

    fn restore(&self) -> Ledger {
        let restored = Ledger::restore(self.products.clone(), self.orders.clone());
        assert_eq!(restored.digest(), self.digest, "a snapshot that is not what was saved");
        restored
    }

    /// What a replica begins with.
    pub(crate) fn read(&self) -> Restored {
        Restored {
            ledger: self.restore(),
            positions: self.positions.clone(),
            last: self.last.clone(),
        }
    }
}
