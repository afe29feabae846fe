use proptest::prelude::*;

use super::*;

fn build(kind: DetectorKind) -> Box<dyn Detector> {
    DetectorConfig::default().of(kind).build()
}

/// Those that count misses.
fn all() -> Vec<Box<dyn Detector>> {
    [DetectorKind::Consecutive, DetectorKind::Accrual, DetectorKind::Window]
        .map(build)
        .into()
}

fn seen() -> impl Strategy<Value = Seen> {
    prop::sample::select(vec![
        Seen::Good,
        Seen::Unreachable,
        Seen::Late,
        Seen::Error,
        Seen::Stale,
    ])
}

fn run(detector: &mut dyn Detector, trace: &[(Seen, f64)]) -> Vec<f64> {
    trace
        .iter()
        .enumerate()
        .map(|(i, &(seen, weight))| {
            let suspected = detector.observe(Observation {
                at_ns: i as u64,
                seen,
                weight,
                heartbeat: true,
            });
            assert_eq!(suspected, detector.level() >= 1.0);
            detector.level()
        })
        .collect()
}

#[test]
fn three_misses_in_a_row_trip_those_without_a_window() {
    for mut detector in [DetectorKind::Consecutive, DetectorKind::Accrual].map(build) {
        let levels = run(&mut *detector, &[(Seen::Late, 1.0); 3]);
        assert!(levels[1] < 1.0 && levels[2] >= 1.0, "{}: {levels:?}", detector.name());
        detector.reset();
        assert_eq!(detector.level(), 0.0);
    }
}

/// How long a detector needs, in milliseconds from the start of a fault, within 10 s. The instance was healthy for
/// 5 s before; it is checked every 200 ms and observed by a voter `per_s` times per second. `check` and `answer` say
/// what is seen of it during the fault.
fn delay_ms(kind: DetectorKind, per_s: u64, check: Option<Seen>, answer: impl Fn(u64) -> Option<Seen>) -> Option<u64> {
    let mut detector = build(kind);
    for ms in 0..15_000u64 {
        let (at_ns, during) = (ms * 1_000_000, ms >= 5000);
        let mut observe = |seen: Option<Seen>, heartbeat| {
            seen.is_some_and(|seen| {
                detector.observe(Observation {
                    at_ns,
                    seen,
                    weight: 1.0,
                    heartbeat,
                })
            })
        };
        let good = Some(Seen::Good);
        let mut suspected = ms % 200 == 0 && observe(if during { check } else { good }, true);
        if (ms * per_s) % 1000 < per_s {
            suspected |= observe(if during { answer(ms * per_s / 1000) } else { good }, false);
        }
        suspected |= ms % 20 == 0 && detector.tick(at_ns);
        assert!(during || !suspected, "{kind} suspects a healthy instance at {ms} ms");
        if suspected {
            return Some(ms - 5000);
        }
    }
    None
}

#[test]
fn each_is_good_at_something() {
    use DetectorKind::{Accrual, Consecutive, Phi, Window};
    let error = |share: u64| {
        move |n: u64| {
            Some(if n.is_multiple_of(share) {
                Seen::Error
            } else {
                Seen::Good
            })
        }
    };

    // Everything fails: a row of misses is enough, but not for the one with a minimum volume and a memory.
    let dead = |kind| delay_ms(kind, 100, Some(Seen::Unreachable), |_| Some(Seen::Unreachable));
    for kind in [Consecutive, Accrual] {
        assert!(dead(kind).is_some_and(|ms| ms <= 30), "{kind} {:?}", dead(kind));
    }
    assert!(dead(Window).is_some_and(|ms| ms > 200), "{:?}", dead(Window));

    // Every third answer fails, and never three in a row.
    let third = |kind| delay_ms(kind, 100, Some(Seen::Good), error(3));
    assert!(third(Accrual).is_some_and(|ms| ms < 200), "{:?}", third(Accrual));
    assert!(
        third(Window).is_some_and(|ms| (500..1200).contains(&ms)),
        "{:?}",
        third(Window)
    );
    assert_eq!((third(Consecutive), third(Phi)), (None, None));

    // A tenth of them: below the share of the window.
    let tenth = |kind| delay_ms(kind, 100, Some(Seen::Good), error(10));
    assert!(tenth(Accrual).is_some_and(|ms| ms < 2000), "{:?}", tenth(Accrual));
    assert_eq!((tenth(Window), tenth(Consecutive)), (None, None));

    // Silence, and nobody to say so: nothing that is observed, only time that passes.
    let silent = |kind| delay_ms(kind, 0, None, |_| None);
    assert!(silent(Phi).is_some_and(|ms| ms < 400), "{:?}", silent(Phi));
    assert_eq!(
        (silent(Accrual), silent(Consecutive), silent(Window)),
        (None, None, None)
    );
}

#[test]
fn names_are_read_as_they_are_written_and_others_are_refused() {
    for kind in DetectorKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        assert_eq!((build(kind).name(), build(kind).level()), (kind.name(), 0.0));
    }
    let problem = "magic".parse::<DetectorKind>().expect_err("unknown");
    assert!(problem.contains("accrual, consecutive, phi, window"), "{problem}");
    assert_eq!(DetectorConfig::default().check(), Ok(()));
    let none = DetectorConfig {
        misses: 0,
        ..DetectorConfig::default()
    };
    assert!(none.check().is_err());
}

#[test]
fn a_regular_heartbeat_is_no_suspicion() {
    let mut phi = build(DetectorKind::Phi);
    for tick in 0..5000u64 {
        assert!(!phi.tick(tick * 20_000_000));
        if tick % 10 == 0 {
            phi.good(tick * 20_000_000, 1, true);
        }
        assert_eq!(phi.level(), 0.0);
    }
}

proptest! {
    #[test]
    fn good_answers_at_once_are_as_many_one_by_one(
        trace in prop::collection::vec((seen(), 0u64..40), 1..60),
    ) {
        for (mut one, mut many) in all().into_iter().zip(all()) {
            for (at_ns, (seen, good)) in (0u64..).zip(&trace) {
                let miss = Observation { at_ns, seen: *seen, weight: 1.0, heartbeat: false };
                one.observe(miss);
                many.observe(miss);
                (0..*good).for_each(|_| one.good(at_ns, 1, false));
                many.good(at_ns, *good, false);
                prop_assert!((one.level() - many.level()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn silent_on_perfect_health(n in 0usize..2000) {
        for mut detector in all() {
            prop_assert!(run(&mut *detector, &vec![(Seen::Good, 1.0); n]).iter().all(|level| *level == 0.0));
        }
    }

    #[test]
    fn monotone_in_evidence(
        trace in prop::collection::vec((seen(), prop::sample::select(vec![0.0, 0.25, 0.5, 1.0])), 1..200),
        at in any::<prop::sample::Index>(),
    ) {
        let at = at.index(trace.len());
        let mut worse = trace.clone();
        if worse[at].0 == Seen::Good { worse[at] = (Seen::Error, worse[at].1); }
        for (mut better, mut other) in all().into_iter().zip(all()) {
            let better = run(&mut *better, &trace);
            let worse = run(&mut *other, &worse);
            prop_assert!(better.iter().zip(&worse).all(|(b, w)| b <= w), "{better:?} {worse:?}");
        }
    }

    #[test]
    fn evidence_without_weight_changes_nothing(trace in prop::collection::vec(seen(), 1..100)) {
        for mut detector in all() {
            let trace: Vec<_> = trace.iter().map(|seen| (*seen, 0.0)).collect();
            prop_assert!(run(&mut *detector, &trace).iter().all(|level| *level == 0.0));
        }
    }
}
