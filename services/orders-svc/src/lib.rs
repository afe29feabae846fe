//! orders-svc: takes orders and cancels, synchronously for the client, through the log for the system.
//!
//! An order is appended to `order-events` and answered with what a quorum of replicas reports about it on
//! `inventory-results`. The service decides nothing itself and holds no stock; what it knows of orders it
//! can lose and read again.
//!
//! | module | what it is |
//! | --- | --- |
//! | `desk` | an order's and a cancel's way from request to answer |
//! | `book` | the orders in memory, which only move forward |
//! | `outcomes`, `witness` | what replicas reported; who is told, and what the monitor is told |
//! | `log` | appending, and undoing what was not acknowledged |
//! | `results`, `recent`, `catalogue` | reading results, starting again, the first stock |
//! | `archive` | orders in the store |
//! | `http` | the API |

pub mod archive;
pub mod book;
mod catalogue;
pub mod desk;
mod http;
pub mod log;
pub mod outcomes;
mod recent;
mod results;
pub mod witness;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_bus::Producer;
use tolerancia_service::config::{ServiceArgs, name};
use tolerancia_service::queues;
use tolerancia_service::requests::{self, Requests};
use tolerancia_service::shell::{self, Shell};
use tolerancia_wire::health::{Health, HealthState};
use tolerancia_wire::topic;

pub use catalogue::Catalogue;

use crate::archive::Archive;
use crate::desk::{Desk, Rules};
use crate::log::{KafkaLog, Log, Undo};
use crate::results::Results;

/// The SQLite file in the data directory, which all services share.
const DATABASE: &str = "tolerancia.db";
/// How long the last records and store writes may take at shutdown.
const FLUSH: Duration = Duration::from_secs(2);

/// What orders-svc can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What all services can be told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// How long an order waits for a quorum before it is answered as pending, in milliseconds.
    #[arg(long, env = "ORDER_TIMEOUT_MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub order_timeout_ms: u64,

    /// How long Kafka has to acknowledge an order, in milliseconds; less than the order timeout.
    #[arg(long, env = "ORDER_DELIVERY_TIMEOUT_MS", default_value_t = 1500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub order_delivery_timeout_ms: u64,

    /// Orders and cancels under way at most; beyond it they are answered with 503.
    #[arg(long, env = "ORDERS_IN_FLIGHT", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=40_000))]
    pub orders_in_flight: u32,

    /// Products and their stock at the first start, PRODUCT=QUANTITY, separated by commas.
    #[arg(long, env = "CATALOGUE", default_value = "PROD-001=1000,PROD-002=500,PROD-003=750")]
    pub catalogue: Catalogue,
}

/// Runs orders-svc until `shutdown`.
///
/// # Errors
/// When it cannot start: contradictory parameters, no Kafka, a port in use. The message says what to do.
pub async fn run(args: Args, shutdown: CancellationToken) -> Result<()> {
    let service = args.service.clone().prepared(name::ORDERS)?;
    anyhow::ensure!(
        args.order_delivery_timeout_ms <= args.order_timeout_ms,
        "ORDER_DELIVERY_TIMEOUT_MS ({}) must not exceed ORDER_TIMEOUT_MS ({}): lower it, or raise the other",
        args.order_delivery_timeout_ms,
        args.order_timeout_ms
    );
    let (bus, source) = (service.bus(), service.source());
    let archive = Archive::open(service.postgres_url.as_deref(), &service.data_dir.join(DATABASE));
    tolerancia_bus::ensure_topics(&bus)
        .await
        .context("orders need Kafka to start")?;
    let partitions = tolerancia_bus::partition_count(&bus, topic::ORDER_EVENTS).await?;
    args.catalogue.seed(&bus, partitions, &source).await?;

    let producer = Producer::new(&bus, Duration::from_millis(args.order_delivery_timeout_ms))?;
    let log = KafkaLog::new(producer.clone(), source.clone());
    let (undo, undos) = Undo::channel(partitions);
    let rules = Rules {
        replicas: service.replicas.into(),
        partitions,
        order_timeout: Duration::from_millis(args.order_timeout_ms),
        max_in_flight: usize::try_from(args.orders_in_flight)?,
    };
    let desk = Desk::new(rules, log.clone(), undo, archive.clone());

    watch_queues(&producer, &desk, &archive);
    let (consumer, ends) = recent::results(&bus).await?;
    recent::orders(&desk, &bus, service.replicas.into()).await?;
    // They end after the server: requests that are under way at shutdown still get their outcome.
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let results = Results {
        desk: desk.clone(),
        consumer,
        ends,
        bus,
        producer: producer.clone(),
        source,
    };
    let shutdown = shutdown.child_token();
    tasks.spawn({
        let (stop, server) = (stop.clone(), shutdown.clone());
        async move {
            // However it ends: without results no order would be confirmed any more.
            let _ends_the_server = server.drop_guard();
            results.run(stop).await;
        }
    });
    tasks.spawn(log::undo(log, undos, stop.clone()));
    tasks.close();

    let health = {
        let (service, desk) = (service.clone(), desk.clone());
        move || health(&service, &desk)
    };
    let limits = service
        .limits(shell::MAX_IN_FLIGHT)
        .answers_within(Duration::from_millis(args.order_timeout_ms));
    let requests = Requests::start(requests::to_kafka(producer.clone(), &service));
    let app = Shell::new(health)
        .described(
            "orders-svc",
            "Orders. What becomes of one is decided by a quorum of replicas.",
        )
        .routes(http::routes(desk))
        .requests(&requests)
        .limits(&limits)
        .into_app();
    let served = shell::serve(app, service.addr(), limits, shutdown).await;
    requests.close().await;
    stop.cancel();
    tasks.wait().await;
    producer.flush(FLUSH).await;
    archive.close(FLUSH).await;
    served
}

fn watch_queues<L: Log>(producer: &Producer, desk: &Arc<Desk<L>>, archive: &Archive) {
    queues::watch_producer(producer);
    let (under_way, waited_for, kept) = (Arc::clone(desk), Arc::clone(desk), Arc::clone(desk));
    queues::watch("orders_in_flight", desk.most_under_way(), move || under_way.under_way());
    queues::watch("orders_undo", desk.undo().capacity(), move || {
        waited_for.undo().waiting()
    });
    queues::watch("orders_book", desk::BOOK, move || kept.state().book.len());
    let (writes, capacity) = (archive.clone(), archive.queue().capacity());
    queues::watch("store_writes", capacity, move || writes.queue().queued());
}

fn health<L: Log>(service: &ServiceArgs, desk: &Desk<L>) -> Health {
    let mut health = service.health(HealthState::Up);
    health.database = Some(service.database());
    if !desk.kafka() {
        let lost = "not reachable: orders get 503 until it is".to_owned();
        health.details.insert("kafka".to_owned(), lost);
    }
    if let Some(trouble) = desk.archive().trouble() {
        health.details.insert("database".to_owned(), trouble);
    }
    if !health.details.is_empty() {
        health.status = HealthState::Degraded;
    }
    health
}
