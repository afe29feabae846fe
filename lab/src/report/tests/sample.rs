//! A run as it might have been: six faults, some trials of each, with every detector in turn.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tolerancia_core::detector::{DetectorKind, Seen};
use tolerancia_wire::status::{Clue, Phase as Standing, Transition, Verdict as State};

use super::course::Course;
use crate::experiment::record::tests::{stamp, transition, trial};
use crate::experiment::record::{Observation, Window};
use crate::load::stats::End;
use crate::load::{Failure, Operation};
use crate::report::Report;
use crate::scenario::Scenario;

/// About how long it takes to detect each of the faults of the default scenario, milliseconds.
const TTD_MS: [f64; 6] = [10.0, 190.0, 150.0, 40.0, 165.0, 1040.0];
const BASELINE_MS: u64 = 20_000;

/// So many trials of each fault, with each detector.
pub(super) fn course(trials: usize, detectors: &[DetectorKind]) -> Course {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut course = Course::good();
    course.scenario = Scenario::classic();
    course.scenario.quick.trials = trials;
    course.record.detectors = detectors.to_vec();
    course.asked_for = detectors.to_vec();
    course.record.baseline = Some(Window {
        from_ns: 1_500_000_000,
        to_ns: BASELINE_MS * 1_000_000,
    });
    (course.record.trials, course.transitions) = (Vec::new(), Vec::new());
    let mut at = BASELINE_MS + 500;
    for number in 0..trials {
        for (case, detector) in (0..TTD_MS.len()).flat_map(|case| detectors.iter().map(move |kind| (case, *kind))) {
            at = add(&mut course, (case, detector), at, number % 7 == 6, &mut rng);
        }
    }
    course.ended = at + 3000;
    course.observations = load(&course, at + 2000, &mut rng);
    course
}

/// The report of such a run.
pub(super) fn report(trials: usize, detectors: &[DetectorKind]) -> Report {
    course(trials, detectors).report()
}

/// About half to twice as much.
fn about(ms: f64, rng: &mut ChaCha8Rng) -> u64 {
    (ms * 2_f64.powf(rng.random_range(-1.0..1.0))) as u64
}

/// Adds a trial and what the monitor said; returns when the next one may begin.
fn add(
    course: &mut Course,
    (case, detector): (usize, DetectorKind),
    from: u64,
    hard: bool,
    rng: &mut ChaCha8Rng,
) -> u64 {
    let at = from + rng.random_range(0..200);
    let instance = rng.random_range(1..=3);
    let slower = if detector == DetectorKind::Accrual { 1.0 } else { 3.0 };
    let off = at + about(TTD_MS[case] * slower, rng).max(1);
    // The classic rule misses an intermittent fault now and then.
    let missed = hard && case == 2 && detector != DetectorKind::Accrual;
    let cleared = if missed { at + 10_000 } else { off + 1000 };
    let (probation, on) = match case {
        0 => (off + 1400, off + 1500 + about(500.0, rng)),
        _ => (cleared + 200, cleared + 300 + about(500.0, rng)),
    };
    let mut transitions = Vec::new();
    if !missed {
        let mut found = transition(instance, off, State::Off);
        found.reason.text =
            "accrual at 17.1 of 14.7 nats within 157 ms: 12 × late (voter-svc), 5 × late (health check)".into();
        found.reason.evidence = vec![Clue {
            at: stamp(off).at,
            ms_before: 54.478,
            what: Seen::Late,
            from: "health check".to_owned(),
            count: 2,
            weight: 1.0,
            likelihood: 5.7038,
        }];
        let probation = Transition {
            from: State::Off,
            phase: Standing::Probation,
            quarantine_ms: None,
            ..transition(instance, probation, State::Off)
        };
        transitions = vec![found, probation, transition(instance, on, State::On)];
    }
    let mut trial = trial(instance, at, off, (case > 0).then_some(cleared), on);
    (trial.case, trial.detector) = (case, detector);
    trial.hits[0].detected = transitions.first().cloned();
    if missed {
        trial.hits[0].recovered = None;
    }
    course.record.trials.push(trial);
    course.transitions.extend(transitions);
    on.max(cleared) + 800
}

/// Sixty requests a second; some are slow while a fault is not detected, and some fail.
fn load(course: &Course, until_ms: u64, rng: &mut ChaCha8Rng) -> Vec<Observation> {
    let template = Course::good().observations;
    let mut observations = Vec::new();
    for n in 0..(until_ms - 1000) * 60 / 1000 {
        let intended_ns = 1_000_000_000 + n * 1_000_000_000 / 60;
        let suffering = course.record.trials.iter().find(|trial| {
            let off = trial.detected().map_or(u64::MAX, |off| off.stamp.mono_ns);
            trial.during().holds(intended_ns) && intended_ns < off
        });
        let query = n % 6 != 0;
        let (mut ms, mut end) = (
            if query { 0.6 } else { 4.0 } * 2_f64.powf(rng.random_range(-1.0..1.5)),
            End::Success,
        );
        if let Some(trial) = suffering.filter(|_| rng.random_range(0..3) == 0) {
            ms += rng.random_range(1.0..60.0);
            if trial.case == 2 && rng.random_range(0..8) == 0 {
                end = End::Failed(Failure::Status(503));
            }
        }
        let told = if query { &template[0].told } else { &template[1].told };
        observations.push(Observation {
            operation: if query {
                Operation::QueryInventory
            } else {
                Operation::CreateOrder
            },
            intended_ns,
            latency_ns: (ms * 1e6) as u64,
            end,
            told: told.clone(),
        });
    }
    observations
}
