//! One trial: a system on a virtual clock, one of whose replicas falls ill.
//!
//! The rules are those of the live system, not copies of them: [`Panel`], [`Checks`], the late bound, the pacing of
//! reports and the detectors are the same code that the services run. Only the replicas, the clients and the ways
//! between them are modelled.

use tolerancia_core::ProductId;
use tolerancia_core::ReplicaId;
use tolerancia_core::checks::{Checks, Step};
use tolerancia_core::detector::{DetectorConfig, Seen};
use tolerancia_core::panel::{Change, Panel, Position, TICK_NS};

use super::dice::Dice;
use super::model::Model;
use super::queue::{Happening, Queue};
use super::replica::{Ailment, Question, Replica, Reply};
use super::voter::{Report, Voter};

const MS: u64 = 1_000_000;
/// From a timer to the task that waits for it.
const WAKE_UP_NS: u64 = 150_000;

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// From the fault to the verdict, nanoseconds; none within the horizon: missed.
    pub ttd_ns: Option<u64>,
    /// How often an instance without a fault was turned OFF.
    pub false_alarms: u32,
}

/// Everything that trials share; memory is used again from trial to trial.
#[derive(Debug)]
pub(crate) struct World<'a> {
    model: &'a Model,
    detector: DetectorConfig,
    ailment: Ailment,
    healthy: Ailment,
    ids: Vec<ReplicaId>,
    products: Vec<ProductId>,
    queue: Queue,
    steps: Vec<Step>,
}

/// The state of one trial.
struct Trial<'w> {
    ids: &'w [ReplicaId],
    products: &'w [ProductId],
    queue: &'w mut Queue,
    steps: &'w mut Vec<Step>,
    dice: Dice,
    replicas: Vec<Replica<'w>>,
    voter: Voter<'w>,
    panel: Panel,
    checks: Vec<Checks>,
    on: Vec<bool>,
    /// When each instance's checks are to be looked at.
    due_ns: Vec<u64>,
    tick_ns: u64,
    target: usize,
    fault_ns: u64,
    ill: bool,
    detected_ns: Option<u64>,
    false_alarms: u32,
}

impl<'a> World<'a> {
    /// A world in which one replica falls ill with `ailment`.
    pub(crate) fn new(model: &'a Model, detector: DetectorConfig, ailment: Ailment) -> Self {
        let product = |n: usize| format!("PROD-{n:03}").parse().ok();
        Self {
            model,
            detector,
            ailment,
            healthy: Ailment::default(),
            ids: ReplicaId::all(model.replicas).collect(),
            products: (1..=model.products).filter_map(product).collect(),
            queue: Queue::default(),
            steps: Vec::new(),
        }
    }

    /// One trial; `target` is the place of the replica that falls ill.
    pub(crate) fn run(&mut self, target: usize, mut dice: Dice) -> Outcome {
        let model = self.model;
        self.queue.clear();
        let fault_ns = model.warm_up_ns + dice.below(1_000_000_000);
        let replicas = (0..self.ids.len())
            .map(|place| {
                let ailment = if place == target { &self.ailment } else { &self.healthy };
                Replica::new(model, ailment, &mut dice)
            })
            .collect();
        let checks: Vec<Checks> = (0..self.ids.len())
            .map(|_| Checks::new(model.checks, dice.below(model.checks.interval_ns)))
            .collect();
        let mut trial = Trial {
            voter: Voter::new(model, &mut dice),
            panel: Panel::new(model.panel(self.detector), 0, |_| true),
            on: vec![true; self.ids.len()],
            due_ns: checks.iter().map(Checks::next_ns).collect(),
            tick_ns: dice.below(TICK_NS),
            ids: &self.ids,
            products: &self.products,
            queue: &mut self.queue,
            steps: &mut self.steps,
            dice,
            replicas,
            checks,
            target,
            fault_ns,
            ill: false,
            detected_ns: None,
            false_alarms: 0,
        };
        let mut now_ns = 0;
        while trial.detected_ns.is_none() {
            now_ns = trial.next_ns().max(now_ns);
            if trial.ill && now_ns > trial.fault_ns.saturating_add(model.horizon_ns) {
                break;
            }
            trial.step(now_ns);
        }
        Outcome {
            ttd_ns: trial.detected_ns.map(|at_ns| at_ns - trial.fault_ns),
            false_alarms: trial.false_alarms,
        }
    }
}

impl Trial<'_> {
    /// When something happens next.
    fn next_ns(&self) -> u64 {
        let fault_ns = if self.ill { u64::MAX } else { self.fault_ns };
        let first = self.queue.next_ns().min(self.voter.next_ns());
        let checks = self.due_ns.iter().fold(u64::MAX, |a, b| a.min(*b));
        first.min(checks).min(self.tick_ns).min(fault_ns)
    }

    /// Everything that happens at `now_ns`.
    fn step(&mut self, now_ns: u64) {
        if !self.ill && now_ns >= self.fault_ns {
            self.strike(now_ns);
        }
        // Answers first: what has come is not late.
        while self.queue.next_ns() <= now_ns {
            if let Some(happening) = self.queue.pop() {
                self.happen(now_ns, happening);
            }
        }
        for place in 0..self.checks.len() {
            if now_ns >= self.due_ns[place] {
                self.check(now_ns, place);
            }
        }
        if now_ns >= self.voter.next_ns() {
            self.voter
                .poll(now_ns, &self.on, &mut self.replicas, self.queue, &mut self.dice);
        }
        if now_ns >= self.tick_ns {
            self.tick_ns = now_ns + TICK_NS;
            for change in self.panel.tick(now_ns) {
                self.changed(now_ns, &change);
            }
        }
    }

    /// The fault, once its instance is ON, as in an experiment.
    fn strike(&mut self, now_ns: u64) {
        if !self.on[self.target] {
            self.fault_ns = now_ns + self.dice.below(1_000_000_000);
            return;
        }
        self.ill = true;
        let replica = &mut self.replicas[self.target];
        replica.fall_ill(now_ns);
        if let Some(cut_ns) = replica.cut_ns() {
            self.queue.push(cut_ns, Happening::Cut(self.target));
        }
    }

    fn happen(&mut self, now_ns: u64, happening: Happening) {
        match happening {
            Happening::Found(place, finding) => self.voter.found(now_ns, place, finding),
            Happening::Checked(place, id, seen) => {
                if self.checks[place].answered(now_ns, id, !seen.is_miss()).is_some() {
                    self.seen(now_ns, place, seen);
                }
                self.due_ns[place] = fires_ns(self.checks[place].next_ns());
            }
            Happening::Cut(place) => {
                self.seen(now_ns, place, Seen::Unreachable);
                self.hasten(now_ns, place);
            }
            Happening::Reported(slot) => {
                let report = self.voter.arrived(slot);
                self.reported(now_ns, &report);
            }
        }
    }

    /// The health checks of one instance: what is due of them.
    fn check(&mut self, now_ns: u64, place: usize) {
        let mut steps = std::mem::take(self.steps);
        self.checks[place].poll_into(now_ns, &mut steps);
        for step in steps.drain(..) {
            match step {
                Step::Start(id) => {
                    let (at_ns, seen) = match self.replicas[place].ask(now_ns, Question::Health, &mut self.dice) {
                        Reply::Good(at_ns) | Reply::Lie(at_ns) => (at_ns, Seen::Good),
                        Reply::Error(at_ns) => (at_ns, Seen::Error),
                        Reply::Lost(at_ns) => (at_ns, Seen::Unreachable),
                        Reply::Never => continue,
                    };
                    self.queue.push(at_ns, Happening::Checked(place, id, seen));
                }
                Step::Late(_) => self.seen(now_ns, place, Seen::Late),
                // An answer that comes after all is not known any more.
                Step::Abandon(_) => {}
            }
        }
        *self.steps = steps;
        self.due_ns[place] = fires_ns(self.checks[place].next_ns());
    }

    fn seen(&mut self, now_ns: u64, place: usize, seen: Seen) {
        let position = (seen == Seen::Good).then(|| Position {
            applied: 0,
            idle_ns: self.replicas[place].idle_ns(now_ns),
        });
        let (taken, change) = self.panel.check(now_ns, self.ids[place], seen, position);
        if let Some(change) = change {
            self.changed(now_ns, &change);
        }
        if taken == Seen::Stale {
            self.hasten(now_ns, place);
        }
    }

    fn hasten(&mut self, now_ns: u64, place: usize) {
        self.checks[place].hasten(now_ns);
        self.due_ns[place] = fires_ns(self.checks[place].next_ns());
    }

    fn reported(&mut self, now_ns: u64, report: &Report) {
        for (place, id) in self.ids.iter().enumerate() {
            let batch = &report[place];
            for (bit, product) in self.products.iter().enumerate() {
                if batch.lies >> bit & 1 == 1 {
                    let change = self.panel.dissent(now_ns, *id, Some(product), String::new());
                    if let Some(change) = change {
                        self.changed(now_ns, &change);
                    }
                }
            }
            if let Some(change) = self.panel.answers(now_ns, *id, "voter-svc", batch.answers) {
                self.changed(now_ns, &change);
            }
            if batch.answers.late > 0 || batch.answers.failed > 0 {
                self.hasten(now_ns, place);
            }
        }
    }

    fn changed(&mut self, now_ns: u64, change: &Change) {
        let place = change.instance.index();
        let on = change.is_on();
        self.on[place] = on;
        self.checks[place].set_on(on);
        self.due_ns[place] = fires_ns(self.checks[place].next_ns());
        if change.was_on && !on {
            if place == self.target && self.ill {
                self.detected_ns.get_or_insert(now_ns);
            } else {
                self.false_alarms += 1;
            }
        }
    }
}
/// When a timer for `due_ns` fires: the runtime's timers go by whole milliseconds, never fire early, and it takes a
/// moment until the task runs.
const fn fires_ns(due_ns: u64) -> u64 {
    due_ns.div_ceil(MS) * MS + WAKE_UP_NS
}
