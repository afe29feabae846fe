use proptest::prelude::*;

use super::*;

fn id(n: u8) -> ReplicaId {
    ReplicaId::new(n).expect("from 1")
}

fn v(version: u64, available: u64) -> Versioned {
    Versioned {
        version,
        stock: Stock { available, reserved: 0 },
    }
}

fn reply(n: u8, versions: &[Versioned]) -> Reply {
    Reply {
        replica: id(n),
        versions: versions.to_vec(),
        applied: 0,
        counts: true,
    }
}

#[test]
fn the_first_two_equal_replies_decide() {
    let mut ballot = Ballot::new(3);
    assert_eq!(ballot.add(reply(2, &[v(7, 10), v(5, 11)])), None);
    let decision = ballot.add(reply(3, &[v(7, 10), v(5, 11)])).expect("two of three agree");
    assert_eq!(
        decision,
        Decision {
            value: Some(v(7, 10)),
            fresh: true
        }
    );
    assert_eq!(ballot.ask_again(), []);
}

#[test]
fn the_fastest_answer_is_not_the_majority() {
    let mut ballot = Ballot::new(3);
    assert_eq!(ballot.add(reply(1, &[v(7, 999)])), None);
    assert_eq!(ballot.add(reply(2, &[v(7, 10)])), None);
    let decision = ballot.add(reply(3, &[v(7, 10)])).expect("two of three agree");
    assert_eq!(decision.value, Some(v(7, 10)));
    let lie = ballot.judge(&ballot.replies()[0].clone());
    assert!(matches!(lie, Some(Judgement::Dissents { version: 7, .. })), "{lie:?}");
}

#[test]
fn a_laggard_is_asked_again_and_then_decides() {
    let mut ballot = Ballot::new(3);
    ballot.add(reply(1, &[v(9, 1), v(7, 2)]));
    assert_eq!(
        ballot.add(reply(2, &[v(7, 2)])),
        None,
        "7 would be older than what replica 1 claims"
    );
    assert_eq!(ballot.ask_again(), [id(2)]);
    let decision = ballot.add(reply(2, &[v(9, 1), v(7, 2)])).expect("caught up");
    assert_eq!(
        decision,
        Decision {
            value: Some(v(9, 1)),
            fresh: true
        }
    );
}

#[test]
fn a_claim_nobody_reaches_only_costs_freshness() {
    let mut ballot = Ballot::new(3);
    ballot.add(reply(1, &[v(1_000_000, 0), v(7, 2)]));
    ballot.add(reply(2, &[v(7, 2)]));
    assert_eq!(ballot.add(reply(3, &[v(7, 2)])), None);
    assert_eq!(
        ballot.close(),
        Some(Decision {
            value: Some(v(7, 2)),
            fresh: false
        })
    );
}

#[test]
fn a_reply_that_only_one_replica_supports_is_no_answer() {
    let mut ballot = Ballot::new(3);
    ballot.add(reply(1, &[v(7, 2)]));
    assert_eq!(ballot.close(), None);
    let mut ballot = Ballot::new(3);
    ballot.add(reply(1, &[v(7, 2)]));
    ballot.add(reply(2, &[v(7, 3)]));
    ballot.add(reply(3, &[v(7, 4)]));
    assert_eq!(ballot.close(), None);
}

#[test]
fn replicas_that_are_off_do_not_count_but_are_judged() {
    let mut ballot = Ballot::new(3);
    let off = Reply {
        counts: false,
        ..reply(1, &[v(7, 2)])
    };
    ballot.add(off.clone());
    assert_eq!(ballot.add(reply(2, &[v(7, 2)])), None);
    assert!(ballot.add(reply(3, &[v(7, 2)])).is_some());
    assert_eq!(ballot.judge(&off), Some(Judgement::Agrees));
}

#[test]
fn replicas_that_are_off_can_still_be_judged_when_the_quorum_is_lost() {
    let off = |n: u8, versions: &[Versioned]| Reply {
        counts: false,
        ..reply(n, versions)
    };
    let mut ballot = Ballot::new(3);
    ballot.add(reply(3, &[v(7, 2)]));
    ballot.add(off(1, &[v(7, 2)]));
    ballot.add(off(2, &[v(7, 9)]));
    assert_eq!(ballot.judge(&off(1, &[v(7, 2)])), None, "not before the end");
    assert_eq!(ballot.close(), None, "nothing is served");
    assert_eq!(ballot.judge(&off(1, &[v(7, 2)])), Some(Judgement::Agrees));
    assert!(matches!(
        ballot.judge(&off(2, &[v(7, 9)])),
        Some(Judgement::Dissents { .. })
    ));
}

#[test]
fn a_quorum_can_agree_that_there_is_no_such_product() {
    let mut ballot = Ballot::new(3);
    ballot.add(reply(1, &[]));
    let decision = ballot.add(reply(2, &[])).expect("agreed");
    assert_eq!(
        decision,
        Decision {
            value: None,
            fresh: true
        }
    );
    assert_eq!(judge(decision, &reply(3, &[v(1, 1)])), Judgement::Ahead);
}

#[test]
fn the_same_replica_twice_is_one_vote() {
    let mut ballot = Ballot::new(3);
    ballot.add(reply(1, &[v(7, 2)]));
    assert_eq!(ballot.add(reply(1, &[v(7, 2)])), None);
    assert_eq!(ballot.close(), None);
}

/// A true history of a product, and what an honest replica with some lag lists of it.
fn honest(history: &[Versioned], seen: usize) -> Vec<Versioned> {
    let end = seen.min(history.len());
    history[..end]
        .iter()
        .rev()
        .take(crate::ledger::HISTORY)
        .copied()
        .collect()
}

prop_compose! {
    fn true_history()(steps in prop::collection::vec((1u64..4, 0u64..50), 1..24)) -> Vec<Versioned> {
        let mut version = 0;
        steps.into_iter().map(|(gap, available)| { version += gap; v(version, available) }).collect()
    }
}

proptest! {
    #[test]
    fn order_never_changes_the_decision(
        history in true_history(),
        n in prop::sample::select(vec![3usize, 5, 7]),
        seen in prop::collection::vec(0usize..24, 7),
        order in Just((0..7usize).collect::<Vec<_>>()).prop_shuffle(),
        lie in prop::option::of((0usize..3, 0u64..50, 0u64..100)),
    ) {
        let replies: Vec<Reply> = (0..n).map(|i| {
            let mut versions = honest(&history, seen[i]);
            if let Some((liar, available, bump)) = lie && liar == i && let Some(first) = versions.first_mut() {
                first.stock.available = available;
                first.version += bump;
            }
            reply(i as u8 + 1, &versions)
        }).collect();
        let run = |order: &[usize]| {
            let mut ballot = Ballot::new(n);
            for &i in order { ballot.add(replies[i].clone()); }
            ballot.close().map(|d| d.value)
        };
        let straight: Vec<usize> = (0..n).collect();
        let shuffled: Vec<usize> = order.into_iter().filter(|i| *i < n).collect();
        prop_assert_eq!(run(&straight), run(&shuffled));
    }

    #[test]
    fn fewer_than_a_quorum_of_liars_never_win_and_lag_is_never_dissent(
        history in true_history(),
        n in prop::sample::select(vec![3usize, 5, 7]),
        seen in prop::collection::vec(0usize..24, 7),
        lies in prop::collection::vec(prop::collection::vec((0u64..80, 0u64..50), 0..8), 3),
        at in 0u64..=100,
        order in Just((0..7usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let liars = n - crate::quorum(n);
        let replies: Vec<Reply> = (0..n).map(|i| {
            if i >= liars {
                // Its position is anywhere between its newest version and the next one.
                let next = history.get(seen[i]).map_or(1_000, |v| v.version);
                let own = seen[i].min(history.len()).checked_sub(1).map_or(0, |last| history[last].version + 1);
                let applied = own + (next - own.min(next)) * at / 100;
                return Reply { applied, ..reply(i as u8 + 1, &honest(&history, seen[i])) };
            }
            let versions = {
                let mut made_up: Vec<Versioned> = lies[i].iter().map(|&(version, available)| v(version, available)).collect();
                made_up.sort_by_key(|v| Reverse(v.version));
                made_up.dedup_by_key(|v| v.version);
                made_up
            };
            reply(i as u8 + 1, &versions)
        }).collect();
        let mut ballot = Ballot::new(n);
        let mut supporters_seen = 0;
        for i in order.into_iter().filter(|i| *i < n) {
            supporters_seen += 1;
            if ballot.add(replies[i].clone()).is_some() {
                prop_assert!(supporters_seen >= crate::quorum(n), "decided on fewer replies than a quorum");
            }
        }
        if let Some(decision) = ballot.close() {
            match decision.value {
                Some(value) => prop_assert!(history.contains(&value), "{value:?} never happened"),
                None => prop_assert!((liars..n).any(|i| seen[i] == 0), "the product exists"),
            }
            prop_assert!(ballot.supporters() >= crate::quorum(n));
            for honest in &replies[liars..] {
                let judgement = judge(decision, honest);
                prop_assert!(!matches!(judgement, Judgement::Dissents { .. }), "{honest:?} is called a liar");
            }
        }
    }

    #[test]
    fn a_value_with_fewer_than_a_quorum_of_supporters_is_never_decided(
        claims in prop::collection::vec((0u8..3, 0u64..4, 0u64..3), 0..12)
    ) {
        let mut ballot = Ballot::new(3);
        let replies: Vec<Reply> = claims.into_iter().map(|(i, version, available)| reply(i + 1, &[v(version, available)])).collect();
        for r in &replies { ballot.add(r.clone()); }
        if let Some(Decision { value: Some(value), .. }) = ballot.close() {
            let mut who: Vec<_> = replies.iter().filter(|r| r.versions.contains(&value)).map(|r| r.replica).collect();
            who.sort_unstable();
            who.dedup();
            prop_assert!(who.len() >= 2);
        }
    }
}
