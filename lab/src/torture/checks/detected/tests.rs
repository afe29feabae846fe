use tolerancia_core::ProductId;
use tolerancia_wire::status::{ReasonKind, Verdict};

use super::*;
use crate::torture::checks::world::World;

fn spec(fault: Fault, scope: Scope) -> Option<FaultSpec> {
    Some(FaultSpec { fault, scope })
}

fn lie() -> Fault {
    let product: ProductId = "PROD-001".parse().expect("valid");
    Fault::Incorrect { product }
}

#[test]
fn a_fault_that_is_seen_at_once_is_detected() {
    let mut world = World::new();
    world.window(World::replica(2), Kind::Stop, None, 10, 20);
    world.verdict(2, 11, Verdict::Off, ReasonKind::Late);
    world.verdict(2, 22, Verdict::On, ReasonKind::Recovered);
    let checked = check(&world.evidence());
    assert!(checked.holds(), "{checked:?}");
    assert_eq!(checked.looked_at, 1);
}

#[test]
fn one_that_nobody_sees_is_not() {
    let mut world = World::new();
    world.window(World::replica(2), Kind::Stop, None, 10, 20);
    let checked = check(&world.evidence());
    assert_eq!(checked.violations.len(), 1);
    assert!(checked.violations[0].what.contains("10.0 s"), "{checked:?}");
}

#[test]
fn one_that_is_seen_late_is_not() {
    let mut world = World::new();
    world.window(World::replica(2), Kind::Freeze, None, 10, 20);
    world.verdict(2, 13, Verdict::Off, ReasonKind::Late);
    assert!(!check(&world.evidence()).holds());
}

#[test]
fn nor_is_one_in_which_the_replica_comes_back() {
    let mut world = World::new();
    world.window(World::replica(2), Kind::Stop, None, 10, 30);
    world.verdict(2, 11, Verdict::Off, ReasonKind::Late);
    world.verdict(2, 15, Verdict::On, ReasonKind::Recovered);
    world.verdict(2, 18, Verdict::Off, ReasonKind::Late);
    assert!(!check(&world.evidence()).holds());
}

#[test]
fn a_short_or_mild_fault_is_not_looked_at() {
    let mut world = World::new();
    let mild = spec(Fault::Latency { latency_ms: Some(100) }, Scope::All);
    world.window(World::replica(2), Kind::Stop, None, 10, 12);
    world.window(World::replica(2), Kind::Latency, mild, 20, 30);
    world.window(World::replica(2), Kind::ClockStep, None, 40, 60);
    assert_eq!(check(&world.evidence()).looked_at, 0);
}

#[test]
fn without_a_monitor_nothing_is_seen() {
    let seen = |until: u64| {
        let mut world = World::new();
        world.window(World::replica(2), Kind::Stop, None, 10, until);
        world.window(Target::Monitor, Kind::Kill, None, 11, 16);
        check(&world.evidence()).holds()
    };
    assert!(seen(20), "1 s before, and 1 s after its return and 3 s more");
    assert!(!seen(30), "it had 11 s");
}

#[test]
fn a_lie_takes_the_others_to_be_seen() {
    let lied = |others: &[(u8, u64, u64)], voter: bool| {
        let mut world = World::new();
        world.window(World::replica(2), Kind::Incorrect, spec(lie(), Scope::All), 10, 20);
        for (other, from, to) in others {
            world.window(World::replica(*other), Kind::Stop, None, *from, *to);
            world.verdict(*other, from + 1, Verdict::Off, ReasonKind::Late);
        }
        if voter {
            world.window(Target::Voter, Kind::Stop, None, 9, 19);
        }
        check(&world.evidence()).holds()
    };
    assert!(!lied(&[], false));
    assert!(lied(&[], true));
    assert!(lied(&[(3, 9, 18)], false));
    assert!(!lied(&[(3, 9, 11)], false), "6 s are left");
}

#[test]
fn what_is_stale_shows_with_the_next_record() {
    let stale = |record_at_s: Option<u64>| {
        let mut world = World::new();
        world.window(World::replica(2), Kind::Stale, spec(Fault::Stale, Scope::All), 10, 20);
        if let Some(at) = record_at_s {
            world.at(at);
            world.reserve(1, 1);
        }
        check(&world.evidence())
    };
    assert!(stale(None).holds());
    assert!(stale(Some(18)).holds());
    assert!(!stale(Some(11)).holds());
    assert_eq!(stale(None).looked_at, 1);
}

#[test]
fn an_injected_fault_ends_with_its_process() {
    let mut world = World::new();
    let slow = spec(Fault::Latency { latency_ms: None }, Scope::All);
    world.window(World::replica(2), Kind::Latency, slow, 10, 20);
    world.window(World::replica(2), Kind::Kill, None, 11, 12);
    assert!(check(&world.evidence()).holds());
}

#[test]
fn a_host_that_stood_still_excuses_that_time() {
    let mut world = World::new();
    world.window(World::replica(2), Kind::Stop, None, 10, 15);
    world.stall(11, 13);
    assert!(check(&world.evidence()).holds());
}
