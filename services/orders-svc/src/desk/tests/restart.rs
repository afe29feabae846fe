//! What the store knows after a restart.

use super::*;

/// The other partition's product: of P and Q, R, … the first that is not beside P.
fn elsewhere() -> &'static str {
    let home = |product: &str| partition::of_product(&product.parse().unwrap(), 2);
    ["Q", "R", "S", "T", "U", "V"]
        .into_iter()
        .find(|product| home(product) != home("P"))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_store_knows_orders_and_keys() {
    let dir = tempfile::tempdir().unwrap();
    let archive = || Archive::open(None, &dir.path().join("orders.db"));
    let mut before = Bench::with(1, archive());
    let placing = before.place(Some("k"), "P", 2);
    let dropped = before.place(Some("gone"), "P", 1);
    settle().await;
    before.replicas(&[1, 2]);
    let (placed, dropped) = (order(placing.await.unwrap()), order(dropped.await.unwrap()));
    let cancelling = before.cancel(dropped.order_id);
    settle().await;
    before.replicas(&[1, 2]);
    assert!(matches!(cancelling.await.unwrap(), Cancelled::Stands(_)));
    before.desk.archive().close(Duration::from_secs(5)).await;

    let after = Bench::with(1, archive());
    assert_eq!(after.desk.list(None, 10).await.len(), 2);
    assert_eq!(
        order(after.place(Some("k"), "P", 2).await.unwrap()).version,
        placed.version
    );
    assert_eq!(after.place(Some("k"), "P", 3).await.unwrap(), Placed::KeyTaken);
    let cancelled = order(after.place(Some("gone"), "P", 1).await.unwrap());
    assert_eq!(cancelled.status, OrderStatus::Cancelled, "not confirmed again");
    assert_eq!(after.desk.find(placed.order_id).await.unwrap().quantity, Some(2));
    assert_eq!(after.log.events().len(), 1, "nothing was appended");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_taken_in_every_partition_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let archive = || Archive::open(None, &dir.path().join("orders.db"));
    let before = Bench::with(2, archive());
    let first = order(before.place(Some("k"), "P", 1).await.unwrap());
    assert_eq!(before.place(Some("k"), elsewhere(), 1).await.unwrap(), Placed::KeyTaken);
    before.desk.archive().close(Duration::from_secs(5)).await;

    let after = Bench::with(2, archive());
    assert_eq!(after.place(Some("k"), elsewhere(), 1).await.unwrap(), Placed::KeyTaken);
    assert_eq!(after.log.events().len(), 1);
    // It was pending, so the same request is appended again.
    let again = order(after.place(Some("k"), "P", 1).await.unwrap());
    assert_eq!(
        (again.order_id, again.created.mono_ns),
        (first.order_id, first.created.mono_ns)
    );
    assert_eq!(after.log.events().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_during_a_retry_is_written_down_whatever_becomes_of_the_retry() {
    let dir = tempfile::tempdir().unwrap();
    let archive = || Archive::open(None, &dir.path().join("orders.db"));
    let mut before = Bench::with(1, archive());
    let first = order(before.place(Some("k"), "P", 2).await.unwrap());
    assert_eq!(first.status, OrderStatus::Pending, "no replica has reported it");
    before.log.fail_next(Kafka::NeverAnswers);
    let retry = before.place(Some("k"), "P", 2);
    settle().await;
    before.replicas(&[1, 2]);
    retry.await.unwrap();
    before.desk.archive().close(Duration::from_secs(5)).await;

    let after = Bench::with(1, archive());
    let found = after.desk.find(first.order_id).await.unwrap();
    assert_eq!((found.status, found.quantity), (OrderStatus::Confirmed, Some(2)));
}
