//! inventory-svc: one of the replicas of the inventory.
//!
//! A replicated state machine: it reads every event of `order-events` from a position of its own, applies it
//! with the same deterministic code as the others (`tolerancia_core::ledger`), reports the outcome on
//! `inventory-results`, and answers queries with what it has applied. Nothing is shared between replicas but
//! the log.

mod engine;
mod http;
mod idle;
mod outbox;
pub mod replica;
mod saver;
mod snapshot;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;
use tolerancia_bus::Producer;
use tolerancia_service::config::{ServiceArgs, name};
use tolerancia_service::fault::{self, DenialAudit, FaultSwitch};
use tolerancia_service::queues;
use tolerancia_service::requests::{self, Requests};
use tolerancia_service::shell::{self, Shell};
use tolerancia_wire::health::{Health, HealthState};
use tolerancia_wire::time::mono_ns;

use crate::engine::Engine;
use crate::idle::Idle;
use crate::saver::Failing;
use crate::view::View;

/// How long an outcome may wait for Kafka before it is sent anew.
const DELIVERY: Duration = Duration::from_secs(30);
/// How long the last metrics may take at the end.
const GOODBYE: Duration = Duration::from_millis(500);
/// Requests of one HTTP/2 connection at a time: the voter has one for all its clients.
const STREAMS: u32 = 8192;

/// Arguments of `tolerancia inventory-svc`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Milliseconds between two snapshots, while there is something to save.
    #[arg(long, env = "SNAPSHOT_INTERVAL_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    pub snapshot_interval_ms: u64,
}

/// Runs one replica until shutdown.
///
/// # Errors
/// When it cannot start or cannot go on: no instance number, a port in use, an unusable data directory, a
/// log that cannot be read. The message says what to do.
pub async fn run(args: Args, shutdown: CancellationToken) -> Result<()> {
    let service = args.service.prepared(name::INVENTORY)?;
    let me = service.replica()?;
    let bus = service.bus();
    let producer = Producer::new(&bus, DELIVERY)?;
    queues::watch_producer(&producer);
    let view = Arc::new(View::new(me));
    let idle = Arc::new(Idle::default());
    let failing = Arc::new(Failing::default());
    let faults = service.faults();

    let engine = Engine {
        me,
        replicas: service.replicas,
        source: service.source(),
        dir: service.data_dir.join(format!("inventory-{me}")),
        bus,
        producer: producer.clone(),
        save_every: Duration::from_millis(args.snapshot_interval_ms),
        view: Arc::clone(&view),
        consuming: faults.consuming(),
        idle: Arc::clone(&idle),
        failing: Arc::clone(&failing),
    };
    let stop = shutdown.child_token();
    let engine = tokio::spawn({
        let stop = stop.clone();
        async move {
            // However it ends: a replica that applies nothing more must not go on answering.
            let _ends_the_server = stop.clone().drop_guard();
            engine.run(stop).await
        }
    });

    let addr = service.addr();
    let limits = service.limits(shell::MAX_IN_FLIGHT).with_streams(STREAMS);
    let requests = Requests::start(requests::to_kafka(producer.clone(), &service));
    let denied = DenialAudit::start(&faults, fault::denials_to_kafka(producer.clone(), service.source()));
    let health = {
        let (view, producer) = (Arc::clone(&view), producer.clone());
        move || health(&service, &view, &idle, producer.is_connected(), &failing)
    };
    let app = in_shell(health, view, faults)
        .requests(&requests)
        .limits(&limits)
        .into_app();
    let served = shell::serve(app, addr, limits, stop.clone()).await;
    stop.cancel();
    requests.close().await;
    denied.close().await;
    let ended = engine.await.context("the replica failed; its log says where");
    producer.flush(GOODBYE).await;
    served.and(ended?)
}

fn in_shell(health: impl Fn() -> Health + Send + Sync + 'static, view: Arc<View>, faults: FaultSwitch) -> Shell {
    let about = "One replica: its own answers about stock. Ask the voter for answers that a quorum stands behind.";
    Shell::new(health)
        .described("inventory-svc", about)
        .routes(http::routes(view))
        .faults(faults)
}

fn health(service: &ServiceArgs, view: &View, idle: &Idle, kafka: bool, failing: &Failing) -> Health {
    let mut health = service.health(HealthState::Up);
    let (applied, digest) = view.position();
    health.applied = applied;
    health.digest = Some(digest.to_string());
    health.idle_ms = Some(idle.ms(mono_ns()));
    let mut missing = |part: &str, what: String| health.details.insert(part.to_owned(), what);
    if !kafka {
        missing(
            "kafka",
            "not reachable; answers are as of the last event read".to_owned(),
        );
    }
    // DEGRADED, not DOWN: what it answers comes from its memory and is as right as before, and what it cannot save the log
    // has. Turned OFF it would take a vote away from the others for nothing, and where all replicas share the disk, as under
    // `up`, a full one would turn off all of them.
    if let Some(why) = failing.why() {
        missing("snapshot", why);
    }
    if !view.is_ready() {
        health.status = HealthState::CatchingUp;
    } else if !health.details.is_empty() {
        health.status = HealthState::Degraded;
    }
    health
}
