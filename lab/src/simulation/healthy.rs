//! How often a healthy instance is turned OFF: years of health in a second.
//!
//! Nearly all answers of a healthy instance are good, and good answers say little one by one. So only the misses are
//! drawn, by the gaps between them, and what lies between is handed to the detector at once
//! ([`Detector::good`](tolerancia_core::detector::Detector::good)), except for the last two seconds before a miss:
//! these it sees check by check, since a detector of silence knows the rhythm of the checks. The weights are those of
//! the panel. It is simpler than a trial in three ways:
//!
//! * answers reach the detector one by one, in the order in which they came, not in batches of the voter;
//! * a stall is late once per late bound, whoever asks. A test keeps the number of alarms
//!   within a factor of three of that which the simulation of every answer gives;
//! * instances are independent: that the host makes all of them late at once is what recorded traces are for.

use tolerancia_core::ReplicaId;
use tolerancia_core::checks::{RECHECK_NS, ROW};
use tolerancia_core::detector::{Bursts, Detector, DetectorConfig, Observation, Seen};
use tolerancia_core::panel::TICK_NS;

use super::count::Alarms;
use super::dice::{Dice, Purpose};
use super::model::Model;

const DAY_NS: f64 = 86_400e9;
/// How long before a miss the detector sees every check again.
const RUN_UP_NS: u64 = 2_000_000_000;
/// After a false alarm the instance is OFF for about this long.
const OFF_NS: u64 = 2_000_000_000;
/// How many misses are simulated if no number of days is asked for.
const ENOUGH_MISSES: f64 = 300_000.0;

/// As many instance-days as have a few hundred thousand misses, 1 to 10,000.
pub(crate) fn enough_days(model: &Model) -> f64 {
    let errors = model.answers_per_s() * model.healthy_miss * 86_400.0;
    let stalls = model.stalls_per_hour * 24.0;
    (ENOUGH_MISSES / (errors + stalls)).clamp(1.0, 10_000.0).ceil()
}

/// Turns of one healthy instance in `days` instance-days.
pub(crate) fn healthy(model: &Model, config: &DetectorConfig, days: f64, seed: u64) -> Alarms {
    let mut dice = Dice::new(seed, Purpose::Healthy);
    let end_ns = days * DAY_NS;
    let mut instance = Instance::new(model, config);
    let error_mean_ns = 1e9 / (model.answers_per_s() * model.healthy_miss);
    let stall_mean_ns = 3600e9 / model.stalls_per_hour;
    let mut error_ns = dice.exponential(error_mean_ns);
    let mut stall_ns = dice.exponential(stall_mean_ns);
    loop {
        let at_ns = error_ns.min(stall_ns);
        // Not a number, or infinite: nothing ever happens.
        if at_ns.is_nan() || at_ns >= end_ns {
            break;
        }
        instance.go_on(at_ns as u64);
        if error_ns <= stall_ns {
            instance.error(&mut dice);
        } else {
            instance.stall(&mut dice);
        }
        // Both have no memory: what would have come while the instance stood still or was OFF is drawn anew.
        let now_ns = instance.now_ns as f64;
        if error_ns <= now_ns {
            error_ns = now_ns + dice.exponential(error_mean_ns);
        }
        if stall_ns <= now_ns {
            stall_ns = now_ns + dice.exponential(stall_mean_ns);
        }
    }
    Alarms {
        events: instance.alarms,
        time: days,
    }
}

struct Instance<'a> {
    model: &'a Model,
    detector: Box<dyn Detector>,
    bursts: Bursts,
    id: ReplicaId,
    now_ns: u64,
    /// When the next regular check is answered.
    check_ns: u64,
    /// Answers to votes that are not yet handed on, in parts of one.
    rest: f64,
    alarms: u64,
}

impl<'a> Instance<'a> {
    fn new(model: &'a Model, config: &DetectorConfig) -> Self {
        let id = ReplicaId::all(1).next();
        Self {
            model,
            detector: config.build(),
            bursts: Bursts::new(),
            id: id.expect("one replica"),
            now_ns: 0,
            check_ns: 0,
            rest: 0.0,
            alarms: 0,
        }
    }

    /// Good answers until `to_ns`.
    fn go_on(&mut self, to_ns: u64) {
        let gap_ns = to_ns.saturating_sub(self.now_ns);
        if gap_ns > RUN_UP_NS {
            let skipped_ns = gap_ns - RUN_UP_NS;
            let count = self.model.answers_per_s() * skipped_ns as f64 / 1e9;
            self.detector.good(self.now_ns, count as u64, false);
            self.detector.stalled(skipped_ns);
            self.now_ns += skipped_ns;
            self.check_ns = self.check_ns.saturating_add(skipped_ns);
        }
        while self.check_ns <= to_ns {
            self.votes(self.check_ns);
            self.alive(self.check_ns);
            self.check_ns += self.model.checks.interval_ns.max(1);
        }
        self.votes(to_ns);
    }

    /// Good answers to votes until `to_ns`.
    fn votes(&mut self, to_ns: u64) {
        self.rest += self.model.votes_per_s() * to_ns.saturating_sub(self.now_ns) as f64 / 1e9;
        self.now_ns = self.now_ns.max(to_ns);
        let count = self.rest.floor();
        if count >= 1.0 {
            self.rest -= count;
            self.detector.good(self.now_ns, count as u64, false);
        }
    }

    /// A good check at `at_ns`. Silence before it may have been too long.
    fn alive(&mut self, at_ns: u64) {
        self.now_ns = self.now_ns.max(at_ns);
        if self.detector.tick(at_ns) {
            self.off();
        } else {
            self.detector.good(at_ns, 1, true);
        }
    }

    fn observe(&mut self, seen: Seen, heartbeat: bool) -> bool {
        let suspected = self.detector.observe(Observation {
            at_ns: self.now_ns,
            seen,
            weight: self.bursts.weigh(self.now_ns, self.id, seen),
            heartbeat,
        });
        if suspected {
            self.off();
        }
        suspected
    }

    /// It comes back after a while, and nothing is held against it.
    fn off(&mut self) {
        self.alarms += 1;
        self.detector.reset();
        self.now_ns += OFF_NS;
        self.check_ns = self.now_ns;
        self.detector.good(self.now_ns, 1, true);
    }

    /// One answer is an error, and perhaps a hastened check after it too.
    fn error(&mut self, dice: &mut Dice) {
        let mut of_check = dice.chance(self.model.checks_per_s() / self.model.answers_per_s());
        while !self.observe(Seen::Error, of_check) {
            // What others saw is followed by one check only.
            let mut wanted = if of_check { ROW } else { 1 };
            of_check = true;
            loop {
                self.now_ns += RECHECK_NS;
                if dice.chance(self.model.healthy_miss) {
                    break;
                }
                self.alive(self.now_ns);
                wanted -= 1;
                if wanted == 0 {
                    return;
                }
            }
        }
    }

    /// The instance stands still for a while: nothing is answered before it goes on.
    fn stall(&mut self, dice: &mut Dice) {
        let start_ns = self.now_ns;
        let end_ns = start_ns.saturating_add(dice.exponential(self.model.stall_mean_ns) as u64);
        let bound_ns = self.model.checks.late_floor_ns;
        // The first question that is not answered: the voter's next, or the next check.
        let vote_ns = start_ns as f64 + 1e9 / self.model.votes_per_s() * dice.unit();
        let asked_ns = (vote_ns as u64).min(self.check_ns.max(start_ns));
        let mut late_ns = asked_ns.saturating_add(bound_ns);
        let mut tick_ns = start_ns.saturating_add(dice.below(TICK_NS));
        while late_ns.min(tick_ns) < end_ns {
            self.now_ns = late_ns.min(tick_ns);
            let suspected = if late_ns <= tick_ns {
                late_ns = late_ns.saturating_add(bound_ns.max(1));
                self.observe(Seen::Late, false)
            } else {
                tick_ns += TICK_NS;
                let suspected = self.detector.tick(self.now_ns);
                if suspected {
                    self.off();
                }
                suspected
            };
            if suspected {
                return;
            }
        }
        self.now_ns = end_ns;
        // Of a longer stall, a check that was hastened is open at its end; of a shorter one, perhaps none is.
        if end_ns - start_ns > bound_ns || self.check_ns <= end_ns {
            self.alive(end_ns);
            let interval_ns = self.model.checks.interval_ns.max(1);
            while self.check_ns <= end_ns {
                self.check_ns += interval_ns;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tolerancia_core::detector::{DetectorKind, calibrate};

    use super::*;
    use crate::simulation::replica::Ailment;
    use crate::simulation::world::World;

    fn config(kind: DetectorKind) -> DetectorConfig {
        DetectorConfig::default().of(kind)
    }

    fn alarms(model: &Model, config: &DetectorConfig, days: f64) -> u64 {
        healthy(model, config, days, 1).events
    }

    #[test]
    fn without_misses_nobody_is_suspected_and_it_costs_nothing() {
        let model = Model {
            healthy_miss: 0.0,
            ..Model::default()
        };
        for kind in DetectorKind::ALL {
            assert_eq!(alarms(&model, &config(kind), 1e6), 0, "{kind}");
        }
        assert_eq!(enough_days(&model), 10_000.0);
    }

    /// Two errors in a row, of which the second may be that of the hastened check.
    #[test]
    fn independent_errors_trip_a_count_as_often_as_they_should() {
        let model = Model {
            healthy_miss: 0.01,
            ..Model::default()
        };
        let two = DetectorConfig {
            misses: 2,
            ..config(DetectorKind::Consecutive)
        };
        let days = 0.1;
        let expected = model.answers_per_s() * 86_400.0 * days * 0.01 * 0.01;
        let found = alarms(&model, &two, days) as f64;
        assert!((0.7..2.5).contains(&(found / expected)), "{found} {expected}");
    }

    /// Against the run length of the CUSUM on independent misses, which is rounded down; and after a miss there is
    /// one more good answer here, that of the hastened check, or five.
    #[test]
    fn it_agrees_with_the_exact_run_length() {
        let model = Model {
            healthy_miss: 2e-3,
            ..Model::default()
        };
        for threshold in [6.0, 9.0, 11.0] {
            let mut accrual = config(DetectorKind::Accrual);
            accrual.accrual.threshold = threshold;
            let run = calibrate::mean_run(&accrual.accrual, model.healthy_miss);
            let expected = model.answers_per_s() * 86_400.0 / run;
            let days = 400.0 / expected;
            let found = healthy(&model, &accrual, days, 1).rate();
            assert!(
                (0.7..1.1).contains(&(found / expected)),
                "{threshold}: {found} {expected}"
            );
        }
    }

    /// The same health event by event, with panel, checks and voter: it need not be equal, but of the same size.
    #[test]
    fn it_agrees_with_the_simulation_of_every_answer() {
        let minutes = 6.0;
        let model = Model {
            healthy_miss: 0.01,
            stalls_per_hour: 600.0,
            stall_mean_ns: 100e6,
            warm_up_ns: (minutes * 60e9) as u64,
            horizon_ns: 0,
            ..Model::default()
        };
        for kind in [DetectorKind::Consecutive, DetectorKind::Accrual, DetectorKind::Phi] {
            let mut world = World::new(&model, config(kind), Ailment::default());
            let found = f64::from(world.run(0, Dice::new(1, Purpose::Trial(1))).false_alarms);
            let days = minutes / 1440.0 * f64::from(model.replicas);
            let expected = healthy(&model, &config(kind), 100.0 * days, 1).events as f64 / 100.0;
            assert!(
                (expected / 3.0..expected * 3.0).contains(&found),
                "{kind}: {found} {expected}"
            );
        }
    }

    #[test]
    fn stalls_trip_a_detector_of_silence_by_their_length() {
        let model = Model {
            healthy_miss: 0.0,
            stalls_per_hour: 60.0,
            stall_mean_ns: 60e6,
            ..Model::default()
        };
        let short = alarms(&model, &config(DetectorKind::Phi), 10.0);
        let long = Model {
            stall_mean_ns: 300e6,
            ..model
        };
        let long = alarms(&long, &config(DetectorKind::Phi), 10.0);
        assert!(long > 4 * short.max(1), "{short} {long}");
        assert!(long < 10 * 24 * 60, "{long}");
    }
}
