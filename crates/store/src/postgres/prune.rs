//! Retention: the oldest rows of the tables that grow with time.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use sqlx::{PgConnection, query};

use super::error::Fault;
use super::value::Time;
use crate::store::PRUNE_MOST;

/// The fewest rows that are tried: below, it is not their number.
const LEAST: u32 = 100;

/// How many rows of a table to delete at a time. Halved after every failure, because a slow disk may not delete more
/// within the time of a call and would otherwise never delete any; doubled after every success.
#[derive(Debug)]
pub(super) struct Most(AtomicU32);

impl Default for Most {
    fn default() -> Self {
        Self(AtomicU32::new(PRUNE_MOST))
    }
}

impl Most {
    pub(super) fn rows(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Notes how deleting `rows` went.
    pub(super) fn note(&self, rows: u32, succeeded: bool) {
        let next = if succeeded { rows.saturating_mul(2) } else { rows / 2 };
        self.0.store(next.clamp(LEAST, PRUNE_MOST), Ordering::Relaxed);
    }
}

/// See [`Store::prune`](crate::Store::prune). Each table in a transaction of its own: what was deleted before a
/// failure stays deleted.
pub(super) async fn prune(
    connection: &mut PgConnection,
    metrics_before: i64,
    voting_before: Timestamp,
    most: u32,
) -> Result<u64, Fault> {
    let most = i64::from(most);
    let metrics = "DELETE FROM request_metrics WHERE ctid = ANY (ARRAY(
                       SELECT ctid FROM request_metrics WHERE second < $1 ORDER BY second LIMIT $2
                   ))";
    let voting = "DELETE FROM voting_events WHERE ctid = ANY (ARRAY(
                      SELECT ctid FROM voting_events WHERE at < $1 ORDER BY at LIMIT $2
                  ))";
    let denials = "DELETE FROM denials WHERE ctid = ANY (ARRAY(
                       SELECT ctid FROM denials WHERE at < $1 ORDER BY at LIMIT $2
                   ))";
    let metrics = query(metrics).bind(metrics_before).bind(most);
    let voting = query(voting).bind(Time(voting_before)).bind(most);
    let denials = query(denials).bind(Time(voting_before)).bind(most);
    let mut pruned = 0;
    for table in [metrics, voting, denials] {
        pruned += table.execute(&mut *connection).await?.rows_affected();
    }
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_halve_the_number_of_rows_and_successes_double_it() {
        let most = Most::default();
        let mut tried = Vec::new();
        for succeeded in [false, false, true, true, true] {
            tried.push(most.rows());
            most.note(most.rows(), succeeded);
        }
        assert_eq!(tried, [10_000, 5000, 2500, 5000, 10_000]);
        assert_eq!(most.rows(), PRUNE_MOST);
        (0..50).for_each(|_| most.note(most.rows(), false));
        assert_eq!(most.rows(), LEAST);
    }
}
