//! Orders in the store: written behind, read when memory does not have them.
//!
//! The store may be dead at any time. An order waits no longer for it than [`PATIENCE`], and one that gave
//! no answer is left alone for [`REST_NS`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tolerancia_core::OrderId;
use tolerancia_store::{Buffer, BufferConfig, BufferState, Store, StoreError, Write, lazy_store};
use tolerancia_wire::order::{OrderStatus, OrderView};
use tolerancia_wire::time::mono_ns;

/// How long an order waits for the store.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a list waits for it.
const LIST_PATIENCE: Duration = Duration::from_secs(2);
/// For how long a store that gave no answer is not asked again, in nanoseconds.
const REST_NS: u64 = 1_000_000_000;

/// The orders in the store.
#[derive(Clone)]
pub(crate) struct Archive {
    store: Arc<dyn Store>,
    buffer: Buffer,
    rests_until_ns: Arc<AtomicU64>,
}

impl Archive {
    /// The archive in PostgreSQL, or without a URL in the SQLite file. It is opened when it is first used, and
    /// need not be usable at first.
    pub(crate) fn open(postgres_url: Option<&str>, file: &Path) -> Self {
        let store = lazy_store(postgres_url, file);
        Self {
            buffer: Buffer::start(Arc::clone(&store), BufferConfig::default()),
            store,
            rests_until_ns: Arc::default(),
        }
    }

    /// Writes an order, some time later. Never waits.
    pub(crate) fn keep(&self, order: &OrderView) {
        // What does not fit is counted there, and in the log all the same.
        self.buffer.push(Write::Order(order.clone()));
    }

    /// One order.
    pub(crate) async fn by_id(&self, id: OrderId) -> Option<OrderView> {
        self.ask(PATIENCE, self.store.order(id)).await?
    }

    /// The order for which an idempotency key was first used.
    pub(crate) async fn by_key(&self, id: OrderId) -> Option<OrderView> {
        self.ask(PATIENCE, self.store.order_by_key(id.key_part())).await?
    }

    /// The newest orders (with this status), newest first.
    pub(crate) async fn newest(&self, status: Option<OrderStatus>, limit: usize) -> Vec<OrderView> {
        let orders = self.ask(LIST_PATIENCE, self.store.orders(status, limit)).await;
        orders.unwrap_or_default()
    }

    /// What is wrong with the store, if anything is.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self.buffer.state() {
            BufferState::Up => None,
            degraded => Some(degraded.to_string()),
        }
    }

    /// Writes what is queued; gives up after `bound`.
    pub(crate) async fn close(&self, bound: Duration) {
        let lost = self.buffer.close(bound).await;
        if lost > 0 {
            tracing::warn!(lost, "orders were not written to the database; the log has them");
        }
    }

    async fn ask<T>(&self, patience: Duration, query: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        if mono_ns() < self.rests_until_ns.load(Ordering::Relaxed) {
            return None;
        }
        let error = match timeout(patience, query).await {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", patience.as_millis()),
        };
        self.rests_until_ns.store(mono_ns() + REST_NS, Ordering::Relaxed);
        metrics::counter!("orders_store_unanswered_total").increment(1);
        tracing::debug!(error, "the database was asked in vain");
        None
    }
}
