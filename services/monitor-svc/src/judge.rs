//! The one task that owns the panel: evidence comes in on bounded channels, verdicts go out to the listeners,
//! to `instance-status` and to the store. No lock guards the rules, because nobody else touches them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tolerancia_bus::Producer;
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::{DetectorConfig, Seen};
use tolerancia_core::lifecycle::Phase as CorePhase;
use tolerancia_core::panel::{Answers, Change, Panel, Position, TICK_NS, Worth};
use tolerancia_service::config::name::INVENTORY;
use tolerancia_store::{Buffer, Write};
use tolerancia_wire::evidence::{Batch, Dissent, ErrorBody, ErrorRecord, Lie};
use tolerancia_wire::status::{InstanceStatus, Phase, StatusBody, StatusRecord, Transition, Verdict};
use tolerancia_wire::time::mono_ns;
use tolerancia_wire::trace::TraceLine;
use tolerancia_wire::{Stamp, topic};

use crate::checker::{Checked, Cue};
use crate::control::Command;
use crate::live::{Levels, SUSPICION_EVERY};
use crate::reason::reason;
use crate::state::Shared;
use crate::trace::Tracer;

/// How often all statuses are repeated on `instance-status`, in case a record was lost in an outage.
const REPEAT: Duration = Duration::from_secs(10);

/// The panel with all that its verdicts go to.
pub(crate) struct Judge {
    pub panel: Panel,
    pub shared: Shared,
    pub producer: Producer,
    pub store: Buffer,
    /// Per instance, what its checker is to know.
    pub cues: Vec<Arc<Cue>>,
    pub seq: u64,
    pub source: String,
    /// The parameters of all detectors.
    pub detector: DetectorConfig,
    pub tracer: Tracer,
    pub levels: Levels,
}

impl Judge {
    /// Judges until shutdown.
    pub(crate) async fn run(
        mut self,
        mut checks: mpsc::Receiver<Checked>,
        mut evidence: mpsc::Receiver<ErrorRecord>,
        mut commands: mpsc::Receiver<Command>,
        shutdown: CancellationToken,
    ) {
        let mut tick = tokio::time::interval(Duration::from_nanos(TICK_NS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut repeat = tokio::time::interval_at(Instant::now() + REPEAT, REPEAT);
        repeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sample = tokio::time::interval(SUSPICION_EVERY);
        sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(checked) = checks.recv() => self.checked(&checked),
                Some(record) = evidence.recv() => self.evidence(record),
                Some(command) = commands.recv() => self.obey(command),
                _ = tick.tick() => self.tick(mono_ns()),
                _ = repeat.tick() => self.send_all(),
                _ = sample.tick() => self.tell_levels(),
            }
        }
    }

    pub(crate) fn tick(&mut self, now_ns: u64) {
        for change in self.panel.tick(now_ns) {
            self.publish(change);
        }
        self.note_levels();
        if let Some(for_ns) = self.panel.take_stall() {
            metrics::counter!("monitor_own_stalls_total").increment(1);
            self.tracer.write(|| TraceLine::Stall { at_ns: now_ns, for_ns });
        }
    }

    pub(crate) fn obey(&mut self, command: Command) {
        match command {
            Command::Detector { kind, done } => {
                let detector = self.detector.of(kind);
                self.panel.set_detector(&detector);
                self.shared.set_detector(kind);
                self.levels.change(&detector);
                tracing::info!(detector = %kind, "the detector was changed");
                // Who asked may have gone.
                let _ = done.send(());
            }
        }
    }

    pub(crate) fn checked(&mut self, checked: &Checked) {
        let instance = checked.instance;
        let position = checked.health.as_ref().map(|health| Position {
            applied: health.applied.values().sum(),
            idle_ns: health.idle_ms.unwrap_or(0).saturating_mul(1_000_000),
        });
        if let Some(health) = &checked.health {
            self.shared.seen_pid(instance, health.pid);
        }
        let (seen, change) = self.panel.check(checked.at_ns, instance, checked.seen, position);
        let level = self.panel.level(instance);
        self.levels.note(instance, level);
        self.shared.count_check(instance, seen, checked.took_ns, level);
        self.tracer.write(|| TraceLine::Check {
            at_ns: checked.at_ns,
            instance,
            seen,
            took_us: checked.took_ns.map(|ns| ns / 1000),
        });
        // What only the panel can tell, the checker could not know.
        if seen == Seen::Stale {
            self.hasten(instance);
        }
        if let Some(change) = change {
            self.publish(change);
        }
    }

    pub(crate) fn evidence(&mut self, record: ErrorRecord) {
        let made = record.stamp();
        match record.body {
            ErrorBody::Evidence { batches } => {
                for batch in batches {
                    self.batch(&record.source, made, &batch);
                }
            }
            // They do not come here, and say nothing about a replica.
            ErrorBody::Denied(_) => {}
            ErrorBody::BadRecord {
                topic,
                partition,
                offset,
                error,
            } => {
                tracing::warn!(
                    topic,
                    partition,
                    offset,
                    error,
                    source = record.source,
                    "a record could not be read; all replicas skipped it"
                );
            }
        }
    }

    fn batch(&mut self, reporter: &str, made: Stamp, batch: &Batch) {
        let instance = batch.instance;
        if !self.panel.has(instance) {
            tracing::warn!(%instance, reporter, "evidence about an instance that is not configured; is REPLICAS the same everywhere?");
            return;
        }
        self.shared.count_report(instance, |c| {
            c.reported_good += u64::from(batch.good);
            c.reported_late += u64::from(batch.late);
            c.reported_failed += u64::from(batch.failed);
            c.dissents += batch.lies();
        });
        let now_ns = mono_ns();
        // Not by wall clocks: one that is behind, or set back, would make all that its reporter sees old.
        let proofs;
        let (batch, age_ns) = match self.panel.worth(now_ns, instance, reporter, made.mono_ns) {
            Worth::All { age_ns } => (batch, age_ns),
            Worth::Proofs if batch.lies() > 0 => {
                proofs = batch.proofs();
                (&proofs, 0)
            }
            Worth::Proofs | Worth::Nothing => {
                metrics::counter!("monitor_old_reports_total").increment(1);
                return;
            }
        };
        self.tracer.write(|| TraceLine::Report {
            at_ns: now_ns,
            made_ns: made.mono_ns,
            instance,
            from: reporter.to_owned(),
            good: batch.good,
            good_first: batch.good_first,
            late: batch.late,
            late_us_ago: batch.late_us_ago,
            failed: batch.failed,
            lies: batch.lies(),
        });
        for Lie { dissent, .. } in &batch.dissents {
            let product = match dissent {
                Dissent::Stock { product, .. } => Some(product),
                Dissent::Outcome { .. } => None,
            };
            if let Some(change) = self
                .panel
                .dissent(now_ns, instance, product, format!("{dissent} ({reporter})"))
            {
                self.publish(change);
            }
        }
        // Agreement after a lie within one batch: the lie counts, its row starts again.
        if batch.dissents.is_empty() {
            for product in &batch.agreed {
                self.panel.agreed(instance, product);
            }
        }
        let answers = Answers {
            good: batch.good,
            good_first: batch.good_first,
            late: batch.late,
            late_ago_ns: batch.late_us_ago.map_or(0, |us| u64::from(us) * 1000 + age_ns),
            failed: batch.failed,
        };
        let change = self.panel.answers(now_ns, instance, reporter, answers);
        self.levels.note(instance, self.panel.level(instance));
        if let Some(change) = change {
            self.publish(change);
        }
        // A hint from elsewhere: the monitor's own checks need not wait for their next tick to follow it.
        if batch.late > 0 || batch.failed > 0 {
            self.hasten(instance);
        }
    }

    /// Tells those who look on how suspicious the instances are and have been since the last time.
    pub(crate) fn tell_levels(&mut self) {
        self.note_levels();
        self.levels.tell();
    }

    fn note_levels(&mut self) {
        self.levels.note_all(|instance| self.panel.level(instance));
    }

    fn hasten(&self, instance: ReplicaId) {
        if let Some(cue) = self.cues.get(instance.index()) {
            cue.hasten();
        }
    }

    pub(crate) fn publish(&mut self, change: Change) {
        let stamp = Stamp::now();
        let verdict = |on| if on { Verdict::On } else { Verdict::Off };
        let (from, to) = (verdict(change.was_on), verdict(change.is_on()));
        let phase = wire_phase(change.phase);
        let reason = reason(&change, stamp.at);
        self.seq += 1;
        let quorum_lost = self.panel.quorum_lost();
        let instance = change.instance;
        if let Some(cue) = self.cues.get(instance.index()) {
            cue.set_on(to == Verdict::On);
        }
        if from == to {
            tracing::info!(instance = %instance, ?phase, reason = reason.text, "phase");
        } else {
            tracing::info!(instance = %instance, status = ?to, reason = reason.text, "verdict");
            self.tracer.write(|| TraceLine::Verdict {
                at_ns: stamp.mono_ns,
                instance,
                on: to == Verdict::On,
                kind: reason.kind,
            });
        }
        if quorum_lost && to == Verdict::Off && from == Verdict::On {
            tracing::error!(
                on = self.panel.on(),
                "QUORUM LOST: no unverified answer is served until instances recover"
            );
        }
        let before = self.shared.read(|view| view.status.instances[instance.index()].since);
        let since = if from == to { before } else { stamp };
        let status = InstanceStatus {
            service: INVENTORY.to_owned(),
            instance,
            status: to,
            phase,
            reason: reason.clone(),
            since,
            pid: None,
        };
        let transition = Transition {
            seq: self.seq,
            stamp,
            service: INVENTORY.to_owned(),
            instance,
            from,
            to,
            phase,
            reason,
            quorum_lost,
            quarantine_ms: change.quarantine_ns.map(|ns| ns as f64 / 1e6),
        };
        metrics::counter!("monitor_transitions_total", "instance" => instance.to_string(), "to" => format!("{to:?}"))
            .increment(1);
        // Before anybody hears of it: the audit adds to this entry.
        self.store.push(Write::Transition(transition.clone().into()));
        self.shared.transition(status.clone(), transition);
        // The voter first: its next vote must not count the instance.
        self.send_status(status.clone());
        self.store.push(Write::Status(status));
    }

    /// Tells the voter the statuses of all instances.
    pub(crate) fn send_all(&self) {
        for status in self.shared.read(|view| view.status.instances.clone()) {
            self.send_status(status);
        }
    }

    fn send_status(&self, status: InstanceStatus) {
        let key = status_key(status.instance);
        let record: StatusRecord = StatusRecord::new(self.source.clone(), StatusBody::Status(status));
        if let Err(error) =
            self.producer
                .send_forget(topic::INSTANCE_STATUS, Some(0), Some(key.as_bytes()), record.to_bytes())
        {
            // It is repeated every few seconds.
            metrics::counter!("monitor_status_send_failures_total").increment(1);
            tracing::debug!(%error, "a status could not be queued for Kafka");
        }
    }
}

pub(crate) fn status_key(instance: ReplicaId) -> String {
    format!("{INVENTORY}/{instance}")
}

const fn wire_phase(phase: CorePhase) -> Phase {
    match phase {
        CorePhase::On => Phase::On,
        CorePhase::Quarantine { .. } => Phase::Quarantine,
        CorePhase::Probation => Phase::Probation,
    }
}
