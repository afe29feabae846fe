#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::detector::{Accrual, Detector, Observation, Seen};

const DAY: f64 = 86_400.0;

fn config(threshold: f64) -> AccrualConfig {
    AccrualConfig {
        threshold,
        ..AccrualConfig::default()
    }
}

/// Answers to the first alarm, in the mean over `runs`, by simulation of the detector itself.
fn simulated(config: AccrualConfig, p: f64, runs: u32, seed: u64) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut total = 0u64;
    for _ in 0..runs {
        let mut detector = Accrual::new(config);
        loop {
            // The good answers up to the next miss at a time: their number is geometric.
            let good = (random.random::<f64>().ln() / (1.0 - p).ln()) as u64;
            detector.good(0, good, false);
            total += good + 1;
            if detector.observe(Observation {
                at_ns: 0,
                seen: Seen::Error,
                weight: 1.0,
                heartbeat: false,
            }) {
                break;
            }
        }
    }
    total as f64 / f64::from(runs)
}

#[test]
fn the_figures_of_the_design_come_out() {
    let run = mean_run(&config(13.8), 1e-4);
    assert!((run / 1.8e10 - 1.0).abs() < 0.02, "{run:e} answers");
    let years = run / 55.0 / YEAR_S;
    assert!((10.0..11.0).contains(&years), "{years} years");
    let days = mean_run(&config(13.8), 1e-3) / 55.0 / DAY;
    assert!((3.5..4.5).contains(&days), "{days} days");
}

/// Where one miss trips the run is geometric, where two in a row must (every good answer takes all away) the run is
/// (1 + p)/p².
#[test]
fn runs_that_are_known_in_closed_form_come_out() {
    for p in [1e-6, 0.01, 0.4] {
        assert!((mean_run(&config(5.0), p) * p - 1.0).abs() < 1e-12);
        let all_or_nothing = AccrualConfig {
            p0: 1e-6,
            p1: 1.0 - 1e-9,
            threshold: 20.0,
        };
        let exact = (1.0 + p) / (p * p);
        assert!((mean_run(&all_or_nothing, p) / exact - 1.0).abs() < 1e-12);
    }
    assert_eq!(mean_run(&config(5.0), 0.0), f64::INFINITY);
    assert_eq!(mean_run(&config(13.8), 1.0), 3.0);
}

#[test]
fn the_computed_run_is_the_simulated_one_or_a_little_less() {
    let of = |p0, p1, threshold| AccrualConfig { p0, p1, threshold };
    for (config, p) in [
        (config(5.0), 0.01),
        (config(8.0), 0.01),
        (config(11.0), 0.02),
        (config(13.8), 0.02),
        (config(17.0), 0.03),
        // A good answer takes more than a miss gives, and only a quarter of a cell.
        (of(0.2, 0.9, 4.0), 0.15),
        (of(1e-5, 1e-3, 7.0), 2e-4),
    ] {
        let ratio = mean_run(&config, p) / simulated(config, p, 4000, 7);
        assert!((0.9..1.06).contains(&ratio), "{config:?} {p}: {ratio}");
    }
}

/// Whatever an operator may set is answered with little work.
#[test]
fn extreme_parameters_stay_within_the_grid() {
    for (p0, p1, threshold) in [(1e-12, 2e-12, 30.0), (0.5, 0.500_001, 1e9), (1e-9, 1.0 - 1e-9, 1e-3)] {
        let config = AccrualConfig { p0, p1, threshold };
        let steps = Steps::new(&config);
        assert!((1..=8192).contains(&steps.limit) && steps.down <= 64, "{steps:?}");
        assert!(steps.moves > 0.0 && steps.moves <= 1.0, "{steps:?}");
    }
    let rare = AccrualConfig {
        p0: 1e-9,
        p1: 2e-9,
        threshold: 9.0,
    };
    let run = mean_run(&rare, 1e-9);
    assert!((2e13..4e13).contains(&run), "{run:e}");
}

/// The promise that the default threshold makes, kept by the detector itself at a rate that can be simulated.
#[test]
fn a_calibrated_threshold_keeps_its_promise_in_simulation() {
    let target = Target {
        miss_rate: 0.01,
        answers_per_s: 100.0,
        false_alarms_per_year: 2000.0,
    };
    let threshold = threshold(0.001, 0.3, target).unwrap();
    let per_year = |threshold| 100.0 * YEAR_S / simulated(config(threshold), 0.01, 300, 11);
    assert!(
        per_year(threshold) < 2000.0 * 1.15,
        "{threshold}: {}",
        per_year(threshold)
    );
    assert!(per_year(threshold - 2.0) > 2000.0, "{threshold} is more than is needed");
}

#[test]
fn the_default_threshold_is_the_calibrated_one() {
    let AccrualConfig {
        p0,
        p1,
        threshold: default,
    } = AccrualConfig::default();
    let target = Target::default();
    assert_eq!(threshold(p0, p1, target), Ok(default));
    let alarms = |threshold| false_alarms_per_year(&config(threshold), target.miss_rate, target.answers_per_s);
    let (at, below) = (alarms(default), alarms(default - 0.1));
    assert!(
        at <= target.false_alarms_per_year && below > target.false_alarms_per_year,
        "{at} {below}"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let target = Target::default();
    for (bad, says) in [
        (
            Target {
                miss_rate: 0.0,
                ..target
            },
            "miss rate",
        ),
        (
            Target {
                answers_per_s: f64::NAN,
                ..target
            },
            "answers per second",
        ),
        (
            Target {
                false_alarms_per_year: 0.0,
                ..target
            },
            "false alarms",
        ),
        (
            Target {
                miss_rate: 0.2,
                ..target
            },
            "no accrual threshold",
        ),
    ] {
        let problem = threshold(0.001, 0.3, bad).unwrap_err();
        assert!(problem.contains(says), "{problem}");
    }
    assert!(threshold(0.3, 0.3, target).is_err());
    let close = threshold(0.001, 0.0015, target).unwrap_err();
    assert!(close.contains("further apart"), "{close}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn higher_thresholds_and_fewer_misses_make_longer_runs(tenths in 10u32..180, p in 1e-5f64..0.02) {
        let threshold = f64::from(tenths) / 10.0;
        let run = mean_run(&config(threshold), p);
        prop_assert!(run.is_finite() && run >= 1.0);
        prop_assert!(mean_run(&config(threshold + 0.5), p) >= run);
        prop_assert!(mean_run(&config(threshold), p / 2.0) > run);
    }
}
