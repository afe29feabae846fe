//! Whether all is well again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tolerancia_bus::end_offsets;
use tolerancia_client::http;
use tolerancia_wire::health::{Health, HealthState};
use tolerancia_wire::status::{SystemStatus, Verdict};
use tolerancia_wire::topic::ORDER_EVENTS;

use crate::torture::System;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// An answer that takes longer is none.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long Kafka may take to tell where the log ends.
const KAFKA: Duration = Duration::from_secs(10);

/// Waits, up to 60 s, until every service is `UP`, every replica is ON and has applied the whole log, to which nobody adds
/// any more. Otherwise tells what is missing, one sentence each.
///
/// # Errors
/// What is missing.
pub async fn healed(system: &System, stop: &CancellationToken) -> Result<(), Vec<String>> {
    let client = http::client(TIMEOUT);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let missing = look(system, &client).await;
        if missing.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline || stop.is_cancelled() {
            return Err(missing);
        }
        sleep(PAUSE).await;
    }
}

async fn look(system: &System, client: &reqwest::Client) -> Vec<String> {
    let mut missing = Vec::new();
    let ends = match timeout(KAFKA, end_offsets(&system.bus, ORDER_EVENTS)).await {
        Ok(Ok(ends)) => ends,
        Ok(Err(error)) => return vec![format!("the log does not answer: {error}")],
        Err(_) => return vec![format!("the log does not answer within {} s", KAFKA.as_secs())],
    };
    let services = [&system.voter_url, &system.orders_url, &system.monitor_url];
    for url in services.into_iter().chain(&system.inventory_urls) {
        match http::get_json::<Health>(client, &format!("{url}/health")).await {
            Ok(health) => missing.extend(ailing(&health, &ends)),
            Err(error) => missing.push(error),
        }
    }
    match http::get_json::<SystemStatus>(client, &format!("{}/status", system.monitor_url)).await {
        Ok(status) => missing.extend(
            status
                .instances
                .iter()
                .filter(|one| one.status != Verdict::On)
                .map(|one| {
                    let (instance, phase, reason) = (one.instance, one.phase, &one.reason.text);
                    format!("instance {instance} is OFF ({phase:?}): {reason}")
                }),
        ),
        Err(error) => missing.push(error),
    }
    missing
}

/// What is wrong with a service.
fn ailing(health: &Health, ends: &BTreeMap<u16, u64>) -> Option<String> {
    let name = format!("{}/{}", health.service, health.instance);
    if health.status != HealthState::Up {
        return Some(format!("{name} is {:?}: {:?}", health.status, health.details));
    }
    let applied = |partition| health.applied.get(partition).copied().unwrap_or(0);
    let behind = ends.iter().find(|(partition, end)| applied(partition) != **end);
    let (partition, end) = behind.filter(|_| !health.applied.is_empty())?;
    let applied = applied(partition);
    Some(format!(
        "{name} has applied {applied} of {end} events of partition {partition}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn health(status: &str, applied: &serde_json::Value) -> Health {
        let health = json!({ "status": status, "service": "inventory-svc", "instance": "2", "pid": 1, "version": "",
            "uptime_s": 1.0, "applied": applied });
        serde_json::from_value(health).unwrap()
    }

    #[test]
    fn who_is_behind_or_not_up_is_not_well() {
        let ends = BTreeMap::from([(0, 7), (1, 0)]);
        assert_eq!(ailing(&health("UP", &json!({ "0": 7, "1": 0 })), &ends), None);
        assert_eq!(ailing(&health("UP", &json!({})), &ends), None, "no replica");
        let behind = ailing(&health("UP", &json!({ "0": 6, "1": 0 })), &ends).unwrap();
        assert!(behind.contains("6 of 7"), "{behind}");
        let down = ailing(&health("DEGRADED", &json!({ "0": 7, "1": 0 })), &ends).unwrap();
        assert!(down.contains("Degraded"), "{down}");
    }
}
