use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

fn product(name: &str) -> ProductId {
    name.parse().expect("valid")
}

/// Drives good checks every 200 ms until ON; returns the time it took in milliseconds.
fn back_after(lifecycle: &mut Lifecycle, from: u64) -> u64 {
    (1..10_000)
        .map(|i| from + i * 10 * MS)
        .find(|&now| {
            lifecycle.tick(now);
            (now - from).is_multiple_of(200 * MS) && lifecycle.check(now, true)
        })
        .map(|now| (now - from) / MS)
        .expect("comes back")
}

#[test]
fn five_good_checks_bring_it_back_and_a_miss_starts_again() {
    let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
    assert!(lifecycle.turn_off(0));
    assert!(!lifecycle.turn_off(1), "it is OFF already");
    assert!(!lifecycle.check(100 * MS, true), "quarantine");
    assert!(lifecycle.tick(200 * MS));
    for i in 0..4 {
        assert!(!lifecycle.check((1300 + i) * MS, true));
    }
    assert!(!lifecycle.check(1400 * MS, false));
    for i in 0..4 {
        assert!(!lifecycle.check((2300 + i) * MS, true));
    }
    assert!(lifecycle.check(2400 * MS, true));
    assert!(lifecycle.is_on());
}

#[test]
fn a_miss_that_others_saw_starts_the_clean_time_again() {
    let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
    lifecycle.turn_off(0);
    lifecycle.tick(200 * MS);
    let checks = |lifecycle: &mut Lifecycle, from: u64| (0..5).any(|i| lifecycle.check((from + i) * MS, true));
    assert!(!checks(&mut lifecycle, 790), "five good checks, but not yet 0.8 s");
    lifecycle.missed(1000 * MS);
    assert!(!checks(&mut lifecycle, 1790));
    assert!(lifecycle.check(1800 * MS, true));
}

#[test]
fn the_clean_time_doubles_with_a_relapse_up_to_its_bound() {
    let config = LifecycleConfig::default();
    let mut lifecycle = Lifecycle::new(config, 0);
    let mut asked = Vec::new();
    let mut now = 60_000 * MS;
    for _ in 0..3 {
        lifecycle.turn_off(now);
        asked.push(lifecycle.clean_ns() / MS);
        now += back_after(&mut lifecycle, now) * MS + 500 * MS;
    }
    lifecycle.turn_off(now + 120_000 * MS);
    asked.push(lifecycle.clean_ns() / MS);
    assert_eq!(asked, [800, 1600, 1700, 800]);
}

#[test]
fn a_liar_must_agree_about_what_it_lied_about() {
    let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
    lifecycle.turn_off(0);
    lifecycle.lied(Some(&product("A")));
    lifecycle.tick(200 * MS);
    (0..10).for_each(|i| assert!(!lifecycle.check((2001 + i) * MS, true)));
    (0..10).for_each(|_| lifecycle.agreed(&product("B")));
    assert!(!lifecycle.check(2300 * MS, true), "nothing said about A yet");
    lifecycle.agreed(&product("A"));
    assert!(lifecycle.check(2301 * MS, true));
}

#[test]
fn a_lie_about_an_order_needs_agreement_too() {
    let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
    lifecycle.turn_off(0);
    lifecycle.lied(None);
    lifecycle.tick(200 * MS);
    (0..10).for_each(|i| assert!(!lifecycle.check((2001 + i) * MS, true)));
    (0..5).for_each(|_| lifecycle.agreed(&product("A")));
    assert!(lifecycle.check(2300 * MS, true));
}

#[test]
fn a_name_that_only_the_liar_knew_does_not_keep_it_out_for_ever() {
    let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
    lifecycle.turn_off(0);
    lifecycle.lied(Some(&product("GHOST")));
    lifecycle.tick(200 * MS);
    (0..999).for_each(|_| lifecycle.agreed(&product("A")));
    assert!(lifecycle.must_agree());
    lifecycle.agreed(&product("A"));
    assert!(!lifecycle.must_agree());
}

#[test]
fn a_restart_of_the_monitor_clears_no_liar() {
    let mut lifecycle = Lifecycle::off(LifecycleConfig::default(), 0);
    (0..10).for_each(|i| assert!(!lifecycle.check(i * MS, true)));
    (0..5).for_each(|_| lifecycle.agreed(&product("A")));
    assert!(lifecycle.check(2020 * MS, true));
}

#[test]
fn a_lie_in_probation_starts_the_rows_again() {
    let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
    lifecycle.turn_off(0);
    lifecycle.lied(Some(&product("A")));
    lifecycle.tick(200 * MS);
    (0..9).for_each(|_| lifecycle.agreed(&product("A")));
    assert!(!lifecycle.must_agree());
    lifecycle.lied(Some(&product("A")));
    assert!(lifecycle.must_agree());
}

#[test]
fn quarantine_doubles_on_relapse_and_decays() {
    let config = LifecycleConfig::default();
    let mut lifecycle = Lifecycle::new(config, 0);
    let mut now = 60_000 * MS;
    let mut took = Vec::new();
    for _ in 0..4 {
        lifecycle.turn_off(now);
        let ms = back_after(&mut lifecycle, now);
        took.push(ms);
        now += ms * MS + 500 * MS;
    }
    assert!(took.windows(2).all(|pair| pair[1] > pair[0]), "{took:?}");
    assert_eq!(lifecycle.quarantine_ns, 1600 * MS);
    lifecycle.turn_off(now + 120_000 * MS);
    assert_eq!(
        lifecycle.quarantine_ns, config.quarantine_min_ns,
        "two minutes of health are forgiven"
    );
}

proptest! {
    #[test]
    fn never_on_without_the_row(checks in prop::collection::vec(any::<bool>(), 0..100)) {
        let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
        lifecycle.turn_off(0);
        lifecycle.tick(200 * MS);
        let mut row = 0;
        for (i, good) in checks.into_iter().enumerate() {
            row = if good { row + 1 } else { 0 };
            // Five good checks that are 200 ms apart take 0.8 s after the last miss.
            let on = lifecycle.check(300 * MS + i as u64 * 200 * MS, good);
            prop_assert_eq!(on, row == 5);
            if on { break; }
        }
    }

    #[test]
    fn quarantine_stays_in_its_range(gaps in prop::collection::vec(0u64..100_000, 1..60)) {
        let config = LifecycleConfig::default();
        let mut lifecycle = Lifecycle::new(config, 0);
        let mut now = 0;
        for gap in gaps {
            now += gap * MS;
            lifecycle.turn_off(now);
            prop_assert!((config.quarantine_min_ns..=config.quarantine_max_ns).contains(&lifecycle.quarantine_ns));
            now += back_after_any(&mut lifecycle, now);
        }
    }
}

fn back_after_any(lifecycle: &mut Lifecycle, from: u64) -> u64 {
    let Phase::Quarantine { until_ns } = lifecycle.phase() else {
        panic!("it was just turned OFF")
    };
    lifecycle.tick(until_ns);
    let back_ns = until_ns.max(from + lifecycle.clean_ns());
    (0..5).for_each(|_| {
        lifecycle.check(back_ns, true);
    });
    assert!(lifecycle.is_on());
    back_ns - from
}
