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
mod replica;
mod saver;
mod snapshot;
mod view;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;
use tolerancia_bus::Producer;
use tolerancia_service::config::{ServiceArgs, name};
use tolerancia_service::fault::FaultSwitch;
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
    let view = Arc::new(View::new(me));
    let idle = Arc::new(Idle::default());
    let failing = Failing::default();
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
    let requests = Requests::start(requests::to_kafka(producer.clone(), &service));
    let health = {
        let (view, producer) = (Arc::clone(&view), producer.clone());
        move || health(&service, &view, &idle, producer.is_connected(), &failing)
    };
    let router = in_shell(health, view, faults).requests(&requests).into_router();
    let served = shell::serve(router, addr, stop.clone()).await;
    stop.cancel();
    requests.close().await;
    let ended = engine.await.context("the replica failed; its log says where");
    producer.flush(GOODBYE).await;
    served.and(ended?)
}

fn in_shell(health: impl Fn() -> Health + Send + Sync + 'static, view: Arc<View>, faults: FaultSwitch) -> Shell {
    Shell::new(health).routes(http::routes(view)).faults(faults)
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
    if let Some(error) = &*failing.lock().unwrap_or_else(PoisonError::into_inner) {
        missing("snapshot", format!("cannot be saved ({error}); free the disk"));
    }
    if !view.is_ready() {
        health.status = HealthState::CatchingUp;
    } else if !health.details.is_empty() {
        health.status = HealthState::Degraded;
    }
    health
}
