//! The clients of an experiment: open loop, and every answer is kept for the oracle.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::distr::Distribution as _;
use rand::distr::weighted::WeightedIndex;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_core::ledger::Refusal;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::order::OrderRequest;
use tolerancia_wire::time::mono_ns;
use uuid::Uuid;

use super::record::Observation;
use crate::load::api::{Api, Cancelled, Failure, Ordered};
use crate::load::engine::drive;
use crate::load::pool::Pool;
use crate::load::schedule::{Schedule, Tick};
use crate::load::stats::End;
use crate::load::{KEPT_ORDERS, Operation};
use crate::oracle::{OrderAnswer, Told};
use crate::scenario::Load;

/// One order out of so many is sent again: clients that lost an answer do that.
const AGAIN: u64 = 20;

/// The load of an experiment.
#[derive(Debug)]
pub(crate) struct Traffic {
    clients: Arc<Clients>,
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Clients {
    api: Api,
    /// Makes the idempotency keys of this run unlike those of any other.
    run: String,
    seen: Mutex<Vec<Observation>>,
    /// The newest version of each product that was confirmed to these clients.
    known: Mutex<HashMap<ProductId, u64>>,
    open: Mutex<Pool<(OrderId, ProductId)>>,
}

impl Traffic {
    /// No requests yet. When `abort` is cancelled, requests on their way get one more second.
    pub(crate) fn new(api: Api, abort: CancellationToken) -> Self {
        let clients = Clients {
            api,
            run: Uuid::new_v4().simple().to_string(),
            seen: Mutex::default(),
            known: Mutex::default(),
            open: Mutex::new(Pool::new(KEPT_ORDERS)),
        };
        Self {
            clients: Arc::new(clients),
            stop: CancellationToken::new(),
            abort,
            tasks: TaskTracker::new(),
        }
    }

    /// Begins to send, about these products as often as their weights say.
    pub(crate) fn begin(&self, load: Load, products: Vec<(ProductId, f64)>, seed: u64) {
        self.spawn(load, products.clone(), seed, Operation::QueryInventory);
        self.spawn(load, products, seed.wrapping_add(1), Operation::CreateOrder);
    }

    /// Nothing, at a rate of 0, or about no product.
    fn spawn(&self, load: Load, products: Vec<(ProductId, f64)>, seed: u64, operation: Operation) {
        let rps = match operation {
            Operation::QueryInventory => load.queries_rps,
            _ => load.orders_rps,
        };
        let (products, weights): (Vec<ProductId>, Vec<f64>) = products.into_iter().unzip();
        let Ok(chance) = WeightedIndex::new(&weights) else {
            return;
        };
        if rps <= 0.0 {
            return;
        }
        let clients = Arc::clone(&self.clients);
        let (stop, abort) = (self.stop.clone(), self.abort.clone());
        self.tasks.spawn(async move {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let shoot = |tick: Tick| {
                let product = products[chance.sample(&mut rng)].clone();
                let quantity = rng.random_range(1..=3);
                let is_cancelled = rng.random::<f64>() < load.cancel;
                let clients = Arc::clone(&clients);
                async move {
                    match operation {
                        Operation::QueryInventory => clients.query(tick, product).await,
                        _ => clients.order(tick, product, quantity, is_cancelled).await,
                    }
                }
            };
            let dropped = |tick: Tick| {
                let end = End::Failed(Failure::Dropped);
                clients.keep(operation, tick.intended_ns, end, None);
            };
            let schedule = Schedule::from_now(rps, None).rising(load.ramp);
            drive(schedule, stop, abort, shoot, dropped).await;
        });
    }

    /// Stops sending, waits for the answers, cancels the orders that are still to be cancelled, and gives everything that
    /// was observed.
    pub(crate) async fn finish(&self) -> Vec<Observation> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let open = lock(&self.clients.open).drain();
        let cancels = open
            .into_iter()
            .map(|(order, product)| self.clients.cancel(order, product));
        futures_util::future::join_all(cancels).await;
        std::mem::take(&mut *lock(&self.clients.seen))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Clients {
    async fn query(&self, tick: Tick, product: ProductId) {
        let known = lock(&self.known).get(&product).copied();
        let (end, told) = match self.api.query(&product).await {
            Ok(voted) => {
                let told = Told::Stock {
                    asked: product.clone(),
                    product: voted.product_id,
                    version: voted.version,
                    stock: voted.stock,
                    fresh: voted.fresh,
                    known,
                };
                (End::Success, Some(told))
            }
            Err(failure) => (End::Failed(failure), None),
        };
        self.keep(Operation::QueryInventory, tick.intended_ns, end, told);
    }

    /// Orders; an order that `is_cancelled` is so later, once it was confirmed.
    async fn order(&self, tick: Tick, product_id: ProductId, quantity: u64, is_cancelled: bool) {
        let key = format!("{}-{}", self.run, tick.number);
        let request = OrderRequest { product_id, quantity };
        let answer = self.send(&request, &key, tick.intended_ns, None).await;
        if tick.number % AGAIN == AGAIN - 1 && answer != OrderAnswer::Unknown {
            self.send(&request, &key, mono_ns(), Some(answer)).await;
        }
        let (OrderAnswer::Confirmed { order, .. } | OrderAnswer::Pending { order }) = answer else {
            return;
        };
        if !is_cancelled {
            return;
        }
        let due = lock(&self.open).push((order, request.product_id));
        if let Some((order, product)) = due {
            self.cancel(order, product).await;
        }
    }

    /// Sends an order, for the first time or once more.
    async fn send(
        &self,
        request: &OrderRequest,
        key: &str,
        intended_ns: u64,
        first: Option<OrderAnswer>,
    ) -> OrderAnswer {
        let (end, answer) = match self.api.order(request, Some(key)).await {
            Ok(Ordered::Confirmed { order, version }) => {
                self.learn(&request.product_id, version);
                (End::Success, OrderAnswer::Confirmed { order, version })
            }
            Ok(Ordered::Pending { order }) => (End::Failed(Failure::Pending), OrderAnswer::Pending { order }),
            Ok(Ordered::Rejected { reason }) => (End::Rejected(reason), OrderAnswer::Rejected),
            Err(failure @ Failure::Status(422)) => (End::Failed(failure), OrderAnswer::Conflict),
            Err(failure) => (End::Failed(failure), OrderAnswer::Unknown),
        };
        let told = Told::Order {
            key: OrderId::from_key(0, key).key_part(),
            asked: request.clone(),
            answer,
            first,
        };
        self.keep(Operation::CreateOrder, intended_ns, end, Some(told));
        answer
    }

    /// Cancels an order, which is done once for each.
    async fn cancel(&self, order: OrderId, product: ProductId) {
        let started_ns = mono_ns();
        let (end, told) = match self.api.cancel(order).await {
            Ok(Cancelled::Done { version }) => {
                self.learn(&product, version);
                (End::Success, Some(Told::Cancelled { order }))
            }
            Ok(Cancelled::Refused(reason)) => {
                let end = End::Rejected("refused".to_owned());
                (end, Some(Told::Refused { order, reason }))
            }
            Err(failure @ Failure::Status(404)) => {
                let reason = Refusal::UnknownOrder;
                (End::Failed(failure), Some(Told::Refused { order, reason }))
            }
            Err(failure) => (End::Failed(failure), None),
        };
        self.keep(Operation::CancelOrder, started_ns, end, told);
    }

    fn learn(&self, product: &ProductId, version: Option<u64>) {
        let Some(version) = version else { return };
        let mut known = lock(&self.known);
        let newest = known.entry(product.clone()).or_insert(version);
        *newest = version.max(*newest);
    }

    fn keep(&self, operation: Operation, intended_ns: u64, end: End, told: Option<Told>) {
        lock(&self.seen).push(Observation {
            operation,
            intended_ns,
            latency_ns: mono_ns().saturating_sub(intended_ns),
            end,
            told,
        });
    }
}

/// The lock is only ever held for a moment, and what is behind it is whole at all times.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
