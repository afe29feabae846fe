#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use tolerancia_core::ledger::Versioned;
use tolerancia_core::{ReplicaId, Stock};
use tolerancia_wire::inventory::Said;
use tolerancia_wire::live::Voice;

use super::*;

const MS: u64 = 1_000_000;
const LIE: [Standing; 3] = [Standing::Agrees, Standing::Dissents, Standing::Agrees];
const LAG: [Standing; 3] = [Standing::Agrees, Standing::Agrees, Standing::Stale];

fn product(n: usize) -> ProductId {
    format!("PROD-{n:03}").parse().unwrap()
}

fn at(ns: u64) -> Stamp {
    Stamp {
        mono_ns: 1000 * SECOND + ns,
        ..Stamp::now()
    }
}

fn details(version: u64, standings: &[Standing]) -> Details {
    let stock = Stock {
        available: version,
        reserved: 0,
    };
    let voices = ReplicaId::all(3).zip(standings).map(|(instance, &standing)| Voice {
        said: Said {
            instance,
            answer: "ok".to_owned(),
            on: true,
            newest: None,
        },
        standing,
    });
    Details {
        decided: Some(Versioned { version, stock }),
        voices: voices.collect(),
    }
}

/// A vote about a product at this time; the version is the millisecond.
fn note(all: &mut Disagreements, ms: u64, n: usize, standings: &[Standing]) -> bool {
    let product = product(n);
    all.note(at(ms * MS), about(Some(&product), standings), || details(ms, standings))
}

/// Such a vote without a quorum.
fn note_lost(all: &mut Disagreements, ms: u64, n: usize, standings: &[Standing]) -> bool {
    let product = product(n);
    let kind = Kind {
        no_quorum: true,
        ..about(Some(&product), standings)
    };
    all.note(at(ms * MS), kind, || details(ms, standings))
}

fn about<'a>(product: Option<&'a ProductId>, standings: &'a [Standing]) -> Kind<'a> {
    Kind {
        product,
        standings,
        no_quorum: false,
    }
}

fn tell(all: &mut Disagreements, ms: u64) -> bool {
    all.tell(at(ms * MS).mono_ns)
}

fn ids(all: &Disagreements) -> Vec<u64> {
    all.kept().map(|one| one.id).collect()
}

/// (id, count, version) of all that are kept.
fn kept(all: &Disagreements) -> Vec<(u64, u64, u64)> {
    all.kept()
        .map(|one| (one.id, one.count, one.version.unwrap()))
        .collect()
}

#[test]
fn those_that_are_alike_are_one() {
    let mut all = Disagreements::default();
    note(&mut all, 0, 1, &LIE);
    note(&mut all, 10, 1, &LAG);
    note(&mut all, 20, 2, &LIE);
    note(&mut all, 30, 1, &LIE);
    all.note(at(40 * MS), about(None, &LIE), || details(40, &LIE));
    note_lost(&mut all, 50, 1, &LIE);
    note_lost(&mut all, 60, 1, &LIE);
    assert_eq!(kept(&all), [(1, 2, 30), (2, 1, 10), (3, 1, 20), (4, 1, 40), (5, 2, 60)]);
    let without: Vec<_> = all.kept().filter(|one| one.no_quorum).map(|one| one.id).collect();
    assert_eq!(without, [5]);
    let first = all.kept().next().unwrap();
    assert!(first.first < first.last);
    assert_eq!(first.stock.unwrap().available, 30, "what was said last");
}

#[test]
fn after_ten_seconds_of_peace_it_is_another_story() {
    let mut all = Disagreements::default();
    for ms in [0, 9_999, 19_998, 29_998] {
        note(&mut all, ms, 1, &LIE);
    }
    assert_eq!(kept(&all), [(1, 3, 19_998), (2, 1, 29_998)]);
}

#[test]
fn each_is_told_at_once_and_then_once_a_second() {
    let mut all = Disagreements::default();
    assert_eq!(all.due_ns(), None);
    assert!(note(&mut all, 0, 1, &LIE));
    assert_eq!(all.due_ns(), Some(at(0).mono_ns));
    assert!(tell(&mut all, 3));
    assert_eq!(all.due_ns(), None, "there is nothing new");
    assert!(note(&mut all, 10, 1, &LIE), "to be told when a second has passed");
    assert!(!note(&mut all, 20, 1, &LIE), "which is known");
    assert_eq!(all.due_ns(), Some(at(1003 * MS).mono_ns));
    assert!(!tell(&mut all, 1002));
    let told = all.revision();
    assert!(tell(&mut all, 1003));
    assert_eq!(all.since(told).iter().map(|one| one.count).collect::<Vec<_>>(), [3]);
    assert_eq!(all.since(all.revision()), Vec::<&Disagreement>::new());
}

#[test]
fn fifty_are_kept_and_the_one_at_peace_for_longest_goes() {
    let mut all = Disagreements::default();
    for n in 0..KEPT_DISAGREEMENTS {
        note(&mut all, n as u64, n, &LAG);
    }
    note(&mut all, 100, 0, &LAG);
    note(&mut all, 101, 998, &LAG);
    note(&mut all, 102, 999, &LAG);
    let expected: Vec<u64> = [1].into_iter().chain(4..=52).collect();
    assert_eq!(ids(&all), expected, "oldest first; the second and the third are gone");
}

#[test]
fn lags_make_room_before_losses_of_the_quorum_and_these_before_lies() {
    let mut all = Disagreements::default();
    note(&mut all, 0, 0, &LIE);
    note_lost(&mut all, 1, 1, &LIE);
    note_lost(&mut all, 2, 2, &LAG);
    tell(&mut all, 3);
    for n in 3..KEPT_DISAGREEMENTS {
        note(&mut all, n as u64, n, &LAG);
    }
    for n in 100..200 {
        note(&mut all, n as u64, n, &LAG);
    }
    assert_eq!(ids(&all)[..3], [1, 2, 3]);
    for n in 200..200 + KEPT_DISAGREEMENTS - 2 {
        note_lost(&mut all, 2000 + n as u64, n, &LAG);
    }
    let newest: Vec<u64> = (151..=198).collect();
    assert_eq!(ids(&all), [&[1, 2], &newest[..]].concat(), "and the older loss");
    for n in 300..300 + KEPT_DISAGREEMENTS - 1 {
        note(&mut all, 4000 + n as u64, n, &LIE);
    }
    let newest: Vec<u64> = (199..=247).collect();
    assert_eq!(
        ids(&all),
        [&[2], &newest[..]].concat(),
        "and of the lies the one that had a quorum"
    );
}

#[test]
fn a_lie_is_not_lost_before_it_was_told() {
    let mut all = Disagreements::default();
    for n in 0..KEPT_DISAGREEMENTS {
        assert!(note(&mut all, 0, n, &LIE));
    }
    assert!(!note(&mut all, 1, 100, &LIE), "there is no room");
    assert!(!note(&mut all, 1, 100, &LAG));
    note(&mut all, 1, 0, &LIE);
    assert_eq!(kept(&all)[0].1, 2, "it is counted where it is known");
    assert!(tell(&mut all, 2));
    assert!(!note(&mut all, 3, 100, &LIE), "who watches must find it first");
    assert_eq!(ids(&all), (1..=50).collect::<Vec<_>>());
    assert!(note(&mut all, 1002, 100, &LIE));
    let expected: Vec<u64> = [1].into_iter().chain(3..=51).collect();
    assert_eq!(ids(&all), expected, "the first was seen again");
}

#[test]
fn lags_without_end_do_not_hide_a_lie() {
    let mut all = Disagreements::default();
    for n in 0..10_000 {
        note(&mut all, 1, n, &LAG);
    }
    assert!(note(&mut all, 2, 1, &LIE));
    for n in 0..10_000 {
        note(&mut all, 1001, n, &LAG);
    }
    let lies = all.kept().filter(|one| one.voices[1].standing == Standing::Dissents);
    assert_eq!(lies.count(), 1);
    for n in 0..10_000 {
        note(&mut all, 1002, n, &LIE);
    }
    assert_eq!(
        all.kept().count(),
        KEPT_DISAGREEMENTS,
        "nor lies without end the bounds"
    );
}

#[test]
fn more_than_some_hundred_a_second_are_only_counted_where_they_are_known() {
    let mut all = Disagreements::default();
    for _ in 0..10_000 {
        note(&mut all, 1, 1, &LAG);
    }
    all.note(at(2 * MS), about(Some(&product(1)), &LAG), || {
        unreachable!("it is not asked what was said")
    });
    assert_eq!(kept(&all), [(1, 10_001, 1)]);
    for n in 100..100 + 2 * MOST_NEW as usize {
        note(&mut all, 500, n, &LAG);
    }
    let newest = all.kept().last().unwrap();
    assert_eq!(
        newest.id,
        u64::from(MOST_NEW) + 1,
        "new ones still come, but not without end"
    );
    note(&mut all, 1001, 1, &LAG);
    let version = all.kept().last().unwrap().version;
    assert_eq!(version, Some(1001), "the next second has room of its own");
}

#[test]
fn a_slow_reader_gets_each_once_as_it_is_by_then() {
    let mut all = Disagreements::default();
    for second in 0..100 {
        note(&mut all, second * 1000, 1, &LIE);
        note(&mut all, second * 1000 + 1, 2, &LIE);
        tell(&mut all, second * 1000 + 2);
    }
    let told: Vec<_> = all.since(0).iter().map(|one| (one.id, one.count)).collect();
    assert_eq!(told, [(1, 100), (2, 100)]);
}

proptest! {
    /// Whatever comes and however often somebody looks: no second holds more than 20 tellings, none of them two of the
    /// same, in the end all that are kept have been told as they are, and no lie that was written down went untold.
    #[test]
    fn telling_keeps_its_pace(
        steps in prop::collection::vec((0usize..200, 0u64..400, any::<bool>(), 0..100), 1..400),
        often in prop::sample::select(vec![3, 50]),
    ) {
        let mut all = Disagreements::default();
        let (mut now, mut revision) = (0, 0);
        let mut told: Vec<(u64, u64, u64)> = Vec::new();
        let look = |all: &mut Disagreements, now: u64, revision: &mut u64, told: &mut Vec<(u64, u64, u64)>| {
            if tell(all, now) {
                told.extend(all.since(*revision).iter().map(|one| (now, one.id, one.count)));
                *revision = all.revision();
            }
        };
        let mut lies = Vec::new();
        for (n, pause, lied, look_at) in steps {
            now += pause;
            let before = ids(&all).last().copied();
            note(&mut all, now, n, if lied { &LIE } else { &LAG });
            let newest = ids(&all).last().copied();
            if lied && newest > before {
                lies.extend(newest);
            }
            if look_at < often {
                look(&mut all, now, &mut revision, &mut told);
            }
        }
        while let Some(due_ns) = all.due_ns() {
            now = now.max((due_ns - at(0).mono_ns) / MS);
            look(&mut all, now, &mut revision, &mut told);
        }
        for (index, (then, id, _)) in told.iter().enumerate() {
            let recent = told[..index].iter().filter(|(at, ..)| at + 1000 > *then);
            let within: Vec<u64> = recent.map(|(_, id, _)| *id).collect();
            prop_assert!(within.len() < MOST_TOLD && !within.contains(id), "{told:?}");
        }
        for one in all.kept() {
            let last = told.iter().rev().find(|(_, id, _)| *id == one.id).unwrap();
            prop_assert_eq!(last.2, one.count);
        }
        for lie in lies {
            prop_assert!(told.iter().any(|(_, id, _)| *id == lie), "{}: {:?}", lie, told);
        }
    }
}
