use super::*;

const MS: u64 = 1_000_000;

fn id(n: u8) -> ReplicaId {
    ReplicaId::new(n).expect("from 1")
}

fn panel() -> Panel {
    let config = PanelConfig {
        replicas: 3,
        detector: DetectorConfig::default(),
        lifecycle: LifecycleConfig::default(),
        lag_budget_ns: 1000 * MS,
        idle_budget_ns: 500 * MS,
    };
    Panel::new(config, 0, |_| true)
}

fn check(panel: &mut Panel, now_ns: u64, instance: u8, seen: Seen) -> Option<Change> {
    panel.check(now_ns, id(instance), seen, None).1
}

fn product() -> ProductId {
    "PROD-001".parse().expect("valid")
}

#[test]
fn a_refused_connection_is_a_verdict_after_three_checks() {
    let mut panel = panel();
    assert_eq!(check(&mut panel, 0, 1, Seen::Unreachable), None);
    assert_eq!(check(&mut panel, 2 * MS, 1, Seen::Unreachable), None);
    let change = check(&mut panel, 4 * MS, 1, Seen::Unreachable).expect("OFF");
    assert_eq!(change.kind, CauseKind::Misses(Seen::Unreachable));
    assert!(
        change.text.contains("3 × unreachable (health check)"),
        "{}",
        change.text
    );
    assert_eq!(panel.on(), 2);
    assert!(!panel.quorum_lost());
}

#[test]
fn one_stall_of_the_host_turns_nobody_off() {
    let mut panel = panel();
    for burst in 0..20u64 {
        for i in 1..=3 {
            for answer in 0..10 {
                let now = burst * 5000 * MS + answer * MS;
                assert_eq!(check(&mut panel, now, i, Seen::Late), None);
            }
        }
        for nth in 1..25 {
            let now = (burst * 5000 + nth * 200) * MS;
            (1..=3).for_each(|i| assert_eq!(check(&mut panel, now, i, Seen::Good), None));
        }
    }
    assert_eq!(panel.on(), 3);
}

#[test]
fn a_lie_is_a_verdict_and_its_way_back_needs_agreement() {
    let mut panel = panel();
    let change = panel
        .dissent(0, id(2), Some(&product()), "said 9, agreed 7".to_owned())
        .expect("OFF");
    assert_eq!(
        (change.kind, change.text.as_str()),
        (CauseKind::Dissent, "said 9, agreed 7")
    );
    assert_eq!(
        panel.dissent(1, id(2), Some(&product()), String::new()),
        None,
        "OFF already"
    );
    assert_eq!(panel.tick(200 * MS).len(), 1);
    assert!((0..20).all(|i| check(&mut panel, (900 + i) * MS, 2, Seen::Good).is_none()));
    (0..5).for_each(|_| panel.agreed(id(2), &product()));
    assert!(check(&mut panel, 1000 * MS, 2, Seen::Good).expect("ON").is_on());
}

#[test]
fn failing_queries_keep_a_gray_failure_off() {
    let mut panel = panel();
    let bad = Answers {
        failed: 3,
        ..Answers::default()
    };
    assert!(panel.answers(0, id(3), "voter-svc", bad).is_some());
    panel.tick(200 * MS);
    for i in 0..30 {
        assert_eq!(check(&mut panel, (200 + i * 100) * MS, 3, Seen::Good), None);
        if i % 4 == 3 {
            panel.answers(
                (200 + i * 100) * MS,
                id(3),
                "voter-svc",
                Answers {
                    failed: 1,
                    ..Answers::default()
                },
            );
        }
    }
}

#[test]
fn two_instances_off_is_a_lost_quorum() {
    let mut panel = panel();
    panel.dissent(0, id(1), None, String::new());
    panel.dissent(0, id(2), None, String::new());
    assert!(panel.quorum_lost());
}

#[test]
fn a_verdict_survives_a_restart() {
    let config = PanelConfig {
        replicas: 3,
        detector: DetectorConfig::default(),
        lifecycle: LifecycleConfig::default(),
        lag_budget_ns: MS,
        idle_budget_ns: 500 * MS,
    };
    let panel = Panel::new(config, 0, |instance| instance != id(2));
    assert_eq!(
        (panel.phase(id(1)), panel.phase(id(2))),
        (Some(Phase::On), Some(Phase::Probation))
    );
}

/// The replicas' side stands still for 250 ms while the monitor runs: checks of all three are late, again and
/// again, 53 ms apart.
#[test]
fn a_stall_of_a_quarter_of_a_second_turns_nobody_off() {
    let mut panel = panel();
    for round in 0..5u64 {
        for i in 1..=3 {
            let now = (50 + round * 53) * MS + u64::from(i);
            assert_eq!(check(&mut panel, now, i, Seen::Late), None, "round {round}");
        }
    }
}

#[test]
fn a_few_failures_in_a_large_batch_are_not_three_in_a_row() {
    let mut panel = panel();
    let batch = Answers {
        good: 250,
        failed: 3,
        ..Answers::default()
    };
    for tick in 0..100 {
        assert_eq!(panel.answers(tick * 50 * MS, id(1), "voter-svc", batch), None);
    }
    assert!(
        panel
            .answers(
                6000 * MS,
                id(1),
                "voter-svc",
                Answers {
                    good: 1,
                    failed: 4,
                    ..Answers::default()
                }
            )
            .is_some()
    );
}

#[test]
fn the_shares_of_a_batch_are_the_batch() {
    for (whole, parts) in [(0, 1), (7, 3), (250, 4), (u32::MAX, 51)] {
        let sum: u64 = (0..parts).map(|nth| u64::from(super::share(whole, nth, parts))).sum();
        assert_eq!(sum, u64::from(whole));
    }
}

#[test]
fn a_verdict_carries_the_evidence_that_led_to_it() {
    let mut panel = panel();
    let failed = |n| Answers {
        good: 1,
        failed: n,
        ..Answers::default()
    };
    assert_eq!(panel.answers(0, id(1), "voter-svc", failed(1)), None);
    assert_eq!(check(&mut panel, 30 * MS, 1, Seen::Error), None);
    let change = panel.answers(50 * MS, id(1), "voter-svc", failed(2)).expect("OFF");
    let told: Vec<_> = change
        .evidence
        .iter()
        .map(|p| (p.ago_ns / MS, p.seen, p.from.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (50, Seen::Error, "voter-svc"),
            (20, Seen::Error, "health check"),
            (0, Seen::Error, "voter-svc")
        ]
    );
    assert!(change.evidence.iter().all(|piece| (piece.gain - 5.704).abs() < 0.001));
    assert_eq!(change.quarantine_ns, Some(200 * MS));
}

#[test]
fn a_replica_that_does_not_read_its_log_is_stale_although_nothing_is_written() {
    let mut panel = panel();
    let position = |idle_ms: u64| {
        Some(Position {
            applied: 7,
            idle_ns: idle_ms * MS,
        })
    };
    assert_eq!(panel.check(0, id(1), Seen::Good, position(500)), (Seen::Good, None));
    for i in 1..3u64 {
        assert_eq!(
            panel.check(i * MS, id(1), Seen::Good, position(500 + i)),
            (Seen::Stale, None)
        );
    }
    let (_, change) = panel.check(3 * MS, id(1), Seen::Good, position(503));
    let change = change.expect("OFF");
    assert_eq!(change.kind, CauseKind::Misses(Seen::Stale));
    assert!(
        change.text.ends_with("It has not read its log for 503 ms"),
        "{}",
        change.text
    );
}

/// The observer is stopped for five seconds; with `phi`, all instances have been silent for it meanwhile.
#[test]
fn an_observer_that_stood_still_blames_nobody() {
    let config = PanelConfig {
        replicas: 3,
        detector: DetectorConfig {
            kind: crate::detector::DetectorKind::Phi,
            ..DetectorConfig::default()
        },
        lifecycle: LifecycleConfig::default(),
        lag_budget_ns: 1000 * MS,
        idle_budget_ns: 500 * MS,
    };
    let mut panel = Panel::new(config, 0, |_| true);
    let mut run = |from: u64, to: u64, silent: u8| {
        let mut changes = Vec::new();
        for tick in from / 20..to / 20 {
            let now = tick * 20 * MS;
            changes.extend(panel.tick(now));
            for i in (1..=3).filter(|i| tick % 10 == 0 && *i != silent) {
                changes.extend(check(&mut panel, now, i, Seen::Good));
            }
        }
        (changes, panel.take_stall())
    };
    assert_eq!(run(0, 5000, 0), (vec![], None));
    assert_eq!(run(10_000, 15_000, 0), (vec![], Some(5000 * MS)));
    let (changes, _) = run(15_000, 20_000, 2);
    assert_eq!(changes.first().map(|c| (c.instance, c.is_on())), Some((id(2), false)));
}

#[test]
fn a_change_of_the_detector_forgets_evidence_and_keeps_verdicts() {
    let mut panel = panel();
    panel.dissent(0, id(2), None, String::new());
    check(&mut panel, 0, 1, Seen::Error);
    assert!(panel.level(id(1)) > 0.0);
    panel.set_detector(&DetectorConfig::default());
    assert_eq!((panel.level(id(1)), panel.on()), (0.0, 2));
}

/// The second before a fault was healthy: what was good then says nothing about the first miss.
#[test]
fn good_answers_before_the_first_miss_are_not_set_off_against_it() {
    let level = |good_first| {
        let mut panel = panel();
        let batch = Answers {
            good: 40,
            good_first,
            late: 1,
            ..Answers::default()
        };
        assert_eq!(panel.answers(0, id(1), "voter-svc", batch), None);
        panel.level(id(1))
    };
    assert_eq!(level(None), 0.0);
    assert_eq!(level(Some(0)), 0.0, "all of them came after it");
    assert!(level(Some(40)) > 0.3);
    assert!(level(Some(u32::MAX)) > 0.3, "more than there are is all there are");
}

/// One answer in five is late, at any rate of requests, told in batches 50 ms apart.
#[test]
fn a_share_of_late_answers_is_found_at_any_rate() {
    for per_batch in [5u32, 20, 50, 100, 500] {
        let mut panel = panel();
        let late = per_batch / 5;
        let found = (0..200u64).find(|batch| {
            let answers = Answers {
                good: per_batch - late,
                good_first: Some(2),
                late,
                ..Answers::default()
            };
            panel.answers(batch * 50 * MS, id(1), "voter-svc", answers).is_some()
        });
        assert!(
            found.is_some_and(|batch| batch < 20),
            "{per_batch} per batch: {found:?}"
        );
    }
}

/// A pause of 110 ms, noticed by questions 10 ms apart from 50 ms on; the last of it is told when it is over.
#[test]
fn a_pause_counts_by_its_length_however_late_it_is_told() {
    let mut panel = panel();
    for (told_ms, late, ago_ms) in [(50, 1, 0), (100, 5, 0), (150, 1, 40)] {
        let answers = Answers {
            late,
            late_ago_ns: ago_ms * MS,
            ..Answers::default()
        };
        assert_eq!(panel.answers(told_ms * MS, id(1), "voter-svc", answers), None);
    }
    let answers = Answers {
        late: 5,
        ..Answers::default()
    };
    assert!(
        panel.answers(150 * MS, id(1), "voter-svc", answers).is_some(),
        "it lasts"
    );
}

/// Three of seven hang together, each of them for a third of the evidence.
#[test]
fn instances_that_hang_together_fall_by_every_detector_that_counts() {
    use crate::detector::DetectorKind;
    for kind in [DetectorKind::Accrual, DetectorKind::Consecutive, DetectorKind::Window] {
        let config = PanelConfig {
            replicas: 7,
            detector: DetectorConfig::default().of(kind),
            lifecycle: LifecycleConfig::default(),
            lag_budget_ns: 1000 * MS,
            idle_budget_ns: 500 * MS,
        };
        let mut panel = Panel::new(config, 0, |_| true);
        for round in 0..60u64 {
            for i in 1..=3 {
                check(&mut panel, (round * 50 + u64::from(i)) * MS, i, Seen::Late);
            }
        }
        assert_eq!(panel.on(), 4, "{kind}");
    }
}
