//! The monitor's verdicts, from `instance-status`.
//!
//! Voting never waits for Kafka: before the first record all replicas are ON, and while the log cannot be
//! read the last known verdicts stay in force.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, BusError, Consumer, Start, ensure_topics, read_all};
use tolerancia_core::ReplicaId;
use tolerancia_service::config::name::INVENTORY;
use tolerancia_wire::status::{StatusBody, StatusRecord, Verdict};
use tolerancia_wire::topic::INSTANCE_STATUS;
use tracing::warn;

use crate::voter::Voter;

/// Pause before a log that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Records taken at a time.
const CHUNK: usize = 1024;

/// Follows the verdicts until `shutdown`; `connected` says whether the log can be read.
pub async fn follow(voter: Arc<Voter>, bus: BusConfig, connected: Arc<AtomicBool>, shutdown: CancellationToken) {
    let mut reported = false;
    loop {
        let ended = shutdown.run_until_cancelled(read(&voter, &bus, &connected)).await;
        connected.store(false, Ordering::Relaxed);
        match ended {
            None => return,
            Some(Err(error)) if !reported => {
                warn!(%error, "the verdicts cannot be read; the last known ones stay in force");
                reported = true;
            }
            Some(Err(_)) => {}
            Some(Ok(())) => reported = false,
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
            return;
        }
    }
}

/// Reads until the log fails: an error before the first record, or `Ok` after a while of reading.
async fn read(voter: &Voter, bus: &BusConfig, connected: &AtomicBool) -> Result<(), BusError> {
    ensure_topics(bus).await?;
    // What is in force now, at once: a voter that starts must not run through old verdicts.
    let past = read_all(bus, INSTANCE_STATUS).await?;
    let next = past
        .iter()
        .map(|record| (record.partition, record.offset + 1))
        .collect();
    for (replica, on) in newest(past.iter().map(|record| record.payload.as_slice())) {
        voter.set_on(replica, on);
    }
    let start = if past.is_empty() {
        Start::Beginning
    } else {
        Start::At(next)
    };
    let mut log = Consumer::new(bus, INSTANCE_STATUS, start).await?;
    connected.store(true, Ordering::Relaxed);
    while let Ok(records) = log.recv_batch(CHUNK).await {
        for (replica, on) in newest(records.iter().map(|record| record.payload.as_slice())) {
            voter.set_on(replica, on);
        }
    }
    Ok(())
}

/// The newest verdict on each replica in these records, oldest first. Whatever is not a verdict on a
/// replica is skipped.
fn newest<'a>(records: impl Iterator<Item = &'a [u8]>) -> BTreeMap<ReplicaId, bool> {
    records
        .filter_map(|bytes| StatusRecord::from_bytes(bytes).ok())
        .map(|record| {
            let StatusBody::Status(status) = record.body;
            status
        })
        .filter(|status| status.service == INVENTORY)
        .map(|status| (status.instance, status.status == Verdict::On))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tolerancia_wire::status::{InstanceStatus, Phase, Reason, ReasonKind};
    use tolerancia_wire::{Record, Stamp};

    use super::*;

    fn record(service: &str, n: u8, status: Verdict) -> Vec<u8> {
        let body = StatusBody::Status(InstanceStatus {
            service: service.to_owned(),
            instance: ReplicaId::new(n).unwrap(),
            status,
            phase: Phase::On,
            reason: Reason::new(ReasonKind::Initial, ""),
            since: Stamp::now(),
            pid: None,
        });
        Record::new("monitor-svc", body).to_bytes()
    }

    #[test]
    fn the_newest_verdict_of_each_replica_wins() {
        let records = [
            record(INVENTORY, 1, Verdict::Off),
            record(INVENTORY, 2, Verdict::On),
            record(INVENTORY, 1, Verdict::On),
            record(INVENTORY, 2, Verdict::Off),
            record("other-svc", 3, Verdict::Off),
            b"garbage".to_vec(),
            Vec::new(),
        ];
        let newest = newest(records.iter().map(Vec::as_slice));
        let newest: Vec<_> = newest.into_iter().map(|(id, on)| (id.number(), on)).collect();
        assert_eq!(newest, [(1, true), (2, false)]);
    }
}
