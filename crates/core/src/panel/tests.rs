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
    };
    Panel::new(config, 0, |_| true)
}

fn product() -> ProductId {
    "PROD-001".parse().expect("valid")
}

#[test]
fn a_refused_connection_is_a_verdict_after_three_checks() {
    let mut panel = panel();
    assert_eq!(panel.check(0, id(1), Seen::Unreachable, None), None);
    assert_eq!(panel.check(2 * MS, id(1), Seen::Unreachable, None), None);
    let change = panel.check(4 * MS, id(1), Seen::Unreachable, None).expect("OFF");
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
                assert_eq!(panel.check(now, id(i), Seen::Late, None), None);
            }
        }
        for check in 1..25 {
            let now = (burst * 5000 + check * 200) * MS;
            (1..=3).for_each(|i| assert_eq!(panel.check(now, id(i), Seen::Good, Some(5)), None));
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
    assert!((0..20).all(|i| panel.check((200 + i) * MS, id(2), Seen::Good, None).is_none()));
    (0..5).for_each(|_| panel.agreed(id(2), &product()));
    assert!(panel.check(300 * MS, id(2), Seen::Good, None).expect("ON").is_on());
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
        assert_eq!(panel.check((200 + i) * MS, id(3), Seen::Good, None), None);
        if i % 4 == 3 {
            panel.answers(
                (200 + i) * MS,
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
            assert_eq!(panel.check(now, id(i), Seen::Late, None), None, "round {round}");
        }
    }
}

#[test]
fn a_few_failures_in_a_large_batch_are_not_three_in_a_row() {
    let mut panel = panel();
    let batch = Answers {
        good: 250,
        failed: 3,
        late: 0,
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
                    late: 0
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
