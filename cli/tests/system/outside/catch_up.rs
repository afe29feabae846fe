//! A replica that was down while the log grew long.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tolerancia_bus::{Producer, end_offsets};
use tolerancia_wire::core::OrderId;
use tolerancia_wire::core::ledger::Event;
use tolerancia_wire::health::Health;
use tolerancia_wire::{Record, topic};

use crate::harness::{Kafka, System, eventually, signal, within};

const EVENTS: u64 = 100_000;
/// For writing and reading so much, in a debug build on a busy machine.
const LONG: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: Java and Maven"]
async fn a_replica_that_missed_a_hundred_thousand_events_becomes_equal() {
    let kafka = Kafka::start(1).await;
    let system = System::up_on(&kafka, None, &[]).await;
    system.restock("PROD-001", 10_000_000).await;

    // The supervisor cannot bring it back while its port is taken.
    let old = system.pid("inventory-svc/3");
    let address = ("127.0.0.1", system.ports().base + 2);
    signal(old, Signal::KILL);
    let taken = eventually("the dead replica's port is free", async || {
        TcpListener::bind(address).ok()
    })
    .await;

    let producer = Producer::new(&system.bus(), LONG).unwrap();
    for number in 0..EVENTS {
        let mut random = [0; 14];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let event = Event::Reserve {
            order_id: OrderId::from_random(0, random),
            product_id: "PROD-001".parse().unwrap(),
            quantity: 1 + number % 9,
        };
        let record = Record::new("test", event).to_bytes();
        while producer
            .send_forget(topic::ORDER_EVENTS, Some(0), Some(b"PROD-001"), record.clone())
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    producer.flush(LONG).await;
    let end = end_offsets(&system.bus(), topic::ORDER_EVENTS).await.unwrap();
    assert!(end[&0] > EVENTS, "{end:?}");
    let others = reached(&system, 1, end[&0]).await;

    drop(taken);
    // The supervisor's pause has grown meanwhile; what counts is the time from the new process on.
    let began = eventually("the replica is started", async || {
        let (_, health) = system.look(&format!("{}/health", system.inventory(3))).await?;
        let health: Health = serde_json::from_value(health).ok()?;
        (health.pid != old).then(|| (Instant::now(), health.uptime_s))
    })
    .await;
    let third = reached(&system, 3, end[&0]).await;
    let took = began.0.elapsed().as_secs_f64() + began.1;
    eprintln!("a replica that had missed {EVENTS} events was equal {took:.1} s after its start");
    assert_eq!(third.digest, others.digest);
    system.steady().await;
    system.replicas_are_equal().await;
    system.down().await;
}

/// A replica's health, once it is UP and has applied everything before `end`.
async fn reached(system: &System, number: u8, end: u64) -> Health {
    within(LONG, "the replica has caught up", async || {
        let (status, health) = system.look(&format!("{}/health", system.inventory(number))).await?;
        let health: Health = serde_json::from_value(health).ok()?;
        (status == 200 && health.applied.get(&0) == Some(&end)).then_some(health)
    })
    .await
}
