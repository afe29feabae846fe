//! What is deleted, and what never is.

use tolerancia_store::PRUNE_MOST;

use super::rows::*;
use super::*;

pub async fn what_is_old_is_pruned_and_nothing_else(open: impl Open) {
    let store = open().await;
    let old_order = order(order_id(0, 1), Confirmed);
    let mut writes = vec![
        Write::Status(status(1, Verdict::Off)),
        Write::Transition(audit(1, 1)),
        Write::Order(old_order.clone()),
    ];
    writes.extend([10, 11, 12].map(|second| Write::RequestMetrics(metrics(second, 1))));
    writes.extend(
        [
            agreements(10, 1),
            dissent_stock(11),
            dissent_order(12),
            agreements(13, 1),
        ]
        .map(Write::Voting),
    );
    writes.extend([11, 12].map(|n| Write::Denial(denial(n, 1))));
    store.apply(&writes).await.unwrap();

    assert_eq!(store.prune(i64::MIN, stamp(0).at).await.unwrap(), 0);
    assert_eq!(store.prune(12, stamp(12).at).await.unwrap(), 5);
    assert_eq!(store.denials(9).await.unwrap(), [denial(12, 1)]);
    assert_eq!(store.request_metrics(0, 99).await.unwrap(), [metrics(12, 1)]);
    assert_eq!(
        store.voting_events(99).await.unwrap(),
        [agreements(13, 1), dissent_order(12)]
    );
    assert_eq!(store.prune(12, stamp(12).at).await.unwrap(), 0);

    assert_eq!(store.prune(i64::MAX, stamp(1_000_000).at).await.unwrap(), 4);
    assert_eq!(store.statuses().await.unwrap(), [status(1, Verdict::Off)]);
    assert_eq!(store.transitions(None, 9).await.unwrap(), [audit(1, 1)]);
    assert_eq!(store.orders(None, 9).await.unwrap(), [old_order]);
}

pub async fn pruning_is_done_in_portions_oldest_first(open: impl Open) {
    let store = open().await;
    let most = u64::from(PRUNE_MOST);
    let extra = 50;
    // Newest first, so that the oldest are not simply the first of the table.
    let numbers: Vec<u64> = (0..most + extra).rev().collect();
    for part in numbers.chunks(1000) {
        let rows = part.iter().flat_map(|&n| {
            [
                Write::RequestMetrics(metrics(n as i64, 1)),
                Write::Voting(agreements(n, 1)),
            ]
        });
        store.apply(&rows.collect::<Vec<_>>()).await.unwrap();
    }
    let all = stamp(most * 2).at;
    assert_eq!(store.prune(i64::MAX, all).await.unwrap(), 2 * most);
    let seconds = store.request_metrics(0, i64::MAX).await.unwrap();
    assert!(seconds.iter().map(|r| r.second as u64).eq(most..most + extra));
    let newest = store.voting_events(usize::MAX).await.unwrap();
    assert!(newest.iter().map(|e| e.stamp).eq((most..most + extra).rev().map(stamp)));
    assert_eq!(store.prune(i64::MAX, all).await.unwrap(), 2 * extra);
    assert_eq!(store.prune(i64::MAX, all).await.unwrap(), 0);
}
