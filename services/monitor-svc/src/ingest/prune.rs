//! Retention: request metrics and voting events grow with time, so the old ones are deleted.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tolerancia_store::{Store, StoreError};

/// How often old rows are looked for.
const EVERY: Duration = Duration::from_secs(60);
/// Between two deletions: others write meanwhile.
const PAUSE: Duration = Duration::from_millis(200);

/// Deletes what is older than `keep` once a minute until `shutdown`. A dead database is tried again a minute later.
pub(crate) async fn prune(store: Arc<dyn Store>, keep: Duration, shutdown: CancellationToken) {
    let work = async {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Told when it begins and when it is over; the buffer tells of an outage of the whole database.
        let mut failing = false;
        loop {
            tick.tick().await;
            match once(store.as_ref(), before(SystemTime::now(), keep)).await {
                Ok(()) if failing => {
                    tracing::info!("old metrics and voting events can be deleted again");
                    failing = false;
                }
                Ok(()) => {}
                Err(error) if !failing => {
                    tracing::warn!(%error, "old metrics and voting events cannot be deleted; tried again every minute");
                    failing = true;
                }
                Err(_) => {}
            }
        }
    };
    let _: Option<()> = shutdown.run_until_cancelled(work).await;
}

/// Deletes all that is older, a part at a time.
async fn once(store: &dyn Store, before: Timestamp) -> Result<(), StoreError> {
    loop {
        let deleted = store.prune(before.as_second(), before).await?;
        if deleted == 0 {
            return Ok(());
        }
        metrics::counter!("monitor_pruned_total").increment(deleted);
        tracing::debug!(deleted, %before, "old metrics and voting events deleted");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The instant `keep` before `now`; the earliest there is if that is out of range.
fn before(now: SystemTime, keep: Duration) -> Timestamp {
    let before = now
        .checked_sub(keep)
        .and_then(|before| Timestamp::try_from(before).ok());
    before.unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tolerancia_store::{RequestMetricsRow, VotingEvent, VotingKind, lazy_store};
    use tolerancia_wire::Stamp;
    use uuid::Uuid;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn row(second: i64) -> RequestMetricsRow {
        RequestMetricsRow {
            service: "voter-svc".to_owned(),
            instance: "1".to_owned(),
            endpoint: "/".to_owned(),
            status: 200,
            second,
            count: 1,
            p50_us: 1,
            p95_us: 1,
            p99_us: 1,
            max_us: 1,
            histogram: Vec::new(),
        }
    }

    fn event(at: Timestamp) -> VotingEvent {
        VotingEvent {
            event_id: Uuid::now_v7(),
            stamp: Stamp { at, mono_ns: 0 },
            source: "voter-svc".to_owned(),
            instance: "1".parse().unwrap(),
            kind: VotingKind::Agreements { count: 1 },
        }
    }

    #[test]
    fn the_bound_is_never_out_of_range() {
        let now = SystemTime::UNIX_EPOCH + 5 * HOUR;
        assert_eq!(before(now, 2 * HOUR).as_second(), 3 * 3600);
        assert_eq!(before(now, Duration::MAX), Timestamp::MIN);
        assert_eq!(before(now, 200_000_000 * HOUR), Timestamp::MIN);
    }

    #[tokio::test]
    async fn what_is_older_is_deleted_and_the_rest_is_kept_after_an_outage_too() {
        let dir = tempfile::tempdir().unwrap();
        // In the place of the directory there is a file, until the outage is over.
        let place = dir.path().join("data");
        std::fs::write(&place, "in the way").unwrap();
        let store = lazy_store(None, &place.join("t.db"));
        let now = Timestamp::now();
        let old = now.checked_sub(jiff::SignedDuration::from_hours(3)).unwrap();
        assert!(once(store.as_ref(), old).await.is_err());

        std::fs::remove_file(&place).unwrap();
        store
            .add_request_metrics(&[row(old.as_second()), row(now.as_second())])
            .await
            .unwrap();
        store.add_voting_events(&[event(old), event(now)]).await.unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(prune(Arc::clone(&store), 2 * HOUR, shutdown.clone()));
        let left = async {
            loop {
                let rows = store.request_metrics(i64::MIN, i64::MAX).await.unwrap();
                let events = store.voting_events(10).await.unwrap();
                if (rows.len(), events.len()) == (1, 1) {
                    break (rows[0].second, events[0].stamp.at.as_second());
                }
            }
        };
        let left = tokio::time::timeout(Duration::from_secs(20), left).await.unwrap();
        assert_eq!(left, (now.as_second(), now.as_second()));
        shutdown.cancel();
        task.await.unwrap();
    }
}
