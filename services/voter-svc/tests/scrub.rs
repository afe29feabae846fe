//! Votes that nobody asked for, over real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Manner, System, id};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_voter_svc::scrub;

/// Scrubs `system` until the token is cancelled.
fn start(system: &System, rate: u32) -> (TaskTracker, CancellationToken) {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(scrub::inventory(system.voter.clone(), stop.clone()));
    tasks.spawn(scrub::products(system.voter.clone(), rate, stop.clone()));
    tasks.close();
    (tasks, stop)
}

#[tokio::test]
async fn the_scrub_finds_a_lie_without_a_query() {
    let mut system = System::start().await;
    system.replicas[2].set(Manner::Lies(5));
    let (tasks, stop) = start(&system, 100);
    system.evidence(3, |batch| !batch.dissents.is_empty()).await;
    // Not only through the list: each product has its own turn too.
    while system.voter.voting_stats().scrub_votes < 3 {
        system.evidence(3, |batch| !batch.dissents.is_empty()).await;
    }
    assert_eq!(system.voter.voting_stats().votes, 0, "no client asked");
    stop.cancel();
    tasks.wait().await;
}

#[tokio::test]
async fn a_replica_that_hangs_is_late_again_and_again_also_when_it_is_off() {
    let late = Duration::from_millis(50);
    let mut system = System::with(late, Duration::from_millis(300)).await;
    let (_tasks, stop) = start(&system, 100);
    system.evidence(3, |batch| batch.good > 0).await;
    let gate = Arc::new(Semaphore::new(0));
    system.replicas[2].set(Manner::Gated(gate.clone()));
    for on in [true, false] {
        system.voter.set_on(id(3), on);
        for _ in 0..5 {
            system.evidence(3, |batch| batch.late > 0).await;
        }
    }
    // And its way back needs no client either.
    gate.add_permits(100_000);
    system.evidence(3, |batch| !batch.agreed.is_empty()).await;
    assert_eq!(system.voter.voting_stats().votes, 0, "no client asked");
    stop.cancel();
}
