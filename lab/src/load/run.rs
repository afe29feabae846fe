//! Carries a load out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use tolerancia_client::http;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::inventory::VotingStats;
use tolerancia_wire::order::OrderRequest;
use tolerancia_wire::time::mono_ns;

use super::api::{Api, Cancelled, Failure, Ordered, raise_file_limit};
use super::engine::drive;
use super::outcome::SystemMetrics;
use super::pool::Pool;
use super::schedule::{Schedule, Tick};
use super::stats::{End, Operation, Recorder};
use super::{KEPT_ORDERS, LoadArgs, LoadKind, LoadOutcome};
use crate::console;
use crate::ui::Progress;

/// What all requests share.
struct Shared {
    api: Api,
    recorder: Recorder,
    open: Mutex<Pool<OrderId>>,
}

pub(super) async fn run(args: LoadArgs, shutdown: CancellationToken) -> Result<LoadOutcome> {
    raise_file_limit();
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let shared = Arc::new(Shared {
        api: Api::new(&args.voter_url, &args.orders_url),
        recorder: Recorder::default(),
        open: Mutex::new(Pool::new(KEPT_ORDERS)),
    });
    let products = shared.api.products().await.map_err(anyhow::Error::msg);
    let products = products.context("the products to ask for are unknown; start the system with `tolerancia up`")?;
    let votes_before = if args.metrics { votes(&args).await } else { None };

    let started_ns = mono_ns();
    let progress = tokio::spawn(show(Arc::clone(&shared), args.duration, started_ns));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let schedule = Schedule::from_now(args.rps, Some(Duration::from_secs(args.duration.into())));
    let shoot = |tick: Tick| {
        let operation = operation(args.kind, tick);
        let product = products[rng.random_range(0..products.len())].clone();
        let quantity = rng.random_range(1..=3);
        let shared = Arc::clone(&shared);
        async move {
            match operation {
                Operation::QueryInventory => shared.query(tick, &product).await,
                _ => shared.order(tick, product, quantity).await,
            }
        }
    };
    let dropped = |tick| {
        let end = End::Failed(Failure::Dropped);
        shared.recorder.record(operation(args.kind, tick), 0, end);
    };
    drive(schedule, shutdown.clone(), shutdown.clone(), shoot, dropped).await;
    let elapsed_s = (mono_ns() - started_ns) as f64 / 1e9;
    shared.cancel_open().await;
    progress.abort();
    // The live line is gone only when its task is.
    let _ = progress.await;

    let outcome = LoadOutcome {
        kind: args.kind,
        rps: args.rps,
        duration_s: args.duration,
        elapsed_s,
        aborted: shutdown.is_cancelled(),
        seed,
        operations: shared.recorder.outcome(elapsed_s),
        metrics: if args.metrics {
            Some(system_metrics(&args, votes_before).await)
        } else {
            None
        },
    };
    if args.json {
        console::out(serde_json::to_string_pretty(&outcome)?);
    } else {
        console::out(outcome.to_string().trim_end());
    }
    Ok(outcome)
}

const fn operation(kind: LoadKind, tick: Tick) -> Operation {
    match kind {
        LoadKind::QueryInventory => Operation::QueryInventory,
        LoadKind::CreateOrder => Operation::CreateOrder,
        LoadKind::Both if tick.number.is_multiple_of(2) => Operation::QueryInventory,
        LoadKind::Both => Operation::CreateOrder,
    }
}

impl Shared {
    async fn query(&self, tick: Tick, product: &ProductId) {
        let end = match self.api.query(product).await {
            Ok(_) => End::Success,
            Err(failure) => End::Failed(failure),
        };
        self.record(Operation::QueryInventory, tick.intended_ns, end);
    }

    async fn order(&self, tick: Tick, product_id: ProductId, quantity: u64) {
        let request = OrderRequest { product_id, quantity };
        let (end, order) = match self.api.order(&request, None).await {
            Ok(Ordered::Confirmed { order, .. }) => (End::Success, Some(order)),
            Ok(Ordered::Pending { order }) => (End::Failed(Failure::Pending), Some(order)),
            Ok(Ordered::Rejected { reason }) => (End::Rejected(reason), None),
            Err(failure) => (End::Failed(failure), None),
        };
        self.record(Operation::CreateOrder, tick.intended_ns, end);
        let due = order.and_then(|order| self.open.lock().unwrap_or_else(PoisonError::into_inner).push(order));
        if let Some(order) = due {
            self.cancel(order).await;
        }
    }

    async fn cancel(&self, order: OrderId) {
        let started_ns = mono_ns();
        let end = match self.api.cancel(order).await {
            Ok(Cancelled::Done { .. }) => End::Success,
            Ok(Cancelled::Refused(_)) => End::Rejected("refused".to_owned()),
            Err(failure) => End::Failed(failure),
        };
        self.record(Operation::CancelOrder, started_ns, end);
    }

    /// Gives back what is still held. Each request has a timeout, so this ends.
    async fn cancel_open(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).drain();
        futures_util::future::join_all(open.into_iter().map(|order| self.cancel(order))).await;
    }

    fn record(&self, operation: Operation, from_ns: u64, end: End) {
        self.recorder.record(operation, mono_ns().saturating_sub(from_ns), end);
    }
}

/// The live line.
async fn show(shared: Arc<Shared>, duration_s: u32, started_ns: u64) {
    let progress = Progress::start();
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let (mut before, mut rate) = ((0, started_ns), 0.0);
    loop {
        ticks.tick().await;
        let now_ns = mono_ns();
        let (requests, failed, p99) = shared.recorder.live();
        // The rate of the last second or so; a single half second would jump about.
        let span_s = (now_ns - before.1) as f64 / 1e9;
        if span_s >= 1.0 {
            rate = (requests - before.0) as f64 / span_s;
            before = (requests, now_ns);
        }
        let elapsed_s = (now_ns - started_ns) as f64 / 1e9;
        progress.live(format!(
            "{elapsed_s:.0} s of {duration_s} s  {rate:.1} requests/s  p99 {p99:.2} ms  failed {failed}"
        ));
    }
}

async fn votes(args: &LoadArgs) -> Option<VotingStats> {
    let client = http::client(Duration::from_secs(2));
    http::get_json(&client, &format!("{}/voting-stats", args.voter_url))
        .await
        .ok()
}

async fn system_metrics(args: &LoadArgs, before: Option<VotingStats>) -> SystemMetrics {
    let client = http::client(Duration::from_secs(2));
    let get = async |url: String| match http::get_json::<serde_json::Value>(&client, &url).await {
        Ok(value) => value,
        Err(error) => serde_json::Value::String(error),
    };
    let after = votes(args).await;
    let quorum_rate = before.zip(after).and_then(|(before, after)| {
        let votes = after.votes.checked_sub(before.votes).filter(|&votes| votes > 0)?;
        let decided = after.decided.checked_sub(before.decided)?;
        Some(decided as f64 / votes as f64)
    });
    SystemMetrics {
        quorum_rate,
        voter: get(format!("{}/voting-stats", args.voter_url)).await,
        monitor: get(format!("{}/metrics", args.monitor_url)).await,
    }
}
