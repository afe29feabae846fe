//! Whatever process is killed, the system comes back, and has lost nothing.

use std::time::Duration;

use rustix::process::Signal;
use tolerancia_wire::status::Verdict;

use crate::harness::{System, Traffic, Truth, eventually, signal, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_returns_and_is_equal_to_the_others() {
    let system = System::up().await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 500, 0);
    traffic.goes_on(500).await;

    let old = system.pid("inventory-svc/2");
    signal(old, Signal::KILL);
    returns(&system, 2, old).await;

    let old = system.pid("inventory-svc/3");
    signal(old, Signal::KILL);
    std::fs::remove_dir_all(system.data_dir().join("inventory-3")).unwrap();
    returns(&system, 3, old).await;

    traffic.goes_on(200).await;
    let told = traffic.stop().await;
    system.steady().await;
    let truth = Truth::of(&system).await;
    truth.confirms_orders(&told.confirmed);
    system.replicas_are_equal().await;
    system.down().await;
}

/// Waits until the replica runs in another process and its vote counts again.
async fn returns(system: &System, number: u8, old: u32) {
    eventually("the replica is back", async || {
        let status = system.status().await;
        let replica = &status.instances[usize::from(number) - 1];
        let new = system.pid(&format!("inventory-svc/{number}"));
        (new != old && replica.pid == Some(new) && replica.status == Verdict::On).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_process_may_be_killed_under_load() {
    let system = System::up().await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 100, 50);
    for name in ["orders-svc", "voter-svc", "monitor-svc", "broker"] {
        traffic.goes_on(100).await;
        let old = system.pid(name);
        signal(old, Signal::KILL);
        within(
            Duration::from_secs(10),
            &format!("{name} was killed and the system is steady again"),
            async || {
                let healthy = async |url: String| {
                    let (status, _) = system.look(&format!("{url}/health")).await?;
                    (status == 200).then_some(())
                };
                (system.pid(name) != old).then_some(())?;
                for url in system.all() {
                    healthy(url).await?;
                }
                let (_, status) = system.look(&format!("{}/status", system.monitor())).await?;
                (status["on"] == 3).then_some(())?;
                // The proof: an order goes through.
                let body = serde_json::json!({"product_id": "PROD-002", "quantity": 1});
                let answer = system
                    .http
                    .post(format!("{}/orders", system.orders()))
                    .json(&body)
                    .send()
                    .await
                    .ok()?;
                (answer.status() == 201).then_some(())
            },
        )
        .await;
    }
    traffic.goes_on(100).await;
    let told = traffic.stop().await;
    system.steady().await;
    system.holds(&told).await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_log_is_not_believed() {
    let mut system = System::up().await;
    let snapshot = |system: &System| system.data_dir().join("inventory-1");
    let kept = system.dir().join("kept");
    for quantity in [7, 9] {
        system.order("PROD-001", quantity).await;
    }
    system.stop().await;
    std::fs::rename(snapshot(&system), &kept).unwrap();
    for entry in std::fs::read_dir(system.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    // The new log is longer than the snapshot, so its length tells nothing.
    system.again().await;
    for _ in 0..9 {
        system.order("PROD-001", 1).await;
    }
    system.stop().await;
    std::fs::remove_dir_all(snapshot(&system)).unwrap();
    std::fs::rename(kept, snapshot(&system)).unwrap();
    system.again().await;
    system.steady().await;
    system.replicas_are_equal().await;
    assert!(
        system.log().contains("the snapshot is not of this log"),
        "{}",
        system.log()
    );
    system.down().await;
}
