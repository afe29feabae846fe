//! The desk: takes orders and cancels, appends them to the log, and waits for what a quorum makes of them.
//!
//! All that is known lives in one [`State`] behind one lock, held for microseconds and never across a wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tolerancia_core::OrderId;
use tolerancia_core::ledger::{Event, Outcome, Refusal};
use tolerancia_core::planted::{self, Planted};
use tolerancia_wire::order::{OrderRequest, OrderStatus, OrderView};
use tolerancia_wire::time::mono_ns;
use tolerancia_wire::{Stamp, partition};

use crate::archive::Archive;
use crate::book::{Book, Claim, bare, pending};
use crate::log::{Log, NotAppended, Undo};
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

/// Whose turn it is to append an order.
enum Turn {
    /// Nobody's: the answer is known.
    Done(Placed),
    /// Another request's with the same key, which is under way.
    Join(watch::Receiver<Option<Placed>>),
    /// This request's.
    Lead {
        /// Nothing was known of the order before.
        new: bool,
        /// Tells those who join.
        done: watch::Sender<Option<Placed>>,
    },
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

    /// Places an order. The same `key` and request are the same order.
    pub async fn place(self: &Arc<Self>, key: Option<&str>, request: OrderRequest) -> Placed {
        let partition = partition::of_product(&request.product_id, self.rules.partitions);
        let id = match key {
            Some(key) => OrderId::from_key(partition, key),
            None => OrderId::from_random(partition, self.log.nonce()),
        };
        if key.is_some()
            && !self.state().book.knows_key(id)
            && let Some(stored) = self.archive.by_key(id).await
        {
            // Placed before the last restart, perhaps in another partition.
            match Claim::on(&stored, id, &request) {
                Claim::Taken => return Placed::KeyTaken,
                Claim::Again(order) if order.status != OrderStatus::Pending => return Placed::Stands(order),
                Claim::Again(_) | Claim::New => _ = self.state().book.learn(stored),
            }
        }
        let Some(permit) = self.permit() else {
            return Placed::Busy;
        };
        let (new, done) = match self.claim(id, &request, key.is_some()) {
            Turn::Done(placed) => return placed,
            Turn::Join(first) => {
                drop(permit);
                return self.join(id, first).await;
            }
            Turn::Lead { new, done } => (new, done),
        };
        // A task of its own: a client that goes away must not leave the order half placed.
        let desk = Arc::clone(self);
        let undoable = key.is_none();
        let task = tokio::spawn(async move {
            let placed = desk.append_and_wait(id, &request, new, undoable).await;
            desk.state().placing.remove(&id);
            done.send_replace(Some(placed.clone()));
            drop(permit);
            placed
        });
        task.await.unwrap_or(Placed::NotAccepted)
    }

    fn claim(&self, id: OrderId, request: &OrderRequest, keyed: bool) -> Turn {
        let mut state = self.state();
        let claim = state.book.claim(Stamp::now(), id, request);
        match &claim {
            Claim::Taken => return Turn::Done(Placed::KeyTaken),
            Claim::Again(order) if order.status != OrderStatus::Pending => {
                return Turn::Done(Placed::Stands(order.clone()));
            }
            Claim::Again(_) => {
                if let Some(first) = state.placing.get(&id) {
                    return Turn::Join(first.clone());
                }
                // In the log but undecided: appended again, so that the replicas repeat what they reported.
            }
            Claim::New => {}
        }
        let (done, receiver) = watch::channel(None);
        if keyed {
            state.placing.insert(id, receiver);
        }
        Turn::Lead {
            new: claim == Claim::New,
            done,
        }
    }

    /// Waits for the answer that the first request with this key gets.
    async fn join(&self, id: OrderId, mut first: watch::Receiver<Option<Placed>>) -> Placed {
        let answer = first
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|answer| answer.clone());
        answer
            .or_else(|| self.state().book.get(id).cloned().map(Placed::Stands))
            .unwrap_or(Placed::NotAccepted)
    }

    async fn append_and_wait(&self, id: OrderId, request: &OrderRequest, new: bool, undoable: bool) -> Placed {
        if planted::is(Planted::LostOrder) && id.key_part().is_multiple_of(8) {
            return self.acknowledge_without_appending(id, request);
        }
        let deadline = Instant::now() + self.rules.order_timeout;
        let product = &request.product_id;
        let event = Event::Reserve {
            order_id: id,
            product_id: product.clone(),
            quantity: request.quantity,
        };
        let appended = timeout_at(deadline, self.log.append(id.partition(), product.as_str(), event));
        let offset = match appended.await.unwrap_or(Err(NotAppended::Unknown)) {
            Ok(offset) => offset,
            Err(error) => {
                let undo = undoable && error == NotAppended::Unknown;
                return self.not_accepted(id, request, new, undoable, undo);
            }
        };
        match self.outcome(deadline, id, offset).await {
            Some(Outcome::Conflict) => {
                self.disown(&mut self.state(), id, request);
                Placed::KeyTaken
            }
            Some(_) => {
                let mut state = self.state();
                let asked = pending(Stamp::now(), id, request);
                let learnt = state.book.learn(asked.clone());
                let order = state.book.get(id).cloned().unwrap_or(asked);
                if learnt || !undoable {
                    self.archive.keep(&order);
                }
                Placed::Stands(order)
            }
            None => {
                // Under the lock, so that what a quorum decides meanwhile is written after it.
                let mut state = self.state();
                let order = state.book.get(id).cloned();
                let moved = order.as_ref().is_some_and(|order| order.status != OrderStatus::Pending);
                if moved && !undoable {
                    // By another event with the same key, of this body or of another one.
                    self.disown(&mut state, id, request);
                    return Placed::Stands(pending(Stamp::now(), id, request));
                }
                let order = order.unwrap_or_else(|| pending(Stamp::now(), id, request));
                self.archive.keep(&order);
                Placed::Stands(order)
            }
        }
    }

    /// Takes `request` for none of the order's. What a quorum decided about the order meanwhile is written down, without
    /// a body: nobody else does.
    fn disown(&self, state: &mut State, id: OrderId, request: &OrderRequest) {
        let decided = state
            .book
            .get(id)
            .filter(|order| order.status != OrderStatus::Pending)
            .map(|order| OrderView {
                product_id: None,
                quantity: None,
                ..order.clone()
            });
        if let Some(order) = decided {
            self.archive.keep(&order);
        }
        state.book.disown(id, request);
    }

    /// [`Planted::LostOrder`].
    fn acknowledge_without_appending(&self, id: OrderId, request: &OrderRequest) -> Placed {
        let order = OrderView {
            status: OrderStatus::Confirmed,
            version: Some(0),
            ..pending(Stamp::now(), id, request)
        };
        self.state().book.learn(order.clone());
        Placed::Stands(order)
    }

    /// Kafka did not acknowledge the order. It is in the log all the same if it was `new` no more, or if the replicas have
    /// reported it meanwhile and its id is its `own`. One that was made from a key may have been reported with the body of
    /// an earlier request, which Kafka had not acknowledged either.
    fn not_accepted(&self, id: OrderId, request: &OrderRequest, new: bool, own: bool, undo: bool) -> Placed {
        let mut state = self.state();
        let moved = |order: &OrderView| order.status != OrderStatus::Pending;
        if !own && (new || state.book.get(id).is_some_and(moved)) {
            self.disown(&mut state, id, request);
            return if new {
                Placed::NotAccepted
            } else {
                Placed::Stands(pending(Stamp::now(), id, request))
            };
        }
        let there = |order: &&OrderView| order.product_id.is_some() && (!new || order.status != OrderStatus::Pending);
        if let Some(order) = state.book.get(id).filter(there) {
            return Placed::Stands(order.clone());
        }
        state.book.forget(id);
        drop(state);
        // With a key the client asks again under the same id; taking it back could hit that retry.
        if undo {
            self.undo.push(id);
        }
        Placed::NotAccepted
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
