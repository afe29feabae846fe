//! The writes. Each statement may run twice with the same values and then changes nothing: see
//! [`Write`](crate::Write).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use libsql::params::IntoParams;
use libsql::{Connection, Statement, params};
use tolerancia_wire::denial::DenialEntry;
use tolerancia_wire::evidence::Dissent;
use tolerancia_wire::status::InstanceStatus;
use tolerancia_wire::time::rfc3339;

use super::error::Fault;
use crate::error::StoreError;
use crate::rows::{AuditRow, OrderRow, RequestMetricsRow, VotingEvent, VotingKind};
use crate::store::Write;
use crate::text::{evidence, integer, json, key_part, order_step, word};

/// Runs `work` in one transaction that holds the write lock from the start.
pub(super) async fn in_transaction(
    connection: &Connection,
    work: impl AsyncFnOnce() -> Result<(), Fault>,
) -> Result<(), Fault> {
    connection.execute("BEGIN IMMEDIATE", ()).await?;
    let outcome = match work().await {
        Ok(()) => connection.execute("COMMIT", ()).await.map(drop).map_err(Fault::from),
        Err(fault) => Err(fault),
    };
    if outcome.is_err() && !connection.is_autocommit() {
        // SQLite may have rolled back already. If neither works, the caller closes the connection.
        let _ = connection.execute("ROLLBACK", ()).await;
    }
    outcome
}

pub(super) async fn apply(connection: &Connection, writes: &[Write]) -> Result<(), Fault> {
    in_transaction(connection, async || {
        let mut batch = Batch {
            connection,
            prepared: HashMap::new(),
        };
        for write in writes {
            match write {
                Write::Status(status) => batch.status(status).await?,
                Write::Transition(row) => batch.transition(row).await?,
                Write::AuditTimes { seq, ttd_ms, ttr_ms } => batch.audit_times(*seq, *ttd_ms, *ttr_ms).await?,
                Write::RequestMetrics(row) => batch.request_metrics(row).await?,
                Write::Voting(event) => batch.voting(event).await?,
                Write::Denial(entry) => batch.denial(entry).await?,
                Write::Order(order) => batch.order(order).await?,
            }
        }
        Ok(())
    })
    .await
}

/// The statements of one transaction, each prepared once.
struct Batch<'a> {
    connection: &'a Connection,
    prepared: HashMap<&'static str, Statement>,
}

impl Batch<'_> {
    /// Runs a statement and returns how many rows it changed.
    async fn run(&mut self, sql: &'static str, params: impl IntoParams) -> Result<usize, Fault> {
        let statement = match self.prepared.entry(sql) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.connection.prepare(sql).await?),
        };
        let changed = statement.execute(params).await;
        statement.reset();
        Ok(changed?)
    }

    async fn status(&mut self, status: &InstanceStatus) -> Result<(), Fault> {
        self.run(
            "INSERT INTO instance_status
                 (service, instance, status, phase, reason_kind, reason, since, since_mono_ns, pid, evidence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (service, instance) DO UPDATE SET
                 status = excluded.status, phase = excluded.phase, reason_kind = excluded.reason_kind,
                 reason = excluded.reason, since = excluded.since, since_mono_ns = excluded.since_mono_ns,
                 pid = excluded.pid, evidence = excluded.evidence",
            params![
                status.service.as_str(),
                i64::from(status.instance.number()),
                word(&status.status),
                word(&status.phase),
                word(&status.reason.kind),
                status.reason.text.as_str(),
                rfc3339(status.since.at),
                integer(status.since.mono_ns)?,
                status.pid.map(i64::from),
                evidence(&status.reason.evidence)
            ],
        )
        .await
        .map(drop)
    }

    async fn transition(&mut self, row: &AuditRow) -> Result<(), Fault> {
        let t = &row.transition;
        // The same entry again only fills in times; another one with its number changes no row.
        let changed = self
            .run(
                "INSERT INTO failure_audit
                     (seq, at, at_mono_ns, service, instance, from_status, to_status, phase, reason_kind, reason,
                      quorum_lost, ttd_ms, ttr_ms, evidence, quarantine_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
                 ON CONFLICT (seq) DO UPDATE SET
                     ttd_ms = COALESCE(excluded.ttd_ms, failure_audit.ttd_ms),
                     ttr_ms = COALESCE(excluded.ttr_ms, failure_audit.ttr_ms)
                 WHERE excluded.at = failure_audit.at AND excluded.at_mono_ns = failure_audit.at_mono_ns
                   AND excluded.service = failure_audit.service AND excluded.instance = failure_audit.instance",
                params![
                    integer(t.seq)?,
                    rfc3339(t.stamp.at),
                    integer(t.stamp.mono_ns)?,
                    t.service.as_str(),
                    i64::from(t.instance.number()),
                    word(&t.from),
                    word(&t.to),
                    word(&t.phase),
                    word(&t.reason.kind),
                    t.reason.text.as_str(),
                    i64::from(t.quorum_lost),
                    row.ttd_ms,
                    row.ttr_ms,
                    evidence(&t.reason.evidence),
                    t.quarantine_ms
                ],
            )
            .await?;
        if changed == 0 {
            return Err(StoreError::seq_taken(t.seq).into());
        }
        Ok(())
    }

    async fn denial(&mut self, entry: &DenialEntry) -> Result<(), Fault> {
        let denial = &entry.denial;
        self.run(
            "INSERT INTO denials (event_id, at, at_mono_ns, source, peer, tried, why, count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (event_id) DO NOTHING",
            params![
                entry.event_id.to_string(),
                rfc3339(entry.stamp.at),
                integer(entry.stamp.mono_ns)?,
                entry.source.as_str(),
                denial.peer.map(|peer| peer.to_string()),
                denial.tried.as_str(),
                word(&denial.why),
                integer(denial.count)?
            ],
        )
        .await
        .map(drop)
    }

    async fn audit_times(&mut self, seq: u64, ttd_ms: Option<f64>, ttr_ms: Option<f64>) -> Result<(), Fault> {
        self.run(
            "UPDATE failure_audit SET
                 ttd_ms = COALESCE(?2, ttd_ms),
                 ttr_ms = CASE WHEN ttd_ms <> ?2 THEN ?3 ELSE COALESCE(?3, ttr_ms) END
             WHERE seq = ?1",
            params![integer(seq)?, ttd_ms, ttr_ms],
        )
        .await
        .map(drop)
    }

    async fn request_metrics(&mut self, row: &RequestMetricsRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO request_metrics
                 (second, service, instance, endpoint, status, count, p50_us, p95_us, p99_us, max_us, histogram)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (second, service, instance, endpoint, status) DO UPDATE SET
                 count = excluded.count, p50_us = excluded.p50_us, p95_us = excluded.p95_us,
                 p99_us = excluded.p99_us, max_us = excluded.max_us, histogram = excluded.histogram
             WHERE excluded.count > request_metrics.count",
            params![
                row.second,
                row.service.as_str(),
                row.instance.as_str(),
                row.endpoint.as_str(),
                i64::from(row.status),
                integer(row.count)?,
                integer(row.p50_us)?,
                integer(row.p95_us)?,
                integer(row.p99_us)?,
                integer(row.max_us)?,
                row.histogram.clone()
            ],
        )
        .await
        .map(drop)
    }

    async fn voting(&mut self, event: &VotingEvent) -> Result<(), Fault> {
        let (kind, count, dissent) = match &event.kind {
            VotingKind::Agreements { count } => ("agreements", integer(*count)?, None),
            VotingKind::Disagreement { count, dissent } => ("disagreement", integer(*count)?, Some(dissent)),
        };
        let product = match dissent {
            Some(Dissent::Stock { product, .. }) => Some(product.as_str()),
            _ => None,
        };
        self.run(
            "INSERT INTO voting_events (event_id, at, at_mono_ns, source, instance, kind, count, product, dissent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (event_id) DO NOTHING",
            params![
                event.event_id.to_string(),
                rfc3339(event.stamp.at),
                integer(event.stamp.mono_ns)?,
                event.source.as_str(),
                i64::from(event.instance.number()),
                kind,
                count,
                product,
                dissent.map(json)
            ],
        )
        .await
        .map(drop)
    }

    async fn order(&mut self, order: &OrderRow) -> Result<(), Fault> {
        // Facts are filled in whenever they come; where the order stands changes only forward.
        self.run(
            "INSERT INTO orders
                 (order_id, key_part, product, quantity, status, step, reason, version,
                  created, created_mono_ns, updated, updated_mono_ns)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (order_id) DO UPDATE SET
                 product = COALESCE(orders.product, excluded.product),
                 quantity = COALESCE(orders.quantity, excluded.quantity),
                 created = MIN(orders.created, excluded.created),
                 created_mono_ns = CASE WHEN excluded.created < orders.created
                                        THEN excluded.created_mono_ns ELSE orders.created_mono_ns END,
                 status = CASE WHEN excluded.step > orders.step THEN excluded.status ELSE orders.status END,
                 reason = CASE WHEN excluded.step > orders.step THEN excluded.reason ELSE orders.reason END,
                 version = CASE WHEN excluded.step > orders.step THEN excluded.version ELSE orders.version END,
                 updated = CASE WHEN excluded.step > orders.step THEN excluded.updated ELSE orders.updated END,
                 updated_mono_ns = CASE WHEN excluded.step > orders.step
                                        THEN excluded.updated_mono_ns ELSE orders.updated_mono_ns END,
                 step = MAX(orders.step, excluded.step)",
            params![
                order.order_id.to_string(),
                key_part(order.order_id.key_part()),
                order.product_id.as_ref().map(|p| p.as_str()),
                order.quantity.map(integer).transpose()?,
                word(&order.status),
                i64::from(order_step(order.status)),
                order.reason.as_deref(),
                order.version.map(integer).transpose()?,
                rfc3339(order.created.at),
                integer(order.created.mono_ns)?,
                rfc3339(order.updated.at),
                integer(order.updated.mono_ns)?
            ],
        )
        .await
        .map(drop)
    }
}
