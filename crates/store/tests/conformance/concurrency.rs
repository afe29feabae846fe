//! Several users of one database.

use super::rows::*;
use super::*;

pub async fn writers_at_once_all_succeed(open: impl Open) {
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let store = open().await;
        writers.spawn(async move {
            for i in 0..50 {
                let row = order(order_id(0, n * 50 + i), Pending);
                store.upsert_orders(&[row]).await.unwrap();
                store.orders(None, 5).await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    assert_eq!(open().await.orders(None, 1000).await.unwrap().len(), 200);
}

pub async fn starters_at_once_all_succeed(open: impl Open) {
    let opened = futures_util::future::join_all((0..8).map(|_| open())).await;
    for store in &opened {
        store.ping().await.unwrap();
    }
    opened[0].upsert_status(&status(1, Verdict::On)).await.unwrap();
    assert_eq!(opened[7].statuses().await.unwrap(), [status(1, Verdict::On)]);
}

/// Each writes the same orders, in another order.
pub async fn writers_of_the_same_at_once_all_succeed(open: impl Open) {
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let store = open().await;
        writers.spawn(async move {
            let mut rows: Vec<_> = (0..100).map(|i| order(order_id(0, i), Pending)).collect();
            rows.rotate_left(n * 25);
            for _ in 0..10 {
                store.upsert_orders(&rows).await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    assert_eq!(open().await.orders(None, 1000).await.unwrap().len(), 100);
}
