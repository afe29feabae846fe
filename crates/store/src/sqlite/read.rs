//! The queries.

use libsql::params::IntoParams;
use libsql::{Connection, Row, params};
use serde::de::DeserializeOwned;
use tolerancia_wire::Stamp;
use tolerancia_wire::core::{OrderId, ReplicaId};
use tolerancia_wire::denial::{Denial, DenialEntry};
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::{InstanceStatus, Reason, Transition};

use super::error::Fault;

use crate::rows::{AuditRow, OrderRow, RequestMetricsRow, VotingEvent, VotingKind};
use crate::text::{from_json, from_word, key_part, unreadable, word};

type Result<T> = std::result::Result<T, Fault>;

async fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl IntoParams,
    read: impl Fn(&mut Columns<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut rows = connection.query(sql, params).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await? {
        found.push(read(&mut Columns { row: &row, next: 0 })?);
    }
    Ok(found)
}

pub(super) async fn statuses(connection: &Connection) -> Result<Vec<InstanceStatus>> {
    let sql = "SELECT service, instance, status, phase, reason_kind, reason, evidence, since, since_mono_ns, pid
               FROM instance_status ORDER BY service, instance";
    all(connection, sql, (), |c| {
        Ok(InstanceStatus {
            service: c.text()?,
            instance: c.replica()?,
            status: c.word()?,
            phase: c.word()?,
            reason: c.reason()?,
            since: c.stamp()?,
            pid: c
                .optional_unsigned()?
                .map(u32::try_from)
                .transpose()
                .map_err(unreadable)?,
        })
    })
    .await
}

pub(super) async fn transitions(
    connection: &Connection,
    instance: Option<ReplicaId>,
    limit: usize,
) -> Result<Vec<AuditRow>> {
    let filter = if instance.is_some() {
        "instance = ?2"
    } else {
        "?2 IS NULL"
    };
    let sql = format!(
        "SELECT seq, at, at_mono_ns, service, instance, from_status, to_status, phase, reason_kind, reason, evidence,
                quorum_lost, quarantine_ms, ttd_ms, ttr_ms
         FROM failure_audit WHERE {filter} ORDER BY seq DESC LIMIT ?1"
    );
    let params = params![rows(limit), instance.map(|id| i64::from(id.number()))];
    all(connection, &sql, params, |c| {
        Ok(AuditRow {
            transition: Transition {
                seq: c.unsigned()?,
                stamp: c.stamp()?,
                service: c.text()?,
                instance: c.replica()?,
                from: c.word()?,
                to: c.word()?,
                phase: c.word()?,
                reason: c.reason()?,
                quorum_lost: c.signed()? != 0,
                quarantine_ms: c.optional_real()?,
            },
            ttd_ms: c.optional_real()?,
            ttr_ms: c.optional_real()?,
        })
    })
    .await
}

pub(super) async fn request_metrics(connection: &Connection, since: i64, until: i64) -> Result<Vec<RequestMetricsRow>> {
    let sql = "SELECT second, service, instance, endpoint, status, count, p50_us, p95_us, p99_us, max_us, histogram
               FROM request_metrics WHERE second >= ?1 AND second < ?2
               ORDER BY second, service, instance, endpoint, status";
    all(connection, sql, params![since, until], |c| {
        Ok(RequestMetricsRow {
            second: c.signed()?,
            service: c.text()?,
            instance: c.text()?,
            endpoint: c.text()?,
            status: u16::try_from(c.unsigned()?).map_err(unreadable)?,
            count: c.unsigned()?,
            p50_us: c.unsigned()?,
            p95_us: c.unsigned()?,
            p99_us: c.unsigned()?,
            max_us: c.unsigned()?,
            histogram: c.blob()?,
        })
    })
    .await
}

pub(super) async fn voting_events(connection: &Connection, limit: usize) -> Result<Vec<VotingEvent>> {
    let sql = "SELECT event_id, at, at_mono_ns, source, instance, count, dissent
               FROM voting_events ORDER BY at DESC, event_id DESC LIMIT ?1";
    all(connection, sql, params![rows(limit)], |c| {
        Ok(VotingEvent {
            event_id: c.parsed()?,
            stamp: c.stamp()?,
            source: c.text()?,
            instance: c.replica()?,
            kind: {
                let count = c.unsigned()?;
                match c.optional_text()? {
                    None => VotingKind::Agreements { count },
                    Some(dissent) => VotingKind::Disagreement {
                        count,
                        dissent: from_json(&dissent)?,
                    },
                }
            },
        })
    })
    .await
}

const ORDERS: &str = "SELECT order_id, product, quantity, status, reason, version,
                             created, created_mono_ns, updated, updated_mono_ns FROM orders";

fn order_row(c: &mut Columns<'_>) -> Result<OrderRow> {
    Ok(OrderRow {
        order_id: c.parsed()?,
        product_id: c
            .optional_text()?
            .map(|product| product.parse().map_err(unreadable))
            .transpose()?,
        quantity: c.optional_unsigned()?,
        status: c.word()?,
        reason: c.optional_text()?,
        version: c.optional_unsigned()?,
        created: c.stamp()?,
        updated: c.stamp()?,
    })
}

pub(super) async fn denials(connection: &Connection, limit: usize) -> Result<Vec<DenialEntry>> {
    let sql = "SELECT event_id, at, at_mono_ns, source, peer, tried, why, count
               FROM denials ORDER BY at DESC, event_id DESC LIMIT ?1";
    all(connection, sql, params![rows(limit)], |c| {
        Ok(DenialEntry {
            event_id: c.parsed()?,
            stamp: c.stamp()?,
            source: c.text()?,
            denial: Denial {
                peer: c
                    .optional_text()?
                    .map(|peer| peer.parse())
                    .transpose()
                    .map_err(unreadable)?,
                tried: c.text()?,
                why: c.word()?,
                count: c.unsigned()?,
            },
        })
    })
    .await
}

pub(super) async fn order(connection: &Connection, id: OrderId) -> Result<Option<OrderRow>> {
    let sql = format!("{ORDERS} WHERE order_id = ?1");
    let found = all(connection, &sql, params![id.to_string()], order_row).await?;
    Ok(found.into_iter().next())
}

pub(super) async fn orders(
    connection: &Connection,
    status: Option<OrderStatus>,
    limit: usize,
) -> Result<Vec<OrderRow>> {
    let filter = if status.is_some() { "status = ?2" } else { "?2 IS NULL" };
    let sql = format!("{ORDERS} WHERE {filter} ORDER BY created DESC, order_id DESC LIMIT ?1");
    all(
        connection,
        &sql,
        params![rows(limit), status.map(|s| word(&s))],
        order_row,
    )
    .await
}

pub(super) async fn order_by_key(connection: &Connection, key: u128) -> Result<Option<OrderRow>> {
    let sql = format!("{ORDERS} WHERE key_part = ?1 ORDER BY created, order_id LIMIT 1");
    let found = all(connection, &sql, params![key_part(key)], order_row).await?;
    Ok(found.into_iter().next())
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Reads a row from left to right, in the order of the SELECT.
struct Columns<'a> {
    row: &'a Row,
    next: i32,
}

impl Columns<'_> {
    fn step(&mut self) -> i32 {
        self.next += 1;
        self.next - 1
    }

    fn text(&mut self) -> Result<String> {
        Ok(self.row.get(self.step())?)
    }

    fn optional_text(&mut self) -> Result<Option<String>> {
        Ok(self.row.get(self.step())?)
    }

    fn blob(&mut self) -> Result<Vec<u8>> {
        Ok(self.row.get(self.step())?)
    }

    fn optional_real(&mut self) -> Result<Option<f64>> {
        Ok(self.row.get(self.step())?)
    }

    fn signed(&mut self) -> Result<i64> {
        Ok(self.row.get(self.step())?)
    }

    fn unsigned(&mut self) -> Result<u64> {
        Ok(u64::try_from(self.signed()?).map_err(unreadable)?)
    }

    fn optional_unsigned(&mut self) -> Result<Option<u64>> {
        let value: Option<i64> = self.row.get(self.step())?;
        Ok(value.map(u64::try_from).transpose().map_err(unreadable)?)
    }

    fn word<T: DeserializeOwned>(&mut self) -> Result<T> {
        Ok(from_word(self.text()?)?)
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T> {
        Ok(self.text()?.parse().map_err(unreadable)?)
    }

    fn replica(&mut self) -> Result<ReplicaId> {
        let number = u8::try_from(self.unsigned()?).map_err(unreadable)?;
        Ok(ReplicaId::new(number).map_err(unreadable)?)
    }

    fn reason(&mut self) -> Result<Reason> {
        Ok(Reason {
            kind: self.word()?,
            text: self.text()?,
            evidence: match self.optional_text()? {
                Some(evidence) => from_json(&evidence)?,
                None => Vec::new(),
            },
        })
    }

    fn stamp(&mut self) -> Result<Stamp> {
        Ok(Stamp {
            at: self.parsed()?,
            mono_ns: self.unsigned()?,
        })
    }
}
