//! What the monitor shows: statuses, the newest transitions, counters. Bounded; the store keeps the rest.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::broadcast;
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::{DetectorKind, Seen};
use tolerancia_service::queues;
use tolerancia_service::streams::Places;
use tolerancia_store::AuditRow;
use tolerancia_wire::activation::AuditEntry;
use tolerancia_wire::status::{InstanceStatus, SystemStatus, Transition, Verdict};

use crate::audit::Times;

/// Transitions kept in memory.
pub(crate) const MOST_TRANSITIONS: usize = 2000;

/// Transitions that a slow listener of `/events` may fall behind before it is told to catch up.
const EVENT_BACKLOG: usize = 256;
/// Listeners of `/events` at a time.
pub(crate) const MOST_LISTENERS: usize = 256;

/// What the checks and reports of one instance amounted to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub checks: u64,
    pub good: u64,
    pub late: u64,
    pub errors: u64,
    pub unreachable: u64,
    pub reported_good: u64,
    pub reported_late: u64,
    pub reported_failed: u64,
    pub dissents: u64,
    pub offs: u64,
    pub level: f64,
}

/// The part of [`Shared`] behind the lock.
#[derive(Debug)]
pub(crate) struct View {
    pub status: SystemStatus,
    pub counters: Vec<Counters>,
    latencies_us: Vec<Histogram<u64>>,
    /// Newest first.
    transitions: VecDeque<AuditRow>,
}

/// One instance in the JSON of `GET /metrics`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InstanceMetrics {
    instance: ReplicaId,
    status: Verdict,
    suspicion: f64,
    checks: u64,
    good: u64,
    late: u64,
    errors: u64,
    unreachable: u64,
    reported_good: u64,
    reported_late: u64,
    reported_failed: u64,
    dissents: u64,
    times_off: u64,
    check_p50_ms: f64,
    check_p95_ms: f64,
    check_p99_ms: f64,
}

/// The JSON of `GET /metrics`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MonitorMetrics {
    detector: String,
    replicas: usize,
    on: usize,
    quorum_lost: bool,
    transitions: usize,
    uptime_s: f64,
    instances: Vec<InstanceMetrics>,
}

/// The view and the stream of transitions, shared between the panel's task and HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    view: Arc<RwLock<View>>,
    events: broadcast::Sender<Transition>,
    listeners: Places,
    started: std::time::Instant,
}

impl Shared {
    pub(crate) fn new(status: SystemStatus) -> Self {
        let n = status.instances.len();
        // 1 µs to 10 s with two digits: about 15 KiB each.
        let histogram = || Histogram::new_with_bounds(1, 10_000_000, 2).expect("the bounds are valid");
        let view = View {
            counters: vec![Counters::default(); n],
            latencies_us: (0..n).map(|_| histogram()).collect(),
            transitions: VecDeque::new(),
            status,
        };
        let events = broadcast::channel(EVENT_BACKLOG).0;
        queues::watch_broadcast("transitions", EVENT_BACKLOG, &events);
        Self {
            view: Arc::new(RwLock::new(view)),
            events,
            listeners: Places::shown_as("event_listeners", MOST_LISTENERS),
            started: std::time::Instant::now(),
        }
    }

    /// Places for those who listen to all transitions.
    pub(crate) const fn listeners(&self) -> &Places {
        &self.listeners
    }

    /// Reads the view; the lock is held for the time of `f`.
    pub(crate) fn read<R>(&self, f: impl FnOnce(&View) -> R) -> R {
        f(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts one check.
    pub(crate) fn count_check(&self, instance: ReplicaId, seen: Seen, took_ns: Option<u64>, level: f64) {
        self.write(|view| {
            let Some(counters) = view.counters.get_mut(instance.index()) else {
                return;
            };
            counters.checks += 1;
            counters.level = level;
            match seen {
                Seen::Good | Seen::Stale => counters.good += 1,
                Seen::Late => counters.late += 1,
                Seen::Error => counters.errors += 1,
                Seen::Unreachable => counters.unreachable += 1,
            }
            if let (Some(took_ns), Some(histogram)) = (took_ns, view.latencies_us.get_mut(instance.index())) {
                histogram.saturating_record((took_ns / 1000).max(1));
            }
        });
    }

    /// Counts one batch of reported answers.
    pub(crate) fn count_report(&self, instance: ReplicaId, f: impl FnOnce(&mut Counters)) {
        self.write(|view| {
            if let Some(counters) = view.counters.get_mut(instance.index()) {
                f(counters);
            }
        });
    }

    /// Takes over the transitions of earlier runs and their times, newest first, behind those of this one. Those with
    /// a number after `last` are of this run and in the view already.
    pub(crate) fn remember(&self, rows: impl IntoIterator<Item = AuditRow>, last: u64) {
        let earlier = rows.into_iter().filter(|row| row.transition.seq <= last);
        self.write(|view| {
            let room = MOST_TRANSITIONS.saturating_sub(view.transitions.len());
            view.transitions.extend(earlier.take(room));
        });
    }

    /// Records a transition and its instance's new status, and tells the listeners.
    pub(crate) fn transition(&self, status: InstanceStatus, transition: Transition) {
        self.write(|view| {
            if let Some(counters) = view.counters.get_mut(status.instance.index())
                && transition.from == Verdict::On
                && transition.to == Verdict::Off
            {
                counters.offs += 1;
            }
            view.set(status);
            view.transitions.truncate(MOST_TRANSITIONS - 1);
            view.transitions.push_front(transition.clone().into());
        });
        // Nobody may be listening.
        let _ = self.events.send(transition);
    }

    /// Adds times, which are ordered by number, to the entries of the audit, as the store does: no `ttr_ms` leaves
    /// the one that is known, unless `ttd_ms` changes, because then both are another fault's. Returns what is known now
    /// of those where anything changed.
    pub(crate) fn add_times(&self, times: &[Times]) -> Vec<Times> {
        let mut changed = Vec::new();
        self.write(|view| {
            for row in &mut view.transitions {
                let Ok(at) = times.binary_search_by_key(&row.transition.seq, |times| times.seq) else {
                    continue;
                };
                let Times { ttd_ms, ttr_ms, .. } = times[at];
                let other_fault = row.ttd_ms.is_some_and(|known| known != ttd_ms);
                let kept = row.ttr_ms.filter(|_| !other_fault);
                let new = (Some(ttd_ms), ttr_ms.or(kept));
                if new != (row.ttd_ms, row.ttr_ms) {
                    (row.ttd_ms, row.ttr_ms) = new;
                    // What is known now, which is what it replaces the known with elsewhere.
                    changed.push(Times {
                        ttr_ms: row.ttr_ms,
                        ..times[at]
                    });
                }
            }
        });
        changed
    }

    /// Notes an instance's process.
    pub(crate) fn seen_pid(&self, instance: ReplicaId, pid: u32) {
        if self.read(|view| {
            view.status
                .instances
                .get(instance.index())
                .is_none_or(|s| s.pid == Some(pid))
        }) {
            return;
        }
        self.write(|view| {
            if let Some(status) = view.status.instances.get_mut(instance.index()) {
                status.pid = Some(pid);
            }
        });
    }

    /// The detector that judges.
    pub(crate) fn detector(&self) -> DetectorKind {
        // The name is always one of a detector.
        self.read(|view| view.status.detector.parse()).unwrap_or_default()
    }

    /// Shows another detector, without suspicion, since it has seen nothing yet.
    pub(crate) fn set_detector(&self, kind: DetectorKind) {
        self.write(|view| {
            view.status.detector = kind.to_string();
            view.counters.iter_mut().for_each(|counters| counters.level = 0.0);
        });
    }

    /// The number of the newest transition; 0 if there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.read(|view| view.transitions.front().map_or(0, |row| row.transition.seq))
    }

    /// The transitions after `seq`, oldest first, and a receiver of all later ones.
    pub(crate) fn subscribe(&self, seq: Option<u64>) -> (Vec<Transition>, broadcast::Receiver<Transition>) {
        // Subscribe first: what happens in between is then seen twice rather than never.
        let receiver = self.events.subscribe();
        let missed = self.read(|view| match seq {
            None => Vec::new(),
            Some(seq) => view
                .transitions
                .iter()
                .map(|row| &row.transition)
                .take_while(|t| t.seq > seq)
                .cloned()
                .collect::<Vec<_>>(),
        });
        (missed.into_iter().rev().collect(), receiver)
    }

    /// The JSON of `GET /metrics`.
    pub(crate) fn metrics(&self) -> MonitorMetrics {
        self.read(|view| MonitorMetrics {
            detector: view.status.detector.clone(),
            replicas: view.status.replicas,
            on: view.status.on,
            quorum_lost: view.status.quorum_lost,
            transitions: view.transitions.len(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            instances: view
                .status
                .instances
                .iter()
                .zip(&view.counters)
                .zip(&view.latencies_us)
                .map(|((status, c), latency)| {
                    let ms = |q: f64| latency.value_at_quantile(q) as f64 / 1000.0;
                    InstanceMetrics {
                        instance: status.instance,
                        status: status.status,
                        suspicion: c.level,
                        checks: c.checks,
                        good: c.good,
                        late: c.late,
                        errors: c.errors,
                        unreachable: c.unreachable,
                        reported_good: c.reported_good,
                        reported_late: c.reported_late,
                        reported_failed: c.reported_failed,
                        dissents: c.dissents,
                        times_off: c.offs,
                        check_p50_ms: ms(0.5),
                        check_p95_ms: ms(0.95),
                        check_p99_ms: ms(0.99),
                    }
                })
                .collect(),
        })
    }

    fn write<R>(&self, f: impl FnOnce(&mut View) -> R) -> R {
        f(&mut self.view.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl View {
    /// The newest transitions with their times, newest first, of one instance or of all.
    pub(crate) fn audit(&self, instance: Option<ReplicaId>, limit: usize) -> Vec<AuditEntry> {
        self.transitions
            .iter()
            .filter(|row| instance.is_none_or(|i| row.transition.instance == i))
            .take(limit)
            .map(|row| AuditEntry {
                transition: row.transition.clone(),
                ttd_ms: row.ttd_ms,
                ttr_ms: row.ttr_ms,
            })
            .collect()
    }

    /// The changes of the verdict on an instance, oldest first.
    pub(crate) fn turns(&self, instance: ReplicaId) -> impl Iterator<Item = &Transition> {
        let all = self.transitions.iter().rev().map(|row| &row.transition);
        all.filter(move |t| t.instance == instance && t.from != t.to)
    }

    fn set(&mut self, status: InstanceStatus) {
        let Some(slot) = self.status.instances.get_mut(status.instance.index()) else {
            return;
        };
        let pid = slot.pid;
        *slot = status;
        slot.pid = pid;
        self.status.on = self.status.instances.iter().filter(|s| s.status == Verdict::On).count();
        self.status.quorum_lost = self.status.on < self.status.quorum;
    }
}
