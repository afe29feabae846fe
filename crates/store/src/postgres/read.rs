//! The queries.

use serde::de::DeserializeOwned;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Decode, PgConnection, Postgres, Row as _, Type, query};
use tolerancia_wire::Stamp;
use tolerancia_wire::core::{OrderId, ReplicaId};
use tolerancia_wire::denial::{Denial, DenialEntry};
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::{InstanceStatus, Reason, Transition};
use uuid::Uuid;

use super::error::Fault;
use super::value::{Time, key_part};
use crate::rows::{AuditRow, OrderRow, RequestMetricsRow, VotingEvent, VotingKind};
use crate::text::{from_json, from_word, unreadable, word};

type Result<T> = std::result::Result<T, Fault>;

async fn all<T>(
    connection: &mut PgConnection,
    query: Query<'_, Postgres, PgArguments>,
    read: impl Fn(&mut Columns<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| read(&mut Columns { row, next: 0 })).collect()
}

pub(super) async fn statuses(connection: &mut PgConnection) -> Result<Vec<InstanceStatus>> {
    let sql = "SELECT service, instance, status, phase, reason_kind, reason, evidence::text, since, since_mono_ns, pid
               FROM instance_status ORDER BY service, instance";
    all(connection, query(sql), |c| {
        Ok(InstanceStatus {
            service: c.get()?,
            instance: c.replica()?,
            status: c.word()?,
            phase: c.word()?,
            reason: c.reason()?,
            since: c.stamp()?,
            pid: c
                .get::<Option<i64>>()?
                .map(u32::try_from)
                .transpose()
                .map_err(unreadable)?,
        })
    })
    .await
}

macro_rules! transitions {
    ($filter:literal) => {
        concat!(
            "SELECT seq, at, at_mono_ns, service, instance, from_status, to_status, phase, reason_kind, reason,
                    evidence::text, quorum_lost, quarantine_ms, ttd_ms, ttr_ms
             FROM failure_audit ",
            $filter,
            " ORDER BY seq DESC LIMIT $1"
        )
    };
}

pub(super) async fn transitions(
    connection: &mut PgConnection,
    instance: Option<ReplicaId>,
    limit: usize,
) -> Result<Vec<AuditRow>> {
    let query = match instance {
        None => query(transitions!("")).bind(rows(limit)),
        Some(id) => query(transitions!("WHERE instance = $2"))
            .bind(rows(limit))
            .bind(i16::from(id.number())),
    };
    all(connection, query, |c| {
        Ok(AuditRow {
            transition: Transition {
                seq: c.unsigned()?,
                stamp: c.stamp()?,
                service: c.get()?,
                instance: c.replica()?,
                from: c.word()?,
                to: c.word()?,
                phase: c.word()?,
                reason: c.reason()?,
                quorum_lost: c.get()?,
                quarantine_ms: c.get()?,
            },
            ttd_ms: c.get()?,
            ttr_ms: c.get()?,
        })
    })
    .await
}

pub(super) async fn request_metrics(
    connection: &mut PgConnection,
    since: i64,
    until: i64,
) -> Result<Vec<RequestMetricsRow>> {
    let sql = "SELECT second, service, instance, endpoint, status, count, p50_us, p95_us, p99_us, max_us, histogram
               FROM request_metrics WHERE second >= $1 AND second < $2
               ORDER BY second, service, instance, endpoint, status";
    all(connection, query(sql).bind(since).bind(until), |c| {
        Ok(RequestMetricsRow {
            second: c.get()?,
            service: c.get()?,
            instance: c.get()?,
            endpoint: c.get()?,
            status: u16::try_from(c.get::<i32>()?).map_err(unreadable)?,
            count: c.unsigned()?,
            p50_us: c.unsigned()?,
            p95_us: c.unsigned()?,
            p99_us: c.unsigned()?,
            max_us: c.unsigned()?,
            histogram: c.get()?,
        })
    })
    .await
}

pub(super) async fn voting_events(connection: &mut PgConnection, limit: usize) -> Result<Vec<VotingEvent>> {
    let sql = "SELECT event_id, at, at_mono_ns, source, instance, count, dissent::text
               FROM voting_events ORDER BY at DESC, event_id DESC LIMIT $1";
    all(connection, query(sql).bind(rows(limit)), |c| {
        Ok(VotingEvent {
            event_id: c.get()?,
            stamp: c.stamp()?,
            source: c.get()?,
            instance: c.replica()?,
            kind: {
                let count = c.unsigned()?;
                match c.get::<Option<String>>()? {
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

macro_rules! orders {
    ($which:literal) => {
        concat!(
            "SELECT order_id, product, quantity, status, reason, version, created, created_mono_ns, updated,
                    updated_mono_ns
             FROM orders ",
            $which
        )
    };
}

fn order_row(c: &mut Columns<'_>) -> Result<OrderRow> {
    Ok(OrderRow {
        order_id: OrderId::try_from(c.get::<Uuid>()?).map_err(unreadable)?,
        product_id: c
            .get::<Option<String>>()?
            .map(|product| product.parse().map_err(unreadable))
            .transpose()?,
        quantity: c.optional_unsigned()?,
        status: c.word()?,
        reason: c.get()?,
        version: c.optional_unsigned()?,
        created: c.stamp()?,
        updated: c.stamp()?,
    })
}

pub(super) async fn denials(connection: &mut PgConnection, limit: usize) -> Result<Vec<DenialEntry>> {
    let sql = "SELECT event_id, at, at_mono_ns, source, peer, tried, why, count
               FROM denials ORDER BY at DESC, event_id DESC LIMIT $1";
    all(connection, query(sql).bind(rows(limit)), |c| {
        Ok(DenialEntry {
            event_id: c.get()?,
            stamp: c.stamp()?,
            source: c.get()?,
            denial: Denial {
                peer: c
                    .get::<Option<String>>()?
                    .map(|peer| peer.parse())
                    .transpose()
                    .map_err(unreadable)?,
                tried: c.get()?,
                why: c.word()?,
                count: c.unsigned()?,
            },
        })
    })
    .await
}

pub(super) async fn order(connection: &mut PgConnection, id: OrderId) -> Result<Option<OrderRow>> {
    let query = query(orders!("WHERE order_id = $1")).bind(id.uuid());
    let found = all(connection, query, order_row).await?;
    Ok(found.into_iter().next())
}

pub(super) async fn orders(
    connection: &mut PgConnection,
    status: Option<OrderStatus>,
    limit: usize,
) -> Result<Vec<OrderRow>> {
    let query = match status {
        None => query(orders!("ORDER BY created DESC, order_id DESC LIMIT $1")).bind(rows(limit)),
        Some(status) => query(orders!(
            "WHERE status = $2 ORDER BY created DESC, order_id DESC LIMIT $1"
        ))
        .bind(rows(limit))
        .bind(word(&status)),
    };
    all(connection, query, order_row).await
}

pub(super) async fn order_by_key(connection: &mut PgConnection, key: u128) -> Result<Option<OrderRow>> {
    let query = query(orders!("WHERE key_part = $1 ORDER BY created, order_id LIMIT 1")).bind(key_part(key));
    let found = all(connection, query, order_row).await?;
    Ok(found.into_iter().next())
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Reads a row from left to right, in the order of the SELECT.
struct Columns<'a> {
    row: &'a PgRow,
    next: usize,
}

impl<'a> Columns<'a> {
    fn get<T: Decode<'a, Postgres> + Type<Postgres>>(&mut self) -> Result<T> {
        self.next += 1;
        Ok(self.row.try_get(self.next - 1)?)
    }

    fn unsigned(&mut self) -> Result<u64> {
        Ok(u64::try_from(self.get::<i64>()?).map_err(unreadable)?)
    }

    fn optional_unsigned(&mut self) -> Result<Option<u64>> {
        let value = self.get::<Option<i64>>()?;
        Ok(value.map(u64::try_from).transpose().map_err(unreadable)?)
    }

    fn word<T: DeserializeOwned>(&mut self) -> Result<T> {
        Ok(from_word(self.get()?)?)
    }

    fn replica(&mut self) -> Result<ReplicaId> {
        let number = u8::try_from(self.get::<i16>()?).map_err(unreadable)?;
        Ok(ReplicaId::new(number).map_err(unreadable)?)
    }

    fn reason(&mut self) -> Result<Reason> {
        Ok(Reason {
            kind: self.word()?,
            text: self.get()?,
            evidence: match self.get::<Option<String>>()? {
                Some(evidence) => from_json(&evidence)?,
                None => Vec::new(),
            },
        })
    }

    fn stamp(&mut self) -> Result<Stamp> {
        Ok(Stamp {
            at: self.get::<Time>()?.0,
            mono_ns: self.unsigned()?,
        })
    }
}
