//! What a transaction of many writes promises.

use super::rows::*;
use super::*;

pub async fn a_batch_is_all_or_nothing(open: impl Open) {
    let store = open().await;
    store.append_transition(&audit(1, 1)).await.unwrap();
    let good = Write::Status(status(1, Verdict::Off));
    let bad = Write::Transition(audit(1, 2));
    let outcome = store.apply(&[good.clone(), bad, good.clone()]).await;
    assert!(matches!(outcome, Err(StoreError::Rejected(_))), "{outcome:?}");
    assert_eq!(store.statuses().await.unwrap(), []);
    // And the failure leaves no transaction behind.
    store.apply(&[good]).await.unwrap();
    assert_eq!(open().await.statuses().await.unwrap(), [status(1, Verdict::Off)]);
}

pub async fn writes_of_a_batch_keep_their_order(open: impl Open) {
    let store = open().await;
    let writes: Vec<_> = (1..=500)
        .map(|pid| InstanceStatus {
            pid: Some(pid),
            ..status(1, Verdict::On)
        })
        .map(Write::Status)
        .collect();
    store.apply(&writes).await.unwrap();
    assert_eq!(store.statuses().await.unwrap()[0].pid, Some(500));
}

pub async fn writes_of_a_batch_may_be_about_the_same(open: impl Open) {
    let store = open().await;
    let (a, b) = (order_id(0, 1), order_id(0, 2));
    let first = agreements(1, 120);
    store
        .apply(&[
            Write::Order(order(a, Pending)),
            Write::RequestMetrics(metrics(10, 5)),
            Write::Order(order(b, Rejected)),
            Write::Order(order(a, Confirmed)),
            Write::RequestMetrics(metrics(10, 9)),
            Write::Voting(first.clone()),
            Write::Order(order(a, Cancelled)),
            Write::Order(order(b, Confirmed)),
            Write::RequestMetrics(metrics(10, 2)),
            Write::Voting(agreements(1, 7)),
            Write::Transition(audit(1, 1)),
            Write::Transition(audit(1, 1)),
        ])
        .await
        .unwrap();
    assert_eq!(store.order(a).await.unwrap(), Some(order(a, Cancelled)));
    assert_eq!(store.order(b).await.unwrap(), Some(order(b, Rejected)));
    assert_eq!(store.request_metrics(0, 100).await.unwrap(), [metrics(10, 9)]);
    assert_eq!(store.voting_events(10).await.unwrap(), [first]);
    assert_eq!(store.transitions(None, 10).await.unwrap(), [audit(1, 1)]);
}

/// Every kind of write, in an order that matters, and the outcome of each way of writing.
pub async fn a_batch_and_its_writes_one_by_one_do_the_same(open: impl Open) {
    let store = open().await;
    let times = Write::AuditTimes {
        seq: 1,
        ttd_ms: Some(1.5),
        ttr_ms: None,
    };
    let mut partial = order(order_id(3, 1), Confirmed);
    (partial.product_id, partial.quantity, partial.version) = (None, None, None);
    let writes = [
        times.clone(),
        Write::Transition(audit(1, 1)),
        Write::Status(status(1, Verdict::Off)),
        Write::Order(partial.clone()),
        Write::Order(order(partial.order_id, Pending)),
        Write::Status(status(1, Verdict::On)),
        Write::Voting(dissent_stock(1)),
        Write::Voting(dissent_order(2)),
        Write::RequestMetrics(metrics(1, 1)),
    ];
    store.apply(&writes).await.unwrap();
    let batched = everything(&*store).await;
    for write in &writes[1..] {
        store.apply(std::slice::from_ref(write)).await.unwrap();
    }
    assert_eq!(everything(&*store).await, batched, "each write is idempotent");
    // The times came before the entry.
    assert_eq!(store.transitions(None, 1).await.unwrap(), [audit(1, 1)]);
    let filled = order(partial.order_id, Pending);
    let expected = tolerancia_store::OrderRow {
        product_id: filled.product_id,
        quantity: filled.quantity,
        ..partial
    };
    assert_eq!(store.orders(None, 9).await.unwrap(), [expected]);
}

async fn everything(store: &dyn Store) -> String {
    format!(
        "{:#?}",
        (
            store.statuses().await.unwrap(),
            store.transitions(None, 99).await.unwrap(),
            store.request_metrics(0, 99).await.unwrap(),
            store.voting_events(99).await.unwrap(),
            store.orders(None, 99).await.unwrap(),
        )
    )
}
