#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use tolerancia_wire::fault::{Fault, FaultSpec, Scope};

use super::*;

fn stamp(n: u64) -> Stamp {
    Stamp {
        at: Timestamp::from_second(i64::try_from(n).unwrap()).unwrap(),
        mono_ns: n,
    }
}

fn id(n: u8) -> ReplicaId {
    ReplicaId::new(n).unwrap()
}

fn active(fault: Fault, at: u64) -> ActiveFault {
    ActiveFault {
        spec: FaultSpec {
            fault,
            scope: Scope::All,
        },
        activated_at: stamp(at),
    }
}

fn report(fault: FaultName, at: u64, cleared: Option<u64>) -> Activation {
    Activation {
        instance: id(1),
        fault,
        activated_at: stamp(at),
        cleared_at: cleared.map(stamp),
    }
}

fn put<I: IntoIterator<Item = FaultWindow>>(faults: &mut Faults, windows: impl FnOnce(&Faults) -> I) {
    for window in windows(faults) {
        faults.put(window);
    }
}

/// What a replica said at `at`, asked when all was known that is known now.
fn listed(all: &Faults, instance: u8, list: &[ActiveFault], at: u64) -> Vec<FaultWindow> {
    let before: Vec<_> = all.active(id(instance)).cloned().collect();
    all.listed(id(instance), &before, list, stamp(at))
}

/// Activated, cleared, active; newest first.
fn brief(faults: &Faults) -> Vec<(u64, Option<u64>, bool)> {
    let cleared = |window: &FaultWindow| window.cleared_at.map(|at| at.mono_ns);
    let windows = faults.0.iter();
    windows
        .map(|window| (window.activated_at.mono_ns, cleared(window), window.active))
        .collect()
}

#[test]
fn the_three_sources_tell_of_one_window() {
    let mut faults = Faults::default();
    put(&mut faults, |all| [all.reported(&report(FaultName::Stale, 5, None))]);
    assert!(faults.0[0].spec.is_none());
    put(&mut faults, |all| listed(all, 1, &[active(Fault::Stale, 5)], 6));
    put(&mut faults, |all| all.injected(id(1), &active(Fault::Stale, 5), &[]));
    assert_eq!(brief(&faults), [(5, None, true)]);
    assert!(faults.0[0].spec.is_some(), "who knows the parameters adds them");
    put(&mut faults, |all| [all.reported(&report(FaultName::Stale, 5, Some(9)))]);
    assert_eq!(brief(&faults), [(5, Some(9), false)]);
    assert!(faults.0[0].spec.is_some(), "and a report does not take them away");
    put(&mut faults, |all| {
        all.ended(id(1), &[active(Fault::Stale, 5)], Some(stamp(10)))
    });
    assert_eq!(brief(&faults), [(5, Some(9), false)], "it ended once");
}

#[test]
fn a_fault_that_its_replica_lists_no_more_is_over_whatever_a_report_says() {
    let mut faults = Faults::default();
    put(&mut faults, |all| [all.reported(&report(FaultName::Latency, 5, None))]);
    put(&mut faults, |all| listed(all, 2, &[], 6));
    assert_eq!(
        brief(&faults),
        [(5, None, true)],
        "another replica says nothing about it"
    );
    put(&mut faults, |all| listed(all, 1, &[active(Fault::Freeze, 7)], 8));
    assert_eq!(brief(&faults), [(7, None, true), (5, Some(8), false)]);
    put(&mut faults, |all| [all.reported(&report(FaultName::Latency, 5, None))]);
    assert_eq!(brief(&faults)[1], (5, Some(8), false));
    // Who ended it knows better.
    put(&mut faults, |all| {
        [all.reported(&report(FaultName::Latency, 5, Some(6)))]
    });
    assert_eq!(brief(&faults)[1], (5, Some(6), false));
}

#[test]
fn what_began_while_its_replica_was_asked_is_not_over() {
    let mut faults = Faults::default();
    put(&mut faults, |all| [all.reported(&report(FaultName::Stale, 5, None))]);
    put(&mut faults, |all| all.listed(id(1), &[], &[], stamp(6)));
    assert_eq!(brief(&faults), [(5, None, true)]);
    put(&mut faults, |all| listed(all, 1, &[], 7));
    assert_eq!(brief(&faults), [(5, Some(7), false)]);
}

#[test]
fn a_fault_ends_with_its_process_and_never_before_it_began() {
    let mut faults = Faults::default();
    let put_report = |faults: &mut Faults, name, at| put(faults, |all| [all.reported(&report(name, at, None))]);
    put_report(&mut faults, FaultName::Crash, 3);
    put_report(&mut faults, FaultName::Latency, 5);
    put_report(&mut faults, FaultName::Crash, 8);
    put_report(&mut faults, FaultName::Crash, 20);
    put(&mut faults, |all| listed(all, 1, &[], 30));
    assert_eq!(brief(&faults)[2], (5, Some(8), false), "the first crash after it");
    // The stamps are of two hosts.
    put_report(&mut faults, FaultName::Stale, 100);
    put(&mut faults, |all| listed(all, 1, &[], 40));
    assert_eq!(brief(&faults)[0], (100, Some(100), false));
}

#[test]
fn a_crash_is_over_at_once_and_takes_all_others_with_it() {
    let mut faults = Faults::default();
    put(&mut faults, |all| all.injected(id(1), &active(Fault::Stale, 5), &[]));
    put(&mut faults, |all| all.injected(id(2), &active(Fault::Stale, 6), &[]));
    put(&mut faults, |all| all.injected(id(1), &active(Fault::Crash, 7), &[]));
    assert_eq!(brief(&faults), [(7, None, false), (6, None, true), (5, Some(7), false)]);
    put(&mut faults, |all| [all.reported(&report(FaultName::Crash, 8, None))]);
    assert!(!faults.0[0].active);
}

#[test]
fn a_fault_takes_the_place_of_the_same_one_at_that_instant() {
    let mut faults = Faults::default();
    let latency = |at| active(Fault::Latency { latency_ms: None }, at);
    put(&mut faults, |all| all.injected(id(1), &latency(5), &[]));
    put(&mut faults, |all| all.injected(id(1), &latency(8), &[latency(5)]));
    assert_eq!(brief(&faults), [(8, None, true), (5, Some(8), false)]);
}

#[test]
fn of_too_many_the_oldest_that_is_over_goes_and_an_active_one_stays() {
    let mut faults = Faults::default();
    put(&mut faults, |all| all.injected(id(1), &active(Fault::Stale, 0), &[]));
    for at in 1..=MOST_FAULTS as u64 {
        let is_news = faults.put(faults.reported(&report(FaultName::Latency, at, Some(at))));
        assert!(is_news);
    }
    assert_eq!(faults.len(), MOST_FAULTS);
    assert_eq!(brief(&faults).last(), Some(&(0, None, true)));
    assert_eq!(brief(&faults)[MOST_FAULTS - 2].0, 2);
    let late = faults.reported(&report(FaultName::Latency, 1, Some(1)));
    assert!(!faults.put(late), "there is no room for it among the newest");
}

#[test]
fn what_was_cleared_is_never_active_again_and_keeps_its_end() {
    let mut faults = Faults::default();
    put(&mut faults, |all| [all.reported(&report(FaultName::Stale, 5, Some(9)))]);
    let late = begun(id(1), &active(Fault::Stale, 5));
    for window in [
        late.clone(),
        FaultWindow {
            cleared_at: Some(stamp(9)),
            ..late.clone()
        },
        FaultWindow {
            active: false,
            ..late.clone()
        },
    ] {
        assert!(!faults.put(window.clone()), "{window:?} is no news");
        assert_eq!(brief(&faults), [(5, Some(9), false)], "{window:?}");
    }
}
