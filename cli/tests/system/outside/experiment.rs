//! The experiment on Apache Kafka and PostgreSQL, and its audit.

use std::time::Duration;

use serde_json::Value;
use tolerancia_store::open_postgres;

use crate::audit::agrees_with_the_report;
use crate::harness::{Kafka, Postgres, Run, System};

/// A quick run takes 34 s on a calm machine.
const LONG: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka and PostgreSQL: Java, Maven and PostgreSQL"]
async fn the_audit_in_postgresql_agrees_with_the_report() {
    let kafka = Kafka::start(1).await;
    let postgres = Postgres::start(&kafka);
    let system = System::up_on(&kafka, Some(&postgres), &[]).await;
    let out = system.dir().join("result");
    let experiment = system.command(&["experiment", "--quick", "--out", out.to_str().unwrap()]);
    let run = Run::within(LONG, experiment).await.code(0);
    let report = std::fs::read(out.join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["environment"]["kafka"], "external");
    assert_eq!(report["environment"]["database"], "postgres");
    assert_eq!(report["verdict"], "pass");

    let store = open_postgres(postgres.url()).await.unwrap();
    let trials = agrees_with_the_report(&*store, &report).await;
    assert_eq!(trials, 18, "{run:#?}");
    system.down().await;
}
