//! The conformance suite on SQLite, and what only a file can get wrong.

#![allow(clippy::unwrap_used)]

mod conformance;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use conformance::rows::{BEFORE, audit, order, order_id, status};
use tempfile::TempDir;
use tolerancia_store::{Buffer, BufferConfig, StoreError, Write, hold_sqlite, lazy_sqlite, open_sqlite};
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::Verdict;

suite!({
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("made/on/demand/t.db");
    (directory, async move || open_sqlite(&path).await.unwrap())
});

fn file() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("t.db");
    (directory, path)
}

async fn raw(path: &Path, sql: &str) {
    let database = libsql::Builder::new_local(path).build().await.unwrap();
    database.connect().unwrap().execute_batch(sql).await.unwrap();
}

fn unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Unavailable(message)) => message,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

const CHILD_DATABASE: &str = "TOLERANCIA_TEST_CHILD_DATABASE";

/// Not a test of its own: what each process of `processes_at_once_all_succeed` does.
#[tokio::test]
async fn child() {
    let Some(path) = std::env::var_os(CHILD_DATABASE).map(PathBuf::from) else {
        return;
    };
    let store = open_sqlite(&path).await.unwrap();
    for n in 0..50 {
        let id = order_id(std::process::id() as u16, n);
        store.upsert_orders(&[order(id, OrderStatus::Pending)]).await.unwrap();
    }
}

#[tokio::test]
async fn processes_at_once_all_succeed() {
    let (_directory, path) = file();
    let children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child"])
                .env(CHILD_DATABASE, &path)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = open_sqlite(&path).await.unwrap();
    assert_eq!(store.orders(None, 1000).await.unwrap().len(), 150);
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let (_directory, path) = file();
    let store = open_sqlite(&path).await.unwrap();
    raw(
        &path,
        "INSERT INTO schema_migrations VALUES (99, 'from the future', '')",
    )
    .await;
    for message in [unavailable(open_sqlite(&path).await), unavailable(store.ping().await)] {
        assert!(
            message.contains("version 99") && message.contains("--data-dir"),
            "{message}"
        );
    }
}

/// A file that was made before there was evidence.
#[tokio::test]
async fn rows_from_before_have_no_evidence() {
    let (_directory, path) = file();
    let first = include_str!("../migrations/sqlite/0001_initial.sql");
    let bookkeeping = "
        CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL) STRICT;
        INSERT INTO schema_migrations VALUES (1, 'initial', '2023-11-14T22:13:20.000000Z');";
    raw(&path, &format!("{first};{bookkeeping}{BEFORE}")).await;
    let store = open_sqlite(&path).await.unwrap();
    assert_eq!(store.statuses().await.unwrap(), [status(1, Verdict::Off)]);
    assert_eq!(store.transitions(None, 9).await.unwrap(), [audit(1, 1)]);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let (directory, path) = file();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let inside = directory.path().join("file/data/t.db");
    let message = unavailable(open_sqlite(&inside).await);
    assert!(
        message.contains(inside.parent().unwrap().to_str().unwrap()),
        "{message}"
    );
    assert!(message.contains("--data-dir"), "{message}");

    std::fs::create_dir(&path).unwrap();
    let message = unavailable(open_sqlite(&path).await);
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(message.contains("--data-dir"), "{message}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_kept() {
    let (_directory, path) = file();
    let text = "not a database ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let message = unavailable(open_sqlite(&path).await);
    assert!(
        message.contains(path.to_str().unwrap()) && message.contains("move it away"),
        "{message}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_lazy_store_comes_back_by_itself() {
    let (_directory, path) = file();
    std::fs::create_dir(&path).unwrap();
    let store = lazy_sqlite(&path);
    unavailable(store.ping().await);
    unavailable(store.orders(None, 1).await);
    unavailable(store.upsert_status(&status(1, Verdict::On)).await);
    std::fs::remove_dir(&path).unwrap();
    store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    assert_eq!(store.statuses().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_row_of_another_version_is_unreadable_not_a_panic() {
    let (_directory, path) = file();
    let store = open_sqlite(&path).await.unwrap();
    store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    raw(&path, "UPDATE instance_status SET status = 'HALF'").await;
    assert!(matches!(store.statuses().await, Err(StoreError::Unreadable(_))));
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() {
    let (_directory, path) = file();
    let store = open_sqlite(&path).await.unwrap();
    let database = libsql::Builder::new_local(&path).build().await.unwrap();
    let other = database.connect().unwrap();
    other.execute("BEGIN IMMEDIATE", ()).await.unwrap();
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.upsert_status(&status(1, Verdict::On)).await }
    });
    // All of this comes back while this store's own write waits for the lock of another process.
    for _ in 0..50 {
        store.ping().await.unwrap();
        assert_eq!(store.statuses().await.unwrap(), []);
    }
    open_sqlite(&path).await.unwrap().statuses().await.unwrap();
    assert!(!writing.is_finished());
    other.execute("ROLLBACK", ()).await.unwrap();
    writing.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_was_queued_for_a_dead_file_arrives() {
    let (_directory, path) = file();
    std::fs::create_dir(&path).unwrap();
    let buffer = Buffer::start(lazy_sqlite(&path), BufferConfig::default());
    for n in 0..1200 {
        assert!(buffer.push(Write::Order(order(order_id(0, n), OrderStatus::Pending))));
    }
    assert!(!buffer.state().is_up());
    std::fs::remove_dir(&path).unwrap();
    assert_eq!(buffer.close(Duration::from_secs(20)).await, 0);
    let store = open_sqlite(&path).await.unwrap();
    assert_eq!(store.orders(None, 5000).await.unwrap().len(), 1200);
}

#[tokio::test]
async fn while_a_file_is_held_it_can_be_read_and_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tolerancia.db");
    let store = open_sqlite(&path).await.unwrap();
    let hold = hold_sqlite(&path).await.unwrap();
    store.orders(None, 1).await.unwrap();
    let write = Write::AuditTimes {
        seq: 1,
        ttd_ms: None,
        ttr_ms: None,
    };
    // It gives up only after seconds: what counts is that it does not come through.
    let mut writing = std::pin::pin!(store.apply(std::slice::from_ref(&write)));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut writing).await;
    assert!(!matches!(early, Ok(Ok(()))), "{early:?}");
    hold.release().await;
    // The writer may have given up at this very moment, on a very slow machine.
    let late = async { while store.apply(std::slice::from_ref(&write)).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), late).await.unwrap();
    let message = unavailable(hold_sqlite(&directory.path().join("none.db")).await.map(drop));
    assert!(message.contains("none.db"), "{message}");
}
