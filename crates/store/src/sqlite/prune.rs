//! Retention: the oldest rows of the tables that grow with time.

use jiff::Timestamp;
use libsql::{Connection, params};
use tolerancia_wire::time::rfc3339;

use super::error::Fault;
use crate::store::PRUNE_MOST;

/// See [`Store::prune`](crate::Store::prune). Each table in a transaction of its own: what was deleted before a
/// failure stays deleted.
pub(super) async fn prune(
    connection: &Connection,
    metrics_before: i64,
    voting_before: Timestamp,
) -> Result<u64, Fault> {
    let most = i64::from(PRUNE_MOST);
    let metrics = "DELETE FROM request_metrics WHERE (second, service, instance, endpoint, status) IN (
                       SELECT second, service, instance, endpoint, status FROM request_metrics
                       WHERE second < ?1 ORDER BY second LIMIT ?2
                   )";
    let voting = "DELETE FROM voting_events WHERE event_id IN (
                      SELECT event_id FROM voting_events WHERE at < ?1 ORDER BY at LIMIT ?2
                  )";
    let denials = "DELETE FROM denials WHERE event_id IN (
                       SELECT event_id FROM denials WHERE at < ?1 ORDER BY at LIMIT ?2
                   )";
    let pruned = connection.execute(metrics, params![metrics_before, most]).await?
        + connection
            .execute(voting, params![rfc3339(voting_before), most])
            .await?
        + connection
            .execute(denials, params![rfc3339(voting_before), most])
            .await?;
    Ok(pruned)
}
