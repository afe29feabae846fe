#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use super::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn health(applied: u64) -> Health {
    Health {
        status: HealthState::CatchingUp,
        service: "inventory-svc".to_owned(),
        instance: String::new(),
        pid: 7,
        version: String::new(),
        uptime_s: 1.0,
        applied: [(0, applied - applied / 3), (1, applied / 3)].into(),
        digest: None,
        idle_ms: None,
        database: None,
        details: BTreeMap::default(),
    }
}

/// Answers at once.
fn says(answers: &Answers, at_ns: u64, applied: u64) {
    answers.answered(at_ns, 0, &health(applied));
}

fn lags(replicas: &Replicas, now_ns: u64) -> Vec<Option<u64>> {
    let views = replicas.views(now_ns, SECOND);
    views.iter().map(|view| view.lag).collect()
}

#[test]
fn one_is_behind_what_a_quorum_has_reached_and_nobody_behind_the_first() {
    let lags = |positions: &[Option<u64>]| {
        let (replicas, answers) = Replicas::new(positions.len().try_into().unwrap());
        for at_ns in [0, MS] {
            for (answers, position) in answers.iter().zip(positions) {
                if let Some(position) = *position {
                    says(answers, at_ns, position);
                }
            }
        }
        lags(&replicas, MS)
    };
    assert_eq!(
        lags(&[Some(100), Some(50), Some(98)]),
        [Some(0), Some(48), Some(0)],
        "the first is ahead of the quorum"
    );
    assert_eq!(lags(&[Some(100), None, Some(98)]), [Some(0), None, Some(0)]);
    assert_eq!(lags(&[Some(100), None, None]), [None; 3], "no quorum is known");
    assert_eq!(
        lags(&[Some(5), Some(9), Some(9), Some(2), Some(7)]),
        [Some(2), Some(0), Some(0), Some(5), Some(0)]
    );
}

#[test]
fn who_keeps_up_is_not_behind_because_others_were_asked_later() {
    // One event each 2 ms, and each is asked every 200 ms. The second looks at its position at once, and while its answer
    // takes its time, the others look at theirs and answer.
    let (replicas, answers) = Replicas::new(3);
    let written = |at_ms: u64| 1000 + at_ms / 2;
    for round in 1..50 {
        for (n, asked_ms, looks_ms, took_ms) in [(0, 50, 51, 1), (2, 90, 91, 10), (1, 0, 0, 150)] {
            let asked_ms = 200 * round + asked_ms;
            let at_ns = (asked_ms + took_ms) * MS;
            let health = health(written(asked_ms + looks_ms));
            answers[n].answered(at_ns, took_ms * MS, &health);
            // Once all were asked when something was known.
            if round > 2 {
                assert_eq!(lags(&replicas, at_ns), [Some(0); 3], "round {round}, replica {n}");
            }
        }
    }
}

#[test]
fn who_stays_behind_shows_it() {
    let (replicas, answers) = Replicas::new(3);
    for round in 1..50u64 {
        let written = 100 * round;
        for (n, applied) in [written, written + 10, 120].into_iter().enumerate() {
            says(&answers[n], (200 * round + 50 * n as u64) * MS, applied);
        }
        if round > 1 {
            assert_eq!(
                lags(&replicas, (200 * round + 100) * MS),
                [Some(0), Some(0), Some(written - 120)]
            );
        }
    }
}

#[test]
fn who_begins_anew_is_behind_what_a_quorum_had_reached_before() {
    let (replicas, answers) = Replicas::new(3);
    says(&answers[0], 0, 1000);
    says(&answers[1], 0, 1000);
    answers[0].lost();
    answers[1].lost();
    says(&answers[0], SECOND, 10);
    says(&answers[1], SECOND, 900);
    assert_eq!(lags(&replicas, SECOND), [Some(990), Some(100), None]);
}

#[test]
fn who_is_silent_does_not_answer_but_was_somewhere() {
    let (replicas, answers) = Replicas::new(3);
    answers[0].answered(0, 1_500_000, &health(5));
    answers[1].answered(SECOND, 1_500_000, &health(5));
    let state = Some(HealthState::CatchingUp);
    let brief: Vec<_> = replicas
        .views(SECOND + 1, SECOND)
        .iter()
        .map(|view| {
            (
                view.instance.number(),
                view.health,
                view.check_ms,
                view.pid,
                view.applied,
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            (1, None, None, Some(7), Some(5)),
            (2, state, Some(1.5), Some(7), Some(5)),
            (3, None, None, None, None),
        ]
    );
}

#[test]
fn the_lag_of_who_is_silent_grows_from_where_it_was() {
    let (replicas, answers) = Replicas::new(3);
    for (round, silent) in [(1, false), (2, false), (3, true), (20, true)] {
        let at_ns = 200 * MS * round;
        for answers in &answers[usize::from(silent)..] {
            says(answers, at_ns, 100 * round);
        }
        let shown = lags(&replicas, at_ns)[0];
        let expected = match round {
            1 => None,
            // What it said last was right then.
            2 | 3 => Some(0),
            _ => Some(1800),
        };
        assert_eq!(shown, expected, "round {round}");
    }
}
