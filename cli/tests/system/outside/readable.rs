//! What is on the topics can be read by people, with their usual tool.

use serde_json::Value;
use tokio::process::Command;
use tolerancia_wire::topic;

use crate::harness::{Kafka, Run, System, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka and kcat: Java, Maven and kcat"]
async fn kcat_shows_json_on_every_topic() {
    let kafka = Kafka::start(1).await;
    let system = System::up_on(&kafka, None, &[]).await;
    let order = system.order("PROD-001", 3).await;
    let lie = ["incorrect", "--instance", "1", "--product", "PROD-001"];
    system.inject(&lie).await;
    eventually("the lie is found out", async || {
        (!system.failures(1).await.is_empty()).then_some(())
    })
    .await;
    // While something is wrong evidence comes faster than kcat can see the end of the topic.
    system.inject(&["clear", "--instance", "1"]).await;
    system.all_on().await;
    for spec in &topic::ALL {
        let records = eventually(&format!("there are records on {}", spec.name), async || {
            let mut kcat = Command::new("kcat");
            kcat.args(["-b", kafka.bootstrap(), "-t", spec.name, "-C", "-e", "-q"]);
            let records = Run::of(kcat).await.code(0).out;
            (!records.is_empty()).then_some(records)
        })
        .await;
        for record in records.lines() {
            let json: Value = serde_json::from_str(record).unwrap_or_else(|error| panic!("{record}: {error}"));
            for field in ["event_id", "type", "at", "source"] {
                assert!(json[field].is_string(), "{} has no {field}: {record}", spec.name);
            }
        }
        if spec.name == topic::ORDER_EVENTS {
            assert!(records.contains(&order.order_id.to_string()), "{records}");
        }
    }
    system.down().await;
}
