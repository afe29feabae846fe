//! Retention: the oldest rows of the tables that grow with time.

use jiff::Timestamp;
use sqlx::{PgConnection, query};

use super::error::Fault;
use super::value::Time;
use crate::store::PRUNE_MOST;

/// See [`Store::prune`](crate::Store::prune). Each table in a transaction of its own: what was deleted before a
/// failure stays deleted.
pub(super) async fn prune(
    connection: &mut PgConnection,
    metrics_before: i64,
    voting_before: Timestamp,
) -> Result<u64, Fault> {
    let most = i64::from(PRUNE_MOST);
    let metrics = "DELETE FROM request_metrics WHERE ctid = ANY (ARRAY(
                       SELECT ctid FROM request_metrics WHERE second < $1 ORDER BY second LIMIT $2
                   ))";
    let voting = "DELETE FROM voting_events WHERE ctid = ANY (ARRAY(
                      SELECT ctid FROM voting_events WHERE at < $1 ORDER BY at LIMIT $2
                  ))";
    let metrics = query(metrics).bind(metrics_before).bind(most);
    let voting = query(voting).bind(Time(voting_before)).bind(most);
    let pruned = metrics.execute(&mut *connection).await?.rows_affected();
    Ok(pruned + voting.execute(connection).await?.rows_affected())
}
