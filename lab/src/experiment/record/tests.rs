#![allow(clippy::unwrap_used)]

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tolerancia_core::ReplicaId;
use tolerancia_wire::status::{Phase, Reason, ReasonKind};

use super::*;

pub(crate) fn stamp(ms: u64) -> Stamp {
    Stamp {
        at: jiff::Timestamp::from_millisecond(1_700_000_000_000 + i64::try_from(ms).unwrap()).unwrap(),
        mono_ns: ms * 1_000_000,
    }
}

pub(crate) fn transition(instance: u8, ms: u64, to: Verdict) -> Transition {
    let (from, phase, kind) = match to {
        Verdict::On => (Verdict::Off, Phase::On, ReasonKind::Recovered),
        Verdict::Off => (Verdict::On, Phase::Quarantine, ReasonKind::Unreachable),
    };
    Transition {
        seq: ms,
        stamp: stamp(ms),
        service: "inventory-svc".to_owned(),
        instance: ReplicaId::new(instance).unwrap(),
        from,
        to,
        phase,
        reason: Reason::new(kind, "because"),
        quorum_lost: false,
        quarantine_ms: (to == Verdict::Off).then_some(200.0),
    }
}

/// One instance that was hit, cleared, and nothing more.
fn hit(instance: u8, activated: u64, cleared: Option<u64>) -> Hit {
    Hit {
        cleared: cleared.map(stamp),
        ..Hit::new(ReplicaId::new(instance).unwrap(), Vec::new(), stamp(activated))
    }
}

/// A trial, and the transitions that it was.
pub(crate) fn trial_with(hits: Vec<Hit>, transitions: &[Transition], over: Option<u64>) -> Trial {
    let mut trial = Trial {
        case: 0,
        detector: DetectorKind::Accrual,
        hits,
        alarmed: false,
        over: over.map(stamp),
        told: true,
    };
    trial.learn(transitions);
    trial
}

pub(crate) fn trial(instance: u8, activated: u64, detected: u64, cleared: Option<u64>, recovered: u64) -> Trial {
    let transitions = [off(instance, detected), on(instance, recovered)];
    trial_with(
        vec![hit(instance, activated, cleared)],
        &transitions,
        Some(recovered + 300),
    )
}

fn off(instance: u8, ms: u64) -> Transition {
    transition(instance, ms, Verdict::Off)
}

fn on(instance: u8, ms: u64) -> Transition {
    transition(instance, ms, Verdict::On)
}

#[test]
fn times_start_where_the_definitions_say() {
    let latency = trial(1, 1000, 1150, Some(1700), 3000);
    assert_eq!(latency.ttd_ms(), Some(150.0));
    assert_eq!(latency.ttr_ms(), Some(2000.0));
    assert_eq!(latency.repair_ms(), Some(1300.0));
    assert_eq!(latency.over_quarantine_ms(), Some(1100.0));
    let crash = trial(1, 1000, 1010, None, 3000);
    assert_eq!(crash.repair_ms(), Some(2000.0));
    assert_eq!(
        (crash.transitions_while_active(), crash.readmitted_while_active()),
        (1, 0)
    );
}

#[test]
fn clients_suffer_only_while_the_fault_is_there() {
    let latency = trial(1, 1000, 1150, Some(1700), 3000);
    assert!(latency.during().holds(1_700_000_000) && !latency.during().holds(1_700_000_001));
    assert!(latency.hits[0].explained(None).holds(2_999_000_000));
    let crash = trial(1, 1000, 1010, None, 3000);
    assert_eq!(crash.during(), crash.hits[0].explained(None));
}

#[test]
fn the_last_of_several_instances_counts() {
    let hits = vec![hit(1, 1000, Some(2000)), hit(3, 1010, Some(2020))];
    let mut transitions = vec![off(3, 1100), off(1, 1300), on(1, 2900), on(3, 3000)];
    transitions[1].quorum_lost = true;
    let whole = trial_with(hits.clone(), &transitions, None);
    assert_eq!(whole.activated(), stamp(1000));
    assert_eq!(whole.ttd_ms(), Some(300.0));
    assert_eq!(whole.detected().unwrap().instance.number(), 1);
    assert_eq!(whole.ttr_ms(), Some(2000.0));
    assert_eq!(whole.repair_ms(), Some(980.0));
    assert_eq!((whole.transitions_while_active(), whole.alarmed), (2, true));
    // One of two is not both.
    let half = trial_with(hits.clone(), &transitions[..1], None);
    assert_eq!((half.ttd_ms(), half.alarmed), (None, false));
    let half = trial_with(hits, &transitions[..3], None);
    assert_eq!(half.recovered(), None);
    assert!(half.hits[0].recovered.is_some());
}

#[test]
fn an_alarm_outside_the_trial_is_none() {
    let mut transitions = vec![off(1, 1100), on(1, 2000), off(2, 3000)];
    transitions[2].quorum_lost = true;
    assert!(!trial_with(vec![hit(1, 1000, Some(1500))], &transitions, Some(2300)).alarmed);
}

#[test]
fn recovery_is_the_last_one_of_a_fault_that_comes_and_goes() {
    let mut transitions = vec![off(2, 1100), on(2, 4000), off(2, 5000), on(2, 9000)];
    transitions[2].quarantine_ms = Some(400.0);
    let hits = vec![hit(2, 1000, Some(8000))];
    let trial = trial_with(hits.clone(), &transitions, Some(9500));
    assert_eq!(trial.ttd_ms(), Some(100.0));
    assert_eq!(trial.recovered(), Some(stamp(9000)));
    assert_eq!(trial.over_quarantine_ms(), Some(600.0));
    let counts = |trial: &Trial| {
        (
            trial.hits[0].transitions,
            trial.transitions_while_active(),
            trial.readmitted_while_active(),
        )
    };
    assert_eq!(counts(&trial), (4, 3, 1));
    // Not ON yet after the second OFF.
    assert_eq!(trial_with(hits, &transitions[..3], None).recovered(), None);
}

#[test]
fn what_is_on_when_the_fault_ends_has_recovered_unless_the_fault_still_shows() {
    let hits = vec![hit(2, 1000, Some(8000))];
    let transitions = [off(2, 1100), on(2, 4000)];
    let stays = trial_with(hits.clone(), &transitions, Some(8500));
    assert_eq!(stays.recovered(), Some(stamp(8000)));
    assert_eq!((stays.repair_ms(), stays.over_quarantine_ms()), (Some(0.0), Some(0.0)));

    let late = [off(2, 1100), on(2, 4000), off(2, 8200), on(2, 9700)];
    let late = trial_with(hits.clone(), &late, Some(9900));
    assert_eq!(late.recovered(), Some(stamp(9700)));
    assert_eq!(late.transitions_while_active(), 2);
    assert!(false_alarms(&[off(2, 8200)], &[late]).is_empty());

    // Too late for that: nothing was wrong any more.
    let alarm = [off(2, 1100), on(2, 4000), off(2, 9100), on(2, 9700)];
    let trial = trial_with(hits, &alarm, Some(9900));
    assert_eq!(trial.recovered(), Some(stamp(8000)));
    assert_eq!(false_alarms(&alarm, &[trial]).len(), 1);
}

#[test]
fn an_off_that_comes_too_late_detects_nothing() {
    let transitions = [off(1, 11_001), on(1, 12_000)];
    let trial = trial_with(vec![hit(1, 1000, Some(11_000))], &transitions, Some(12_500));
    assert_eq!((trial.ttd_ms(), trial.recovered()), (None, None));
    assert!(false_alarms(&transitions, &[trial]).is_empty());
}

#[test]
fn an_off_soon_after_a_fault_that_was_not_detected_is_explained() {
    let trial = trial_with(vec![hit(1, 1000, Some(11_000))], &[], Some(11_400));
    let soon = [off(1, 11_950), on(1, 13_000)];
    assert!(false_alarms(&soon, std::slice::from_ref(&trial)).is_empty());
    assert_eq!(false_alarms(&[off(1, 12_001)], std::slice::from_ref(&trial)).len(), 1);
    assert!(trial.hits[0].may_linger());
    // Nor does one of several instances that was detected answer for the other.
    let hits = vec![hit(1, 1000, Some(11_000)), hit(2, 1000, Some(11_000))];
    let half = trial_with(hits, &[off(1, 1100), on(1, 11_500)], None);
    let lingering: Vec<bool> = half.hits.iter().map(Hit::may_linger).collect();
    assert_eq!(lingering, [false, true]);
}

#[test]
fn the_detector_of_an_instant_is_the_last_that_was_switched_to() {
    let mut record = Record::default();
    assert_eq!(record.detector_at(stamp(1)), None);
    record.switches = vec![
        (stamp(1000), DetectorKind::Accrual),
        (stamp(2000), DetectorKind::Consecutive),
    ];
    let at = |ms| record.detector_at(stamp(ms)).unwrap();
    let kinds = [at(500), at(1000), at(1999), at(2000), at(9000)];
    use DetectorKind::{Accrual, Consecutive};
    assert_eq!(kinds, [Accrual, Accrual, Accrual, Consecutive, Consecutive]);
    record.judges_by(Accrual);
    record.judges_by(Accrual);
    assert_eq!((record.in_force, record.switches.len()), (Some(Accrual), 3));
}

#[test]
fn an_off_without_a_fault_is_a_false_alarm() {
    let trials = [trial(1, 1000, 1150, Some(1700), 3000)];
    let transitions = [
        off(1, 999),
        off(1, 1150),
        off(2, 1200),
        on(1, 3000),
        // Off again after it had recovered.
        off(1, 3100),
    ];
    let alarms: Vec<_> = false_alarms(&transitions, &trials)
        .iter()
        .map(|t| (t.instance.number(), t.seq))
        .collect();
    assert_eq!(alarms, [(1, 999), (2, 1200), (1, 3100)]);
}

#[test]
fn a_trial_that_was_cut_short_explains_what_follows() {
    let trial = trial_with(vec![hit(1, 1000, None)], &[off(1, 1150)], None);
    assert!(false_alarms(&[off(1, 9000)], &[trial]).is_empty());
}

/// Verdicts alternate, whatever their times.
#[test]
fn what_is_known_never_contradicts_itself() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..5000 {
        let mut at = 1000;
        let transitions: Vec<_> = (0..rng.random_range(0..12))
            .map(|n| {
                at += rng.random_range(1..4000);
                if n % 2 == 0 { off(1, at) } else { on(1, at) }
            })
            .collect();
        let cleared = rng.random_range(1001..20_000);
        let trial = trial_with(vec![hit(1, 1000, Some(cleared))], &transitions, None);
        let one = &trial.hits[0];
        assert!(one.recovered.is_none() || one.detected.is_some(), "{round}: {trial:?}");
        assert!(
            one.readmitted_while_active <= one.transitions_while_active,
            "{round}: {trial:?}"
        );
        if let Some(on) = one.recovered {
            assert!(on.mono_ns >= stamp(cleared).mono_ns, "{round}: {trial:?}");
            assert!(one.transitions_while_active <= one.transitions, "{round}: {trial:?}");
        }
        // Learning more changes no time to detect.
        for seen in 1..=transitions.len() {
            let earlier = trial_with(vec![hit(1, 1000, None)], &transitions[..seen], None);
            assert_eq!(earlier.ttd_ms(), trial.ttd_ms(), "{round}");
        }
    }
}
