//! `GET /live`: what the monitor knows, for people who look on as it happens (`tolerancia_wire::live`).
//!
//! ```text
//! judge ─────────── Levels ─▶ suspicion ┐
//! checkers ─────── Answers ─▶ replicas  │
//! audit ──────────────▶ faults, times   ├─▶ Live ─▶ listeners
//! request-metrics ──────────▶ requests  │
//! transitions, status: as for /events ──┘
//! ```
//!
//! Everything points one way. The judge and the checkers hold [`Levels`] and [`Answers`], which can be written only, so
//! nothing that detects can read what is told here, least of all the faults, which come from the audit alone. And
//! nobody who writes waits for one who reads longer than for a small copy: a listener takes what it is told from a bounded backlog, and its stream
//! ends when it has fallen behind that. It connects again then, and begins with what is known; the transitions, which
//! have numbers, it gets without a gap.

mod faults;
mod histogram;
mod replicas;
mod requests;
mod stream;
mod suspicion;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tolerancia_core::checks::ChecksConfig;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_service::queues;
use tolerancia_store::RequestMetricsRow;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::Activation;
use tolerancia_wire::live::{MonitorEvent, Suspicion, Times};
use tolerancia_wire::time::mono_ns;

use faults::Faults;
use replicas::Replicas;
use requests::{Batch, Ring};

pub(crate) use replicas::Answers;
pub(crate) use stream::routes;
pub(crate) use suspicion::{Levels, SUSPICION_EVERY};

/// Events that a listener may fall behind: half a minute of them.
const BACKLOG: usize = 256;
/// How often the replicas are told of.
const REPLICAS_EVERY: Duration = Duration::from_secs(1);
/// How often the requests that came meanwhile are told.
const REQUESTS_EVERY: Duration = Duration::from_millis(500);

/// What listeners are told besides transitions.
#[derive(Debug, Clone)]
enum Told {
    Event(Arc<MonitorEvent>),
    /// The status is not what its transitions make of it: read it again.
    Status,
}

/// What is kept for those who come later.
#[derive(Debug, Default)]
struct Known {
    requests: Ring,
    faults: Faults,
}

/// What happens, and who is told of it; clones are the same. To all but this module it is something to write to.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    told: broadcast::Sender<Told>,
    suspicion: watch::Receiver<Suspicion>,
    replicas: Replicas,
    /// Without an answer for so long, an instance does not answer.
    silent_ns: u64,
    known: Arc<Mutex<Known>>,
}

impl Live {
    /// Of `replicas` instances that are judged and checked so, with what the judge, and the checker of each instance,
    /// write to.
    pub(crate) fn new(replicas: u8, detector: &DetectorConfig, checks: &ChecksConfig) -> (Self, Levels, Vec<Answers>) {
        let told = broadcast::channel(BACKLOG).0;
        queues::watch_broadcast("live_events", BACKLOG, &told);
        let (levels, suspicion) = Levels::new(detector, replicas, told.clone());
        let (shown, answers) = Replicas::new(replicas);
        let live = Self {
            told,
            suspicion,
            replicas: shown,
            silent_ns: checks.timeout_ns.max(checks.interval_ns.saturating_mul(2)),
            known: Arc::default(),
        };
        (live, levels, answers)
    }

    /// The rows of one record about requests, which was read at `now` (Unix seconds).
    pub(crate) fn requests(&self, rows: &[RequestMetricsRow], now: i64) {
        // Before the lock: reading histograms takes the longest.
        let Some(batch) = Batch::of(rows) else { return };
        if !self.known().requests.add(now, batch) {
            metrics::counter!("monitor_live_requests_ignored_total").increment(1);
        }
    }

    /// A fault that was reported, with all that is known of it.
    pub(crate) fn fault(&self, fault: Activation) {
        let mut known = self.known();
        known.faults.put(fault.clone());
        self.tell(MonitorEvent::Fault(fault));
    }

    /// Times that were added to an earlier transition.
    pub(crate) fn times(&self, times: Times) {
        self.tell(MonitorEvent::Times(times));
    }

    /// Tells of replicas and requests until shutdown.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let every = |period| {
            let mut interval = tokio::time::interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        let (mut replicas, mut requests) = (every(REPLICAS_EVERY), every(REQUESTS_EVERY));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = replicas.tick() => self.tell(self.replicas()),
                _ = requests.tick() => self.tell_requests(Timestamp::now().as_second()),
            }
        }
    }

    /// Tells the requests that came since this was called last.
    fn tell_requests(&self, now: i64) {
        let mut known = self.known();
        let rows = known.requests.changed(now);
        if !rows.is_empty() {
            self.tell(MonitorEvent::Requests(rows));
        }
    }

    /// What happens from now on, and what has happened, in this order: replicas, suspicion, requests, faults.
    fn begin(&self) -> (broadcast::Receiver<Told>, Vec<MonitorEvent>) {
        // Whoever changes what is known tells of it under the same lock, so no row and no fault comes back to what it
        // was before.
        let known = self.known();
        let told = self.told.subscribe();
        let suspicion = self.suspicion.borrow().clone();
        let mut events = vec![
            self.replicas(),
            MonitorEvent::Suspicion(suspicion),
            MonitorEvent::Requests(known.requests.all()),
        ];
        events.extend(known.faults.all().cloned().map(MonitorEvent::Fault));
        (told, events)
    }

    fn replicas(&self) -> MonitorEvent {
        MonitorEvent::Replicas(self.replicas.views(mono_ns(), self.silent_ns))
    }

    fn tell(&self, event: MonitorEvent) {
        // Nobody may be listening.
        let _ = self.told.send(Told::Event(Arc::new(event)));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, to the microsecond, as it is written.
fn now() -> Timestamp {
    Stamp::now().at
}

#[cfg(test)]
pub(crate) mod tests;
