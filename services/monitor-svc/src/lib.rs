//! monitor-svc: watches the inventory replicas and decides whose votes count.
//!
//! Evidence comes from its own health checks ([`checker`]) and from what the voter and orders report on
//! `error-queue`; the rules are those of `tolerancia_core::panel`; verdicts go to `instance-status`, to the
//! listeners of `GET /events` and to the store. Nothing of that reads anything that tells whether a fault is injected;
//! only the [`audit`], which listens to the verdicts, is told so afterwards. What is only written down for later,
//! request metrics and voting events, is the business of [`ingest`]; who looks on is told by [`live`].

mod audit;
mod checker;
mod config;
mod control;
mod denials;
mod http;
mod ingest;
mod judge;
mod live;
mod reason;
mod restart;
mod state;
mod trace;
mod transitions;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_bus::Producer;
use tolerancia_core::panel::Panel;
use tolerancia_core::{ReplicaId, quorum};
use tolerancia_service::config::name;
use tolerancia_service::fault::DenialAudit;
use tolerancia_service::link::Link;
use tolerancia_service::queues;
use tolerancia_service::requests::Requests;
use tolerancia_service::shell::{self, Shell};
use tolerancia_store::{Buffer, BufferConfig, Write, lazy_store};
use tolerancia_wire::health::HealthState;
use tolerancia_wire::live::Hello;
use tolerancia_wire::status::{SystemStatus, Verdict};
use tolerancia_wire::time::mono_ns;
use tolerancia_wire::{Stamp, topic};

pub use config::Args;

use crate::audit::Auditor;
use crate::checker::{Checker, Cue};
use crate::denials::Denials;
use crate::ingest::Reader;
use crate::judge::Judge;
use crate::live::Live;
use crate::state::Shared;
use crate::trace::Tracer;

/// How long a queued status may wait for Kafka. It is repeated, so an old one need not linger.
const STATUS_DELIVERY: Duration = Duration::from_secs(10);

/// How long the start waits for Kafka to take the first statuses.
const FIRST_STATUS: Duration = Duration::from_secs(2);

/// The SQLite file in the data directory that the services of one host share, without `POSTGRES_URL`.
const DATABASE: &str = "tolerancia.db";

/// How long the audit of earlier runs may take to load; it is only shown.
const AUDIT: Duration = Duration::from_secs(1);

/// Evidence and checks that wait for the judge at most, and evidence that waits to be counted.
const QUEUE: usize = 1024;

/// Runs the monitor until shutdown.
///
/// # Errors
/// When it cannot start: contradictory parameters, a port in use, no Kafka. The message says what to do.
pub async fn run(mut args: Args, shutdown: CancellationToken) -> Result<()> {
    args.service = args.service.prepared(name::MONITOR)?;
    let panel_config = args.panel()?;
    let check_config = args.checks()?;
    tracing::info!(
        detector = args.describe_detector(&panel_config.detector),
        "the rule that judges"
    );
    let replicas = args.service.replicas;
    let bus = args.service.bus();
    let prometheus = tolerancia_service::metrics::install();

    // First of all: it connects while the rest is prepared.
    let producer = Producer::new(&bus, STATUS_DELIVERY)?;
    tolerancia_bus::ensure_topics(&bus)
        .await
        .context("the monitor needs Kafka to start")?;
    let database = lazy_store(
        args.service.postgres_url.as_deref(),
        &args.service.data_dir.join(DATABASE),
    );
    let instances = restart::statuses(&bus, &database, replicas).await?;
    let (evidence_reader, reading) = Reader::open(&bus, topic::ERROR_QUEUE).await?;
    let (metrics_reader, reading_metrics) = Reader::lazy(&bus, topic::REQUEST_METRICS);
    let store = Buffer::start(Arc::clone(&database), BufferConfig::default());

    // The database shows all instances from the start, not only those that something happened to.
    for status in &instances {
        store.push(Write::Status(status.clone()));
    }
    let is_on = |id: ReplicaId| instances[id.index()].status == Verdict::On;
    let panel = Panel::new(panel_config, mono_ns(), is_on);
    let cues: Vec<Arc<Cue>> = ReplicaId::all(replicas)
        .map(|id| Arc::new(Cue::new(is_on(id))))
        .collect();
    let on_count = instances.iter().filter(|s| s.status == Verdict::On).count();
    let needed = quorum(replicas.into());
    let shared = Shared::new(SystemStatus {
        replicas: replicas.into(),
        quorum: needed,
        on: on_count,
        quorum_lost: on_count < needed,
        detector: panel_config.detector.kind.to_string(),
        instances,
    });
    let (live, levels, answers) = Live::new(replicas, &panel_config.detector, &check_config);
    let first_seq = first_seq();
    let tasks = TaskTracker::new();
    let (checked, checks) = mpsc::channel(QUEUE);
    queues::watch_channel("checks", &checked);
    for (instance, answers) in ReplicaId::all(replicas).zip(answers) {
        let checker = Checker {
            instance,
            link: Link::spawn(args.service.replica_addr(instance), shutdown.clone()),
            config: check_config,
            cue: Arc::clone(&cues[instance.index()]),
            out: checked.clone(),
            answers,
        };
        tasks.spawn(checker.run(shutdown.clone()));
    }
    drop(checked);
    let denials = Denials::new(store.clone());
    let (to_judge, evidence) = mpsc::channel(QUEUE);
    let (to_votes, votes) = mpsc::channel(QUEUE);
    queues::watch_channel("evidence", &to_judge);
    queues::watch_channel("vote_counts", &to_votes);
    queues::watch_producer(&producer);
    let (writes, capacity) = (store.clone(), store.capacity());
    queues::watch("store_writes", capacity, move || writes.queued());
    let taker = ingest::Evidence {
        judge: to_judge,
        votes: to_votes,
        denials: denials.clone(),
    };
    tasks.spawn(evidence_reader.run(taker, shutdown.clone()));
    // It ends with the reader, so that nothing that was read is left out.
    tasks.spawn(ingest::count_votes(replicas, votes, store.clone()));
    let taker = ingest::Requests {
        store: store.clone(),
        live: live.clone(),
    };
    tasks.spawn(metrics_reader.run(taker, shutdown.clone()));
    if let Some(keep) = args.retention() {
        tasks.spawn(ingest::prune(Arc::clone(&database), keep, shutdown.clone()));
    }
    let tracer = Tracer::new();
    let faults = args.service.faults();
    let denied = DenialAudit::start(&faults, denials.own(args.service.source()));
    let (detectors, commands) = control::routes(&faults, shared.clone());
    let judge = Judge {
        panel,
        shared: shared.clone(),
        producer: producer.clone(),
        store: store.clone(),
        cues,
        seq: first_seq,
        source: args.service.source(),
        detector: panel_config.detector,
        tracer: tracer.clone(),
        levels,
    };
    // It listens before the first verdict.
    let (auditor, reports) = Auditor::new(shared.clone(), store.clone(), live.clone(), &faults, replicas);
    judge.send_all();
    tasks.spawn(judge.run(checks, evidence, commands, shutdown.clone()));
    tasks.spawn(auditor.run(shutdown.clone()));
    tasks.spawn(live.clone().run(shutdown.clone()));
    tasks.close();
    // Before anybody is served, so that a listener who resumes finds what happened before this monitor started, and
    // so that a verdict that somebody sees is one that Kafka takes at once. The verdicts do not wait for it.
    let earlier = tokio::time::timeout(AUDIT, database.transitions(None, state::MOST_TRANSITIONS));
    let refused = tokio::time::timeout(AUDIT, database.denials(denials::MOST_DENIALS));
    let (earlier, refused, ()) = tokio::join!(earlier, refused, producer.flush(FIRST_STATUS));
    match earlier {
        Ok(Ok(rows)) => shared.remember(rows, first_seq),
        Ok(Err(error)) => tracing::warn!(%error, "earlier transitions are not known"),
        Err(_) => tracing::warn!("earlier transitions are not known: the database takes too long"),
    }
    match refused {
        Ok(Ok(rows)) => denials.earlier(rows),
        Ok(Err(error)) => tracing::warn!(%error, "earlier refused attempts are not known"),
        Err(_) => tracing::warn!("earlier refused attempts are not known: the database takes too long"),
    }

    let health = {
        let (args, producer, store) = (args.clone(), producer.clone(), store.clone());
        move || {
            let mut health = args.service.health(HealthState::Up);
            health.database = Some(args.service.database());
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
            if !reading_metrics.load(Ordering::Relaxed) {
                health.details.insert(
                    "metrics".to_owned(),
                    "request-metrics cannot be read; the history of requests has a gap".to_owned(),
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
    let traces = trace::routes(tracer, shared.clone(), panel_config, check_config, shutdown.clone());
    let lives = live::routes(live, shared.clone(), hello(&args), shutdown.clone());
    let routes = http::routes(http::App {
        shared,
        denials,
        prometheus,
        shutdown: shutdown.clone(),
    })
    .merge(reports)
    .merge(detectors)
    .merge(traces)
    .merge(lives);
    let limits = args.service.limits(shell::MAX_IN_FLIGHT);
    let requests = Requests::start(ingest::own(store.clone(), &args.service));
    let app = Shell::new(health)
        .described("monitor-svc", "Which replicas work, which do not, and why.")
        .without_metrics()
        .routes(routes)
        .requests(&requests)
        .limits(&limits)
        .into_app();
    let served = shell::serve(app, args.service.addr(), limits, shutdown.clone()).await;
    shutdown.cancel();
    requests.close().await;
    denied.close().await;
    tasks.wait().await;
    producer.flush(Duration::from_secs(2)).await;
    let lost = store.close(Duration::from_secs(2)).await;
    if lost > 0 {
        tracing::warn!(lost, "rows were not written before the end");
    }
    served
}

fn hello(args: &Args) -> Hello {
    let health = args.service.health(HealthState::Up);
    Hello {
        service: health.service,
        version: health.version,
        pid: health.pid,
    }
}

/// A number that no earlier run of the monitor has used: microseconds since 1970, below 2^53 until 2255.
fn first_seq() -> u64 {
    u64::try_from(Stamp::now().at.as_microsecond()).unwrap_or(0)
}

#[cfg(test)]
mod record_tests;
#[cfg(test)]
mod tests;
