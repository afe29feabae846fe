//! Many trials of one fault, and what they look like.

use serde::Serialize;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_core::fault::FaultSpec;

use super::dice::{Dice, Purpose};
use super::model::Model;
use super::replica::Ailment;
use super::world::World;

/// The times to detect of some trials.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Times {
    /// Milliseconds, ascending; those of the trials that were detected.
    pub ttd_ms: Vec<f64>,
    /// Trials whose fault was not detected within the horizon.
    pub missed: usize,
    /// Instances without a fault that were turned OFF meanwhile.
    pub false_alarms: u64,
}

/// Times to detect in milliseconds over all trials. A missed trial took longer than any: a quantile whose rank falls
/// among the missed ones is null, and so is the maximum if any was missed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(crate) struct Ttd {
    /// Half of the values are below it.
    pub median: Option<f64>,
    /// 95 % of the values are below it.
    pub p95: Option<f64>,
    /// 99 % of the values are below it.
    pub p99: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
}

impl Times {
    /// The times of a set of trials.
    pub(crate) fn new(mut ttd_ms: Vec<f64>, missed: usize, false_alarms: u64) -> Self {
        ttd_ms.sort_by(f64::total_cmp);
        Self {
            ttd_ms,
            missed,
            false_alarms,
        }
    }

    /// How many trials there were.
    pub(crate) fn trials(&self) -> usize {
        self.ttd_ms.len() + self.missed
    }

    /// The share of trials that were missed; 0 without trials.
    pub(crate) fn missed_share(&self) -> f64 {
        self.missed as f64 / self.trials().max(1) as f64
    }

    /// Their quantiles.
    pub(crate) fn ttd(&self) -> Ttd {
        let at = |q| self.quantile(q).map(round);
        Ttd {
            median: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
        }
    }

    /// The quantile `q` (0 to 1) of all trials, interpolated as [`quantile`](crate::statistics::quantile) does. `None`
    /// if a missed one has its rank, or the next one: it would be longer than what was waited for.
    fn quantile(&self, q: f64) -> Option<f64> {
        let position = q * self.trials().checked_sub(1)? as f64;
        let below = *self.ttd_ms.get(position.floor() as usize)?;
        let above = *self.ttd_ms.get(position.ceil() as usize)?;
        Some(below + (above - below) * position.fract())
    }
}

/// Microseconds are more than the model can promise.
fn round(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// Simulates `trials` trials, one after the other; `each` is told how many are done. Every trial draws from its own
/// stream, so detectors and parameters that are compared with one seed meet the same load and the same fault.
pub(crate) fn simulate(
    model: &Model,
    detector: DetectorConfig,
    faults: &[FaultSpec],
    trials: usize,
    seed: u64,
    mut each: impl FnMut(usize),
) -> Times {
    let mut world = World::new(model, detector, Ailment::new(faults, model.products));
    let mut ttd_ms = Vec::with_capacity(trials);
    let (mut missed, mut false_alarms) = (0, 0);
    for trial in 0..trials {
        let target = trial % usize::from(model.replicas);
        let outcome = world.run(target, Dice::new(seed, Purpose::Trial(trial as u64)));
        match outcome.ttd_ns {
            Some(ns) => ttd_ms.push(ns as f64 / 1e6),
            None => missed += 1,
        }
        false_alarms += u64::from(outcome.false_alarms);
        each(trial + 1);
    }
    Times::new(ttd_ms, missed, false_alarms)
}

/// The faults that are active together, as one name.
pub(crate) fn name(faults: &[FaultSpec]) -> String {
    use tolerancia_core::fault::Scope;
    let names: Vec<_> = faults
        .iter()
        .map(|spec| match spec.scope {
            Scope::All => spec.fault.name().to_owned(),
            Scope::Queries => format!("{} (queries)", spec.fault.name()),
            Scope::Health => format!("{} (health)", spec.fault.name()),
        })
        .collect();
    names.join(" + ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tolerancia_core::detector::DetectorKind;
    use tolerancia_core::fault::{Fault, Scope};

    use super::*;

    fn spec(fault: Fault) -> FaultSpec {
        FaultSpec {
            fault,
            scope: Scope::All,
        }
    }

    fn run(kind: DetectorKind, faults: &[FaultSpec], trials: usize) -> Times {
        let detector = DetectorConfig::default().of(kind);
        simulate(&Model::default(), detector, faults, trials, 1, |_| {})
    }

    fn median(kind: DetectorKind, fault: Fault) -> f64 {
        let times = run(kind, &[spec(fault)], 60);
        assert_eq!((times.missed, times.false_alarms), (0, 0), "{kind}");
        times.ttd().median.expect("detected")
    }

    fn incorrect() -> Fault {
        Fault::Incorrect {
            product: "PROD-001".parse().expect("valid"),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_times_and_another_one_others() {
        let faults = [spec(Fault::Intermittent { probability: 0.5 })];
        let times = |seed| simulate(&Model::default(), DetectorConfig::default(), &faults, 20, seed, |_| {});
        assert_eq!(times(1), times(1));
        assert_ne!(times(1).ttd_ms, times(2).ttd_ms);
    }

    /// The first trials of many are those of few.
    #[test]
    fn a_trial_does_not_depend_on_those_before_it() {
        let faults = [spec(Fault::Freeze)];
        let mut many = run(DetectorKind::Accrual, &faults, 30).ttd_ms;
        let few = run(DetectorKind::Accrual, &faults, 10).ttd_ms;
        many.retain(|ms| few.contains(ms));
        assert_eq!(many, few);
    }

    /// Those that were missed are the longest, so a detector that is blind does not look fast.
    #[test]
    fn a_missed_trial_is_longer_than_any() {
        let ttd = |missed| Times::new(vec![30.0, 10.0, 20.0], missed, 0).ttd();
        assert_eq!((ttd(0).median, ttd(0).max), (Some(20.0), Some(30.0)));
        assert_eq!((ttd(1).median, ttd(1).p95, ttd(1).max), (Some(25.0), None, None));
        assert_eq!(ttd(2).median, Some(30.0));
        assert_eq!(ttd(3), Ttd::default(), "half of them were missed");
        assert_eq!(Times::default().ttd(), Ttd::default());
    }

    #[test]
    fn each_fault_takes_as_long_as_its_evidence() {
        let crash = median(DetectorKind::Accrual, Fault::Crash);
        assert!((5.0..20.0).contains(&crash), "lost, and refused twice: {crash}");
        let freeze = median(DetectorKind::Accrual, Fault::Freeze);
        assert!((100.0..300.0).contains(&freeze), "late three times: {freeze}");
        let slow = median(DetectorKind::Accrual, Fault::Latency { latency_ms: Some(1200) });
        assert!(
            (0.8..1.2).contains(&(slow / freeze)),
            "as good as frozen: {slow} {freeze}"
        );
        let lie = median(DetectorKind::Accrual, incorrect());
        assert!((5.0..60.0).contains(&lie), "the next vote about the product: {lie}");
        let stale = median(DetectorKind::Accrual, Fault::Stale);
        assert!(
            (500.0..900.0).contains(&stale),
            "the idle budget, and then a check: {stale}"
        );
    }

    #[test]
    fn a_lie_is_found_by_any_detector() {
        for kind in DetectorKind::ALL {
            assert!(median(kind, incorrect()) < 60.0, "{kind}");
        }
    }

    #[test]
    fn misses_in_a_row_see_rare_errors_late() {
        let faults = [spec(Fault::Intermittent { probability: 0.1 })];
        let horizon = |times: &Times| times.ttd().median.unwrap_or(10_000.0);
        let accrual = horizon(&run(DetectorKind::Accrual, &faults, 40));
        let consecutive = horizon(&run(DetectorKind::Consecutive, &faults, 40));
        assert!(consecutive > 3.0 * accrual, "{accrual} {consecutive}");
    }

    #[test]
    fn phi_hears_silence_but_not_errors() {
        let silence = run(DetectorKind::Phi, &[spec(Fault::Freeze)], 20);
        assert_eq!(silence.missed, 0);
        let gray = FaultSpec {
            fault: Fault::Intermittent { probability: 1.0 },
            scope: Scope::Queries,
        };
        let errors = run(DetectorKind::Phi, std::slice::from_ref(&gray), 5);
        assert_eq!((errors.missed, errors.missed_share()), (5, 1.0));
        assert_eq!(errors.ttd(), Ttd::default());
        assert_eq!(name(&[gray, spec(Fault::Stale)]), "intermittent (queries) + stale");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// Whatever the load, a replica that answers nothing is found within a second by the default detector.
        #[test]
        fn silence_is_found_under_any_load(queries_rps in 0.0f64..200.0, scrub_rate in 0.0f64..100.0, seed: u64) {
            let model = Model { queries_rps, scrub_rate, ..Model::default() };
            let times = simulate(&model, DetectorConfig::default(), &[spec(Fault::Freeze)], 5, seed, |_| {});
            prop_assert_eq!(times.missed, 0);
            prop_assert!(times.ttd_ms.iter().all(|ms| *ms < 1000.0), "{:?}", times.ttd_ms);
        }
    }
}
