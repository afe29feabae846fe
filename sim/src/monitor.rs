//! The monitor: the core's panel, checks and lifecycle over a simulated network.
//!
//! Modelled here is what the service's checker, judge and restart do around them. The service's own judge is bound to a
//! producer, a database and those who look on; its rules about evidence are repeated here.

use std::collections::VecDeque;

use rand::Rng as _;
use tolerancia_core::ReplicaId;
use tolerancia_core::checks::{CheckId, Checks, ChecksConfig, Step};
use tolerancia_core::detector::{DetectorConfig, Seen};
use tolerancia_core::lifecycle::LifecycleConfig;
use tolerancia_core::panel::{Answers, Change, Panel, PanelConfig, Position, TICK_NS, Worth};
use tolerancia_wire::evidence::{Dissent, Lie};

use crate::config::{Config, MS, SEC};
use crate::event::{Event, Evidence, Health, Node, Reader, Verdict};
use crate::queue::Ns;
use crate::world::World;

/// All verdicts are told again so often.
const REPEAT: Ns = 10 * SEC;
/// A verdict that the log has not taken within this time is dropped.
const STATUS: Ns = 10 * SEC;

/// The monitor.
pub struct MonitorNode {
    pub(crate) inc: u32,
    pub(crate) up: bool,
    panel: Option<Panel>,
    checks: Vec<Checks>,
    turns: Vec<u64>,
    /// The verdicts.
    pub(crate) on: Vec<bool>,
    position: usize,
    last_arrival: Ns,
    /// Verdicts that the log has not taken.
    outbox: VecDeque<(Verdict, Ns)>,
    /// When each replica was last turned OFF, if ever, whoever was the monitor then.
    pub(crate) off_at: Vec<Option<Ns>>,
}

impl MonitorNode {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            inc: 0,
            up: false,
            panel: None,
            checks: Vec::new(),
            turns: vec![0; config.replicas],
            on: vec![true; config.replicas],
            position: 0,
            last_arrival: 0,
            outbox: VecDeque::new(),
            off_at: vec![None; config.replicas],
        }
    }
}

impl World {
    pub(crate) fn monitor_starts(&mut self, inc: u32) {
        if self.monitor.inc != inc {
            return;
        }
        // It needs the log to start.
        if !self.net.reaches(Node::Monitor, Node::Log) {
            self.after(100 * MS, Event::MonitorStart(inc));
            return;
        }
        let replicas = self.config.replicas;
        let mut on = vec![true; replicas];
        for verdict in &self.log.statuses {
            on[verdict.replica] = verdict.on;
        }
        let config = PanelConfig {
            replicas: u8::try_from(replicas).expect("at most 7"),
            detector: DetectorConfig::default(),
            lifecycle: LifecycleConfig::default(),
            lag_budget_ns: SEC,
            idle_budget_ns: 500 * MS,
        };
        let was_on = |id: ReplicaId| on[id.index()];
        let now_ns = self.mono_ns();
        self.monitor.panel = Some(Panel::new(config, now_ns, was_on));
        self.monitor.checks = (0..replicas)
            .map(|_| Checks::new(ChecksConfig::default(), now_ns))
            .collect();
        self.monitor.on = on;
        self.monitor.up = true;
        self.monitor.position = self.log.evidence.len();
        self.count("monitor starts");
        self.read_anew(Reader::Monitor, 1);
        self.send_statuses();
        for r in 0..replicas {
            let on = self.monitor.on[r];
            self.monitor.checks[r].set_on(on);
            self.plan_check(r);
        }
        self.after(TICK_NS, Event::PanelTick(inc));
        self.after(REPEAT, Event::RepeatStatus(inc));
    }

    pub(crate) fn monitor_dies(&mut self) {
        self.monitor.inc += 1;
        self.monitor.up = false;
        self.monitor.panel = None;
        self.monitor.outbox.clear();
    }

    fn panel(&mut self) -> &mut Panel {
        self.monitor.panel.as_mut().expect("it runs")
    }

    pub(crate) fn panel_tick(&mut self, inc: u32) {
        if self.monitor.inc != inc {
            return;
        }
        let now_ns = self.mono_ns();
        for change in self.panel().tick(now_ns) {
            self.publish(&change);
        }
        if self.panel().take_stall().is_some() {
            self.count("monitor stalls");
        }
        let late = self.rng.random_range(0..MS);
        self.after(TICK_NS + late, Event::PanelTick(inc));
    }

    fn plan_check(&mut self, r: usize) {
        let base = self.mono_ns() - self.now;
        self.monitor.turns[r] += 1;
        let due = self.monitor.checks[r].next_ns().saturating_sub(base);
        let event = Event::CheckPoll(self.monitor.inc, r, self.monitor.turns[r]);
        self.queue.at(due.max(self.now), event);
    }

    pub(crate) fn check_poll(&mut self, inc: u32, r: usize, turn: u64) {
        if self.monitor.inc != inc || self.monitor.turns[r] != turn {
            return;
        }
        let now_ns = self.mono_ns();
        let on = self.monitor.on[r];
        self.monitor.checks[r].set_on(on);
        for step in self.monitor.checks[r].poll(now_ns) {
            match step {
                Step::Start(CheckId(check)) => {
                    self.count("checks");
                    if !self.replicas[r].up && self.net.reaches(Node::Monitor, Node::Replica(r)) {
                        self.after(MS / 10, Event::HealthReply(r, inc, check, Health::Refused));
                    } else if let Some(wait) = self.net.send(&mut self.rng, Node::Monitor, Node::Replica(r)) {
                        self.after(wait, Event::HealthQuery(r, inc, check));
                    }
                }
                Step::Late(_) => self.checked(r, Seen::Late, None),
                Step::Abandon(_) => {}
            }
        }
        self.plan_check(r);
    }

    pub(crate) fn health_reply(&mut self, r: usize, monitor: u32, check: u64, health: Health) {
        if self.monitor.inc != monitor {
            return;
        }
        let (seen, position) = match health {
            Health::Good { applied, idle_ns } => (Seen::Good, Some(Position { applied, idle_ns })),
            Health::Bad => (Seen::Error, None),
            Health::Refused => (Seen::Unreachable, None),
        };
        let now_ns = self.mono_ns();
        let on = self.monitor.on[r];
        self.monitor.checks[r].set_on(on);
        let counts = self.monitor.checks[r].answered(now_ns, CheckId(check), !seen.is_miss());
        if counts.is_some() {
            self.checked(r, seen, position);
        }
        self.plan_check(r);
    }

    /// A replica's process died: those who have a connection to it see that.
    pub(crate) fn lose_link(&mut self, r: usize) {
        if self.net.reaches(Node::Monitor, Node::Replica(r)) {
            self.after(MS / 5, Event::LinkDown(r, self.monitor.inc));
        }
    }

    pub(crate) fn link_down(&mut self, r: usize, monitor: u32) {
        if self.monitor.inc != monitor || !self.monitor.up {
            return;
        }
        self.checked(r, Seen::Unreachable, None);
        self.hasten(r);
    }

    fn hasten(&mut self, r: usize) {
        let now_ns = self.mono_ns();
        let on = self.monitor.on[r];
        self.monitor.checks[r].set_on(on);
        self.monitor.checks[r].hasten(now_ns);
        self.plan_check(r);
    }

    fn checked(&mut self, r: usize, seen: Seen, position: Option<Position>) {
        let now_ns = self.mono_ns();
        let id = self.replicas[r].id;
        let (seen, change) = self.panel().check(now_ns, id, seen, position);
        if seen == Seen::Stale {
            self.hasten(r);
        }
        if let Some(change) = change {
            self.publish(&change);
        }
    }

    pub(crate) fn monitor_reads(&mut self) {
        if !self.monitor.up {
            return;
        }
        let new = self.log.evidence[self.monitor.position..].to_vec();
        self.monitor.position = self.log.evidence.len();
        for evidence in new {
            self.evidence(&evidence);
        }
    }

    fn evidence(&mut self, evidence: &Evidence) {
        let reporter = if evidence.from == Node::Voter {
            "voter-svc"
        } else {
            "orders-svc"
        };
        let made = evidence.made;
        let now_ns = self.mono_ns();
        for batch in &evidence.batches {
            let (id, r) = (batch.instance, batch.instance.index());
            let proofs;
            let (batch, age_ns) = match self.panel().worth(now_ns, id, reporter, made.mono_ns) {
                Worth::All { age_ns } => (batch, age_ns),
                Worth::Proofs if batch.lies() > 0 => {
                    proofs = batch.proofs();
                    (&proofs, 0)
                }
                Worth::Proofs | Worth::Nothing => {
                    self.count("old evidence");
                    continue;
                }
            };
            for Lie { dissent, .. } in &batch.dissents {
                let product = match dissent {
                    Dissent::Stock { product, .. } => Some(product),
                    Dissent::Outcome { .. } => None,
                };
                let text = format!("{dissent} ({reporter})");
                if let Some(change) = self.panel().dissent(now_ns, id, product, text) {
                    self.publish(&change);
                }
            }
            if batch.dissents.is_empty() {
                for product in &batch.agreed {
                    self.panel().agreed(id, product);
                }
            }
            let answers = Answers {
                good: batch.good,
                good_first: batch.good_first,
                late: batch.late,
                late_ago_ns: batch.late_us_ago.map_or(0, |us| u64::from(us) * 1000 + age_ns),
                failed: batch.failed,
            };
            if let Some(change) = self.panel().answers(now_ns, id, reporter, answers) {
                self.publish(&change);
            }
            if batch.late > 0 || batch.failed > 0 {
                self.hasten(r);
            }
        }
    }

    fn publish(&mut self, change: &Change) {
        let r = change.instance.index();
        let on = change.is_on();
        let now = self.now;
        let text = change.text.clone();
        self.trace.mix(now, r as u64 * 2 + u64::from(on));
        self.trace
            .say(now, || format!("monitor: replica {} {:?}: {text}", r + 1, change.phase));
        if on != self.monitor.on[r] {
            self.count(if on { "verdicts ON" } else { "verdicts OFF" });
            self.monitor.on[r] = on;
            if !on {
                self.monitor.off_at[r] = Some(now);
                self.check_cause(r, change);
            }
        }
        self.monitor.checks[r].set_on(on);
        self.send_status(r);
        self.plan_check(r);
    }

    fn send_statuses(&mut self) {
        for r in 0..self.config.replicas {
            self.send_status(r);
        }
    }

    fn send_status(&mut self, r: usize) {
        let wait = self.net.latency(&mut self.rng);
        self.monitor.last_arrival = self.monitor.last_arrival.max(self.now + wait);
        let verdict = Verdict {
            replica: r,
            on: self.monitor.on[r],
        };
        let event = Event::StatusArrives(verdict, self.now);
        self.queue.at(self.monitor.last_arrival, event);
    }

    pub(crate) fn repeat_status(&mut self, inc: u32) {
        if self.monitor.inc == inc {
            self.send_statuses();
            self.after(REPEAT, Event::RepeatStatus(inc));
        }
    }

    /// A verdict is on its way to the log; the producer keeps their order.
    pub(crate) fn status_arrives(&mut self, verdict: Verdict, sent: u64) {
        self.monitor.outbox.push_back((verdict, sent));
        self.send_outbox();
    }

    pub(crate) fn send_outbox(&mut self) {
        if self.net.reaches(Node::Monitor, Node::Log) {
            let statuses = self.monitor.outbox.drain(..).map(|(verdict, _)| verdict);
            self.log.statuses.extend(statuses);
            self.wake(Reader::Voter, 0);
            return;
        }
        let now = self.now;
        self.monitor.outbox.retain(|(_, sent)| now - sent < STATUS);
        if !self.monitor.outbox.is_empty() {
            self.after(50 * MS, Event::StatusFlush);
        }
    }
}
