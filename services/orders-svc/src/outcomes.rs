//! What the replicas reported, event by event, and who waits for it.
//!
//! An event is named by its place in the log and the order it is about. Two things make this more than a
//! table of [`Tally`]:
//! * the reports may be faster than Kafka's acknowledgement, which tells the offset, so reports about
//!   events that nobody waits for yet are kept too, and a waiter that comes late finds the outcome;
//! * replicas replay the log after a restart, so reports come about events of any age. Per partition the
//!   newest [`MOST`] events are kept and a replay pushes out only itself. A decided event is dropped
//!   [`KEEP_NS`] after it was first heard of, an undecided one only for want of room: the quorum may be slow.
//!
//! A report counts as good, or as a lie, once a quorum has decided and not before: what is missing is lag.

use std::collections::BTreeMap;

use tokio::sync::oneshot;
use tolerancia_core::ledger::Outcome;
use tolerancia_core::tally::Tally;
use tolerancia_core::{OrderId, ReplicaId};

use crate::witness::Witness;

/// Events kept per partition: 4 s of 5,000 orders/s, some 5 MB.
const MOST: usize = 20_000;
/// How long a decided event is kept for reports and waiters that are late, in nanoseconds.
const KEEP_NS: u64 = 5_000_000_000;
/// How long an event that no quorum reported is kept: longer than any recovery should take (10 min).
const KEEP_UNDECIDED_NS: u64 = 600_000_000_000;

/// One replica's report about one event.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Partition of the event in `order-events`.
    pub partition: u16,
    /// Its offset.
    pub offset: u64,
    /// The order it is about; `None` for a restock.
    pub order: Option<OrderId>,
    /// Who reports.
    pub replica: ReplicaId,
    /// What it made of the event.
    pub outcome: Outcome,
    /// Written since this service started. What is older has been judged before.
    pub fresh: bool,
}

/// A report that names another order speaks of another event, so it cannot decide this one.
type Name = (u64, Option<OrderId>);

#[derive(Debug)]
struct Event {
    tally: Tally,
    since_ns: u64,
    /// Fresh reports that are not yet judged; until the decision there may be several.
    unjudged: Vec<(ReplicaId, Outcome)>,
    waiter: Option<oneshot::Sender<Outcome>>,
}

/// The newest events of all partitions.
#[derive(Debug)]
pub struct Outcomes {
    replicas: usize,
    partitions: BTreeMap<u16, BTreeMap<Name, Event>>,
}

impl Outcomes {
    /// Nothing heard yet, among `replicas` configured replicas.
    pub const fn new(replicas: usize) -> Self {
        Self {
            replicas,
            partitions: BTreeMap::new(),
        }
    }

    /// Takes a report and returns the outcome if this report decided it. Whoever waits is told.
    pub fn report(&mut self, now_ns: u64, report: Report, witness: &mut Witness) -> Option<Outcome> {
        if report.replica.index() >= self.replicas {
            return None;
        }
        let event = self.event(now_ns, report.partition, (report.offset, report.order))?;
        let heard = event.tally.reports();
        let decided = event.tally.add(report.replica, report.outcome);
        if report.fresh && event.tally.reports() > heard {
            event.unjudged.push((report.replica, report.outcome));
        }
        let agreed = event.tally.decided()?;
        for (replica, said) in event.unjudged.drain(..) {
            witness.judge(replica, report.order, said, agreed);
        }
        if let Some(waiter) = event.waiter.take() {
            // It may have stopped waiting.
            let _ = waiter.send(agreed);
        }
        decided
    }

    /// Waits for the outcome of an event that Kafka acknowledged; it may be known already. The receiver
    /// fails when too many newer events came first.
    pub fn wait(&mut self, now_ns: u64, partition: u16, offset: u64, order: OrderId) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        if let Some(event) = self.event(now_ns, partition, (offset, Some(order))) {
            match event.tally.decided() {
                Some(outcome) => {
                    // The receiver is still here.
                    let _ = sender.send(outcome);
                }
                None => event.waiter = Some(sender),
            }
        }
        receiver
    }

    /// Drops what is decided and old, and what nobody waits for and a quorum did not report in a long time: a
    /// replica that replays the log after the others were done.
    pub fn sweep(&mut self, now_ns: u64) {
        for events in self.partitions.values_mut() {
            events.retain(|_, event| {
                let keep = if event.tally.decided().is_some() {
                    KEEP_NS
                } else {
                    KEEP_UNDECIDED_NS
                };
                now_ns.saturating_sub(event.since_ns) < keep
            });
        }
    }

    /// The event, entered if it is new; `None` if it is older than all that there is room for.
    fn event(&mut self, now_ns: u64, partition: u16, name: Name) -> Option<&mut Event> {
        let events = self.partitions.entry(partition).or_default();
        if events.len() >= MOST && !events.contains_key(&name) {
            if events.first_key_value().is_some_and(|(oldest, _)| name < *oldest) {
                return None;
            }
            events.pop_first();
        }
        let replicas = self.replicas;
        Some(events.entry(name).or_insert_with(|| Event {
            tally: Tally::new(replicas),
            since_ns: now_ns,
            unjudged: Vec::new(),
            waiter: None,
        }))
    }
}

#[cfg(test)]
mod tests;
