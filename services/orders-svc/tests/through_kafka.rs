//! orders-svc between a real broker and three replicas, through restarts of each.
#![allow(clippy::unwrap_used)]

mod harness;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use harness::{Broker, Orders, Replica, be_a_broker, free_port};
use tolerancia_bus::{BusConfig, read_all};
use tolerancia_core::ledger::{Event, Ledger};
use tolerancia_wire::evidence::{Dissent, ErrorBody, ErrorRecord};
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::topic;

#[test]
fn broker() {
    be_a_broker();
}

async fn log(bus: &BusConfig) -> Vec<(u16, u64, Event)> {
    let messages = read_all(bus, topic::ORDER_EVENTS).await.unwrap();
    let event = |payload: &[u8]| OrderEvent::from_bytes(payload).unwrap().body;
    messages
        .iter()
        .map(|m| (m.partition, m.offset, event(&m.payload)))
        .collect()
}

async fn reserved(bus: &BusConfig) -> u64 {
    let mut ledger = Ledger::new();
    for (partition, offset, event) in log(bus).await {
        ledger.apply(partition, offset, &event);
    }
    ledger
        .products()
        .map(|(_, product)| product.newest().stock.reserved)
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_through_kafka_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start("broker", free_port(), dir.path());
    let bus = broker.bus("test");
    let orders = Orders::start(&bus, dir.path()).await;
    let replicas: Vec<_> = (1..=3)
        .map(|n| Replica::start(n, broker.bus(&format!("replica-{n}"))))
        .collect();

    // An order, its cancel, a rejection.
    let placed = orders.order(None, "PROD-001", 5).await;
    assert_eq!(placed.status, 201);
    let location = placed.location.unwrap();
    assert_eq!(placed.body["status"], "CONFIRMED");
    let cancel = format!("{location}/cancel");
    for status in [200, 409] {
        assert_eq!(orders.post(&cancel).await.status, status);
    }
    for (product, quantity, reason) in [
        ("PROD-001", 1001, "insufficient_stock"),
        ("PROD-999", 1, "unknown_product"),
    ] {
        let rejected = orders.order(None, product, quantity).await;
        assert_eq!(rejected.status, 409);
        assert_eq!(rejected.body["reason"], reason);
    }
    assert_eq!(reserved(&bus).await, 0);

    // Many at once; the replicas' stock is exactly theirs.
    let many = join_all((0..300).map(|_| orders.order(None, "PROD-002", 1))).await;
    assert!(many.iter().all(|answer| answer.status == 201));
    assert_eq!(reserved(&bus).await, 300);

    // One key at once, twice.
    let (one, two) = tokio::join!(
        orders.order(Some("k"), "PROD-003", 7),
        orders.order(Some("k"), "PROD-003", 7)
    );
    assert_eq!((one.status, two.status), (201, 201));
    assert_eq!(one.body["order_id"], two.body["order_id"]);
    assert_eq!(reserved(&bus).await, 307);

    // A lie about an order is evidence.
    replicas[2].lies.store(true, Ordering::Relaxed);
    assert_eq!(orders.order(None, "PROD-002", 1).await.status, 201);
    replicas[2].lies.store(false, Ordering::Relaxed);
    let accused = async {
        loop {
            for message in read_all(&bus, topic::ERROR_QUEUE).await.unwrap() {
                let body = ErrorRecord::from_bytes(&message.payload).unwrap().body;
                if let ErrorBody::Evidence { batches } = body
                    && let Some(bad) = batches.into_iter().find(|batch| batch.is_bad())
                {
                    return bad;
                }
            }
        }
    };
    let accused = tokio::time::timeout(Duration::from_secs(10), accused).await.unwrap();
    assert_eq!(accused.instance.number(), 3);
    let [lie] = &accused.dissents[..] else {
        panic!("one lie was told: {accused:?}")
    };
    assert!(matches!(lie.dissent, Dissent::Outcome { order_id: Some(_), .. }));
    assert_eq!(lie.count, 1);

    // A restart without its database: the log knows the orders and the keys, the catalogue is not seeded again.
    orders.stop().await;
    std::fs::remove_file(dir.path().join("tolerancia.db")).unwrap();
    let orders = Orders::start(&bus, dir.path()).await;
    let again = orders.order(Some("k"), "PROD-003", 7).await;
    assert_eq!((again.status, &again.body["order_id"]), (201, &one.body["order_id"]));
    for product in ["PROD-001", "PROD-002", "PROD-003"] {
        assert_eq!(orders.order(Some("k"), product, 8).await.status, 422);
    }
    let shown = orders.get(&location).await.body;
    assert_eq!(shown["quantity"], 5);
    assert_eq!(reserved(&bus).await, 308);
    let restocks = log(&bus)
        .await
        .into_iter()
        .filter(|(_, _, event)| matches!(event, Event::Restock { .. }));
    assert_eq!(restocks.count(), 3);

    // Without a quorum an order is pending, and a quorum that comes later confirms it.
    replicas.into_iter().for_each(Replica::kill);
    let pending = orders.order(None, "PROD-001", 1).await;
    assert_eq!(pending.status, 202);
    let location = pending.location.unwrap();
    let replicas: Vec<_> = (2..=3)
        .map(|n| Replica::start(n, broker.bus(&format!("replica-{n}"))))
        .collect();
    wait_for(&orders, &location, "CONFIRMED").await;

    // Without Kafka nothing is accepted; afterwards everything goes on by itself.
    let port = broker.port;
    drop(broker);
    let refused = orders.order(None, "PROD-001", 1).await;
    assert_eq!(refused.status, 503);
    assert!(refused.retry_after.is_some());
    wait_for(&orders, "/health", "DEGRADED").await;
    let _broker = Broker::start("broker", port, dir.path());
    let again = async { while orders.order(Some("again"), "PROD-001", 1).await.status != 201 {} };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
    // The refused order may have reached the log all the same; then it is released.
    let settled = async { while reserved(&bus).await != 310 {} };
    tokio::time::timeout(Duration::from_secs(20), settled).await.unwrap();
    wait_for(&orders, "/health", "UP").await;

    replicas.into_iter().for_each(Replica::kill);
    orders.stop().await;
}

async fn wait_for(orders: &Orders, path: &str, status: &str) {
    let there = async {
        loop {
            let answer = orders.get(path).await.body;
            if answer["status"] == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), there).await;
    assert!(waited.is_ok(), "{path} did not become {status}");
}
