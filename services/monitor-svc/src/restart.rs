//! The verdicts that were in force when the last monitor stopped: from `instance-status`, and from the database in
//! case Kafka lost the topic. Either alone is enough.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tolerancia_bus::BusConfig;
use tolerancia_core::ReplicaId;
use tolerancia_service::config::name::INVENTORY;
use tolerancia_store::Store;
use tolerancia_wire::status::{InstanceStatus, Phase, Reason, ReasonKind, StatusBody, StatusRecord, Verdict};
use tolerancia_wire::{Stamp, topic};

/// How long the database may take; then what Kafka said must do.
const PATIENCE: Duration = Duration::from_secs(1);

/// The statuses that this run begins with, one of each instance.
///
/// # Errors
/// When Kafka cannot be read.
pub(crate) async fn statuses(bus: &BusConfig, database: &Arc<dyn Store>, replicas: u8) -> Result<Vec<InstanceStatus>> {
    let (told, stored) = tokio::join!(told(bus), stored(&**database));
    Ok(merge(replicas, told?, stored))
}

/// What was told to the voter, oldest first.
async fn told(bus: &BusConfig) -> Result<Vec<InstanceStatus>> {
    let messages = tolerancia_bus::read_all(bus, topic::INSTANCE_STATUS).await?;
    // A record that cannot be read is not a verdict.
    let records = messages
        .iter()
        .filter_map(|message| StatusRecord::from_bytes(&message.payload).ok());
    Ok(records
        .map(|record| {
            let StatusBody::Status(status) = record.body;
            status
        })
        .collect())
}

/// What was written down; nothing if the database does not say in time.
async fn stored(database: &dyn Store) -> Vec<InstanceStatus> {
    match tokio::time::timeout(PATIENCE, database.statuses()).await {
        Ok(Ok(statuses)) => statuses,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the verdicts in the database are not known; those on Kafka are used");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("the database takes too long; the verdicts on Kafka are used");
            Vec::new()
        }
    }
}

/// Of each instance the verdict that was given last, ON for one that nobody knows. Kafka's order is that of the
/// verdicts; what the database knows counts where it is newer by the clock of the monitors' hosts.
fn merge(
    replicas: u8,
    told: impl IntoIterator<Item = InstanceStatus>,
    stored: impl IntoIterator<Item = InstanceStatus>,
) -> Vec<InstanceStatus> {
    let mut known: Vec<Option<InstanceStatus>> = vec![None; replicas.into()];
    // There may have been more instances once.
    let ours = |status: &InstanceStatus| status.service == INVENTORY && status.instance.number() <= replicas;
    for status in told.into_iter().filter(ours) {
        let instance = status.instance.index();
        known[instance] = Some(status);
    }
    for status in stored.into_iter().filter(ours) {
        let known = &mut known[status.instance.index()];
        if known.as_ref().is_none_or(|known| status.since.at > known.since.at) {
            *known = Some(status);
        }
    }
    ReplicaId::all(replicas)
        .zip(known)
        .map(|(instance, known)| known.map_or_else(|| initial(instance), resumed))
        .collect()
}

/// A known status as of now: what was OFF proves itself again, whatever is left of its quarantine.
fn resumed(status: InstanceStatus) -> InstanceStatus {
    let phase = match status.status {
        Verdict::On => Phase::On,
        Verdict::Off => Phase::Probation,
    };
    InstanceStatus { phase, ..status }
}

/// The status of an instance that nobody knows.
pub(crate) fn initial(instance: ReplicaId) -> InstanceStatus {
    InstanceStatus {
        service: INVENTORY.to_owned(),
        instance,
        status: Verdict::On,
        phase: Phase::On,
        reason: Reason::new(ReasonKind::Initial, "innocent until proven guilty"),
        since: Stamp::now(),
        pid: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::Timestamp;

    use super::*;

    fn status(n: u8, status: Verdict, since_ms: i64) -> InstanceStatus {
        let since = Stamp {
            at: Timestamp::from_millisecond(1_700_000_000_000 + since_ms).unwrap(),
            mono_ns: 5,
        };
        InstanceStatus {
            status,
            since,
            phase: Phase::Quarantine,
            reason: Reason::new(ReasonKind::Late, format!("since {since_ms}")),
            ..initial(ReplicaId::new(n).unwrap())
        }
    }

    /// The verdict on each instance, and since when.
    fn merged(told: &[InstanceStatus], stored: &[InstanceStatus]) -> Vec<(Verdict, String)> {
        let merged = merge(3, told.to_vec(), stored.to_vec());
        assert!(merged.iter().map(|s| s.instance).eq(ReplicaId::all(3)));
        merged.into_iter().map(|s| (s.status, s.reason.text)).collect()
    }

    fn known(verdict: Verdict, since_ms: i64) -> (Verdict, String) {
        (verdict, format!("since {since_ms}"))
    }

    fn unknown() -> (Verdict, String) {
        (Verdict::On, "innocent until proven guilty".to_owned())
    }

    #[test]
    fn the_newer_verdict_counts_whoever_knows_it() {
        let told = [status(1, Verdict::Off, 10), status(2, Verdict::On, 30)];
        let stored = [status(1, Verdict::On, 20), status(2, Verdict::Off, 20)];
        assert_eq!(
            merged(&told, &stored),
            [known(Verdict::On, 20), known(Verdict::On, 30), unknown()]
        );
    }

    #[test]
    fn either_alone_is_enough() {
        let off = [status(1, Verdict::Off, 10), status(3, Verdict::Off, 10)];
        let expected = [known(Verdict::Off, 10), unknown(), known(Verdict::Off, 10)];
        assert_eq!(merged(&off, &[]), expected, "the database was away");
        assert_eq!(merged(&[], &off), expected, "Kafka lost the topic");
        assert_eq!(merged(&[], &[]), [unknown(), unknown(), unknown()]);
    }

    #[test]
    fn kafka_orders_its_own_records_whatever_the_clock_said() {
        let told = [status(1, Verdict::On, 20), status(1, Verdict::Off, 10)];
        assert_eq!(merged(&told, &[])[0], known(Verdict::Off, 10));
    }

    #[test]
    fn what_was_off_proves_itself_and_what_was_on_does_not() {
        let told = [status(1, Verdict::Off, 10), status(2, Verdict::On, 10)];
        let phases: Vec<_> = merge(3, told, []).iter().map(|s| s.phase).collect();
        assert_eq!(phases, [Phase::Probation, Phase::On, Phase::On]);
    }

    #[test]
    fn other_services_and_instances_that_are_no_more_are_left_out() {
        let mut other = status(1, Verdict::Off, 10);
        other.service = "other-svc".to_owned();
        assert_eq!(
            merged(&[other, status(4, Verdict::Off, 10)], &[status(9, Verdict::Off, 10)]),
            [unknown(), unknown(), unknown()]
        );
    }

    /// A database whose file cannot be made: the start goes on at once.
    #[tokio::test]
    async fn a_database_that_is_away_knows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        std::fs::create_dir(&path).unwrap();
        let store = tolerancia_store::lazy_sqlite(&path);
        assert_eq!(stored(&*store).await, []);
        std::fs::remove_dir(&path).unwrap();
        store.upsert_status(&status(1, Verdict::Off, 10)).await.unwrap();
        assert_eq!(stored(&*store).await, [status(1, Verdict::Off, 10)]);
    }
}
