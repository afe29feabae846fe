//! Several partitions: products are spread, each keeps its order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tolerancia_bus::Producer;
use tolerancia_wire::core::ledger::Event;
use tolerancia_wire::order::OrderView;
use tolerancia_wire::{Record, topic};

use crate::harness::{Kafka, LIMIT, System, Truth, eventually};

const PARTITIONS: usize = 3;
const PRODUCTS: u32 = 500;
const ORDERS_EACH: u64 = 20;
/// Products that are ordered at the same time.
const CLIENTS: u32 = 50;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: Java and Maven"]
async fn ten_thousand_orders_over_five_hundred_products_keep_their_order() {
    let kafka = Kafka::start(1).await;
    let system = System::up_on(&kafka, None, &[("KAFKA_PARTITIONS", "3")]).await;
    let system = Arc::new(system);
    stock(&system).await;

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let system = Arc::clone(&system);
        clients.spawn(async move {
            let mut confirmed = Vec::new();
            for product in (client..PRODUCTS).step_by(CLIENTS as usize) {
                // One after the other, so that their order is known.
                let mut versions = Vec::new();
                for quantity in 1..=ORDERS_EACH {
                    let order = order(&system, &name(product), quantity).await;
                    versions.push(order.version.unwrap());
                    confirmed.push(order);
                }
                assert!(versions.is_sorted(), "{}: {versions:?}", name(product));
            }
            confirmed
        });
    }
    let confirmed: Vec<OrderView> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(confirmed.len() as u64, u64::from(PRODUCTS) * ORDERS_EACH);
    let used: BTreeSet<u16> = confirmed.iter().map(|order| order.order_id.partition()).collect();
    assert_eq!(used.len(), PARTITIONS, "{used:?}");

    let truth = Truth::of(&system).await;
    truth.confirms_orders(&confirmed);
    system.replicas_are_equal().await;
    let last = system.stock(&name(PRODUCTS - 1)).await;
    assert_eq!(last.stock.reserved, ORDERS_EACH * (ORDERS_EACH + 1) / 2, "{last:?}");
    let system = Arc::into_inner(system).unwrap();
    system.down().await;
}

fn name(product: u32) -> String {
    format!("PART-{product:04}")
}

/// Gives each product a stock, as people do it by hand: a record with the product as key.
async fn stock(system: &System) {
    let producer = Producer::new(&system.bus(), Duration::from_secs(10)).unwrap();
    for product in 0..PRODUCTS {
        let name = name(product);
        let event = Event::Restock {
            product_id: name.parse().unwrap(),
            quantity: 1000,
        };
        let record = Record::new("test", event).to_bytes();
        let sent = producer.send(topic::ORDER_EVENTS, None, Some(name.as_bytes()), record);
        sent.await.unwrap();
    }
    let last = format!("{}/inventory/{}", system.voter(), name(PRODUCTS - 1));
    eventually("the stock shows", async || {
        let (status, _) = system.look(&last).await?;
        (status == 200).then_some(())
    })
    .await;
}

/// Orders until it is confirmed: the load is heavy for a debug build, and a pending order is asked for again
/// with its key.
async fn order(system: &System, product: &str, quantity: u64) -> OrderView {
    let key = format!("{product}-{quantity}");
    let body = json!({"product_id": product, "quantity": quantity});
    let began = Instant::now();
    loop {
        let request = system.http.post(format!("{}/orders", system.orders()));
        let answer = request
            .header("Idempotency-Key", &key)
            .json(&body)
            .send()
            .await
            .unwrap();
        if answer.status() == 201 {
            return answer.json().await.unwrap();
        }
        assert!(began.elapsed() < LIMIT, "{key}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
