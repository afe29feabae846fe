//! PostgreSQL is away for ten seconds under load: nothing that clients see changes, and no row is missing afterwards.

use std::time::Duration;

use tolerancia_store::open_postgres;
use tolerancia_wire::status::Verdict;

use crate::harness::{Kafka, Postgres, System, Traffic, Truth, eventually};

/// How long PostgreSQL is away.
const OUTAGE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka and PostgreSQL: Java, Maven and PostgreSQL"]
async fn a_database_that_is_killed_costs_nothing() {
    let kafka = Kafka::start(1).await;
    let postgres = Postgres::start(&kafka);
    let system = System::up_on(&kafka, Some(&postgres), &[]).await;
    system.restock("PROD-001", 1_000_000).await;
    system.steady().await;
    let traffic = Traffic::start(&system, 50, 50);
    traffic.goes_on(100).await;

    let before = traffic.confirmed();
    postgres.kill();
    let away = tokio::time::sleep(OUTAGE);
    for service in [system.orders(), system.monitor()] {
        eventually("health tells", async || {
            let (status, health) = system.look(&format!("{service}/health")).await?;
            assert_eq!(status, 200, "{health}");
            (health["status"] == "DEGRADED" && health["details"]["database"].is_string()).then_some(())
        })
        .await;
    }
    // Verdicts go on, and come within their second.
    system
        .inject(&["incorrect", "--instance", "2", "--product", "PROD-001"])
        .await;
    verdict(&system, Verdict::Off).await;
    system.inject(&["clear", "--instance", "2"]).await;
    verdict(&system, Verdict::On).await;
    away.await;
    let meanwhile = traffic.confirmed() - before;
    postgres.restart();
    system.steady().await;
    traffic.goes_on(100).await;
    let told = traffic.stop().await;

    assert_eq!(told.others, [""; 0], "a client noticed");
    assert_eq!(told.pending, []);
    let truth = Truth::of(&system).await;
    truth.confirms_answers(&told.answers);
    truth.confirms_orders(&told.confirmed);
    assert!(
        meanwhile > 100,
        "{meanwhile} orders fell into the outage, so nothing was tested"
    );

    // What waited is there.
    let store = open_postgres(postgres.url()).await.unwrap();
    eventually("all orders are in PostgreSQL", async || {
        let rows = store.orders(None, 1_000_000).await.unwrap();
        let rows: std::collections::HashMap<_, _> = rows.into_iter().map(|row| (row.order_id, row.status)).collect();
        let there = |order: &tolerancia_wire::order::OrderView| rows.get(&order.order_id) == Some(&order.status);
        told.confirmed.iter().all(there).then_some(())
    })
    .await;
    let shown = system.failures(2).await;
    eventually("all verdicts are in PostgreSQL", async || {
        let rows = store.transitions(None, 1_000_000).await.unwrap();
        let there = |seq: u64| rows.iter().any(|row| row.transition.seq == seq);
        shown.iter().all(|transition| there(transition.seq)).then_some(())
    })
    .await;
    system.down().await;
}

async fn verdict(system: &System, wanted: Verdict) {
    eventually("the monitor judges", async || {
        let status = system.status().await;
        (status.instances[1].status == wanted).then_some(())
    })
    .await;
}
