//! The conformance suite on PostgreSQL, and what is PostgreSQL alone: schemas, rights, locks.

#![allow(clippy::unwrap_used)]

mod conformance;
mod postgres_support;

use std::time::Instant;

use conformance::rows::{BEFORE, audit, order, order_id, proven, status};
use postgres_support::{BOUND, Scratch, unavailable};
use sqlx::Connection as _;
use tolerancia_store::{StoreError, lazy_postgres, open_postgres};
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::Verdict;

suite!([#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]] => {
    let scratch = Scratch::new().await;
    let url = scratch.url();
    (scratch, async move || open_postgres(&url).await.unwrap())
});

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn what_the_user_may_not_do_is_explained() {
    let scratch = Scratch::new().await;
    let read_only = scratch.url_with("-c default_transaction_read_only=on");
    let message = unavailable(open_postgres(&read_only).await);
    assert!(message.contains("standby"), "{message}");
    for (right, hint) in [("CREATE", "GRANT ALL"), ("USAGE", "search_path")] {
        scratch
            .execute(&format!(
                "REVOKE {right} ON SCHEMA {} FROM CURRENT_USER",
                scratch.name()
            ))
            .await;
        let message = unavailable(open_postgres(&scratch.url()).await);
        assert!(message.contains(hint), "{message}");
    }
    scratch
        .execute(&format!("GRANT ALL ON SCHEMA {} TO CURRENT_USER", scratch.name()))
        .await;
    open_postgres(&scratch.url()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn of_many_starters_one_migrates() {
    let scratch = Scratch::new().await;
    let stores: Vec<_> = (0..16).map(|_| lazy_postgres(&scratch.url())).collect();
    for outcome in futures_util::future::join_all(stores.iter().map(|store| store.ping())).await {
        outcome.unwrap();
    }
    let applied = scratch
        .query("SELECT name FROM schema_migrations WHERE $1 <> '' ORDER BY version")
        .await;
    assert_eq!(applied, ["initial", "evidence", "denials"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn a_newer_schema_is_left_alone() {
    let scratch = Scratch::new().await;
    let store = open_postgres(&scratch.url()).await.unwrap();
    scratch
        .execute("INSERT INTO schema_migrations (version, name) VALUES (99, 'from the future')")
        .await;
    for message in [
        unavailable(store.ping().await),
        unavailable(open_postgres(&scratch.url()).await),
        unavailable(store.upsert_status(&status(1, Verdict::On)).await),
    ] {
        assert!(
            message.contains("version 99") && message.contains("POSTGRES_URL"),
            "{message}"
        );
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn tables_of_another_program_are_left_alone() {
    let scratch = Scratch::new().await;
    scratch.execute("CREATE TABLE schema_migrations (version text)").await;
    let message = unavailable(open_postgres(&scratch.url()).await);
    assert!(message.contains("a database of its own"), "{message}");
    scratch
        .execute("DROP TABLE schema_migrations; CREATE TABLE orders (n int)")
        .await;
    let message = unavailable(open_postgres(&scratch.url()).await);
    assert!(message.contains("a database of its own"), "{message}");
}

/// Columns, indexes and constraints, in words.
async fn described(scratch: &Scratch) -> Vec<String> {
    let sql = "
        SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, collation_name, is_nullable,
                         column_default) AS line
        FROM information_schema.columns WHERE table_schema = $1
        UNION ALL
        SELECT replace(indexdef, $1, 'schema') FROM pg_indexes WHERE schemaname = $1
        UNION ALL
        SELECT concat_ws(' ', replace(conrelid::regclass::text, $1, 'schema'), conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = $1::regnamespace
        UNION ALL
        SELECT concat_ws(' ', version, name) FROM schema_migrations
        ORDER BY line";
    scratch.query(sql).await
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn init_sql_makes_the_schema_of_the_migrations() {
    let (by_hand, migrated) = (Scratch::new().await, Scratch::new().await);
    by_hand.execute(include_str!("../../../init.sql")).await;
    let applied = "SELECT applied::text FROM schema_migrations WHERE $1 <> ''";
    let before = by_hand.query(applied).await;
    let store = open_postgres(&by_hand.url()).await.unwrap();
    store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    assert_eq!(by_hand.query(applied).await, before, "nothing was migrated again");

    open_postgres(&migrated.url()).await.unwrap();
    let schema = described(&migrated).await;
    assert!(schema.len() > 50, "{schema:#?}");
    assert_eq!(described(&by_hand).await, schema);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn a_row_of_another_version_is_unreadable_not_a_panic() {
    let scratch = Scratch::new().await;
    let store = open_postgres(&scratch.url()).await.unwrap();
    store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    for (column, value) in [("reason_kind", "'half'"), ("since", "'infinity'")] {
        scratch
            .execute(&format!("UPDATE instance_status SET {column} = {value}"))
            .await;
        let outcome = store.statuses().await;
        assert!(matches!(outcome, Err(StoreError::Unreadable(_))), "{outcome:?}");
        store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    }
    store.statuses().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn a_character_that_postgresql_cannot_hold_costs_no_row() {
    let scratch = Scratch::new().await;
    let store = open_postgres(&scratch.url()).await.unwrap();
    let mut row = audit(1, 1);
    row.transition.reason = proven();
    row.transition.reason.text = "said \0".to_owned();
    row.transition.reason.evidence[0].from = "said \0".to_owned();
    store.append_transition(&row).await.unwrap();
    let stored = store.transitions(None, 1).await.unwrap();
    let reason = &stored[0].transition.reason;
    assert_eq!(reason.text, "said \u{fffd}");
    assert_eq!(reason.evidence[0].from, "said \u{fffd}");
}

/// A database that was made before there was evidence.
#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn rows_from_before_have_no_evidence() {
    let scratch = Scratch::new().await;
    let (before, _) = include_str!("../../../init.sql").split_once("-- Migration 2").unwrap();
    scratch.execute(&format!("{before} COMMIT")).await;
    scratch.execute(BEFORE).await;
    let store = open_postgres(&scratch.url()).await.unwrap();
    assert_eq!(store.statuses().await.unwrap(), [status(1, Verdict::Off)]);
    assert_eq!(store.transitions(None, 9).await.unwrap(), [audit(1, 1)]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn another_sessions_lock_is_waited_for_but_not_for_ever() {
    let scratch = Scratch::new().await;
    let store = open_postgres(&scratch.url()).await.unwrap();
    let mut session = scratch.session().await;
    let mut other = session.begin().await.unwrap();
    sqlx::query("LOCK TABLE instance_status")
        .execute(&mut *other)
        .await
        .unwrap();
    let began = Instant::now();
    let message = unavailable(store.upsert_status(&status(1, Verdict::On)).await);
    assert!(began.elapsed() < BOUND && message.contains("lock"), "{message}");
    // Other tables are not held up meanwhile.
    store
        .upsert_orders(&[order(order_id(0, 1), OrderStatus::Pending)])
        .await
        .unwrap();
    other.rollback().await.unwrap();
    store.upsert_status(&status(1, Verdict::On)).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn an_emptied_database_is_used_like_a_new_one() {
    let scratch = Scratch::new().await;
    let store = open_postgres(&scratch.url()).await.unwrap();
    store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    let name = scratch.name();
    scratch
        .execute(&format!("DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}"))
        .await;
    unavailable(store.statuses().await);
    assert_eq!(store.statuses().await.unwrap(), []);
}
