//! A log that forgets is no truth.

use crate::harness::{Kafka, Run, free_base, tolerancia};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: Java and Maven"]
async fn a_compacted_log_is_refused() {
    // What a cluster's operator may have chosen for all topics.
    let kafka = Kafka::start_with(1, &[("KAFKA_EXTRA", "log.cleanup.policy=compact")]).await;
    let mut command = tolerancia(&["orders-svc"]);
    command
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap())
        .env("BASE_PORT", free_base().to_string())
        .env("DATA_DIR", std::env::temp_dir().join("never-made"));
    let run = Run::of(command).await;
    assert_ne!(run.code, Some(0), "{run:#?}");
    run.says("order-events is compacted").says("retention.ms=-1");
}
