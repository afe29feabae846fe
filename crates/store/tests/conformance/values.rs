//! Numbers and text at their limits.

use super::rows::*;
use super::*;

pub async fn numbers_beyond_the_database_are_rejected(open: impl Open) {
    let store = open().await;
    let outcome = store.add_request_metrics(&[metrics(1, u64::MAX)]).await;
    assert!(matches!(outcome, Err(StoreError::Rejected(_))), "{outcome:?}");
    let mut beyond = order(order_id(0, 1), Confirmed);
    for write in [
        Write::Transition({
            let mut row = audit(1, 1);
            row.transition.seq = u64::MAX;
            row
        }),
        Write::AuditTimes {
            seq: u64::MAX,
            ttd_ms: None,
            ttr_ms: None,
        },
        Write::Voting(agreements(1, u64::MAX)),
        Write::Order({
            beyond.quantity = Some(u64::MAX);
            beyond.clone()
        }),
        Write::Order({
            (beyond.quantity, beyond.version) = (Some(1), Some(1 << 63));
            beyond.clone()
        }),
    ] {
        let outcome = store
            .apply(&[Write::Status(status(1, Verdict::On)), write.clone()])
            .await;
        assert!(
            matches!(outcome, Err(StoreError::Rejected(_))),
            "{write:?}: {outcome:?}"
        );
    }
    assert_eq!(store.statuses().await.unwrap(), []);

    let most = i64::MAX as u64;
    (beyond.quantity, beyond.version) = (Some(most), Some(most));
    let mut lies = dissent_stock(1);
    if let VotingKind::Disagreement { count, .. } = &mut lies.kind {
        *count = most;
    }
    let writes = [
        Write::Order(beyond.clone()),
        Write::Voting(lies.clone()),
        Write::RequestMetrics(metrics(1, most)),
    ];
    store.apply(&writes).await.unwrap();
    assert_eq!(store.orders(None, 9).await.unwrap(), [beyond]);
    assert_eq!(store.voting_events(9).await.unwrap(), [lies]);
    assert_eq!(store.request_metrics(0, 2).await.unwrap()[0].count, i64::MAX as u64);
}

pub async fn text_is_stored_as_it_is(open: impl Open) {
    let store = open().await;
    let mut row = audit(1, 1);
    row.transition.reason.text = "'; DROP TABLE orders; -- ñ 🦀 \"$1\" ?1\n".to_owned();
    store.append_transition(&row).await.unwrap();
    assert_eq!(store.transitions(None, 1).await.unwrap(), [row]);
}

pub async fn text_is_sorted_by_its_bytes(open: impl Open) {
    let store = open().await;
    let named = |service: &str| RequestMetricsRow {
        service: service.to_owned(),
        ..metrics(1, 1)
    };
    let sorted = ["Z-svc", "a-b", "a-svc", "aB", "\u{e9}-svc"].map(named);
    let mut rows = sorted.clone();
    rows.reverse();
    store.add_request_metrics(&rows).await.unwrap();
    assert_eq!(store.request_metrics(0, 9).await.unwrap(), sorted);
}
