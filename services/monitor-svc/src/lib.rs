//! monitor-svc: watches the inventory replicas and decides whose votes count.
//!
//! Evidence comes from its own health checks ([`checker`]) and from what the voter and orders report on
//! `error-queue`; the rules are those of `tolerancia_core::panel`; verdicts go to `instance-status`, to the
//! listeners of `GET /events` and to the store. It never reads anything that tells whether a fault is injected.

mod checker;
mod config;
mod http;
mod judge;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_bus::{Consumer, Producer, Start};
use tolerancia_core::panel::Panel;
use tolerancia_core::{ReplicaId, quorum};
use tolerancia_service::config::name::{self, INVENTORY};
use tolerancia_service::link::Link;
use tolerancia_service::shell::{self, Shell};
use tolerancia_store::{Buffer, BufferConfig, lazy_sqlite};
use tolerancia_wire::evidence::ErrorRecord;
use tolerancia_wire::health::HealthState;
use tolerancia_wire::status::{
    InstanceStatus, Phase, Reason, ReasonKind, StatusBody, StatusRecord, SystemStatus, Verdict,
};
use tolerancia_wire::time::mono_ns;
use tolerancia_wire::{Stamp, topic};

pub use config::Args;

use crate::checker::Checker;
use crate::judge::Judge;
use crate::state::Shared;

/// How long a queued status may wait for Kafka. It is repeated, so an old one need not linger.
const STATUS_DELIVERY: Duration = Duration::from_secs(10);

/// The SQLite file in the data directory that the services of one host share.
const DATABASE: &str = "tolerancia.db";

/// Pause before a reader of evidence that failed is replaced.
const REOPEN: Duration = Duration::from_secs(1);

/// How long the audit of earlier runs may take to load; it is only shown.
const AUDIT: Duration = Duration::from_secs(2);

/// Evidence and checks that wait for the judge at most.
const QUEUE: usize = 1024;

/// Runs the monitor until shutdown.
///
/// # Errors
/// When it cannot start: contradictory parameters, a port in use, no Kafka. The message says what to do.
pub async fn run(mut args: Args, shutdown: CancellationToken) -> Result<()> {
    args.service = args.service.prepared(name::MONITOR)?;
    let panel_config = args.panel()?;
    let check_config = args.checks()?;
    let replicas = args.service.replicas;
    let bus = args.service.bus();
    let prometheus = tolerancia_service::metrics::install();

    tolerancia_bus::ensure_topics(&bus)
        .await
        .context("the monitor needs Kafka to start")?;
    let known = last_statuses(&bus).await?;
    let producer = Producer::new(&bus, STATUS_DELIVERY)?;
    let evidence_consumer = Consumer::new(&bus, topic::ERROR_QUEUE, Start::End).await?;
    let database = lazy_sqlite(&args.service.data_dir.join(DATABASE));
    let store = Buffer::start(Arc::clone(&database), BufferConfig::default());

    let instances: Vec<InstanceStatus> = ReplicaId::all(replicas)
        .map(|id| known.get(id.index()).cloned().flatten().unwrap_or_else(|| initial(id)))
        .collect();
    let is_on = |id: ReplicaId| instances[id.index()].status == Verdict::On;
    let panel = Panel::new(panel_config, mono_ns(), is_on);
    let on: Vec<Arc<AtomicBool>> = ReplicaId::all(replicas)
        .map(|id| Arc::new(AtomicBool::new(is_on(id))))
        .collect();
    let on_count = instances.iter().filter(|s| s.status == Verdict::On).count();
    let needed = quorum(replicas.into());
    let shared = Shared::new(SystemStatus {
        replicas: replicas.into(),
        quorum: needed,
        on: on_count,
        quorum_lost: on_count < needed,
        detector: panel_config.detector.build().name().to_owned(),
        instances,
    });
    // So that a listener who resumes finds what happened before this monitor started.
    match tokio::time::timeout(AUDIT, database.transitions(None, state::MOST_TRANSITIONS)).await {
        Ok(Ok(rows)) => shared.remember(rows.into_iter().map(|row| row.transition)),
        Ok(Err(error)) => tracing::warn!(%error, "earlier transitions are not known"),
        Err(_) => tracing::warn!("earlier transitions are not known: the database takes too long"),
    }

    let tasks = TaskTracker::new();
    let (checked, checks) = mpsc::channel(QUEUE);
    for instance in ReplicaId::all(replicas) {
        let checker = Checker {
            instance,
            link: Link::spawn(args.service.replica_addr(instance), shutdown.clone()),
            config: check_config,
            on: Arc::clone(&on[instance.index()]),
            out: checked.clone(),
        };
        tasks.spawn(checker.run(shutdown.clone()));
    }
    drop(checked);
    let (evidence_out, evidence) = mpsc::channel(QUEUE);
    let reading = Arc::new(AtomicBool::new(true));
    tasks.spawn(read_evidence(
        bus,
        evidence_consumer,
        evidence_out,
        Arc::clone(&reading),
        shutdown.clone(),
    ));
    let judge = Judge {
        panel,
        shared: shared.clone(),
        producer: producer.clone(),
        store: store.clone(),
        on,
        seq: first_seq(),
        source: args.service.source(),
    };
    tasks.spawn(judge.run(checks, evidence, shutdown.clone()));
    tasks.close();

    let health = {
        let (args, producer, store) = (args.clone(), producer.clone(), store.clone());
        move || {
            let mut health = args.service.health(HealthState::Up);
            if !producer.is_connected() {
                health.details.insert(
                    "kafka".to_owned(),
                    "not reachable; verdicts go on, the voter keeps the last it heard".to_owned(),
                );
            }
            if !reading.load(Ordering::Relaxed) {
                health.details.insert(
                    "evidence".to_owned(),
                    "error-queue cannot be read; verdicts rest on health checks".to_owned(),
                );
            }
            let database = store.state();
            if !database.is_up() {
                health.details.insert("database".to_owned(), database.to_string());
            }
            if !health.details.is_empty() {
                health.status = HealthState::Degraded;
            }
            health
        }
    };
    let routes = http::routes(http::App {
        shared,
        prometheus,
        shutdown: shutdown.clone(),
    });
    let router = Shell::new(health).without_metrics().routes(routes).into_router();
    let served = shell::serve(router, args.service.addr(), shutdown.clone()).await;
    shutdown.cancel();
    tasks.wait().await;
    producer.flush(Duration::from_secs(2)).await;
    let lost = store.close(Duration::from_secs(2)).await;
    if lost > 0 {
        tracing::warn!(lost, "rows were not written before the end");
    }
    served
}

/// The verdicts that were in force when the last monitor stopped, by instance.
async fn last_statuses(bus: &tolerancia_bus::BusConfig) -> Result<Vec<Option<InstanceStatus>>> {
    let mut known: Vec<Option<InstanceStatus>> = Vec::new();
    for message in tolerancia_bus::read_all(bus, topic::INSTANCE_STATUS).await? {
        // A record that cannot be read is not a verdict.
        if let Ok(record) = StatusRecord::from_bytes(&message.payload) {
            let StatusBody::Status(status) = record.body;
            let index = status.instance.index();
            if known.len() <= index {
                known.resize(index + 1, None);
            }
            known[index] = Some(status);
        }
    }
    Ok(known)
}

fn initial(instance: ReplicaId) -> InstanceStatus {
    InstanceStatus {
        service: INVENTORY.to_owned(),
        instance,
        status: Verdict::On,
        phase: Phase::On,
        reason: Reason {
            kind: ReasonKind::Initial,
            text: "innocent until proven guilty".to_owned(),
        },
        since: Stamp::now(),
        pid: None,
    }
}

/// A number that no earlier run of the monitor has used: microseconds since 1970, below 2^53 until 2255.
fn first_seq() -> u64 {
    u64::try_from(Stamp::now().at.as_microsecond()).unwrap_or(0)
}

/// Hands the records of `error-queue` to the judge until shutdown. A reader that can go on no more is replaced;
/// `reading` says whether there is one.
async fn read_evidence(
    bus: tolerancia_bus::BusConfig,
    first: Consumer,
    out: mpsc::Sender<ErrorRecord>,
    reading: Arc<AtomicBool>,
    shutdown: CancellationToken,
) {
    let mut consumer = Some(first);
    let read = async {
        loop {
            if let Some(consumer) = &mut consumer {
                reading.store(true, Ordering::Relaxed);
                if let Err(error) = hand_over(consumer, &out).await {
                    tracing::error!(%error, "error-queue cannot be read; it is opened anew, verdicts rest on health checks meanwhile");
                }
                reading.store(false, Ordering::Relaxed);
            }
            tokio::time::sleep(REOPEN).await;
            consumer = Consumer::new(&bus, topic::ERROR_QUEUE, Start::End).await.ok();
        }
    };
    shutdown.run_until_cancelled(read).await;
}

/// Reads until the consumer fails for good.
async fn hand_over(consumer: &mut Consumer, out: &mpsc::Sender<ErrorRecord>) -> Result<(), tolerancia_bus::BusError> {
    loop {
        for message in consumer.recv_batch(256).await? {
            match ErrorRecord::from_bytes(&message.payload) {
                // The judge is gone only at shutdown.
                Ok(record) => drop(out.send(record).await),
                Err(error) => {
                    metrics::counter!("monitor_unreadable_evidence_total").increment(1);
                    tracing::warn!(%error, offset = message.offset, "a record on error-queue could not be read");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
