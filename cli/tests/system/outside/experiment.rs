//! The experiment on Apache Kafka and PostgreSQL, and its audit.

use serde_json::Value;
use tolerancia_store::open_postgres;

use crate::audit::agrees_with_the_report;
use crate::harness::{Kafka, Postgres, System};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka and PostgreSQL: Java, Maven and PostgreSQL"]
async fn the_audit_in_postgresql_agrees_with_the_report() {
    let (kafka, postgres) = (Kafka::start(1), Postgres::start());
    let system = System::up_on(&kafka, Some(&postgres), &[]).await;
    let out = system.dir().join("result");
    let run = system
        .run(&["experiment", "--quick", "--out", out.to_str().unwrap()])
        .await;
    let run = run.code(0);
    let report = std::fs::read(out.join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["environment"]["kafka"], "external");
    assert_eq!(report["environment"]["database"], "postgres");
    assert_eq!(report["verdict"], "pass");

    let store = open_postgres(postgres.url()).await.unwrap();
    let trials = agrees_with_the_report(&*store, &report).await;
    assert_eq!(trials, 12, "{run:#?}");
    system.down().await;
}
