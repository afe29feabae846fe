//! Whether the log that the oracle will read is the one that the replicas read. The address comes from the
//! caller's environment; a mistake there must not be found out only after all faults were injected.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use tolerancia_bus::{BusConfig, BusError, end_offsets};
use tolerancia_wire::health::Health;
use tolerancia_wire::topic::ORDER_EVENTS;

use super::ExperimentError;

/// The system is up, so its Kafka is; an address that is silent for so long is not it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where each partition of the log ends.
pub(super) type Ends = Pin<Box<dyn Future<Output = Result<BTreeMap<u16, u64>, BusError>> + Send>>;

/// The ends of `order-events`.
pub(super) fn ends(bus: BusConfig) -> Ends {
    Box::pin(async move { end_offsets(&bus, ORDER_EVENTS).await })
}

/// Compares the replicas, as they were before `ends` is awaited, with the log.
pub(super) async fn check(
    replicas: Vec<Result<Health, String>>,
    bootstrap: &str,
    ends: Ends,
) -> Result<(), ExperimentError> {
    let other = |why: String| Err(ExperimentError::OtherLog(format!("{bootstrap} {why}")));
    let ends = match tokio::time::timeout(PATIENCE, ends).await {
        Ok(Ok(ends)) => ends,
        Ok(Err(error)) => return other(format!("does not give the log ({error})")),
        Err(_) => return other(format!("does not give the log within {} s", PATIENCE.as_secs())),
    };
    let beyond = replicas.iter().flatten().find_map(|health| {
        let mut applied = health.applied.iter();
        let (partition, applied) = applied.find(|(partition, at)| **at > ends.get(partition).copied().unwrap_or(0))?;
        Some(format!(
            "is another Kafka: instance {} has applied {applied} events of partition {partition}, the log there has {}",
            health.instance,
            ends.get(partition).copied().unwrap_or(0)
        ))
    });
    beyond.map_or(Ok(()), other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn replica(applied: &serde_json::Value) -> Vec<Result<Health, String>> {
        let health = json!({ "status": "UP", "service": "inventory-svc", "instance": "2", "pid": 1, "version": "",
            "uptime_s": 1.0, "applied": applied });
        vec![Err("no answer".to_owned()), Ok(serde_json::from_value(health).unwrap())]
    }

    async fn judged(applied: serde_json::Value) -> Result<(), String> {
        let ends = Box::pin(async { Ok(BTreeMap::from([(0, 7), (1, 0)])) });
        let judged = check(replica(&applied), "kafka:9092", ends).await;
        judged.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_replica_beyond_the_log_reads_another_one() {
        judged(json!({ "0": 7 })).await.unwrap();
        judged(json!({ "0": 5, "1": 0, "2": 0 })).await.unwrap();
        for applied in [json!({ "0": 8 }), json!({ "0": 7, "1": 1 }), json!({ "2": 1 })] {
            let error = judged(applied).await.unwrap_err();
            assert!(
                error.contains("kafka:9092 is another Kafka") && error.contains("KAFKA_BOOTSTRAP_SERVERS"),
                "{error}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_kafka_that_is_not_there_is_named() {
        let error = check(Vec::new(), "nowhere:1", Box::pin(std::future::pending()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("KAFKA_BOOTSTRAP_SERVERS"), "{error}");
    }
}
