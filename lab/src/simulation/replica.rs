//! A replica as its clients see it: when it answers, and what.

use tolerancia_core::ProductId;
use tolerancia_core::fault::{Fault, FaultSpec, Scope, latency_ms};

use super::dice::Dice;
use super::model::{MOST_PRODUCTS, Model};

/// What is wrong with the faulty replica.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ailment {
    crash: bool,
    freeze: bool,
    stale: bool,
    latency: Vec<(Option<u64>, Scope)>,
    intermittent: Vec<(f64, Scope)>,
    /// One bit per product that is lied about.
    lies: u64,
}

impl Ailment {
    /// All of `faults` at the same time. The products that are lied about are the first ones of the model.
    pub(crate) fn new(faults: &[FaultSpec], products: usize) -> Self {
        let mut ailment = Self::default();
        let mut lied: Vec<&ProductId> = Vec::new();
        for FaultSpec { fault, scope } in faults {
            match fault {
                Fault::Crash => ailment.crash = true,
                Fault::Freeze => ailment.freeze = true,
                Fault::Stale => ailment.stale = true,
                Fault::Latency { latency_ms } => ailment.latency.push((*latency_ms, *scope)),
                Fault::Intermittent { probability } => ailment.intermittent.push((*probability, *scope)),
                Fault::Incorrect { product } => {
                    if !lied.contains(&product) && lied.len() < products.min(MOST_PRODUCTS) {
                        ailment.lies |= 1 << lied.len();
                        lied.push(product);
                    }
                }
            }
        }
        ailment
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// `/health`.
    Health,
    /// `/inventory/{product}`, by the product's place.
    Product(usize),
}

/// What comes back, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A right answer.
    Good(u64),
    /// An error.
    Error(u64),
    /// A wrong stock.
    Lie(u64),
    /// No connection, or it was lost.
    Lost(u64),
    /// Nothing, ever.
    Never,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica<'a> {
    model: &'a Model,
    ailment: &'a Ailment,
    /// Since when the ailment acts; never: `u64::MAX`.
    ill_ns: u64,
    /// The present stall, or the next one.
    stall_ns: [u64; 2],
}

impl<'a> Replica<'a> {
    /// A healthy one, of which `ailment` will be wrong if it falls ill.
    pub(crate) fn new(model: &'a Model, ailment: &'a Ailment, dice: &mut Dice) -> Self {
        let mut replica = Self {
            model,
            ailment,
            ill_ns: u64::MAX,
            stall_ns: [u64::MAX; 2],
        };
        replica.next_stall(0, dice);
        replica
    }

    /// Falls ill at `now_ns`.
    pub(crate) fn fall_ill(&mut self, now_ns: u64) {
        self.ill_ns = now_ns;
    }

    /// How long it has not been reading its log at `now_ns`.
    pub(crate) fn idle_ns(&self, now_ns: u64) -> u64 {
        if self.ailment.stale {
            now_ns.saturating_sub(self.ill_ns)
        } else {
            0
        }
    }

    /// When its connections are lost, if it crashes.
    pub(crate) fn cut_ns(&self) -> Option<u64> {
        (self.ailment.crash && self.ill_ns != u64::MAX).then(|| self.ill_ns.saturating_add(self.model.teardown_ns))
    }

    /// What comes back to a question that reaches it at `now_ns`.
    pub(crate) fn ask(&mut self, now_ns: u64, question: Question, dice: &mut Dice) -> Reply {
        let (model, ailment) = (self.model, self.ailment);
        let ill = now_ns >= self.ill_ns;
        let cut_ns = self.cut_ns();
        if cut_ns.is_some_and(|cut_ns| now_ns >= cut_ns) {
            return Reply::Lost(now_ns);
        }
        let mut at_ns = now_ns.saturating_add(model.service.draw(dice));
        let mut failed = dice.chance(model.healthy_miss);
        let mut lies = false;
        if ill {
            let health = question == Question::Health;
            for (mean_ms, _) in ailment.latency.iter().filter(|(_, scope)| scope.covers(health)) {
                at_ns = at_ns.saturating_add((latency_ms(*mean_ms, dice.unit()) * 1e6) as u64);
            }
            for (probability, _) in ailment.intermittent.iter().filter(|(_, scope)| scope.covers(health)) {
                failed |= dice.chance(*probability);
            }
            lies = matches!(question, Question::Product(product) if ailment.lies >> product & 1 == 1);
        }
        at_ns = self.after_stalls(now_ns, at_ns, dice);
        // Whatever has not left when it dies or stops never does.
        if at_ns >= self.ill_ns {
            if let Some(cut_ns) = cut_ns {
                return Reply::Lost(cut_ns);
            }
            if ailment.freeze {
                return Reply::Never;
            }
        }
        match (failed, lies) {
            (true, _) => Reply::Error(at_ns),
            (false, true) => Reply::Lie(at_ns),
            (false, false) => Reply::Good(at_ns),
        }
    }

    /// An answer that is due while the replica stands still leaves when it goes on.
    fn after_stalls(&mut self, now_ns: u64, at_ns: u64, dice: &mut Dice) -> u64 {
        while self.stall_ns[1] < now_ns {
            self.next_stall(self.stall_ns[1], dice);
        }
        let [from_ns, to_ns] = self.stall_ns;
        if at_ns < from_ns {
            return at_ns;
        }
        // What it has done before it stood still is not done again.
        to_ns.saturating_add(at_ns - from_ns.clamp(now_ns, at_ns))
    }

    fn next_stall(&mut self, after_ns: u64, dice: &mut Dice) {
        let model = self.model;
        if model.stalls_per_hour > 0.0 {
            let from_ns = after_ns.saturating_add(dice.exponential(3600e9 / model.stalls_per_hour) as u64);
            let to_ns = from_ns.saturating_add(dice.exponential(model.stall_mean_ns) as u64);
            self.stall_ns = [from_ns, to_ns];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::dice::{Delay, Purpose};

    const MS: u64 = 1_000_000;

    fn model() -> Model {
        Model {
            service: Delay::Measured(vec![MS]),
            healthy_miss: 0.0,
            ..Model::default()
        }
    }

    fn spec(fault: Fault, scope: Scope) -> FaultSpec {
        FaultSpec { fault, scope }
    }

    fn incorrect(product: &str) -> FaultSpec {
        let product = product.parse().expect("valid");
        spec(Fault::Incorrect { product }, Scope::All)
    }

    /// What a replica that falls ill after 100 ms answers.
    fn ask(faults: &[FaultSpec], now_ms: u64, question: Question) -> Reply {
        let (model, mut dice) = (model(), Dice::new(1, Purpose::Trial(1)));
        let ailment = Ailment::new(faults, model.products);
        let mut replica = Replica::new(&model, &ailment, &mut dice);
        replica.fall_ill(100 * MS);
        replica.ask(now_ms * MS, question, &mut dice)
    }

    #[test]
    fn faults_do_to_answers_what_they_say() {
        let product = Question::Product(0);
        let crash = [spec(Fault::Crash, Scope::All)];
        assert_eq!(ask(&crash, 98, product), Reply::Good(99 * MS));
        assert_eq!(
            ask(&crash, 99, product),
            Reply::Lost(103 * MS),
            "it dies with the question"
        );
        assert_eq!(ask(&crash, 200, product), Reply::Lost(200 * MS), "refused at once");
        let freeze = [spec(Fault::Freeze, Scope::All)];
        assert_eq!(ask(&freeze, 99, product), Reply::Never);
        let slow = [spec(Fault::Latency { latency_ms: Some(100) }, Scope::Health)];
        assert_eq!(ask(&slow, 100, product), Reply::Good(101 * MS));
        let Reply::Good(at_ns) = ask(&slow, 100, Question::Health) else {
            panic!("slow, but right")
        };
        assert!((181 * MS..=221 * MS).contains(&at_ns), "{at_ns}");
        let failing = [spec(Fault::Intermittent { probability: 1.0 }, Scope::Queries)];
        assert_eq!(ask(&failing, 99, product), Reply::Good(100 * MS), "asked before");
        assert_eq!(ask(&failing, 100, product), Reply::Error(101 * MS));
        assert_eq!(ask(&failing, 100, Question::Health), Reply::Good(101 * MS));
        assert_eq!(ask(&[incorrect("X")], 100, product), Reply::Lie(101 * MS));
        assert_eq!(ask(&[incorrect("X")], 100, Question::Product(1)), Reply::Good(101 * MS));
        assert_eq!(ask(&[incorrect("X")], 100, Question::Health), Reply::Good(101 * MS));
    }

    #[test]
    fn several_faults_act_together() {
        let both = [
            incorrect("A"),
            incorrect("A"),
            incorrect("B"),
            spec(Fault::Stale, Scope::All),
        ];
        let products = [0, 1, 2].map(|product| matches!(ask(&both, 100, Question::Product(product)), Reply::Lie(_)));
        assert_eq!(products, [true, true, false]);
        let (model, mut dice) = (model(), Dice::new(1, Purpose::Trial(1)));
        let ailment = Ailment::new(&both, model.products);
        let mut replica = Replica::new(&model, &ailment, &mut dice);
        assert_eq!(replica.idle_ns(90 * MS), 0);
        replica.fall_ill(100 * MS);
        assert_eq!(replica.idle_ns(350 * MS), 250 * MS);
    }

    #[test]
    fn a_stall_delays_what_is_due_in_it() {
        let (model, mut dice) = (model(), Dice::new(1, Purpose::Trial(1)));
        let ailment = Ailment::default();
        let mut replica = Replica::new(&model, &ailment, &mut dice);
        replica.stall_ns = [10 * MS, 70 * MS];
        let mut ask = |now_ns| replica.ask(now_ns, Question::Health, &mut dice);
        assert_eq!(ask(8 * MS), Reply::Good(9 * MS));
        assert_eq!(ask(10 * MS - MS / 2), Reply::Good(70 * MS + MS / 2));
        assert_eq!(ask(40 * MS), Reply::Good(71 * MS));
        assert_eq!(ask(70 * MS), Reply::Good(71 * MS));
    }
}
