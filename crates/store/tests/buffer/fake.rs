//! A store that fails when it is told to.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tolerancia_store::{AuditRow, OrderRow, RequestMetricsRow, Result, Store, StoreError, VotingEvent, Write};
use tolerancia_wire::core::{OrderId, ReplicaId};
use tolerancia_wire::denial::DenialEntry;
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::InstanceStatus;

/// Remembers what was written, in order; refuses writes whose number is in `poison`.
#[derive(Debug, Default)]
pub struct Fake {
    pub written: Mutex<Vec<u64>>,
    pub batches: Mutex<Vec<usize>>,
    pub poison: Vec<u64>,
    pub dead: AtomicBool,
    pub attempts: AtomicUsize,
    pub pings: AtomicUsize,
    /// A transaction of more writes takes too long.
    pub most: Option<usize>,
    /// Dies after this many more successful transactions.
    pub dies_after: Mutex<Option<usize>>,
}

pub fn numbered(n: u64) -> Write {
    Write::AuditTimes {
        seq: n,
        ttd_ms: None,
        ttr_ms: None,
    }
}

pub fn transition(n: u64) -> Write {
    let row = serde_json::json!({ "seq": n, "at": "2026-01-01T00:00:00.000000Z", "mono_ns": 5,
        "service": "inventory-svc", "instance": "2", "from": "ON", "to": "OFF", "phase": "quarantine",
        "reason": { "kind": "late", "text": "" }, "quorum_lost": false });
    Write::Transition(serde_json::from_value(row).unwrap())
}

fn number(write: &Write) -> u64 {
    match write {
        Write::Transition(row) => row.transition.seq,
        Write::AuditTimes { seq, .. } => *seq,
        other => panic!("not made here: {other:?}"),
    }
}

impl Fake {
    fn alive(&self) -> Result<()> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("switched dead".to_owned()));
        }
        Ok(())
    }

    pub fn written(&self) -> Vec<u64> {
        self.written.lock().unwrap().clone()
    }

    pub fn set_dead(&self, dead: bool) {
        self.dead.store(dead, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for Fake {
    async fn apply(&self, writes: &[Write]) -> Result<()> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        self.alive()?;
        if self.most.is_some_and(|most| writes.len() > most) {
            return Err(StoreError::Unavailable("too slow".to_owned()));
        }
        let numbers: Vec<_> = writes.iter().map(number).collect();
        if numbers.iter().any(|n| self.poison.contains(n)) {
            return Err(StoreError::Rejected("poison".to_owned()));
        }
        self.batches.lock().unwrap().push(numbers.len());
        self.written.lock().unwrap().extend(numbers);
        if let Some(left) = &mut *self.dies_after.lock().unwrap() {
            *left -= 1;
            self.dead.store(*left == 0, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        self.pings.fetch_add(1, Ordering::SeqCst);
        self.alive()
    }

    async fn statuses(&self) -> Result<Vec<InstanceStatus>> {
        unreachable!("the buffer only writes")
    }
    async fn transitions(&self, _: Option<ReplicaId>, _: usize) -> Result<Vec<AuditRow>> {
        unreachable!("the buffer only writes")
    }
    async fn request_metrics(&self, _: i64, _: i64) -> Result<Vec<RequestMetricsRow>> {
        unreachable!("the buffer only writes")
    }
    async fn voting_events(&self, _: usize) -> Result<Vec<VotingEvent>> {
        unreachable!("the buffer only writes")
    }
    async fn denials(&self, _: usize) -> Result<Vec<DenialEntry>> {
        unreachable!("the buffer only writes")
    }
    async fn order(&self, _: OrderId) -> Result<Option<OrderRow>> {
        unreachable!("the buffer only writes")
    }
    async fn orders(&self, _: Option<OrderStatus>, _: usize) -> Result<Vec<OrderRow>> {
        unreachable!("the buffer only writes")
    }
    async fn order_by_key(&self, _: u128) -> Result<Option<OrderRow>> {
        unreachable!("the buffer only writes")
    }
    async fn prune(&self, _: i64, _: jiff::Timestamp) -> Result<u64> {
        unreachable!("the buffer only writes")
    }
}
