//! Many rows in one statement: a column of theirs is an array, and the server makes rows of the arrays. On loopback
//! a transaction of 500 orders takes about an eighth of the time of 500 statements (the test below measures it), and
//! across a network each round trip saved counts for more.

use std::collections::HashMap;
use std::hash::Hash;

use sqlx::{PgConnection, query};
use tolerancia_wire::Stamp;
use tolerancia_wire::evidence::Dissent;

use super::error::Fault;
use super::value::{Time, key_part, text};
use crate::error::StoreError;
use crate::rows::{OrderRow, RequestMetricsRow, VotingEvent, VotingKind};
use crate::text::{integer, json, order_step, word};

/// One value of each row.
fn column<'a, R, T>(rows: &[&'a R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

/// One unsigned value of each row.
fn integers<R>(rows: &[&R], value: impl Fn(&R) -> u64) -> Result<Vec<i64>, StoreError> {
    rows.iter().map(|row| integer(value(row))).collect()
}

/// One unsigned value of each row that has it.
fn optional<R>(rows: &[&R], value: impl Fn(&R) -> Option<u64>) -> Result<Vec<Option<i64>>, StoreError> {
    rows.iter().map(|row| value(row).map(integer).transpose()).collect()
}

/// Splits rows into parts without two of the same key, because a statement may update a row only once. Rows of the
/// same key keep their order over the parts; within one they are sorted, so that sessions that write the same rows
/// wait for each other instead of both giving up.
fn parts<'a, R, K: Ord + Hash + Copy>(rows: Vec<&'a R>, key: impl Fn(&'a R) -> K) -> Vec<Vec<&'a R>> {
    let mut seen = HashMap::new();
    let mut parts: Vec<Vec<&'a R>> = Vec::new();
    for row in rows {
        let before = seen.entry(key(row)).or_insert(0);
        if *before == parts.len() {
            parts.push(Vec::new());
        }
        parts[*before].push(row);
        *before += 1;
    }
    for part in &mut parts {
        part.sort_unstable_by_key(|row| key(row));
    }
    parts
}

/// The key of request metrics.
fn second_and_process(row: &RequestMetricsRow) -> (i64, &str, &str, &str, u16) {
    (row.second, &row.service, &row.instance, &row.endpoint, row.status)
}

pub(super) async fn request_metrics(connection: &mut PgConnection, rows: Vec<&RequestMetricsRow>) -> Result<(), Fault> {
    let sql = "INSERT INTO request_metrics
                   (second, service, instance, endpoint, status, count, p50_us, p95_us, p99_us, max_us, histogram)
               SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[],
                                    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[])
               ON CONFLICT (second, service, instance, endpoint, status) DO UPDATE SET
                   count = excluded.count, p50_us = excluded.p50_us, p95_us = excluded.p95_us,
                   p99_us = excluded.p99_us, max_us = excluded.max_us, histogram = excluded.histogram
               WHERE excluded.count > request_metrics.count";
    for rows in parts(rows, second_and_process) {
        query(sql)
            .bind(column(&rows, |r| r.second))
            .bind(column(&rows, |r| text(&r.service)))
            .bind(column(&rows, |r| text(&r.instance)))
            .bind(column(&rows, |r| text(&r.endpoint)))
            .bind(column(&rows, |r| i32::from(r.status)))
            .bind(integers(&rows, |r| r.count)?)
            .bind(integers(&rows, |r| r.p50_us)?)
            .bind(integers(&rows, |r| r.p95_us)?)
            .bind(integers(&rows, |r| r.p99_us)?)
            .bind(integers(&rows, |r| r.max_us)?)
            .bind(column(&rows, |r| &*r.histogram))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Nothing is ever updated here, so a key may come twice.
pub(super) async fn voting(connection: &mut PgConnection, rows: &[&VotingEvent]) -> Result<(), Fault> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO voting_events
                   (event_id, at, at_mono_ns, source, instance, kind, count, product, dissent)
               SELECT event_id, at, at_mono_ns, source, instance, kind, count, product, dissent::jsonb
               FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::text[], $5::smallint[], $6::text[],
                           $7::bigint[], $8::text[], $9::text[])
                    AS r (event_id, at, at_mono_ns, source, instance, kind, count, product, dissent)
               ON CONFLICT (event_id) DO NOTHING";
    query(sql)
        .bind(column(rows, |e| e.event_id))
        .bind(column(rows, |e| Time(e.stamp.at)))
        .bind(integers(rows, |e| e.stamp.mono_ns)?)
        .bind(column(rows, |e| text(&e.source)))
        .bind(column(rows, |e| i16::from(e.instance.number())))
        .bind(column(rows, |e| match e.kind {
            VotingKind::Agreements { .. } => "agreements",
            VotingKind::Disagreement { .. } => "disagreement",
        }))
        .bind(integers(rows, |e| match e.kind {
            VotingKind::Agreements { count } | VotingKind::Disagreement { count, .. } => count,
        })?)
        .bind(column(rows, |e| match dissent(e) {
            Some(Dissent::Stock { product, .. }) => Some(product.as_str()),
            _ => None,
        }))
        .bind(column(rows, |e| dissent(e).map(json)))
        .execute(connection)
        .await?;
    Ok(())
}

const fn dissent(event: &VotingEvent) -> Option<&Dissent> {
    match &event.kind {
        VotingKind::Agreements { .. } => None,
        VotingKind::Disagreement { dissent, .. } => Some(dissent),
    }
}

pub(super) async fn orders(connection: &mut PgConnection, rows: Vec<&OrderRow>) -> Result<(), Fault> {
    // Facts are filled in whenever they come; where the order stands changes only forward.
    let sql = "INSERT INTO orders
                   (order_id, key_part, product, quantity, status, step, reason, version,
                    created, created_mono_ns, updated, updated_mono_ns)
               SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::bigint[], $5::text[], $6::smallint[],
                                    $7::text[], $8::bigint[], $9::timestamptz[], $10::bigint[], $11::timestamptz[],
                                    $12::bigint[])
               ON CONFLICT (order_id) DO UPDATE SET
                   product = COALESCE(orders.product, excluded.product),
                   quantity = COALESCE(orders.quantity, excluded.quantity),
                   created = LEAST(orders.created, excluded.created),
                   created_mono_ns = CASE WHEN excluded.created < orders.created
                                          THEN excluded.created_mono_ns ELSE orders.created_mono_ns END,
                   status = CASE WHEN excluded.step > orders.step THEN excluded.status ELSE orders.status END,
                   reason = CASE WHEN excluded.step > orders.step THEN excluded.reason ELSE orders.reason END,
                   version = CASE WHEN excluded.step > orders.step THEN excluded.version ELSE orders.version END,
                   updated = CASE WHEN excluded.step > orders.step THEN excluded.updated ELSE orders.updated END,
                   updated_mono_ns = CASE WHEN excluded.step > orders.step
                                          THEN excluded.updated_mono_ns ELSE orders.updated_mono_ns END,
                   step = GREATEST(orders.step, excluded.step)";
    let at = |stamp: fn(&OrderRow) -> Stamp| move |o: &OrderRow| Time(stamp(o).at);
    for rows in parts(rows, |o| o.order_id) {
        query(sql)
            .bind(column(&rows, |o| o.order_id.uuid()))
            .bind(column(&rows, |o| key_part(o.order_id.key_part())))
            .bind(column(&rows, |o| o.product_id.as_ref().map(|p| p.as_str())))
            .bind(optional(&rows, |o| o.quantity)?)
            .bind(column(&rows, |o| word(&o.status)))
            .bind(column(&rows, |o| order_step(o.status)))
            .bind(column(&rows, |o| o.reason.as_deref().map(text)))
            .bind(optional(&rows, |o| o.version)?)
            .bind(column(&rows, at(|o| o.created)))
            .bind(integers(&rows, |o| o.created.mono_ns)?)
            .bind(column(&rows, at(|o| o.updated)))
            .bind(integers(&rows, |o| o.updated.mono_ns)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, Instant};

    use sqlx::{AssertSqlSafe, Connection as _, raw_sql};
    use tolerancia_wire::core::OrderId;
    use tolerancia_wire::order::OrderStatus;
    use uuid::Uuid;

    use super::super::migrate::migrate;
    use super::*;

    #[test]
    fn a_part_has_no_key_twice_and_equal_keys_keep_their_order() {
        let rows = [(2, 'a'), (1, 'a'), (2, 'b'), (3, 'a'), (2, 'c'), (1, 'b')];
        let split = parts(rows.iter().collect(), |(key, _)| *key);
        assert_eq!(
            split,
            [
                vec![&(1, 'a'), &(2, 'a'), &(3, 'a')],
                vec![&(1, 'b'), &(2, 'b')],
                vec![&(2, 'c')]
            ]
        );
        assert!(parts(Vec::new(), |(key, _): &(u8, char)| *key).is_empty());
    }

    /// What this module is for. Its figures: add `--nocapture`.
    #[tokio::test]
    #[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
    async fn many_rows_in_one_statement_take_less_than_half_the_time() {
        let url = std::env::var("POSTGRES_URL").expect("POSTGRES_URL: eval \"$(scripts/postgres.sh start)\"");
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let name = format!("test_{}", Uuid::now_v7().simple());
        let sql = format!("CREATE SCHEMA {name}; SET search_path = {name}");
        raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        migrate(&mut connection).await.unwrap();
        let row = |n: u64| OrderRow {
            order_id: OrderId::from_key(0, &n.to_string()),
            product_id: Some("PROD-001".parse().unwrap()),
            quantity: Some(n),
            status: OrderStatus::Confirmed,
            reason: None,
            version: Some(n),
            created: Stamp::now(),
            updated: Stamp::now(),
        };
        let (mut many, mut single) = (Duration::MAX, Duration::MAX);
        for round in 0..10 {
            for (each, time) in [(500, &mut many), (1, &mut single)] {
                let rows: Vec<_> = (0..500).map(|n| row(round * 1000 + each * 10_000_000 + n)).collect();
                let began = Instant::now();
                let mut transaction = connection.begin().await.unwrap();
                for rows in rows.chunks(each as usize) {
                    orders(&mut transaction, rows.iter().collect()).await.unwrap();
                }
                transaction.commit().await.unwrap();
                *time = began.elapsed().min(*time);
            }
        }
        let sql = format!("DROP SCHEMA {name} CASCADE");
        raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        println!("500 orders in a transaction: {many:?} in one statement, {single:?} one by one");
        assert!(many * 2 < single, "{many:?}, {single:?}");
    }
}
