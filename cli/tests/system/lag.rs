//! Lag is not a lie.

use tolerancia_wire::inventory::VotingStats;
use tolerancia_wire::status::{ReasonKind, Verdict};

use crate::harness::{System, Traffic};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_consuming_is_late_but_no_liar() {
    let system = System::up().await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 200, 50);
    traffic.goes_on(100).await;
    system.inject(&["stale", "--instance", "3"]).await;
    // Long enough for a thousand versions, far more than a replica remembers.
    traffic.goes_on(1000).await;
    system.inject(&["clear", "--instance", "3"]).await;
    traffic.goes_on(200).await;
    let told = traffic.stop().await;
    system.steady().await;

    let seen = system.failures(3).await;
    let off: Vec<_> = seen.iter().filter(|change| change.to == Verdict::Off).collect();
    assert!(
        off.iter().all(|change| change.reason.kind != ReasonKind::Dissent),
        "{off:#?}"
    );
    let stats: VotingStats = system.get(&format!("{}/voting-stats", system.voter())).await;
    assert!(
        stats.instances.iter().all(|instance| instance.dissents == 0),
        "{stats:#?}"
    );
    assert!(
        stats.instances[2].stale > 0,
        "the replica was never behind, so nothing was tested: {stats:#?}"
    );

    system.holds(&told).await;
    system.down().await;
}
