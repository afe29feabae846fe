#![allow(clippy::unwrap_used)]

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tolerancia_bus::BusConfig;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_core::lifecycle::LifecycleConfig;
use tolerancia_core::panel::PanelConfig;
use tolerancia_core::{ProductId, Stock};
use tolerancia_wire::evidence::{Batch, Dissent, ErrorBody, ErrorRecord};
use tolerancia_wire::status::Transition;
use tower::ServiceExt as _;

use super::*;
use crate::checker::Checked;
use tolerancia_core::detector::Seen;

/// A judge whose Kafka is nowhere: verdicts must not need it.
fn judge() -> (Judge, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let bus = BusConfig {
        bootstrap: "127.0.0.1:1".to_owned(),
        client_id: "test".to_owned(),
        fetch_wait: Duration::from_millis(10),
        partitions: 1,
        replication: 1,
        extra: Vec::new(),
    };
    let config = PanelConfig {
        replicas: 3,
        detector: DetectorConfig::default(),
        lifecycle: LifecycleConfig {
            quarantine_min_ns: 1,
            ..LifecycleConfig::default()
        },
        lag_budget_ns: 1_000_000_000,
    };
    let shared = Shared::new(SystemStatus {
        replicas: 3,
        quorum: 2,
        on: 3,
        quorum_lost: false,
        detector: "accrual".to_owned(),
        instances: ReplicaId::all(3).map(initial).collect(),
    });
    let judge = Judge {
        panel: Panel::new(config, mono_ns(), |_| true),
        shared,
        producer: Producer::new(&bus, Duration::from_secs(1)).unwrap(),
        store: Buffer::start(lazy_store(None, &dir.path().join("t.db")), BufferConfig::default()),
        on: (0..3).map(|_| Arc::new(AtomicBool::new(true))).collect(),
        seq: 100,
        source: "monitor-svc".to_owned(),
    };
    (judge, dir)
}

fn product() -> ProductId {
    "PROD-001".parse().unwrap()
}

fn lie(instance: u8) -> Batch {
    let stock = |available| Some(Stock { available, reserved: 0 });
    let dissent = Dissent::Stock {
        product: product(),
        version: 7,
        said: stock(9),
        agreed: stock(5),
        robust_z: None,
    };
    Batch {
        dissents: vec![dissent.into()],
        ..Batch::new(ReplicaId::new(instance).unwrap())
    }
}

fn report(batches: Vec<Batch>) -> ErrorRecord {
    ErrorRecord::new("voter-svc", ErrorBody::Evidence { batches })
}

fn app(judge: &Judge) -> Router {
    let prometheus = tolerancia_service::metrics::install();
    let app = http::App {
        shared: judge.shared.clone(),
        prometheus,
        shutdown: CancellationToken::new(),
    };
    Shell::new(|| unreachable!("not asked here"))
        .without_metrics()
        .routes(http::routes(app))
        .into_router()
}

async fn get(router: &Router, path: &str) -> (StatusCode, serde_json::Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_reported_lie_is_a_verdict_that_says_why() {
    let (mut judge, _dir) = judge();
    let (_, mut events) = judge.shared.subscribe(None);
    judge.evidence(report(vec![lie(2)]));
    let event: Transition = events.recv().await.unwrap();
    assert_eq!(
        (event.seq, event.instance.number(), event.from, event.to),
        (101, 2, Verdict::On, Verdict::Off)
    );
    assert_eq!(event.reason.kind, ReasonKind::Dissent);
    for part in [
        "PROD-001",
        "version 7",
        "said available 9",
        "agreed available 5",
        "voter-svc",
    ] {
        assert!(event.reason.text.contains(part), "{:?} lacks {part}", event.reason.text);
    }
    let router = app(&judge);
    let (_, status) = get(&router, "/monitor/status").await;
    assert_eq!(
        (&status["on"], &status["instances"][1]["status"]),
        (&2.into(), &"OFF".into())
    );
    let (_, failures) = get(&router, "/failures?instance=2&limit=1").await;
    assert_eq!(failures["failures"][0]["reason"]["kind"], "dissent");
    let (_, one) = get(&router, "/status/inventory-svc/2").await;
    assert_eq!(one["status"], "OFF");
}

#[tokio::test]
async fn the_way_back_needs_agreement_and_old_evidence_is_no_relapse() {
    let (mut judge, _dir) = judge();
    let old = report(vec![lie(2)]);
    judge.evidence(report(vec![lie(2)]));
    let changes = judge.panel.tick(mono_ns());
    changes.into_iter().for_each(|change| judge.publish(change));
    let instance = ReplicaId::new(2).unwrap();
    let good = || Checked {
        instance,
        at_ns: mono_ns(),
        seen: Seen::Good,
        took_ns: Some(1),
        health: None,
    };
    (0..10).for_each(|_| judge.checked(&good()));
    assert!(
        !judge.on[1].load(std::sync::atomic::Ordering::Relaxed),
        "checks alone do not clear a liar"
    );
    let agreed = Batch {
        agreed: vec![product(); 5],
        ..Batch::new(instance)
    };
    judge.evidence(report(vec![agreed]));
    judge.checked(&good());
    assert!(judge.on[1].load(std::sync::atomic::Ordering::Relaxed));
    judge.evidence(old);
    assert_eq!(judge.panel.on(), 3, "what was seen before the instance came back");
    judge.evidence(report(vec![lie(2)]));
    assert_eq!(judge.panel.on(), 2);
}

#[tokio::test]
async fn evidence_about_nobody_changes_nothing() {
    let (mut judge, _dir) = judge();
    judge.evidence(report(vec![lie(9)]));
    assert_eq!(judge.panel.on(), 3);
}

#[tokio::test]
async fn bad_questions_get_problems() {
    let (judge, _dir) = judge();
    let router = app(&judge);
    for (path, expected) in [
        ("/status/inventory-svc/9", 404),
        ("/status/inventory-svc/x", 400),
        ("/status/orders-svc/1", 404),
        ("/failures?limit=0", 400),
        ("/failures?limit=x", 400),
        ("/failures?instance=0", 400),
        ("/nothing", 404),
    ] {
        let (status, problem) = get(&router, path).await;
        assert_eq!(
            (status.as_u16(), &problem["status"]),
            (expected, &expected.into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_past_comes_behind_what_was_judged_meanwhile_and_nothing_twice() {
    let (mut judge, _dir) = judge();
    judge.evidence(report(vec![lie(1)]));
    let judged = judge.shared.read(|view| view.audit(None, 1)).remove(0).transition;
    let row = |seq| tolerancia_store::AuditRow::from(Transition { seq, ..judged.clone() });
    // As the database tells: the verdict that has just been written among the earlier ones.
    let rows = [101, 100, 90].map(row);
    judge.shared.remember(rows, 100);
    judge.evidence(report(vec![lie(2)]));
    let seqs = || {
        let all = judge.shared.read(|view| view.audit(None, usize::MAX));
        all.iter().map(|entry| entry.transition.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(), [102, 101, 100, 90]);
    judge.shared.remember((0..3000).map(|n| row(89 - n % 50)), 100);
    assert_eq!(seqs().len(), state::MOST_TRANSITIONS);
}

#[tokio::test]
async fn events_resume_after_the_last_one_seen() {
    let (mut judge, _dir) = judge();
    judge.evidence(report(vec![lie(1)]));
    judge.evidence(report(vec![lie(2)]));
    let request = Request::get("/events")
        .header("last-event-id", "101")
        .body(Body::empty())
        .unwrap();
    let mut body = app(&judge).oneshot(request).await.unwrap().into_body();
    let mut text = String::new();
    while !text.contains("id: 102") {
        text.push_str(std::str::from_utf8(body.frame().await.unwrap().unwrap().data_ref().unwrap()).unwrap());
    }
    assert!(!text.contains("id: 101"), "{text}");
}
