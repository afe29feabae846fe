//! voter-svc: the majority vote over the inventory replicas.
//!
//! For every query all replicas are asked at once, and the first quorum that agrees on a version of the
//! product is the answer. A replica that lies, hangs or dies is outvoted, and what the voter saw of it goes
//! to the monitor as evidence.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`reply`] | reads replies strictly |
//! | [`subject`], [`product`], [`inventory`] | what is voted on |
//! | [`round`] | the rules of one vote: whom to ask again, when to give up, what was found out |
//! | [`vote`] | runs a round over the connections |
//! | [`late`] | how long each replica's answers may take |
//! | [`voter`] | the replicas and all that outlives one vote |
//! | [`book`], [`reporter`] | evidence about each replica, and its way to the monitor |
//! | [`verdicts`] | which replicas count |
//! | [`catalogue`], [`scrub`] | votes that nobody asked for |
//! | [`live`] | what those who watch are told |
//! | [`stall`], [`robust`], [`stats`], [`http`] | own stalls, outliers, counters, routes |

pub mod book;
pub mod catalogue;
pub mod claims;
mod config;
pub mod http;
pub mod inventory;
pub mod late;
pub mod live;
pub mod product;
pub mod reply;
pub mod reporter;
pub mod robust;
pub mod round;
pub mod scrub;
pub mod stall;
pub mod stats;
pub mod subject;
pub mod verdicts;
pub mod vote;
pub mod voter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_bus::Producer;
use tolerancia_core::ReplicaId;
use tolerancia_service::config::{ServiceArgs, name};
use tolerancia_service::link::Link;
use tolerancia_service::queues;
use tolerancia_service::requests::{self, Requests};
use tolerancia_service::shell::{Shell, serve};
use tolerancia_wire::health::{Health, HealthState};
use tolerancia_wire::topic::ERROR_QUEUE;

pub use crate::config::Args;
use crate::voter::{MOST_COLLECTORS, Voter};

/// Evidence that Kafka has not taken within this time is too old to matter.
const EVIDENCE_TIMEOUT: Duration = Duration::from_secs(2);
/// The embedded broker sleeps out every fetch, so verdicts are asked for no more often than this.
const VERDICT_WAIT: Duration = Duration::from_millis(10);
/// How long a start waits for a quorum of replicas.
const CONNECT: Duration = Duration::from_secs(1);
/// Votes for clients at a time. A vote takes about a millisecond, most of it waiting, so these keep every core of a small
/// host busy; many more would make the replicas' answers late, which must stay a sign of a fault.
const IN_FLIGHT: usize = 128;
/// How long the last evidence and metrics may take at the end.
const GOODBYE: Duration = Duration::from_millis(500);

/// Runs the voter until `shutdown`.
///
/// # Errors
/// When it cannot start: contradicting parameters, a port that cannot be listened on.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let service = args.service.clone().prepared(name::VOTER)?;
    let rules = args.rules()?;
    let shutdown = shutdown.child_token();
    // Before any counter is made: a counter made earlier would count into nothing.
    tolerancia_service::metrics::install();
    let bus = service.bus();
    let producer = Producer::new(&bus, EVIDENCE_TIMEOUT).context("evidence cannot be sent: check KAFKA_PROP_*")?;

    queues::watch_producer(&producer);

    // Votes under way at shutdown still need their replicas.
    let connections = CancellationToken::new();
    let links = ReplicaId::all(service.replicas).map(|id| Link::spawn(service.replica_addr(id), connections.clone()));
    let voter = Arc::new(Voter::new(links.collect(), rules));

    let waiting = Arc::clone(&voter);
    queues::watch("voter_collectors", MOST_COLLECTORS, move || waiting.collecting());

    let tasks = TaskTracker::new();
    let key = service.source();
    let to_kafka = producer.clone();
    let sink: reporter::Sink = Box::new(move |record| {
        let sent = to_kafka.send_forget(ERROR_QUEUE, None, Some(key.as_bytes()), record);
        sent.is_ok()
    });
    tasks.spawn(reporter::report(
        Arc::clone(&voter.book),
        service.source(),
        sink,
        shutdown.clone(),
    ));
    let reading = Arc::new(AtomicBool::new(false));
    let wait = bus.fetch_wait.max(VERDICT_WAIT);
    let verdicts = verdicts::follow(
        Arc::clone(&voter),
        bus.with_fetch_wait(wait),
        Arc::clone(&reading),
        shutdown.clone(),
    );
    tasks.spawn(verdicts);
    tasks.spawn(claims::settle(Arc::clone(&voter), service.bus(), shutdown.clone()));
    tasks.spawn(scrub::inventory(Arc::clone(&voter), shutdown.clone()));
    tasks.spawn(scrub::products(Arc::clone(&voter), args.scrub_rate, shutdown.clone()));
    tasks.spawn(live::run(Arc::clone(&voter.live), shutdown.clone()));
    let (watched, until) = (Arc::clone(&voter), shutdown.clone());
    tasks.spawn(async move { watched.stalls.watch(until).await });

    // Who connects to a voter that has just started shall not find it without replicas.
    shutdown.run_until_cancelled(voter.connected(CONNECT)).await;
    let addr = service.addr();
    let requests = Requests::start(requests::to_kafka(producer.clone(), &service));
    let limits = service.limits(IN_FLIGHT).answers_within(voter.rules().patience.timeout);
    let (asked, sender) = (Arc::clone(&voter), producer.clone());
    let shell = Shell::new(move || {
        let kafka = reading.load(Ordering::Relaxed) && sender.is_connected();
        health(&service, &asked, kafka)
    });
    let live = live::routes(Arc::clone(&voter.live), shutdown.clone());
    let routes = http::routes(voter).merge(live);
    let app = shell
        .described("voter-svc", "Stock, as a quorum of replicas says it.")
        .routes(routes)
        .requests(&requests)
        .limits(&limits)
        .into_app();
    let served = serve(app, addr, limits, shutdown.clone()).await;

    connections.cancel();
    shutdown.cancel();
    tasks.close();
    requests.close().await;
    let goodbye = async {
        tasks.wait().await;
        producer.flush(GOODBYE).await;
    };
    // What has not ended by now ends with the process.
    let _ = tokio::time::timeout(2 * GOODBYE, goodbye).await;
    served
}

/// The voter works as long as it runs: whatever is missing comes back by itself, and a restart would not
/// help. So it is DEGRADED, never DOWN.
fn health(service: &ServiceArgs, voter: &Voter, kafka: bool) -> Health {
    let mut health = service.health(HealthState::Up);
    let details = &mut health.details;
    if !kafka {
        let text = "not connected: the last known verdicts stay in force, and no evidence is reported";
        details.insert("kafka".to_owned(), text.to_owned());
    }
    let (on, quorum) = voter.on_and_quorum();
    if on < quorum {
        let all = voter.replicas().len();
        let text = format!("{on} of {all} replicas ON, a quorum takes {quorum}: queries are answered with 503");
        details.insert("replicas".to_owned(), text);
    }
    let cut = voter.replicas().iter().filter(|replica| !replica.link.is_connected());
    let cut: Vec<&str> = cut.map(|replica| replica.label.as_str()).collect();
    if !cut.is_empty() {
        details.insert("connections".to_owned(), format!("none to replica {}", cut.join(", ")));
    }
    if !details.is_empty() {
        health.status = HealthState::Degraded;
    }
    health
}
