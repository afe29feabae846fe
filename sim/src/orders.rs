//! orders-svc: the service's own desk, with its book, outcomes, witness, undo queue and write-behind archive.
//!
//! It is written as tasks, so it runs on a tokio runtime of its own whose clock stands still while any task can go on,
//! and then goes to the next timer or the next event of the simulation. Modelled here are its log client (what waits for a
//! partition is sent in order, and is given up after the delivery timeout), its reading of `inventory-results`, and what
//! it reads again after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tolerancia_core::OrderId;
use tolerancia_core::ledger::Event as LogEvent;
use tolerancia_orders_svc::archive::Archive;
use tolerancia_orders_svc::book::pending;
use tolerancia_orders_svc::desk::{Cancelled, Desk, Placed, Rules};
use tolerancia_orders_svc::log::{Log, NotAppended, Undo, undo};
use tolerancia_orders_svc::outcomes::Report;
use tolerancia_wire::evidence::Lie;
use tolerancia_wire::order::{OrderRequest, OrderStatus};
use tolerancia_wire::partition;
use tolerancia_wire::record::{OrderEvent, ResultBody};

use crate::clients::Answer;
use crate::config::{Config, MS};
use crate::event::{Event, Evidence, Node, Reader};
use crate::producer::Out;
use crate::store::{Handle, Shared};
use crate::world::World;

/// How long a client waits for a quorum.
const ORDER_TIMEOUT: Duration = Duration::from_secs(2);
/// Orders taken from the store at a start.
const STORED: usize = 20_000;

/// Where the log's answer to an append goes.
pub(crate) type Done = oneshot::Sender<Result<u64, NotAppended>>;

/// What the desk's tasks tell the world.
enum Told {
    Append(u32, u16, LogEvent, Done),
    Placed(u32, usize, u64, Placed),
    Cancelled(u32, usize, u64, Cancelled),
    Ready(u32),
}

type Inbox = Arc<Mutex<Vec<Told>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The log as the desk sees it.
#[derive(Clone)]
pub struct SimLog {
    inc: u32,
    inbox: Inbox,
    nonces: Arc<Mutex<ChaCha8Rng>>,
}

impl Log for SimLog {
    async fn append(&self, partition: u16, _: &str, event: LogEvent) -> Result<u64, NotAppended> {
        let (done, answer) = oneshot::channel();
        lock(&self.inbox).push(Told::Append(self.inc, partition, event, done));
        match answer.await {
            Ok(answer) => answer,
            // The process has died: its tasks do not go on.
            Err(_) => std::future::pending().await,
        }
    }

    fn nonce(&self) -> [u8; 14] {
        lock(&self.nonces).random()
    }
}

/// orders-svc.
pub struct OrdersNode {
    pub(crate) inc: u32,
    pub(crate) store: Arc<Shared>,
    ready: bool,
    desk: Option<Arc<Desk<SimLog>>>,
    inbox: Inbox,
    nonces: Arc<Mutex<ChaCha8Rng>>,
    alive: Arc<AtomicBool>,
    stop: CancellationToken,
    pub(crate) out: Vec<VecDeque<Out>>,
    pub(crate) pumping: Vec<bool>,
    pub(crate) waiting: BTreeMap<u64, Done>,
    pub(crate) tokens: u64,
    positions: Vec<usize>,
    ends: Vec<usize>,
    /// The desk's tasks have something to do.
    pub(crate) poked: bool,
}

impl OrdersNode {
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        let partitions = usize::from(config.partitions);
        Self {
            inc: 0,
            store: Arc::default(),
            ready: false,
            desk: None,
            inbox: Inbox::default(),
            nonces: Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))),
            alive: Arc::new(AtomicBool::new(false)),
            stop: CancellationToken::new(),
            out: (0..partitions).map(|_| VecDeque::new()).collect(),
            pumping: vec![false; partitions],
            waiting: BTreeMap::new(),
            tokens: 0,
            positions: vec![0; partitions],
            ends: vec![0; partitions],
            poked: false,
        }
    }
}

impl World {
    pub(crate) fn orders_start(&mut self, inc: u32) {
        if self.orders.inc != inc {
            return;
        }
        if !self.net.reaches(Node::Orders, Node::Log) {
            self.after(100 * MS, Event::OrdersStart(inc));
            return;
        }
        self.set_clock(Node::Orders);
        let partitions = self.config.partitions;
        let alive = Arc::new(AtomicBool::new(true));
        let shared = Arc::clone(&self.orders.store);
        let archive = Archive::over(Arc::new(Handle {
            shared,
            alive: Arc::clone(&alive),
        }));
        let log = SimLog {
            inc,
            inbox: Arc::clone(&self.orders.inbox),
            nonces: Arc::clone(&self.orders.nonces),
        };
        let (queue, undos) = Undo::channel(partitions);
        let rules = Rules {
            replicas: self.config.replicas,
            partitions,
            order_timeout: ORDER_TIMEOUT,
            max_in_flight: 64,
        };
        let desk = Desk::new(rules, log.clone(), queue, archive);
        let stop = CancellationToken::new();
        tokio::spawn(undo(log, undos, stop.clone()));
        let (inbox, reader) = (Arc::clone(&self.orders.inbox), Arc::clone(&desk));
        tokio::spawn(async move {
            for status in [Some(OrderStatus::Pending), None] {
                let stored = reader.archive().newest(status, STORED).await;
                let mut state = reader.state();
                for order in stored {
                    state.book.learn(order);
                }
            }
            lock(&inbox).push(Told::Ready(inc));
        });
        self.orders.desk = Some(desk);
        self.orders.alive = alive;
        self.orders.stop = stop;
        self.orders.poked = true;
        self.count("orders starts");
    }

    pub(crate) fn orders_die(&mut self) {
        let node = &mut self.orders;
        node.inc += 1;
        node.ready = false;
        node.desk = None;
        node.alive.store(false, Ordering::Relaxed);
        node.stop.cancel();
        node.waiting.clear();
        node.poked = true;
        // What is on the wire may arrive or not.
        for partition in 0..self.config.partitions {
            let out = std::mem::take(&mut self.orders.out[usize::from(partition)]);
            let arrives = self.net.reaches(Node::Orders, Node::Log) && self.rng.random_bool(0.5);
            for out in out.into_iter().filter(|_| arrives) {
                self.append(partition, out.event);
            }
            self.orders.pumping[usize::from(partition)] = false;
        }
    }

    /// Its store has answered: it reads the last stretch of the log again, and then takes requests.
    pub(crate) fn orders_ready(&mut self, inc: u32) {
        if self.orders.inc != inc {
            return;
        }
        let Some(desk) = self.orders.desk.clone() else { return };
        self.set_clock(Node::Orders);
        let partitions = usize::from(self.config.partitions);
        let results = self.config.stretch / partitions;
        for p in 0..partitions {
            let end = self.log.results[p].len();
            self.orders.ends[p] = end;
            self.orders.positions[p] = end.saturating_sub(results);
            let events = &self.log.orders[p];
            let from = events.len().saturating_sub(results / self.config.replicas);
            let mut state = desk.state();
            for bytes in &events[from..] {
                let Ok(record) = OrderEvent::from_bytes(bytes) else {
                    continue;
                };
                let at = record.stamp();
                if let LogEvent::Reserve {
                    order_id,
                    product_id,
                    quantity,
                } = record.body
                {
                    state
                        .book
                        .learn(pending(at, order_id, &OrderRequest { product_id, quantity }));
                }
            }
        }
        self.orders.ready = true;
        self.read_anew(Reader::Orders, self.config.partitions);
        self.after(50 * MS, Event::OrdersTell(inc));
    }

    pub(crate) fn orders_reads(&mut self, partition: u16) {
        let Some(desk) = self.orders.desk.clone().filter(|_| self.orders.ready) else {
            return;
        };
        self.set_clock(Node::Orders);
        let p = usize::from(partition);
        let from = self.orders.positions[p];
        let end = self.orders.ends[p];
        let records = (from..).zip(&self.log.results[p][from..]);
        let reports: Vec<_> = records
            .map(|(offset, record)| {
                let at = record.stamp();
                let ResultBody::Result {
                    instance,
                    partition,
                    offset: event,
                    order_id,
                    outcome,
                    ..
                } = record.body;
                let report = Report {
                    partition,
                    offset: event,
                    order: order_id,
                    replica: instance,
                    outcome,
                    fresh: offset >= end,
                };
                (at, report)
            })
            .collect();
        self.orders.positions[p] = self.log.results[p].len();
        desk.hear(reports);
        self.orders.poked = true;
    }

    pub(crate) fn orders_tell(&mut self, inc: u32) {
        if self.orders.inc != inc {
            return;
        }
        let Some(desk) = self.orders.desk.clone() else { return };
        let now_ns = self.mono_ns();
        desk.set_kafka(self.net.reaches(Node::Orders, Node::Log));
        let batches = {
            let mut state = desk.state();
            state.outcomes.sweep(now_ns);
            state.witness.take(now_ns)
        };
        if let Some(batches) = batches {
            for batch in &batches {
                for Lie { dissent, .. } in &batch.dissents {
                    self.count("dissents");
                    self.check_accused(batch.instance, &dissent.to_string());
                }
            }
            let evidence = Evidence {
                from: Node::Orders,
                made: self.stamp(Node::Orders),
                batches,
            };
            let wait = self.net.latency(&mut self.rng);
            self.after(wait, Event::EvidenceArrives(evidence, self.now));
        }
        self.after(50 * MS, Event::OrdersTell(inc));
    }

    pub(crate) fn place(&mut self, client: usize, request: u64) {
        let Some((key, product_id, quantity)) = self.clients[client].placing(request) else {
            return;
        };
        let Some(desk) = self.orders.desk.clone().filter(|_| self.orders.ready) else {
            self.answer_client(client, request, Node::Orders, Answer::Refused);
            return;
        };
        if let Some(key) = &key {
            let home = partition::of_product(&product_id, self.config.partitions);
            self.known.insert(OrderId::from_key(home, key));
        }
        let (inc, inbox) = (self.orders.inc, Arc::clone(&self.orders.inbox));
        tokio::spawn(async move {
            let placed = desk.place(key.as_deref(), OrderRequest { product_id, quantity }).await;
            lock(&inbox).push(Told::Placed(inc, client, request, placed));
        });
        self.orders.poked = true;
    }

    pub(crate) fn cancel(&mut self, client: usize, request: u64, id: OrderId) {
        let Some(desk) = self.orders.desk.clone().filter(|_| self.orders.ready) else {
            self.answer_client(client, request, Node::Orders, Answer::Refused);
            return;
        };
        let (inc, inbox) = (self.orders.inc, Arc::clone(&self.orders.inbox));
        tokio::spawn(async move {
            let cancelled = desk.cancel(id).await;
            lock(&inbox).push(Told::Cancelled(inc, client, request, cancelled));
        });
        self.orders.poked = true;
    }

    /// Takes what the desk's tasks have told.
    pub fn hear_desk(&mut self) {
        let told = std::mem::take(&mut *lock(&self.orders.inbox));
        for told in told {
            match told {
                Told::Append(inc, partition, event, done) if inc == self.orders.inc => {
                    self.send_event(partition, event, done);
                }
                Told::Placed(inc, client, request, placed) if inc == self.orders.inc => {
                    if let Placed::Stands(order) = &placed {
                        self.known.insert(order.order_id);
                    }
                    self.answer_client(client, request, Node::Orders, Answer::Placed(placed));
                }
                Told::Cancelled(inc, client, request, cancelled) if inc == self.orders.inc => {
                    self.answer_client(client, request, Node::Orders, Answer::Cancelled(cancelled));
                }
                Told::Ready(inc) => self.after(0, Event::OrdersReady(inc)),
                Told::Append(..) | Told::Placed(..) | Told::Cancelled(..) => {}
            }
        }
    }
}
