//! The clients: closed loop, random, and with little memory.
//!
//! Each sends one request at a time and remembers what was confirmed to it. It orders little and much, what there is and
//! what there is not; sends the same key again after time-outs, cut connections and errors, and sometimes after an answer,
//! now and then with another body; cancels what it ordered, some of it twice, and what never was; and reads what it wrote.
//! Beside them somebody repeats reserves in the log itself.
//! All that was answered is kept, up to [`MOST`](super::history::MOST) answers.

mod client;
mod echo;
pub(crate) mod http;
mod memory;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_bus::Producer;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::partition;

use super::history::{Entry, History, MOST};
use client::Client;
use http::Http;
use memory::Memory;

/// How much the clients do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Seed of everything that they throw dice for.
    pub seed: u64,
    /// Requests per second of all clients together, while every answer comes at once; above 0. What is slow makes it fewer:
    /// a client waits for its answers.
    pub rps: f64,
    /// How many clients, at least 1.
    pub clients: u16,
}

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Shared {
    http: Http,
    run: String,
    products: Vec<ProductId>,
    partitions: u16,
    keys: AtomicU32,
    entries: Mutex<Vec<Entry>>,
    full: AtomicBool,
}

/// The clients at work.
#[derive(Debug)]
pub struct Clients {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Clients {
    /// Starts them. `partitions` is the number of partitions of `order-events`.
    #[must_use]
    pub(crate) fn start(http: Http, products: Vec<ProductId>, partitions: u16, load: Load) -> Self {
        let shared = Arc::new(Shared {
            http,
            run: format!("torture-{}-{}", load.seed, uuid::Uuid::new_v4().simple()),
            products,
            partitions,
            keys: AtomicU32::new(0),
            entries: Mutex::default(),
            full: AtomicBool::new(false),
        });
        let clients = load.clients.max(1);
        let pause = Duration::try_from_secs_f64(f64::from(clients) / load.rps).unwrap_or(Duration::from_secs(1));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for number in 0..clients {
            let mut rng = ChaCha8Rng::seed_from_u64(load.seed);
            rng.set_stream(u64::from(number) + 1);
            let client = Client {
                number,
                shared: Arc::clone(&shared),
                rng,
                memory: Memory::default(),
                pause,
            };
            tasks.spawn(client.run(stop.clone()));
        }
        Self { shared, stop, tasks }
    }

    /// Repeats reserves in the log, too (`echo.rs` says why).
    pub(crate) fn repeat_records(&self, producer: Producer, seed: u64) {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        self.tasks
            .spawn(echo::repeat(Arc::clone(&self.shared), producer, rng, self.stop.clone()));
    }

    /// How many answers there are so far.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.shared.entries().len()
    }

    /// Stops sending, waits for the answers, and gives the history.
    pub async fn finish(self) -> History {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let mut entries = std::mem::take(&mut *self.shared.entries());
        entries.sort_by_key(|entry| entry.ended_ns);
        History {
            run: self.shared.run.clone(),
            entries,
            full: self.shared.full.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    /// The lock is only ever held for a moment, and what is behind it is whole at all times.
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, entry: Entry) {
        let mut entries = self.entries();
        if entries.len() < MOST {
            entries.push(entry);
        } else {
            self.full.store(true, Ordering::Relaxed);
        }
    }

    fn has_room(&self) -> bool {
        !self.full.load(Ordering::Relaxed)
    }

    fn next_key(&self) -> u32 {
        self.keys.fetch_add(1, Ordering::Relaxed)
    }

    fn key(&self, number: u32) -> String {
        format!("{}-{number}", self.run)
    }

    /// The id that orders makes from this key for an order of this product.
    fn order_of(&self, key: u32, product: &ProductId) -> OrderId {
        OrderId::from_key(self.partition_of(product), &self.key(key))
    }

    fn partition_of(&self, product: &ProductId) -> u16 {
        partition::of_product(product, self.partitions)
    }
}

#[cfg(test)]
mod tests;
