//! The simulated log: topics of partitions of records. It loses nothing that it has taken, and keeps its order.

use std::sync::Arc;

use tolerancia_core::ledger::Event;
use tolerancia_wire::record::InventoryResult;

use crate::event::{Evidence, Reader, Verdict};

/// All topics.
#[derive(Debug, Default)]
pub struct Log {
    /// `order-events`: the bytes, as a replica reads them.
    pub orders: Vec<Vec<Vec<u8>>>,
    /// The same, as they were meant.
    pub events: Vec<Vec<Event>>,
    /// `inventory-results`.
    pub results: Vec<Vec<Arc<InventoryResult>>>,
    /// `error-queue`.
    pub evidence: Vec<Evidence>,
    /// `instance-status`.
    pub statuses: Vec<Verdict>,
    /// Per reader and partition: whether it has been woken and has not come yet.
    woken: Vec<Vec<bool>>,
}

impl Log {
    /// Empty topics for so many replicas.
    #[must_use]
    pub fn new(partitions: u16, replicas: usize) -> Self {
        let partitions = usize::from(partitions);
        Self {
            orders: vec![Vec::new(); partitions],
            events: vec![Vec::new(); partitions],
            results: vec![Vec::new(); partitions],
            woken: vec![vec![false; partitions]; replicas + 3],
            ..Self::default()
        }
    }

    /// Notes that a reader will come; `false`: that was known.
    pub fn wake(&mut self, reader: Reader, partition: u16) -> bool {
        !std::mem::replace(self.woken(reader, partition), true)
    }

    /// A reader has come.
    pub fn came(&mut self, reader: Reader, partition: u16) {
        *self.woken(reader, partition) = false;
    }

    fn woken(&mut self, reader: Reader, partition: u16) -> &mut bool {
        let replicas = self.woken.len() - 3;
        let row = match reader {
            Reader::Replica(r) => r,
            Reader::Orders => replicas,
            Reader::Voter => replicas + 1,
            Reader::Monitor => replicas + 2,
        };
        &mut self.woken[row][usize::from(partition)]
    }

    /// The end of each partition of `order-events`.
    #[must_use]
    pub fn ends(&self) -> Vec<u64> {
        self.orders.iter().map(|records| records.len() as u64).collect()
    }
}
