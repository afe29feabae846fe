//! Records of `error-queue` that nobody should write.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tolerancia_core::ReplicaId;
use tolerancia_wire::evidence::{Batch, Dissent, ErrorRecord};

use crate::http::fuzz;
use crate::tests;

fn batch(instance: u8) -> Batch {
    let lie = Dissent::Outcome {
        order_id: None,
        said: tolerancia_core::ledger::Outcome::Restocked { version: 1 },
        agreed: tolerancia_core::ledger::Outcome::Restocked { version: 2 },
    };
    Batch {
        good: 7,
        good_first: Some(3),
        late: 2,
        late_us_ago: Some(5000),
        failed: 1,
        agreed: vec!["PROD-001".parse().unwrap()],
        dissents: vec![lie.into()],
        ..Batch::new(ReplicaId::new(instance).unwrap())
    }
}

#[tokio::test]
async fn no_evidence_makes_the_judge_stumble() {
    let (mut judge, _dir) = tests::judge();
    let record = tests::report(vec![batch(1), batch(2), batch(255)]);
    let records = fuzz::mutated(serde_json::to_value(record).unwrap());
    let mut runner = TestRunner::new(ProptestConfig::default());
    for _ in 0..runner.config().cases {
        let bytes = records.new_tree(&mut runner).unwrap().current();
        if let Ok(record) = ErrorRecord::from_bytes(&bytes) {
            judge.evidence(record);
        }
    }
    assert_eq!(judge.shared.read(|view| view.status.instances.len()), 3);
}

/// Counts are only numbers: they must not be how often something is done.
#[tokio::test]
async fn the_highest_counts_cost_no_more_than_others() {
    let (mut judge, _dir) = tests::judge();
    let most = Batch {
        good: u32::MAX,
        good_first: Some(u32::MAX),
        late: u32::MAX,
        late_us_ago: Some(u32::MAX),
        failed: u32::MAX,
        stale: u32::MAX,
        unlisted: u32::MAX,
        ..batch(1)
    };
    for mono_ns in [0, u64::MAX, 1] {
        let mut record = tests::report(vec![most.clone(); 3]);
        record.mono_ns = mono_ns;
        judge.evidence(record);
    }
}
