//! Each planted bug is found, and by the check that is meant for it.

use tolerancia_core::planted::{Planted, plant};
use tolerancia_sim::hunt::{Hunt, hunt};

/// The seeds in which a bug must show.
const PLAN: Hunt = Hunt {
    from: 0,
    seeds: 1000,
    // One after the other, so that the first to fail is the same each time.
    jobs: 1,
    most: 1,
    limit: None,
};

const fn checks(bug: Planted) -> &'static [&'static str] {
    match bug {
        Planted::LostOrder => &["lost-order"],
        Planted::DoubleApply => &["applied-twice"],
        Planted::Oversell => &["oversold"],
        Planted::HalfCancel => &["cancel-undoes"],
        // A lie or an old value, whichever comes first.
        Planted::MinorityValue => &["wrong-answer", "went-back", "honest-accused"],
        Planted::StaleRead => &["went-back"],
        Planted::LagIsALie => &["honest-accused"],
        Planted::SkippedEvent => &["replica-differs"],
        Planted::DeafMonitor => &["not-detected"],
        Planted::NervousMonitor => &["no-cause"],
        Planted::NoWayBack => &["not-recovered"],
    }
}

/// One test, one bug after the other: a bug is planted in the whole process.
#[test]
fn every_planted_bug_is_found_within_a_thousand_seeds() {
    // An assertion that fails because of a bug is caught, and need not be told.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in Planted::ALL {
        plant(Some(bug));
        let found = hunt(PLAN, |_| {});
        match found.violations.first() {
            Some((seed, violation, _)) if checks(bug).contains(&violation.check) => {
                println!(
                    "{bug}: found by {} at seed {seed}, the {}th",
                    violation.check, found.seeds
                );
            }
            other => missed.push(format!("{bug}: {other:?} in {} seeds", found.seeds)),
        }
    }
    plant(None);
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
