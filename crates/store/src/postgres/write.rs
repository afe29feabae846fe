//! The writes. Each statement may run twice with the same values and then changes nothing: see
//! [`Write`](crate::Write).

use sqlx::{Connection as _, PgConnection, query};
use tolerancia_wire::denial::DenialEntry;
use tolerancia_wire::status::InstanceStatus;

use super::bulk;
use super::error::Fault;
use super::migrate::BEGIN;
use super::value::{Time, text};
use crate::error::StoreError;
use crate::rows::AuditRow;
use crate::store::Write;
use crate::text::{evidence, integer, word};

pub(super) async fn apply(connection: &mut PgConnection, writes: &[Write]) -> Result<(), Fault> {
    if writes.is_empty() {
        return Ok(());
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    match all(&mut transaction, writes).await {
        Ok(()) => Ok(transaction.commit().await?),
        Err(fault) => {
            // At once, because of its locks. If it does not work, the next user's ping finds out.
            let _ = transaction.rollback().await;
            Err(fault)
        }
    }
}

/// Kind by kind: the kinds share no table, so only the order within one matters. What comes in bulk goes to the
/// server in few statements, what is rare one by one.
async fn all(connection: &mut PgConnection, writes: &[Write]) -> Result<(), Fault> {
    let (mut metrics, mut votes, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    for write in writes {
        match write {
            Write::Status(row) => status(connection, row).await?,
            Write::Transition(row) => transition(connection, row).await?,
            Write::AuditTimes { seq, ttd_ms, ttr_ms } => audit_times(connection, *seq, *ttd_ms, *ttr_ms).await?,
            Write::RequestMetrics(row) => metrics.push(row),
            Write::Voting(event) => votes.push(event),
            Write::Denial(entry) => denial(connection, entry).await?,
            Write::Order(order) => orders.push(order),
        }
    }
    bulk::request_metrics(connection, metrics).await?;
    bulk::voting(connection, &votes).await?;
    bulk::orders(connection, orders).await
}

async fn status(connection: &mut PgConnection, status: &InstanceStatus) -> Result<(), Fault> {
    let sql = "INSERT INTO instance_status
                   (service, instance, status, phase, reason_kind, reason, since, since_mono_ns, pid, evidence)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb)
               ON CONFLICT (service, instance) DO UPDATE SET
                   status = excluded.status, phase = excluded.phase, reason_kind = excluded.reason_kind,
                   reason = excluded.reason, since = excluded.since, since_mono_ns = excluded.since_mono_ns,
                   pid = excluded.pid, evidence = excluded.evidence";
    query(sql)
        .bind(text(&status.service))
        .bind(i16::from(status.instance.number()))
        .bind(word(&status.status))
        .bind(word(&status.phase))
        .bind(word(&status.reason.kind))
        .bind(text(&status.reason.text))
        .bind(Time(status.since.at))
        .bind(integer(status.since.mono_ns)?)
        .bind(status.pid.map(i64::from))
        .bind(evidence(&status.reason.evidence))
        .execute(connection)
        .await?;
    Ok(())
}

async fn transition(connection: &mut PgConnection, row: &AuditRow) -> Result<(), Fault> {
    // The same entry again only fills in times; another one with its number changes no row.
    let sql = "INSERT INTO failure_audit
                   (seq, at, at_mono_ns, service, instance, from_status, to_status, phase, reason_kind, reason,
                    quorum_lost, ttd_ms, ttr_ms, evidence, quarantine_ms)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb, $15)
               ON CONFLICT (seq) DO UPDATE SET
                   ttd_ms = COALESCE(excluded.ttd_ms, failure_audit.ttd_ms),
                   ttr_ms = COALESCE(excluded.ttr_ms, failure_audit.ttr_ms)
               WHERE excluded.at = failure_audit.at AND excluded.at_mono_ns = failure_audit.at_mono_ns
                 AND excluded.service = failure_audit.service AND excluded.instance = failure_audit.instance";
    let t = &row.transition;
    let done = query(sql)
        .bind(integer(t.seq)?)
        .bind(Time(t.stamp.at))
        .bind(integer(t.stamp.mono_ns)?)
        .bind(text(&t.service))
        .bind(i16::from(t.instance.number()))
        .bind(word(&t.from))
        .bind(word(&t.to))
        .bind(word(&t.phase))
        .bind(word(&t.reason.kind))
        .bind(text(&t.reason.text))
        .bind(t.quorum_lost)
        .bind(row.ttd_ms)
        .bind(row.ttr_ms)
        .bind(evidence(&t.reason.evidence))
        .bind(t.quarantine_ms)
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::seq_taken(t.seq).into());
    }
    Ok(())
}

async fn denial(connection: &mut PgConnection, entry: &DenialEntry) -> Result<(), Fault> {
    let sql = "INSERT INTO denials (event_id, at, at_mono_ns, source, peer, tried, why, count)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
               ON CONFLICT (event_id) DO NOTHING";
    let denial = &entry.denial;
    query(sql)
        .bind(entry.event_id)
        .bind(Time(entry.stamp.at))
        .bind(integer(entry.stamp.mono_ns)?)
        .bind(text(&entry.source))
        .bind(denial.peer.map(|peer| peer.to_string()))
        .bind(text(&denial.tried))
        .bind(word(&denial.why))
        .bind(integer(denial.count)?)
        .execute(connection)
        .await?;
    Ok(())
}

async fn audit_times(
    connection: &mut PgConnection,
    seq: u64,
    ttd_ms: Option<f64>,
    ttr_ms: Option<f64>,
) -> Result<(), Fault> {
    let sql = "UPDATE failure_audit SET
                   ttd_ms = COALESCE($2, ttd_ms),
                   ttr_ms = CASE WHEN ttd_ms <> $2 THEN $3 ELSE COALESCE($3, ttr_ms) END
               WHERE seq = $1";
    query(sql)
        .bind(integer(seq)?)
        .bind(ttd_ms)
        .bind(ttr_ms)
        .execute(connection)
        .await?;
    Ok(())
}
