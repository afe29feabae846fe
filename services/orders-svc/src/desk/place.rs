//! Placing an order: once, however often it is asked for, and only if Kafka has acknowledged it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tolerancia_core::OrderId;
use tolerancia_core::ledger::{Event, Outcome};
use tolerancia_core::planted::{self, Planted};
use tolerancia_wire::order::{OrderRequest, OrderStatus, OrderView};
use tolerancia_wire::{Stamp, partition};

use super::{Desk, Placed, State};
use crate::book::{Claim, pending};
use crate::log::{Log, NotAppended};

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

impl<L: Log> Desk<L> {
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
}
