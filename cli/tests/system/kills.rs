//! Replicas that are killed at random moments while orders are written.

use tolerancia_lab::kills::{self, Plan};

use crate::harness::{eventually, free_base, leftovers, turn};

#[tokio::test(flavor = "multi_thread")]
async fn every_restart_after_a_kill_ends_equal() {
    let _turn = turn().await;
    let dir = tempfile::Builder::new().prefix("tolerancia-test-").tempdir().unwrap();
    let plan = Plan {
        binary: env!("CARGO_BIN_EXE_tolerancia").into(),
        dir: dir.path().to_owned(),
        base_port: free_base(),
        kills: 24,
        seed: 7,
    };
    let outcome = kills::run(plan, |_| {}).await.unwrap();
    println!("{outcome}");
    assert_eq!(outcome.kills, 24);
    // Each replica at least at its start and at the end.
    assert!(outcome.equal >= 6, "{outcome:?}");
    // A kill must not cost a snapshot: starting would take longer and longer.
    assert_eq!(outcome.set_aside, 0, "{outcome:?}");
    assert!(outcome.from_snapshot > 0, "{outcome:?}");
    eventually("all processes are gone", async || {
        leftovers(dir.path()).is_empty().then_some(())
    })
    .await;
}
