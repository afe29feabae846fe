//! The desk: takes orders and cancels, appends them to the log, and waits for what a quorum makes of them.
//!
//! All that is known lives in one [`State`] behind one lock, held for microseconds and never across a wait.

mod place;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tolerancia_core::OrderId;
use tolerancia_core::ledger::{Event, Outcome, Refusal};
use tolerancia_wire::Stamp;
use tolerancia_wire::order::{OrderStatus, OrderView};
use tolerancia_wire::time::mono_ns;

use crate::archive::Archive;
use crate::book::{Book, bare};
use crate::log::{Log, Undo};
use crate::outcomes::{Outcomes, Report};
use crate::witness::Witness;

/// Orders kept in memory.
pub(crate) const BOOK: usize = 100_000;
/// Requests under way while Kafka is out of reach: enough to notice its return, few enough that hardly any
/// order is left of which nobody knows whether it is in the log.
const PROBES: usize = 64;

/// What the desk knows.
#[derive(Debug)]
pub struct State {
    /// The orders.
    pub book: Book,
    /// What replicas reported, and who waits for it.
    pub outcomes: Outcomes,
    /// What the monitor has not been told yet.
    pub witness: Witness,
    /// Orders with an idempotency key that are being placed right now.
    placing: HashMap<OrderId, watch::Receiver<Option<Placed>>>,
}

/// The answer to an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Placed {
    /// It is in the log and stands like this (`PENDING`: no quorum answered in time).
    Stands(OrderView),
    /// The idempotency key stands for another order.
    KeyTaken,
    /// Too many requests are under way; nothing was done.
    Busy,
    /// Kafka did not acknowledge it; nothing was accepted.
    NotAccepted,
}

/// The answer to a cancel.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// A quorum released it, or (not `CANCELLED`) no quorum answered in time.
    Stands(OrderView),
    /// There is no such order.
    Unknown,
    /// It cannot be cancelled.
    Refused(Refusal),
    /// Too many requests are under way; nothing was done.
    Busy,
    /// Kafka did not acknowledge the cancel.
    NotAccepted,
}

/// How the desk works.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Configured replicas.
    pub replicas: usize,
    /// Partitions of `order-events`.
    pub partitions: u16,
    /// How long a client waits for a quorum.
    pub order_timeout: Duration,
    /// Requests under way at most.
    pub max_in_flight: usize,
}

/// Where orders are taken.
pub struct Desk<L> {
    rules: Rules,
    log: L,
    undo: Undo,
    archive: Archive,
    permits: Arc<Semaphore>,
    kafka: AtomicBool,
    state: Mutex<State>,
}

impl<L: Log> Desk<L> {
    /// A desk without orders.
    pub fn new(rules: Rules, log: L, undo: Undo, archive: Archive) -> Arc<Self> {
        Arc::new(Self {
            rules,
            log,
            undo,
            archive,
            permits: Arc::new(Semaphore::new(rules.max_in_flight)),
            kafka: AtomicBool::new(true),
            state: Mutex::new(State {
                book: Book::new(BOOK),
                outcomes: Outcomes::new(rules.replicas),
                witness: Witness::default(),
                placing: HashMap::new(),
            }),
        })
    }

    /// What is known. Not to be held across a wait.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The orders on disk.
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Notes whether Kafka is in reach.
    pub fn set_kafka(&self, up: bool) {
        self.kafka.store(up, Ordering::Relaxed);
    }

    /// Whether Kafka is in reach, as far as is known.
    pub fn kafka(&self) -> bool {
        self.kafka.load(Ordering::Relaxed)
    }

    /// Takes what replicas reported, each with the time of the report.
    pub fn hear(&self, reports: impl IntoIterator<Item = (Stamp, Report)>) {
        let now_ns = mono_ns();
        let mut guard = self.state();
        let state = &mut *guard;
        for (at, report) in reports {
            // There is no such place in the log; to remember any that a replica makes up would take memory without end.
            if report.partition >= self.rules.partitions {
                continue;
            }
            let decided = state.outcomes.report(now_ns, report, &mut state.witness);
            if let (Some(outcome), Some(id)) = (decided, report.order)
                && let Some(order) = state.book.apply(at, id, outcome)
                // Whoever places it writes it down: only the outcome of its own event tells that the body is the right one.
                && !state.placing.contains_key(&id)
            {
                // Only queued there; under the lock, so that the steps of an order are written in order.
                self.archive.keep(order);
            }
        }
    }

    /// Cancels an order.
    pub async fn cancel(&self, id: OrderId) -> Cancelled {
        if id.partition() >= self.rules.partitions {
            return Cancelled::Unknown;
        }
        let Some(_permit) = self.permit() else {
            return Cancelled::Busy;
        };
        let deadline = Instant::now() + self.rules.order_timeout;
        // Also so that the book has all of it when the outcome comes.
        let product = self.find(id).await.and_then(|order| order.product_id);
        let key = product.map_or_else(|| id.to_string(), String::from);
        let append = self.log.append(id.partition(), &key, Event::Release { order_id: id });
        let Ok(Ok(offset)) = timeout_at(deadline, append).await else {
            return Cancelled::NotAccepted;
        };
        match self.outcome(deadline, id, offset).await {
            Some(Outcome::Refused {
                reason: Refusal::UnknownOrder,
            }) => Cancelled::Unknown,
            Some(Outcome::Refused { reason }) => Cancelled::Refused(reason),
            Some(_) | None => match self.find(id).await {
                Some(order) => Cancelled::Stands(order),
                None => Cancelled::Stands(bare(Stamp::now(), id)),
            },
        }
    }

    /// What a quorum says about the event at `offset`, if it does so before `deadline`.
    async fn outcome(&self, deadline: Instant, id: OrderId, offset: u64) -> Option<Outcome> {
        let waiter = self.state().outcomes.wait(mono_ns(), id.partition(), offset, id);
        timeout_at(deadline, waiter).await.ok()?.ok()
    }

    /// One order, from memory or from the store.
    pub async fn find(&self, id: OrderId) -> Option<OrderView> {
        let known = self.state().book.get(id).cloned();
        if known.as_ref().is_some_and(|order| order.product_id.is_some()) {
            return known;
        }
        let Some(stored) = self.archive.by_id(id).await else {
            return known;
        };
        let mut state = self.state();
        state.book.learn(stored.clone());
        match state.book.get(id).cloned() {
            Some(order) => {
                if order.status != stored.status {
                    self.archive.keep(&order);
                }
                Some(order)
            }
            // A full book has no room for an old order.
            None => Some(stored),
        }
    }

    /// The newest orders, newest first.
    pub async fn list(&self, status: Option<OrderStatus>, limit: usize) -> Vec<OrderView> {
        let mut orders = self.state().book.newest(status, limit);
        if orders.len() < limit {
            let stored = self.archive.newest(status, limit).await;
            let state = self.state();
            // What the book knows it knows better.
            orders.extend(
                stored
                    .into_iter()
                    .filter(|order| state.book.get(order.order_id).is_none()),
            );
        }
        orders.sort_by_key(|order| std::cmp::Reverse((order.created.at, order.order_id)));
        orders.truncate(limit);
        orders
    }

    /// Requests under way.
    pub(crate) fn under_way(&self) -> usize {
        self.most_under_way() - self.permits.available_permits()
    }

    /// Requests under way at most.
    pub(crate) const fn most_under_way(&self) -> usize {
        self.rules.max_in_flight
    }

    /// The orders that must not exist.
    pub(crate) const fn undo(&self) -> &Undo {
        &self.undo
    }

    fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if !self.kafka() && self.under_way() >= PROBES {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }
}

#[cfg(test)]
pub(crate) mod tests;
