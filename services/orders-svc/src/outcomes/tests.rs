#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tolerancia_core::ledger::Rejection;
use tolerancia_wire::evidence::Batch;

use super::*;

const TRUTH: Outcome = Outcome::Reserved { version: 7 };
const LIE: Outcome = Outcome::Rejected {
    reason: Rejection::UnknownProduct,
};
const SECOND: u64 = 1_000_000_000;

fn order(n: u8) -> OrderId {
    OrderId::from_random(0, [n; 14])
}

fn says(replica: u8, offset: u64, outcome: Outcome) -> Report {
    Report {
        partition: 0,
        offset,
        order: Some(order(1)),
        replica: ReplicaId::new(replica).unwrap(),
        outcome,
        fresh: true,
    }
}

fn batches(witness: &mut Witness) -> Vec<Batch> {
    witness.take(u64::MAX).unwrap_or_default()
}

#[test]
fn a_waiter_is_told_what_a_quorum_reports() {
    let (mut outcomes, mut witness) = (Outcomes::new(3), Witness::default());
    let mut waiter = outcomes.wait(0, 0, 7, order(1));
    assert_eq!(outcomes.report(0, says(1, 7, TRUTH), &mut witness), None);
    assert_eq!(
        outcomes.report(0, says(1, 7, TRUTH), &mut witness),
        None,
        "a replica reports once"
    );
    assert!(waiter.try_recv().is_err());
    assert_eq!(outcomes.report(0, says(2, 7, TRUTH), &mut witness), Some(TRUTH));
    assert_eq!(waiter.try_recv(), Ok(TRUTH));
    assert_eq!(
        outcomes.report(0, says(3, 7, TRUTH), &mut witness),
        None,
        "decided once"
    );
    assert_eq!(
        batches(&mut witness).iter().map(|b| b.good).collect::<Vec<_>>(),
        [1, 1, 1]
    );
}

#[test]
fn reports_may_be_faster_than_the_acknowledgement() {
    let (mut outcomes, mut witness) = (Outcomes::new(3), Witness::default());
    outcomes.report(0, says(1, 7, TRUTH), &mut witness);
    outcomes.report(0, says(2, 7, TRUTH), &mut witness);
    outcomes.sweep(KEEP_NS - 1);
    assert_eq!(outcomes.wait(KEEP_NS - 1, 0, 7, order(1)).try_recv(), Ok(TRUTH));

    // One report before the acknowledgement, one after it.
    outcomes.report(0, says(3, 8, TRUTH), &mut witness);
    let mut waiter = outcomes.wait(0, 0, 8, order(1));
    assert!(waiter.try_recv().is_err());
    outcomes.report(0, says(1, 8, TRUTH), &mut witness);
    assert_eq!(waiter.try_recv(), Ok(TRUTH));
}

#[test]
fn a_lie_is_proven_whenever_it_comes() {
    for lie_at in 0..3 {
        let (mut outcomes, mut witness) = (Outcomes::new(3), Witness::default());
        for replica in 0..3u8 {
            let said = if replica == lie_at { LIE } else { TRUTH };
            outcomes.report(0, says(replica + 1, 7, said), &mut witness);
        }
        let bad: Vec<u8> = batches(&mut witness)
            .iter()
            .filter(|batch| batch.is_bad())
            .map(|batch| batch.instance.number())
            .collect();
        assert_eq!(bad, [lie_at + 1]);
    }
}

#[test]
fn what_is_missing_or_undecided_or_old_news_is_no_evidence() {
    let (mut outcomes, mut witness) = (Outcomes::new(3), Witness::default());
    outcomes.report(0, says(1, 7, TRUTH), &mut witness);
    outcomes.report(0, says(2, 7, LIE), &mut witness);
    outcomes.sweep(100 * SECOND);
    assert_eq!(batches(&mut witness), [], "one against one");

    for (replica, outcome) in [(1, TRUTH), (2, TRUTH), (3, LIE)] {
        let old = Report {
            fresh: false,
            ..says(replica, 8, outcome)
        };
        outcomes.report(0, old, &mut witness);
    }
    assert_eq!(batches(&mut witness), [], "judged before the restart");
    assert_eq!(outcomes.wait(0, 0, 8, order(1)).try_recv(), Ok(TRUTH), "but known");
}

#[test]
fn a_report_about_another_order_or_from_nobody_decides_nothing() {
    let (mut outcomes, mut witness) = (Outcomes::new(3), Witness::default());
    let mut waiter = outcomes.wait(0, 0, 7, order(1));
    outcomes.report(0, says(1, 7, TRUTH), &mut witness);
    let other = Report {
        order: Some(order(2)),
        ..says(2, 7, TRUTH)
    };
    outcomes.report(0, other, &mut witness);
    outcomes.report(0, says(4, 7, TRUTH), &mut witness);
    assert!(waiter.try_recv().is_err());
    let elsewhere = Report {
        partition: 1,
        ..says(3, 7, TRUTH)
    };
    outcomes.report(0, elsewhere, &mut witness);
    assert!(waiter.try_recv().is_err());
}

#[test]
fn a_slow_quorum_still_decides_and_decided_events_are_dropped() {
    let (mut outcomes, mut witness) = (Outcomes::new(3), Witness::default());
    outcomes.report(0, says(1, 7, TRUTH), &mut witness);
    outcomes.sweep(60 * SECOND);
    assert_eq!(
        outcomes.report(60 * SECOND, says(2, 7, TRUTH), &mut witness),
        Some(TRUTH)
    );
    outcomes.sweep(60 * SECOND);
    assert!(outcomes.partitions[&0].is_empty());
}

#[test]
fn a_replay_pushes_out_only_itself() {
    let (mut outcomes, mut witness) = (Outcomes::new(3), Witness::default());
    let newest = 1_000_000;
    let mut waiter = outcomes.wait(0, 0, newest, order(1));
    for offset in 0..3 * MOST as u64 {
        outcomes.report(0, says(1, offset, TRUTH), &mut witness);
    }
    assert_eq!(outcomes.partitions[&0].len(), MOST);
    outcomes.report(0, says(1, newest, TRUTH), &mut witness);
    outcomes.report(0, says(2, newest, TRUTH), &mut witness);
    assert_eq!(waiter.try_recv(), Ok(TRUTH));
}

proptest! {
    /// In whatever order reports and acknowledgement come, and with one liar of three, each waiter gets
    /// what the two others say, and only the liar is accused.
    #[test]
    fn order_and_one_liar_do_not_matter(
        mut steps in Just((0u64..5).flat_map(|offset| (0..4u8).map(move |who| (offset, who))).collect::<Vec<_>>())
            .prop_shuffle(),
        liar in 1u8..=3,
        extra in prop::collection::vec((0u64..5, 1u8..=3), 0..10),
    ) {
        steps.extend(extra);
        let (mut outcomes, mut witness) = (Outcomes::new(3), Witness::default());
        let mut waiters = BTreeMap::new();
        for (now, (offset, who)) in (0u64..).zip(steps) {
            if who == 0 {
                waiters.insert(offset, outcomes.wait(now, 0, offset, order(1)));
            } else {
                let said = if who == liar { LIE } else { TRUTH };
                outcomes.report(now, says(who, offset, said), &mut witness);
            }
        }
        for waiter in waiters.values_mut() {
            prop_assert_eq!(waiter.try_recv(), Ok(TRUTH));
        }
        for batch in batches(&mut witness) {
            if batch.instance.number() == liar {
                prop_assert_eq!((batch.good, batch.dissents.is_empty()), (0, false));
            } else {
                prop_assert_eq!((batch.good, batch.is_bad()), (5, false));
            }
        }
    }
}
