#![allow(clippy::unwrap_used)]

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tolerancia_bus::BusConfig;
use tolerancia_core::checks::ChecksConfig;
use tolerancia_core::detector::{DetectorConfig, DetectorKind, Seen};
use tolerancia_core::lifecycle::LifecycleConfig;
use tolerancia_core::panel::PanelConfig;
use tolerancia_core::{ProductId, Stock};
use tolerancia_wire::evidence::{Batch, Dissent, ErrorBody, ErrorRecord};
use tolerancia_wire::status::{Clue, ReasonKind, Transition};
use tower::ServiceExt as _;

use super::*;
use crate::checker::Checked;
use crate::control::Command;

pub(crate) fn panel_config() -> PanelConfig {
    PanelConfig {
        replicas: 3,
        detector: DetectorConfig::default(),
        lifecycle: LifecycleConfig {
            quarantine_min_ns: 1,
            clean_min_ns: 0,
            clean_max_ns: 0,
            ..LifecycleConfig::default()
        },
        lag_budget_ns: 1_000_000_000,
        idle_budget_ns: 500_000_000,
    }
}

/// A judge whose Kafka is nowhere: verdicts must not need it.
pub(crate) fn judge() -> (Judge, TempDir) {
    let (judge, _, dir) = watched();
    (judge, dir)
}

/// The same, and where it is watched.
pub(crate) fn watched() -> (Judge, Live, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let bus = BusConfig {
        bootstrap: "127.0.0.1:1".to_owned(),
        client_id: "test".to_owned(),
        fetch_wait: Duration::from_millis(10),
        partitions: 1,
        replication: 1,
        extra: Vec::new(),
    };
    let shared = Shared::new(SystemStatus {
        replicas: 3,
        quorum: 2,
        on: 3,
        quorum_lost: false,
        detector: "accrual".to_owned(),
        instances: ReplicaId::all(3).map(restart::initial).collect(),
    });
    let (live, levels, _) = Live::new(3, &panel_config().detector, &ChecksConfig::default());
    let judge = Judge {
        panel: Panel::new(panel_config(), mono_ns(), |_| true),
        shared,
        producer: Producer::new(&bus, Duration::from_secs(1)).unwrap(),
        store: Buffer::start(lazy_store(None, &dir.path().join("t.db")), BufferConfig::default()),
        cues: (0..3).map(|_| Arc::new(Cue::new(true))).collect(),
        seq: 100,
        source: "monitor-svc".to_owned(),
        detector: panel_config().detector,
        tracer: Tracer::new(),
        levels,
    };
    (judge, live, dir)
}

fn product() -> ProductId {
    "PROD-001".parse().unwrap()
}

pub(crate) fn lie(instance: u8) -> Batch {
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

pub(crate) fn report(batches: Vec<Batch>) -> ErrorRecord {
    ErrorRecord::new("voter-svc", ErrorBody::Evidence { batches })
}

fn app(judge: &Judge) -> Router {
    let prometheus = tolerancia_service::metrics::install();
    let app = http::App {
        shared: judge.shared.clone(),
        denials: denials::Denials::new(judge.store.clone()),
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

/// Late answers that were noticed 10 ms apart are one miss, though the report of the second was 40 ms on its way.
#[tokio::test]
async fn a_report_that_is_late_itself_makes_no_miss_of_its_own() {
    let last = |on_its_way_ms: u64| {
        let (mut judge, _dir) = judge();
        let now_ns = mono_ns();
        for (on_its_way_ms, ago_ms) in [(0, 100), (0, 50), (on_its_way_ms, 0)] {
            let mut record = report(vec![Batch {
                late: 1,
                late_us_ago: Some(ago_ms * 1000),
                ..Batch::new(ReplicaId::new(2).unwrap())
            }]);
            record.mono_ns = now_ns - on_its_way_ms * 1_000_000;
            judge.evidence(record);
        }
        judge.panel.on()
    };
    assert_eq!(last(40), 3, "two misses");
    assert_eq!(last(0), 2, "three");
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
    assert!(!judge.cues[1].is_on(), "checks alone do not clear a liar");
    let agreed = Batch {
        agreed: vec![product(); 5],
        ..Batch::new(instance)
    };
    judge.evidence(report(vec![agreed]));
    judge.checked(&good());
    assert!(judge.cues[1].is_on());
    judge.evidence(old);
    assert_eq!(judge.panel.on(), 3, "what was seen before the instance came back");
    judge.evidence(report(vec![lie(2)]));
    assert_eq!(judge.panel.on(), 2);
}

#[tokio::test]
async fn a_reporter_whose_wall_clock_is_wrong_is_believed() {
    for hours in [-3, 3] {
        let (mut judge, _dir) = judge();
        let mut wrong = report(vec![lie(2)]);
        wrong.at += jiff::SignedDuration::from_hours(hours);
        judge.evidence(wrong);
        assert_eq!(judge.panel.on(), 2, "{hours} h");
    }
}

/// As after a pause of the monitor's own: the reports of 8 s come at once, the bad ones first.
#[tokio::test]
async fn what_was_counted_while_the_monitor_stood_still_is_no_verdict_and_a_lie_is() {
    let (mut judge, _dir) = judge();
    let instance = ReplicaId::new(2).unwrap();
    let made_before = |ms: u64, batch| {
        let mut record = report(vec![batch]);
        record.mono_ns -= ms * 1_000_000;
        record
    };
    let counted = |failed, late| Batch {
        failed,
        late,
        ..Batch::new(instance)
    };
    // The instance of long ago must have been ON before.
    judge.panel = Panel::new(panel_config(), mono_ns() - 60_000_000_000, |_| true);
    judge.evidence(made_before(0, counted(0, 0)));
    for ms in (7000..8000).rev().step_by(50) {
        judge.evidence(made_before(ms, counted(5, 1)));
    }
    assert_eq!(judge.panel.on(), 3);
    judge.evidence(made_before(7000, lie(3)));
    assert_eq!(judge.panel.on(), 2, "a lie");
    for _ in 0..5 {
        judge.evidence(made_before(0, counted(5, 0)));
    }
    assert_eq!(judge.panel.on(), 1, "and what is counted now");
}

/// Answers that were reported and checks of the monitor's own, until the instance is OFF.
fn convict(judge: &mut Judge, instance: u8) {
    let instance = ReplicaId::new(instance).unwrap();
    let failed = |failed| Batch {
        failed,
        ..Batch::new(instance)
    };
    judge.evidence(report(vec![failed(1)]));
    let mut at_ns = mono_ns();
    while judge.cues[instance.index()].is_on() {
        // Far enough apart to be separate pieces of evidence, near enough to be no stall.
        at_ns += 20_000_000;
        judge.tick(at_ns);
        judge.checked(&Checked {
            instance,
            at_ns,
            seen: Seen::Error,
            took_ns: None,
            health: None,
        });
    }
}

#[tokio::test]
async fn a_verdict_tells_its_evidence_and_its_quarantine_wherever_it_is_shown() {
    let (mut judge, _dir) = judge();
    let (_, mut events) = judge.shared.subscribe(None);
    convict(&mut judge, 2);
    let off: Transition = events.recv().await.unwrap();
    assert_eq!((off.to, off.reason.kind), (Verdict::Off, ReasonKind::Errors));
    assert_eq!(off.quarantine_ms, Some(1e-6), "the shortest that is set here");
    let clues = &off.reason.evidence;
    let from: Vec<_> = clues.iter().map(|clue| clue.from.as_str()).collect();
    assert_eq!((from[0], from[1]), ("voter-svc", "health check"));
    for Clue {
        at,
        ms_before,
        likelihood,
        ..
    } in clues
    {
        let ms = (off.stamp.at.as_microsecond() - at.as_microsecond()) as f64 / 1e3;
        assert!((ms - ms_before).abs() < 1e-9 && *likelihood > 0.0, "{clues:?}");
    }
    let expected = serde_json::to_value(&off.reason).unwrap();
    let router = app(&judge);
    let (_, failures) = get(&router, "/failures").await;
    assert_eq!(failures["failures"][0]["reason"], expected);
    assert_eq!(failures["failures"][0]["quarantine_ms"], 1e-6);
    let (_, status) = get(&router, "/status/inventory-svc/2").await;
    assert_eq!(status["reason"], expected);
}

#[tokio::test]
async fn the_detector_that_was_chosen_judges() {
    let (mut judge, _dir) = judge();
    let (_, mut events) = judge.shared.subscribe(None);
    let (done, told) = tokio::sync::oneshot::channel();
    let kind = DetectorKind::Consecutive;
    judge.obey(Command::Detector { kind, done });
    told.await.unwrap();
    convict(&mut judge, 1);
    let off = events.recv().await.unwrap();
    assert!(off.reason.text.starts_with("consecutive"), "{}", off.reason.text);
    assert_eq!(off.reason.evidence.len(), 3, "{:?}", off.reason.evidence);
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

#[tokio::test]
async fn events_begin_with_what_happens_next_for_who_resumes_nothing() {
    for last in [None, Some("x"), Some("99999999999")] {
        let (mut judge, _dir) = judge();
        judge.evidence(report(vec![lie(1)]));
        let mut request = Request::get("/monitor/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).unwrap();
        let mut body = app(&judge).oneshot(request).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.data_ref().unwrap().as_ref(), b": connected\n\n");
        judge.evidence(report(vec![lie(2)]));
        let next = body.frame().await.unwrap().unwrap();
        let text = std::str::from_utf8(next.data_ref().unwrap()).unwrap();
        assert!(text.contains("id: 102\n"), "{text}");
    }
}
