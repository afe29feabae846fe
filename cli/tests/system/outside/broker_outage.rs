//! Apache Kafka is away for a while under load: queries go on, orders wait or are refused, nothing is lost.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::Signal;

use super::keeps_its_word;
use crate::harness::{Kafka, System, Traffic, within};

/// How long a Kafka that was killed is away.
const DEAD: Duration = Duration::from_secs(10);
/// How long a frozen one is: its connections stay open, so that only time tells.
const FROZEN: Duration = Duration::from_secs(20);
/// How long the system may take to be steady once Kafka is back.
const RETURN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: Java and Maven"]
async fn a_broker_that_is_killed_loses_nothing() {
    outage(DEAD, |kafka| kafka.signal(1, Signal::KILL), |kafka| kafka.restart(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: Java and Maven"]
async fn a_broker_that_is_frozen_loses_nothing() {
    outage(
        FROZEN,
        |kafka| kafka.signal(1, Signal::STOP),
        |kafka| kafka.signal(1, Signal::CONT),
    )
    .await;
}

async fn outage(length: Duration, away: impl FnOnce(&Kafka), back: impl FnOnce(&Kafka)) {
    let kafka = Kafka::start(1).await;
    let system = System::up_on(&kafka, None, &[]).await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 100, 50);
    traffic.goes_on(200).await;

    away(&kafka);
    // What is to be shown is that nothing happens meanwhile, so there is nothing to wait for.
    tokio::time::sleep(length).await;
    for service in [system.orders(), system.monitor()] {
        let (_, health) = system.look(&format!("{service}/health")).await.unwrap();
        assert_eq!(health["status"], "DEGRADED", "{health}");
        assert!(health["details"]["kafka"].is_string(), "{health}");
    }
    back(&kafka);
    within(RETURN, "the system is steady again", async || {
        for service in system.all() {
            let (_, health) = system.look(&format!("{service}/health")).await?;
            (health["status"] == "UP").then_some(())?;
        }
        let (_, status) = system.look(&format!("{}/status", system.monitor())).await?;
        (status["on"] == 3).then_some(())?;
        let body = serde_json::json!({"product_id": "PROD-002", "quantity": 1});
        let request = system.http.post(format!("{}/orders", system.orders())).json(&body);
        (request.send().await.ok()?.status() == 201).then_some(())
    })
    .await;
    traffic.goes_on(200).await;
    let told = traffic.stop().await;
    system.steady().await;

    assert!(!told.answers.is_empty());
    let others: HashSet<_> = told.others.iter().map(String::as_str).collect();
    assert!(others.is_subset(&HashSet::from(["order: 503"])), "{others:?}");
    assert!(!others.is_empty(), "no order met the outage, so nothing was tested");
    keeps_its_word(&system, &told).await;
    system.down().await;
}
