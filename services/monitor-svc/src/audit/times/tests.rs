#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::Index;
use tolerancia_core::ReplicaId;

use super::*;

/// An instant, in milliseconds, on a host that booted `boot_s` before 1,700,000,000.
fn stamp_on(boot_s: u64, ms: u64) -> Stamp {
    Stamp {
        at: jiff::Timestamp::from_millisecond(1_700_000_000_000 + i64::try_from(ms).unwrap()).unwrap(),
        mono_ns: (boot_s * 1000 + ms) * 1_000_000,
    }
}

pub(in crate::audit) fn stamp(ms: u64) -> Stamp {
    stamp_on(100, ms)
}

pub(in crate::audit) fn fault(fault: FaultName, activated: u64, cleared: Option<u64>) -> Activation {
    Activation {
        instance: ReplicaId::new(1).unwrap(),
        fault,
        activated_at: stamp(activated),
        cleared_at: cleared.map(stamp),
    }
}

fn latency(activated: u64, cleared: Option<u64>) -> Activation {
    fault(FaultName::Latency, activated, cleared)
}

/// OFF, ON, OFF … at these instants; their numbers are these, too.
fn turns(ms: &[u64]) -> Vec<Turn> {
    let turn = |(n, ms): (usize, &u64)| Turn {
        seq: *ms,
        stamp: stamp(*ms),
        to: if n % 2 == 0 { Verdict::Off } else { Verdict::On },
    };
    ms.iter().enumerate().map(turn).collect()
}

/// OFF, time to detect, time to recovery.
fn found(activations: &[Activation], at: &[u64]) -> Vec<(u64, f64, Option<f64>)> {
    let times = times(activations, &turns(at));
    times.iter().map(|t| (t.seq, t.ttd_ms, t.ttr_ms)).collect()
}

#[test]
fn recovery_counts_once_the_fault_was_cleared() {
    let at = [1150, 3000];
    assert_eq!(found(&[latency(1000, Some(1700))], &at), [(1150, 150.0, Some(2000.0))]);
    assert_eq!(found(&[latency(1000, None)], &at), [(1150, 150.0, None)]);
    assert_eq!(found(&[latency(1000, Some(1700))], &at[..1]), [(1150, 150.0, None)]);
    assert_eq!(found(&[latency(1150, Some(1150))], &at), [(1150, 0.0, Some(1850.0))]);
    assert_eq!(found(&[latency(1151, Some(1700))], &at), []);
}

#[test]
fn a_crash_needs_no_clearing() {
    let crash = fault(FaultName::Crash, 1000, None);
    assert_eq!(found(&[crash], &[1009, 3000]), [(1009, 9.0, Some(2000.0))]);
}

#[test]
fn flapping_is_not_recovery_while_the_fault_is_there() {
    let at = [1100, 1300, 1500, 2600];
    // OFF, ON, OFF, clear, ON.
    assert_eq!(found(&[latency(1000, Some(2000))], &at), [(1100, 100.0, Some(1600.0))]);
    // OFF, ON, clear: it was back already when the fault ended.
    assert_eq!(found(&[latency(1000, Some(1400))], &at), [(1100, 100.0, Some(400.0))]);
    // ON at the very moment.
    assert_eq!(found(&[latency(1000, Some(1300))], &at), [(1100, 100.0, Some(300.0))]);
}

#[test]
fn two_faults_in_a_row_are_kept_apart() {
    let two = [latency(1000, Some(1500)), fault(FaultName::Crash, 5000, None)];
    let all = [(1100, 100.0, Some(1000.0)), (5010, 10.0, Some(2000.0))];
    assert_eq!(found(&two, &[1100, 2000, 5010, 7000]), all);
    // The first was not detected: what the second caused is not its detection.
    assert_eq!(found(&two, &[5010, 7000]), all[1..]);
    // The first did not recover before the second came.
    assert_eq!(found(&two, &[1100, 7000]), [(1100, 100.0, None)]);
    // The second took the first one's place, which was never cleared.
    let replaced = [latency(1000, None), latency(1300, Some(1500))];
    assert_eq!(found(&replaced, &[1100, 2000]), [(1100, 100.0, None)]);
    assert_eq!(found(&replaced, &[1400, 2000]), [(1400, 100.0, Some(700.0))]);
}

#[test]
fn an_off_long_after_the_fault_is_not_its_detection() {
    let crash = fault(FaultName::Crash, 1000, None);
    for fault in [&latency(500, Some(1000)), &crash] {
        assert_eq!(found(std::slice::from_ref(fault), &[11_000]).len(), 1, "{fault:?}");
        assert_eq!(found(std::slice::from_ref(fault), &[11_001]), [], "{fault:?}");
    }
    // An OFF that comes a moment after the clearing is one, and then recovery comes after the OFF.
    assert_eq!(
        found(&[latency(500, Some(1000))], &[1010, 1900]),
        [(1010, 510.0, Some(1400.0))]
    );
    // Nobody said that it ended.
    assert_eq!(found(&[latency(500, None)], &[3_600_500]).len(), 1);
    assert_eq!(found(&[latency(500, None)], &[3_600_501]), []);
}

#[test]
fn between_hosts_the_wall_clock_counts_and_on_one_the_monotonic() {
    let elsewhere = Activation {
        activated_at: stamp_on(900, 1000),
        cleared_at: Some(stamp_on(900, 1700)),
        ..latency(0, None)
    };
    assert_eq!(
        found(std::slice::from_ref(&elsewhere), &[1150, 3000]),
        [(1150, 150.0, Some(2000.0))]
    );
    // The monitor's wall clock was set back between OFF and ON: recovery is not before detection even so.
    let early = Activation {
        cleared_at: Some(stamp_on(900, 1050)),
        ..elsewhere
    };
    assert_eq!(found(&[early], &[1150, 1100]), [(1150, 150.0, Some(150.0))]);
    // The wall clock was adjusted by 400 ms meanwhile.
    let mut adjusted = latency(1000, Some(1700));
    adjusted.activated_at.at = stamp(1400).at;
    assert_eq!(found(&[adjusted], &[1150, 3000]), [(1150, 150.0, Some(2000.0))]);
}

/// What happens to one instance.
#[derive(Debug, Clone, Copy)]
enum Step {
    Inject(bool),
    Clear,
    Turn,
}

/// The reports and verdicts of a history, in which the replica's host booted `boot_s` before.
fn history(steps: &[(u64, Step)], boot_s: u64) -> (Vec<Activation>, Vec<Turn>) {
    let (mut now, mut on) = (0, true);
    let (mut activations, mut turns) = (Vec::new(), Vec::new());
    for (pause, step) in steps {
        now += pause;
        match step {
            Step::Inject(crash) => activations.push(Activation {
                fault: if *crash { FaultName::Crash } else { FaultName::Stale },
                activated_at: stamp_on(boot_s, now),
                ..latency(0, None)
            }),
            Step::Clear => {
                let last = activations.last_mut();
                if let Some(last) = last.filter(|last| last.fault != FaultName::Crash && last.cleared_at.is_none()) {
                    last.cleared_at = Some(stamp_on(boot_s, now));
                }
            }
            Step::Turn => {
                on = !on;
                turns.push(Turn {
                    seq: turns.len() as u64,
                    stamp: stamp(now),
                    to: if on { Verdict::On } else { Verdict::Off },
                });
            }
        }
    }
    (activations, turns)
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        2 => any::<bool>().prop_map(Step::Inject),
        2 => Just(Step::Clear),
        4 => Just(Step::Turn),
    ];
    let pause = prop_oneof![1u64..3000, 1u64..30_000];
    prop::collection::vec((pause, step), 0..40)
}

/// One host, or another one.
fn boot() -> impl Strategy<Value = u64> {
    prop_oneof![Just(100), Just(90), 200u64..100_000]
}

/// As the experiment measures a trial (`lab/src/experiment/trial.rs`), on one host.
fn as_the_experiment(trial: &Activation, turns: &[Turn]) -> Option<(f64, Option<f64>)> {
    let off = turns
        .iter()
        .find(|t| t.to == Verdict::Off && t.stamp.mono_ns >= trial.activated_at.mono_ns)?;
    let since = trial.cleared_at.unwrap_or(off.stamp);
    let before = |t: &&Turn| t.stamp.mono_ns <= since.mono_ns;
    let on = match turns.iter().rev().find(before) {
        Some(Turn { to: Verdict::On, .. }) => Some(since),
        _ => turns
            .iter()
            .find(|t| !before(t) && t.to == Verdict::On)
            .map(|on| on.stamp),
    };
    let ms = |stamp: Stamp| stamp.ms_since(trial.activated_at);
    Some((ms(off.stamp), on.map(ms)))
}

proptest! {
    #[test]
    fn times_are_never_negative_and_recovery_never_precedes_detection(steps in steps(), boot in boot()) {
        let (activations, turns) = history(&steps, boot);
        for times in times(&activations, &turns) {
            prop_assert!(times.ttd_ms >= 0.0, "{:?}", times);
            prop_assert!(times.ttr_ms.is_none_or(|ttr| ttr >= times.ttd_ms), "{:?}", times);
        }
    }

    #[test]
    fn an_off_is_the_detection_of_the_fault_before_it_and_of_no_other(steps in steps(), boot in boot()) {
        let (activations, turns) = history(&steps, boot);
        let found = times(&activations, &turns);
        prop_assert!(found.is_sorted_by_key(|times| times.seq));
        prop_assert!(found.windows(2).all(|pair| pair[0].seq != pair[1].seq));
        for times in found {
            let off = turns.iter().find(|turn| turn.seq == times.seq).unwrap();
            prop_assert_eq!(off.to, Verdict::Off);
            let since = activations.iter().map(|a| offset_ns(a.activated_at, off.stamp)).filter(|ns| *ns >= 0).min();
            prop_assert_eq!(since.map(ms), Some(times.ttd_ms));
        }
    }

    #[test]
    fn the_order_of_the_reports_does_not_matter(steps in steps(), boot in boot(), picks: [Index; 40]) {
        let (mut activations, turns) = history(&steps, boot);
        let before = times(&activations, &turns);
        for (i, pick) in picks.iter().enumerate().take(activations.len()) {
            let j = pick.index(activations.len());
            activations.swap(i, j);
        }
        prop_assert_eq!(times(&activations, &turns), before);
    }

    #[test]
    fn a_trial_is_measured_as_the_experiment_measures_it(
        activated in 0u64..1000,
        pauses in prop::collection::vec(1u64..3000, 1..8),
        cleared in prop::option::of(0u64..9000),
    ) {
        let at: Vec<u64> = pauses.iter().scan(activated, |now, pause| { *now += pause; Some(*now) }).collect();
        // The experiment clears a fault once it has seen the OFF.
        let trial = match cleared {
            Some(after) => latency(activated, Some(at[0] + after)),
            None => fault(FaultName::Crash, activated, None),
        };
        let turns = turns(&at);
        let found = times(std::slice::from_ref(&trial), &turns);
        let expected = as_the_experiment(&trial, &turns);
        prop_assert_eq!(found.first().map(|times| (times.ttd_ms, times.ttr_ms)), expected);
    }
}
