#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use proptest::prelude::*;
use tolerancia_core::fault::check_all;

use super::*;
use crate::torture::action::Kind;

fn topology(replicas: u8) -> Topology {
    let products = ["PROD-001", "PROD-002", "PROD-003"];
    Topology {
        replicas,
        products: products.map(|name| name.parse().unwrap()).to_vec(),
    }
}

fn schedule(seed: u64, seconds: u32, replicas: u8) -> Schedule {
    Schedule::new(seed, seconds, &topology(replicas))
}

#[test]
fn ten_minutes_have_every_kind_and_hit_everyone() {
    for seed in 0..20 {
        let planned = schedule(seed, 600, 3).planned;
        let kinds: BTreeSet<_> = planned.iter().flat_map(|one| one.action.kinds()).collect();
        assert_eq!(kinds, Kind::ALL.into_iter().collect(), "seed {seed}");
        let killed: BTreeSet<_> = planned
            .iter()
            .filter(|one| one.action == Action::Kill)
            .map(|one| one.target)
            .collect();
        assert_eq!(killed.len(), 7, "seed {seed}: {killed:?}");
    }
}

#[test]
fn a_minute_has_faults_that_can_be_judged_and_many_at_once() {
    for seed in 0..20 {
        let planned = schedule(seed, 60, 3).planned;
        let judged = planned
            .iter()
            .filter(|one| one.target.replica().is_some() && one.lasts >= Duration::from_secs(3));
        assert!(judged.count() >= 2, "seed {seed}");
        assert!(planned.len() >= 12, "seed {seed}: {}", planned.len());
    }
}

#[test]
fn another_seed_is_another_schedule() {
    assert_ne!(schedule(1, 60, 3).planned, schedule(2, 60, 3).planned);
}

proptest! {
    #[test]
    fn the_same_seed_is_the_same_schedule(seed: u64, seconds in 10u32..700) {
        prop_assert_eq!(schedule(seed, seconds, 3), schedule(seed, seconds, 3));
    }

    #[test]
    fn all_is_quiet_at_the_end_and_every_action_can_be_done(seed: u64, seconds in 10u32..700, f in 1u8..=3) {
        let schedule = schedule(seed, seconds, 2 * f + 1);
        let quiet = Duration::from_millis(TAIL_MS.min(u64::from(seconds) * 1000 / 3));
        for one in &schedule.planned {
            prop_assert!(one.at + one.lasts <= schedule.length - quiet, "{one}");
            prop_assert!(one.lasts >= Duration::from_millis(LEAST_MS), "{one}");
            if let Action::Faults(faults) = &one.action {
                prop_assert!(check_all(faults).is_ok(), "{one}");
                prop_assert!(one.target.replica().is_some_and(|id| id.number() <= 2 * f + 1), "{one}");
            }
        }
        prop_assert!(schedule.planned.is_sorted_by_key(|one| one.at));
    }

    #[test]
    fn a_majority_never_lies(seed: u64, seconds in 30u32..700, f in 1u8..=3) {
        let lies: Vec<_> = schedule(seed, seconds, 2 * f + 1).planned.into_iter().filter(|one| one.action.lies()).collect();
        for one in &lies {
            let at_once: BTreeSet<_> = lies
                .iter()
                .filter(|other| other.at <= one.at && one.at < other.at + other.lasts)
                .map(|other| other.target)
                .collect();
            prop_assert!(at_once.len() <= usize::from(f), "{one}: {at_once:?}");
        }
    }

    #[test]
    fn nobody_is_hit_twice_at_a_time_by_what_excludes_itself(seed: u64, seconds in 30u32..300) {
        let planned = schedule(seed, seconds, 3).planned;
        for (n, one) in planned.iter().enumerate() {
            for other in &planned[n + 1..] {
                let meet = other.at < one.at + one.lasts;
                let excluded = one.target == other.target && one.action.excludes(&other.action);
                prop_assert!(!(meet && excluded), "{one}\n{other}");
            }
        }
    }
}
