//! What a run of the simulation must be like, and a short hunt.

use std::time::Duration;

use tolerancia_sim::hunt::{Hunt, hunt};
use tolerancia_sim::run::{Words, run};

/// Seeds of the hunt; `cargo run --release -p tolerancia-sim` runs any number.
const SEEDS: u64 = 3000;
/// A slow host runs fewer, but not fewer than these: in the first hundred there is a fault of every kind.
const LIMIT: (Duration, u64) = (Duration::from_secs(20), 100);
/// What each hunt must have looked at, or it has shown nothing.
const LOOKED: [&str; 10] = [
    "looked: applied events",
    "looked: orders told of",
    "looked: cancels told of",
    "looked: answers",
    "looked: own writes read",
    "looked: liars accused",
    "looked: verdicts OFF",
    "looked: faults that last",
    "looked: recoveries",
    "duplicates",
];

#[test]
fn the_same_seed_is_the_same_run_and_words_change_nothing() {
    for seed in 0..12 {
        let first = run(seed, Words::None);
        let again = run(seed, Words::All);
        assert_eq!((first.hash, first.events), (again.hash, again.events), "seed {seed}");
        assert_eq!(first.counts, again.counts, "seed {seed}");
        assert!(!again.lines.is_empty());
    }
    assert_ne!(run(1, Words::None).hash, run(2, Words::None).hash);
}

#[test]
fn thousands_of_seeds_show_no_violation_and_every_check_has_looked() {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let found = hunt(
        Hunt {
            from: 0,
            seeds: SEEDS,
            jobs,
            most: 1,
            limit: Some(LIMIT),
        },
        |_| {},
    );
    println!("{} seeds in {:.1} s", found.seeds, found.real_s);
    if let Some((seed, violation, lines)) = found.violations.first() {
        panic!("seed {seed}: {violation:?}\n{}", lines.join("\n"));
    }
    for what in LOOKED {
        assert!(
            found.counts.get(what).is_some_and(|n| *n > 0),
            "nothing of {what:?} in {found:?}"
        );
    }
    for kind in tolerancia_sim::faults::Kind::ALL {
        assert!(found.counts.contains_key(kind.name()), "no {}", kind.name());
    }
}
