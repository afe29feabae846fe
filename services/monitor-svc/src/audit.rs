//! The failure audit learns how long detection and recovery took.
//!
//! The monitor must not know whether a fault is injected, so whoever injects one says so afterwards
//! (`POST /faults`), and this task puts reports and verdicts together. It stands behind everything that judges:
//! it hears of a verdict as any listener of `GET /events` does, once it has been published, and what it hears and finds
//! goes into the entries of the audit and to the listeners of `GET /live`, and nowhere else. Panel, judge and checkers
//! hold no reference to it, and it holds none to them.
//!
//! The times are computed anew when a report arrives and on each later verdict on that instance, so it does not
//! matter which comes first. A time that is known may still be corrected; it is taken back only where another fault
//! explains the OFF. Reports are kept in memory, the newest of each instance; the times outlive the monitor in the
//! store, and wait here for the next audit while that takes no more.

mod intake;
mod times;

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tolerancia_core::ReplicaId;
use tolerancia_service::fault::FaultSwitch;
use tolerancia_service::openapi::Api;
use tolerancia_service::queues;
use tolerancia_store::{Buffer, Write};
use tolerancia_wire::activation::Activation;
use tolerancia_wire::live;
use tolerancia_wire::status::Transition;

use crate::live::Live;
use crate::state::{MOST_TRANSITIONS, Shared};
pub(crate) use times::Times;
use times::{Turn, offset_ns};

/// Reports that are kept of each instance.
pub(crate) const MOST_ACTIVATIONS: usize = 64;

/// Reports that wait for the audit at most.
const QUEUE: usize = 64;

/// The task that adds times to the entries of the audit.
#[derive(Debug)]
pub(crate) struct Auditor {
    shared: Shared,
    store: Buffer,
    live: Live,
    verdicts: broadcast::Receiver<Transition>,
    reports: mpsc::Receiver<Activation>,
    /// By instance.
    activations: Vec<Activations>,
    /// Times that the store did not take yet, by entry.
    unwritten: BTreeMap<u64, Times>,
}

impl Auditor {
    /// An auditor of the verdicts from here on, and the route that feeds it.
    pub(crate) fn new(shared: Shared, store: Buffer, live: Live, faults: &FaultSwitch, replicas: u8) -> (Self, Api) {
        let (out, reports) = mpsc::channel(QUEUE);
        queues::watch_channel("fault_reports", &out);
        let auditor = Self {
            verdicts: shared.subscribe(None).1,
            shared,
            store,
            live,
            reports,
            activations: vec![Activations::default(); replicas.into()],
            unwritten: BTreeMap::new(),
        };
        (auditor, intake::routes(faults, replicas, out))
    }

    /// Audits until shutdown.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(report) = self.reports.recv() => self.report(report),
                verdict = self.verdicts.recv() => match verdict {
                    Ok(transition) => self.audit(transition.instance),
                    // What was missed is in the view.
                    Err(RecvError::Lagged(_)) => self.audit_all(),
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    fn report(&mut self, report: Activation) {
        let instance = report.instance;
        if let Some(activations) = self.activations.get_mut(instance.index()) {
            let known = activations.note(report);
            self.live.fault(known.clone());
            self.audit(instance);
        }
    }

    fn audit_all(&mut self) {
        let replicas = u8::try_from(self.activations.len()).unwrap_or(u8::MAX);
        ReplicaId::all(replicas).for_each(|instance| self.audit(instance));
    }

    fn audit(&mut self, instance: ReplicaId) {
        let Some(Activations(activations)) = self.activations.get(instance.index()) else {
            return;
        };
        if activations.is_empty() {
            return;
        }
        let turns: Vec<Turn> = self.shared.read(|view| {
            let turns = view.turns(instance);
            turns
                .map(|t| Turn {
                    seq: t.seq,
                    stamp: t.stamp,
                    to: t.to,
                })
                .collect()
        });
        let activations: Vec<_> = activations.iter().cloned().collect();
        let changed = self.shared.add_times(&times::times(&activations, &turns));
        for times in &changed {
            self.live.times(live::Times {
                seq: times.seq,
                ttd_ms: Some(times.ttd_ms),
                ttr_ms: times.ttr_ms,
            });
        }
        self.unwritten
            .extend(changed.into_iter().map(|times| (times.seq, times)));
        self.write();
    }

    /// Hands the times to the store; those that do not fit are tried again with the next audit.
    fn write(&mut self) {
        while let Some(times) = self.unwritten.first_entry() {
            let Times { seq, ttd_ms, ttr_ms } = *times.get();
            let ttd_ms = Some(ttd_ms);
            if !self.store.push(Write::AuditTimes { seq, ttd_ms, ttr_ms }) {
                break;
            }
            times.remove();
        }
        // Those of the oldest entries, which are shown no more.
        while self.unwritten.len() > MOST_TRANSITIONS {
            self.unwritten.pop_first();
        }
    }
}

/// The newest reports about one instance, in the order in which they came.
#[derive(Debug, Clone, Default)]
struct Activations(VecDeque<Activation>);

impl Activations {
    /// Takes a report in and returns what is known then. One about an activation that is known adds the clearing; of
    /// several the first in time counts, since a fault ends once.
    fn note(&mut self, report: Activation) -> &Activation {
        let known = self
            .0
            .iter()
            .position(|known| known.activated_at == report.activated_at);
        let Some(at) = known else {
            self.0.truncate(MOST_ACTIVATIONS - 1);
            self.0.push_front(report);
            return &self.0[0];
        };
        let known = &mut self.0[at];
        known.cleared_at = match (known.cleared_at, report.cleared_at) {
            (Some(a), Some(b)) => Some(if offset_ns(a, b) < 0 { b } else { a }),
            (a, b) => a.or(b),
        };
        known
    }
}

#[cfg(test)]
mod tests;
