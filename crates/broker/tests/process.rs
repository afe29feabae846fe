//! The broker as a process: how it starts, refuses to start, and ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::Duration;

use harness::{Broker, free_port, refused};
use rustix::process::{Pid, Signal, kill_process};
use tolerancia_bus::{Producer, ensure_topics, read_all};
use tolerancia_wire::topic::ORDER_EVENTS;

fn error(output: &Output) -> String {
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn a_port_in_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = error(&refused(port, &directory.path().join("broker.db")));
    assert!(
        text.contains(&format!("port {port} on 127.0.0.1 is already in use")),
        "{text}"
    );
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let plain_file = directory.path().join("file");
    std::fs::write(&plain_file, "").unwrap();
    let below = plain_file.join("broker.db");
    let text = error(&refused(free_port(), &below));
    assert!(
        text.contains("cannot write") && text.contains(below.to_str().unwrap()),
        "{text}"
    );

    let locked = directory.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o500)).unwrap();
    // Root may write everywhere; then there is nothing to refuse.
    if std::fs::write(locked.join("probe"), "").is_err() {
        let text = error(&refused(free_port(), &locked.join("broker.db")));
        assert!(text.contains("cannot write"), "{text}");
    }
}

#[test]
fn a_name_that_the_storage_would_change_and_a_file_that_is_no_database_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = error(&refused(free_port(), &directory.path().join("Bröker.db")));
    assert!(text.contains("is no name for a broker's file"), "{text}");
    let file = directory.path().join("broker.db");
    std::fs::write(&file, "this is no database".repeat(100)).unwrap();
    let text = error(&refused(free_port(), &file));
    assert!(text.contains("cannot be used as a broker's file"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_brokers_do_not_share_a_file() {
    let broker = Broker::start();
    ensure_topics(&broker.config(1)).await.unwrap();
    let text = error(&refused(free_port(), &broker.file));
    assert!(text.contains("another broker is using"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_end_it_cleanly_and_its_records_stay() {
    let mut broker = Broker::start();
    let config = broker.config(1);
    ensure_topics(&config).await.unwrap();
    let producer = Producer::new(&config, Duration::from_secs(20)).unwrap();
    for (signal, sent) in [(Signal::TERM, 1), (Signal::INT, 2)] {
        producer.send(ORDER_EVENTS, Some(0), None, vec![sent]).await.unwrap();
        let pid = Pid::from_raw(i32::try_from(broker.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert!(broker.wait().success());
        broker.kill_and_restart();
        let payloads: Vec<_> = read_all(&config, ORDER_EVENTS)
            .await
            .unwrap()
            .into_iter()
            .map(|m| m.payload)
            .collect();
        assert_eq!(payloads, (1..=sent).map(|n| vec![n]).collect::<Vec<_>>());
    }
}
