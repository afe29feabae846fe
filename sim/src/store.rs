//! The database of orders-svc: in memory, survives the process, and can be out of reach.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tolerancia_core::{OrderId, ReplicaId};
use tolerancia_store::{AuditRow, OrderRow, RequestMetricsRow, Result, Store, StoreError, VotingEvent, Write};
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::InstanceStatus;

/// What is in the database.
#[derive(Debug, Default)]
pub struct Shared {
    orders: Mutex<BTreeMap<OrderId, OrderRow>>,
    down: AtomicBool,
}

impl Shared {
    /// Whether nobody gets an answer from now on.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    fn orders(&self) -> Result<MutexGuard<'_, BTreeMap<OrderId, OrderRow>>> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the simulated database is down".to_owned()));
        }
        Ok(self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One process's connection to it, which ends with the process.
#[derive(Debug)]
pub struct Handle {
    /// The database.
    pub shared: Arc<Shared>,
    /// The process is there.
    pub alive: Arc<AtomicBool>,
}

impl Handle {
    async fn orders(&self) -> Result<MutexGuard<'_, BTreeMap<OrderId, OrderRow>>> {
        if !self.alive.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.shared.orders()
    }
}

const fn rank(status: OrderStatus) -> u8 {
    match status {
        OrderStatus::Pending => 0,
        OrderStatus::Confirmed => 1,
        OrderStatus::Rejected | OrderStatus::Cancelled => 2,
    }
}

#[async_trait]
impl Store for Handle {
    async fn apply(&self, writes: &[Write]) -> Result<()> {
        let mut orders = self.orders().await?;
        for write in writes {
            let Write::Order(row) = write else { continue };
            let Some(known) = orders.get_mut(&row.order_id) else {
                orders.insert(row.order_id, row.clone());
                continue;
            };
            if known.product_id.is_none() {
                known.product_id.clone_from(&row.product_id);
                known.quantity = row.quantity;
            }
            if rank(row.status) > rank(known.status) {
                known.status = row.status;
                known.reason.clone_from(&row.reason);
                known.version = row.version;
                known.updated = row.updated;
            }
        }
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        self.orders().await.map(|_| ())
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderRow>> {
        Ok(self.orders().await?.get(&id).cloned())
    }

    async fn orders(&self, status: Option<OrderStatus>, limit: usize) -> Result<Vec<OrderRow>> {
        let orders = self.orders().await?;
        let mut rows: Vec<OrderRow> = orders
            .values()
            .filter(|row| status.is_none_or(|status| row.status == status))
            .cloned()
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.created.at, row.order_id)));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn order_by_key(&self, key_part: u128) -> Result<Option<OrderRow>> {
        let orders = self.orders().await?;
        let same = orders.values().filter(|row| row.order_id.key_part() == key_part);
        Ok(same.min_by_key(|row| row.created.at).cloned())
    }

    // orders-svc asks for nothing else.

    async fn statuses(&self) -> Result<Vec<InstanceStatus>> {
        Ok(Vec::new())
    }

    async fn transitions(&self, _: Option<ReplicaId>, _: usize) -> Result<Vec<AuditRow>> {
        Ok(Vec::new())
    }

    async fn request_metrics(&self, _: i64, _: i64) -> Result<Vec<RequestMetricsRow>> {
        Ok(Vec::new())
    }

    async fn voting_events(&self, _: usize) -> Result<Vec<VotingEvent>> {
        Ok(Vec::new())
    }

    async fn denials(&self, _: usize) -> Result<Vec<tolerancia_wire::denial::DenialEntry>> {
        Ok(Vec::new())
    }

    async fn prune(&self, _: i64, _: Timestamp) -> Result<u64> {
        Ok(0)
    }
}
