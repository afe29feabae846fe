//! Orders in the store: written behind, read when memory does not have them.
//!
//! The store may be dead at any time. An order waits no longer for it than [`PATIENCE`]. After a question that got
//! no answer only one in [`REST_NS`] is put, and nobody waits for the store but who asks it, until it answers.

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
/// How often a store that gave no answer is asked, in nanoseconds.
const REST_NS: u64 = 1_000_000_000;

/// The orders in the store.
#[derive(Clone)]
pub struct Archive {
    store: Arc<dyn Store>,
    buffer: Buffer,
    rest: Arc<Rest>,
}

impl Archive {
    /// The archive in PostgreSQL, or without a URL in the SQLite file. It is opened when it is first used, and
    /// need not be usable at first.
    pub fn open(postgres_url: Option<&str>, file: &Path) -> Self {
        Self::over(lazy_store(postgres_url, file))
    }

    /// The archive in this store. Needs a tokio runtime.
    #[must_use]
    pub fn over(store: Arc<dyn Store>) -> Self {
        Self {
            buffer: Buffer::start(Arc::clone(&store), BufferConfig::default()),
            store,
            rest: Arc::default(),
        }
    }

    /// What waits to be written.
    #[must_use]
    pub const fn queue(&self) -> &Buffer {
        &self.buffer
    }

    /// Writes an order, some time later. Never waits.
    pub fn keep(&self, order: &OrderView) {
        // What does not fit is counted there, and in the log all the same.
        self.buffer.push(Write::Order(order.clone()));
    }

    /// One order.
    pub async fn by_id(&self, id: OrderId) -> Option<OrderView> {
        self.ask(PATIENCE, self.store.order(id)).await?
    }

    /// The order for which an idempotency key was first used.
    pub async fn by_key(&self, id: OrderId) -> Option<OrderView> {
        self.ask(PATIENCE, self.store.order_by_key(id.key_part())).await?
    }

    /// The newest orders (with this status), newest first.
    pub async fn newest(&self, status: Option<OrderStatus>, limit: usize) -> Vec<OrderView> {
        let orders = self.ask(LIST_PATIENCE, self.store.orders(status, limit)).await;
        orders.unwrap_or_default()
    }

    /// What is wrong with the store, if anything is.
    pub fn trouble(&self) -> Option<String> {
        match self.buffer.state() {
            BufferState::Up => None,
            degraded => Some(degraded.to_string()),
        }
    }

    /// Writes what is queued; gives up after `bound`.
    pub async fn close(&self, bound: Duration) {
        let lost = self.buffer.close(bound).await;
        if lost > 0 {
            tracing::warn!(lost, "orders were not written to the database; the log has them");
        }
    }

    async fn ask<T>(&self, patience: Duration, query: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        if !self.rest.admits(mono_ns()) {
            return None;
        }
        let error = match timeout(patience, query).await {
            Ok(Ok(found)) => {
                self.rest.answered();
                return Some(found);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", patience.as_millis()),
        };
        self.rest.unanswered(mono_ns());
        metrics::counter!("orders_store_unanswered_total").increment(1);
        tracing::debug!(error, "the database was asked in vain");
        None
    }
}

/// Who may ask the store: everybody while it answers, afterwards one in [`REST_NS`].
#[derive(Debug, Default)]
struct Rest {
    /// On the monotonic clock; 0 while the store answers.
    until_ns: AtomicU64,
}

impl Rest {
    /// Whether to ask at `now_ns`. Who may ask a store that gave no answer last keeps the others away meanwhile, and
    /// no longer than that should it be cancelled.
    fn admits(&self, now_ns: u64) -> bool {
        let until_ns = self.until_ns.load(Ordering::Relaxed);
        until_ns == 0
            || now_ns >= until_ns
                && self
                    .until_ns
                    .compare_exchange(until_ns, now_ns + REST_NS, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
    }

    fn answered(&self) {
        self.until_ns.store(0, Ordering::Relaxed);
    }

    fn unanswered(&self, now_ns: u64) {
        self.until_ns.store(now_ns + REST_NS, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_an_answer_is_asked_by_one_at_a_time() {
        let rest = Rest::default();
        let admitted = |now_ns| (0..100).filter(|_| rest.admits(now_ns)).count();
        assert_eq!(admitted(5), 100);
        rest.unanswered(5);
        assert_eq!(admitted(5), 0);
        assert_eq!(admitted(REST_NS + 4), 0);
        assert_eq!(admitted(REST_NS + 5), 1);
        // As long as that one waits, or after it was cancelled.
        assert_eq!(admitted(2 * REST_NS + 4), 0);
        assert_eq!(admitted(2 * REST_NS + 5), 1);
        rest.unanswered(2 * REST_NS + 250);
        assert_eq!(admitted(3 * REST_NS), 0);
        assert_eq!(admitted(4 * REST_NS), 1);
        rest.answered();
        assert_eq!(admitted(4 * REST_NS), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_silent_store_but_the_first() {
        let archive = Archive::open(None, "/dev/null/orders.db".as_ref());
        let silent = || std::future::pending::<Result<(), StoreError>>();
        assert_eq!(archive.ask(PATIENCE, silent()).await, None);
        let asked = tokio::time::Instant::now();
        for _ in 0..100 {
            assert_eq!(archive.ask(PATIENCE, silent()).await, None);
        }
        assert_eq!(asked.elapsed(), Duration::ZERO);
    }
}
