//! The oracle's way to the log and to the replicas.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tolerancia_bus::{end_offsets, read_all};
use tolerancia_wire::health::Health;
use tolerancia_wire::topic::ORDER_EVENTS;

use super::record::Observation;
use super::steady::Steady;
use super::{ExperimentError, Target};
use crate::archive::Log;
use crate::oracle::{Finding, Truth};

/// How long the replicas may take to apply the end of the log, once the load has ended.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What the oracle found.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    /// Whether it looked at all.
    pub complete: bool,
    /// What contradicts the log, and when the request was meant to start.
    pub findings: Vec<(u64, Finding)>,
    /// Records of the log.
    pub records: usize,
    /// Records that nobody can read.
    pub unreadable: u64,
    /// Why the replicas are not equal; `None`: they are.
    pub unequal: Option<String>,
}

/// Judges all observations and compares the replicas, with the log as it stands now. Gives the log back as it was read.
pub(crate) async fn verify(
    target: &Target,
    steady: &Steady,
    observations: &[Observation],
) -> Result<(Verified, Log), ExperimentError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ends = end_offsets(&target.bus, ORDER_EVENTS).await?;
        let replicas = settled(steady, &ends, deadline).await;
        let records = read_all(&target.bus, ORDER_EVENTS).await?;
        let truth = Truth::replay(&records);
        // Somebody else may be using the system; then the replicas belong to another end of the log.
        let moved = end_offsets(&target.bus, ORDER_EVENTS).await? != ends;
        if moved && Instant::now() < deadline {
            continue;
        }
        let unequal = match replicas {
            _ if moved => Some("the log did not come to rest: other clients use the system".to_owned()),
            Err(why) => Some(why),
            Ok(replicas) => difference(&replicas, &truth.digest()),
        };
        let judge = |seen: &Observation| Some((seen.intended_ns, truth.judge(seen.told.as_ref()?)?));
        let verified = Verified {
            complete: true,
            // What the ledger has wrong has no instant.
            findings: truth
                .audited()
                .iter()
                .map(|finding| (0, finding.clone()))
                .chain(observations.iter().filter_map(judge))
                .collect(),
            records: records.len(),
            unreadable: truth.unreadable(),
            unequal,
        };
        return Ok((verified, Log { records, ends }));
    }
}

/// The replicas, once all have applied the log up to `ends`.
async fn settled(steady: &Steady, ends: &BTreeMap<u16, u64>, deadline: Instant) -> Result<Vec<Health>, String> {
    loop {
        let replicas: Result<Vec<Health>, String> = steady.replicas().await.into_iter().collect();
        let behind = replicas.and_then(|replicas| match replicas.iter().find(|health| !is_at(health, ends)) {
            None => Ok(replicas),
            Some(health) => Err(format!(
                "instance {} has applied {:?} of {ends:?}",
                health.instance, health.applied
            )),
        });
        match behind {
            Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
            settled => return settled,
        }
    }
}

/// A partition without records need not be named.
fn is_at(health: &Health, ends: &BTreeMap<u16, u64>) -> bool {
    ends.iter()
        .all(|(partition, end)| health.applied.get(partition).copied().unwrap_or(0) == *end)
}

fn difference(replicas: &[Health], digest: &str) -> Option<String> {
    let differs = replicas
        .iter()
        .find(|health| health.digest.as_deref() != Some(digest))?;
    let theirs = differs.digest.as_deref().unwrap_or("no digest");
    Some(format!(
        "instance {} has {theirs}, the log gives {digest}",
        differs.instance
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tolerancia_wire::health::HealthState;

    fn health(instance: &str, applied: &[(u16, u64)], digest: &str) -> Health {
        Health {
            status: HealthState::Up,
            service: "inventory-svc".to_owned(),
            instance: instance.to_owned(),
            pid: 1,
            version: String::new(),
            uptime_s: 1.0,
            applied: applied.iter().copied().collect(),
            digest: Some(digest.to_owned()),
            idle_ms: None,
            database: None,
            details: BTreeMap::new(),
        }
    }

    #[test]
    fn a_replica_that_is_behind_is_not_compared() {
        let ends = BTreeMap::from([(0, 7), (1, 0)]);
        assert!(is_at(&health("1", &[(0, 7)], "a"), &ends));
        assert!(!is_at(&health("1", &[(0, 6)], "a"), &ends));
    }

    #[test]
    fn a_replica_that_differs_is_named() {
        let replicas = [health("1", &[], "a"), health("2", &[], "b")];
        assert!(difference(&replicas, "a").unwrap().contains("instance 2"));
        assert_eq!(difference(&replicas[..1], "a"), None);
        assert!(difference(&replicas[..1], "c").is_some());
    }
}
