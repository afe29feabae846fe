//! The course of an experiment on a system of paper: services that answer as they should, and do nothing.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tolerancia_core::OrderId;
use tolerancia_wire::Stamp;

use super::*;
use crate::report::{Report, Verdict};

mod checks;
mod detectors;
mod folder;
mod gone;
mod trace;

/// What the replicas of the system were asked.
#[derive(Clone, Default)]
struct Paper {
    asked: Arc<Mutex<Vec<String>>>,
    injected: Arc<Notify>,
    /// A fault is active from this look at the replicas' faults on, counted from 0; each looks at all three.
    active_from: Option<usize>,
    looks: Arc<AtomicUsize>,
    /// Told when somebody saw it.
    seen: Arc<Notify>,
    /// `PUT /fault` fails where the fault's text has this in it.
    stubborn: Option<&'static str>,
    /// `PUT /detector` is not found.
    fixed: bool,
    /// The detector that was put in force last, if any was.
    detector: Arc<Mutex<Option<String>>>,
    /// The monitor says that it judges by the one it began with, whatever was put in force.
    forgets: bool,
    /// `PUT /detector accrual` is cut off once.
    stumbles: Arc<AtomicBool>,
    /// Who takes connections.
    server: Arc<Mutex<Option<AbortHandle>>>,
}

impl Paper {
    /// All services on one port; the replicas under `/1`, `/2`, `/3`.
    async fn serve(&self) -> Target {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/health", get(health))
            .route("/{replica}/health", get(health))
            .route("/status", get(status))
            .route("/failures", get(async || Json(json!({ "failures": [] }))))
            .route("/events", get(events))
            .route("/trace", get(trace))
            .route("/detector", put(put_detector))
            .route("/inventory", get(async || Json(json!({ "products": [product()] }))))
            .route("/inventory/{product}", get(async || Json(product())))
            .route("/orders", post(async || (StatusCode::CREATED, Json(order()))))
            .route("/orders/{order}/cancel", post(async || Json(order())))
            .route("/{replica}/fault", get(fault).put(put_fault).delete(delete_fault))
            .with_state(self.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        *self.server.lock().unwrap() = Some(server.abort_handle());
        Target {
            voter_url: url.clone(),
            orders_url: url.clone(),
            monitor_url: url.clone(),
            inventory_urls: (1..=3).map(|n| format!("{url}/{n}")).collect(),
            bus: tolerancia_bus::BusConfig {
                bootstrap: "127.0.0.1:1".to_owned(),
                client_id: "test".to_owned(),
                fetch_wait: Duration::ZERO,
                partitions: 1,
                replication: 1,
                extra: Vec::new(),
            },
            fault_token: None,
            kafka: "embedded",
            database: "sqlite".to_owned(),
            replicas: 3,
        }
    }

    /// Refuses connections from now on.
    fn leave(&self) {
        self.server.lock().unwrap().take().unwrap().abort();
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

async fn health() -> Json<Value> {
    let health = json!({ "status": "UP", "service": "s", "instance": "1", "pid": 1, "version": "0", "uptime_s": 9.0,
        "applied": { "0": 3 } });
    Json(health)
}

async fn status(State(paper): State<Paper>) -> Json<Value> {
    let switched = paper.detector.lock().unwrap().clone().filter(|_| !paper.forgets);
    let detector = switched.unwrap_or_else(|| "accrual".to_owned());
    let instance = |n: u8| {
        json!({ "service": "inventory-svc", "instance": n.to_string(), "status": "ON", "phase": "on",
            "reason": { "kind": "initial", "text": "" }, "since": { "at": "2026-01-01T00:00:00Z", "mono_ns": 1 } })
    };
    Json(
        json!({ "replicas": 3, "quorum": 2, "on": 3, "quorum_lost": false, "detector": detector,
        "instances": [instance(1), instance(2), instance(3)] }),
    )
}

/// Says nothing, for ever.
async fn events() -> impl IntoResponse {
    axum::body::Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>())
}

/// Begins, and says nothing more.
async fn trace() -> impl IntoResponse {
    let begin = json!({ "type": "begin", "schema": 1, "at": "2026-01-01T00:00:00.000000Z", "mono_ns": 1, "replicas": 3,
        "detector": "accrual", "interval_ms": 200, "timeout_ms": 1000, "late_floor_ms": 50, "late_cap_ms": 200,
        "lag_budget_ms": 1000 });
    let begin = futures_util::stream::once(async move { Ok::<_, std::io::Error>(format!("{begin}\n")) });
    let rest = futures_util::stream::pending();
    axum::body::Body::from_stream(futures_util::StreamExt::chain(begin, rest))
}

async fn put_detector(State(paper): State<Paper>, Json(body): Json<Value>) -> Response {
    let name = body["detector"].as_str().unwrap().to_owned();
    paper.asked.lock().unwrap().push(format!("detector {name}"));
    if paper.fixed {
        return StatusCode::NOT_FOUND.into_response();
    }
    if name == "accrual" && paper.stumbles.swap(false, Ordering::Relaxed) {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let body = futures_util::stream::once(async { Err::<Vec<u8>, _>(broken) });
        return axum::body::Body::from_stream(body).into_response();
    }
    *paper.detector.lock().unwrap() = Some(name);
    StatusCode::OK.into_response()
}

fn product() -> Value {
    json!({ "product_id": "PROD-001", "version": 0, "available": 9, "reserved": 0, "fresh": true, "votes": ["1", "2"] })
}

fn order() -> Value {
    json!({ "order_id": OrderId::from_key(0, "k"), "version": 0 })
}

fn fault_state(active: bool) -> Value {
    let active = active.then(|| json!({ "fault": "crash", "scope": "all", "activated_at": Stamp::now() }));
    json!({ "instance": "1", "pid": 0, "active": active })
}

async fn fault(State(paper): State<Paper>) -> Json<Value> {
    let look = paper.looks.fetch_add(1, Ordering::Relaxed) / 3;
    let active = paper.active_from.is_some_and(|from| look >= from);
    if active {
        paper.seen.notify_one();
    }
    Json(fault_state(active))
}

async fn put_fault(State(paper): State<Paper>, body: String) -> Result<Json<Value>, StatusCode> {
    paper.asked.lock().unwrap().push("put".to_owned());
    paper.injected.notify_one();
    if paper.stubborn.is_some_and(|text| body.contains(text)) {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    Ok(Json(fault_state(true)))
}

async fn delete_fault(State(paper): State<Paper>, Path(replica): Path<String>) -> Json<Value> {
    paper.asked.lock().unwrap().push(format!("delete {replica}"));
    Json(fault_state(false))
}

/// Arguments for the shortest experiment there is.
fn args(dir: &std::path::Path) -> ExperimentArgs {
    let scenario = dir.join("short.toml");
    let text = "name = 'short'\nbaseline_s = 1.0\nfaults = [{ fault = 'freeze' }]\n[load]\nqueries_rps = 200.0";
    std::fs::write(&scenario, text).unwrap();
    ExperimentArgs {
        quick: false,
        trials: Some(1),
        scenario: Some(scenario),
        detectors: Vec::new(),
        seed: Some(1),
        out: dir.join("out"),
        record: false,
        junit: None,
        summary: None,
        json: false,
        progress: ProgressForm::Text,
    }
}

/// The log of paper is as long as it need be.
async fn carry_out(
    args: ExperimentArgs,
    target: Target,
    shutdown: CancellationToken,
) -> Result<ExperimentOutcome, ExperimentError> {
    let ends = |_| -> log::Ends { Box::pin(async { Ok([(0, 1000)].into()) }) };
    runner::run(args, target, shutdown, ends).await
}

fn report(args: &ExperimentArgs) -> Report {
    serde_json::from_slice(&std::fs::read(args.out.join("report.json")).unwrap()).unwrap()
}

/// Carries the experiment out until its first fault is injected, and interrupts it then.
async fn interrupted(paper: &Paper, args: &ExperimentArgs) {
    let (target, shutdown) = (paper.serve().await, CancellationToken::new());
    let interrupt = async {
        paper.injected.notified().await;
        shutdown.cancel();
    };
    let (outcome, ()) = tokio::join!(carry_out(args.clone(), target, shutdown.clone()), interrupt);
    assert_eq!(outcome.unwrap(), ExperimentOutcome::Aborted);
}

#[tokio::test]
async fn an_interruption_clears_every_fault_and_leaves_a_partial_report() {
    let dir = tempfile::tempdir().unwrap();
    let (paper, args) = (Paper::default(), args(dir.path()));
    interrupted(&paper, &args).await;
    assert_eq!(paper.asked(), ["delete 1", "delete 2", "delete 3", "put"]);
    let report = report(&args);
    assert_eq!(report.verdict, Verdict::Aborted);
    assert!(report.baseline.phase.requests >= 100, "{:?}", report.baseline);
    assert!(!report.oracle.complete);
}

#[tokio::test]
async fn an_error_clears_every_fault() {
    let dir = tempfile::tempdir().unwrap();
    let args = args(dir.path());
    let paper = Paper {
        stubborn: Some(""),
        ..Paper::default()
    };
    let target = paper.serve().await;
    let error = carry_out(args.clone(), target, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, ExperimentError::Inject(_)), "{error}");
    assert_eq!(paper.asked(), ["delete 1", "delete 2", "delete 3", "put"]);
    assert_eq!(report(&args).verdict, Verdict::Error);
}

#[tokio::test]
async fn more_instances_than_there_are_cannot_be_hit() {
    let dir = tempfile::tempdir().unwrap();
    let args = args(dir.path());
    let text = "name = 'short'\nfaults = [{ fault = 'freeze', instances = 5 }]";
    std::fs::write(args.scenario.as_ref().unwrap(), text).unwrap();
    args.fits(5).unwrap();
    let target = Paper::default().serve().await;
    let error = carry_out(args, target, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("freeze ×5"), "{error}");
}

#[tokio::test]
async fn somebody_elses_fault_is_neither_measured_nor_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let paper = Paper {
        active_from: Some(0),
        ..Paper::default()
    };
    let target = paper.serve().await;
    let error = carry_out(args(dir.path()), target, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("fault crash is active"), "{error}");
    assert!(paper.asked().is_empty());
}

#[tokio::test]
async fn another_kafka_is_told_before_any_fault_is_injected() {
    let dir = tempfile::tempdir().unwrap();
    let (paper, args) = (Paper::default(), args(dir.path()));
    let target = paper.serve().await;
    let ends = |_| -> log::Ends { Box::pin(async { Ok([(0, 2)].into()) }) };
    let error = runner::run(args.clone(), target, CancellationToken::new(), ends)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("KAFKA_BOOTSTRAP_SERVERS"), "{error}");
    assert!(paper.asked().is_empty());
    assert_eq!(report(&args).verdict, Verdict::Error);
}

#[tokio::test]
async fn no_older_report_stands_for_an_experiment_that_did_not_begin() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = args(dir.path());
    let target = Paper::default().serve().await;
    std::fs::create_dir_all(&args.out).unwrap();
    let names = ["report.json", "report.md", "report.html"];
    for name in names.into_iter().chain(["trace.ndjson"]) {
        std::fs::write(args.out.join(name), "pass").unwrap();
    }
    args.check().unwrap();
    for name in names.into_iter().chain(["trace.ndjson"]) {
        assert!(!args.out.join(name).exists(), "{name} is still there");
    }
    announce(&mut args, &target, None).unwrap();
    let aborted = report(&args);
    assert_eq!(
        (aborted.schema, aborted.verdict, aborted.seed),
        (1, Verdict::Aborted, 1)
    );
    announce(&mut args, &target, Some("no broker".to_owned())).unwrap();
    let failed = report(&args);
    assert_eq!(
        (failed.verdict, failed.notes),
        (Verdict::Error, vec!["no broker".to_owned()])
    );
    for name in names {
        assert!(!std::fs::read_to_string(args.out.join(name)).unwrap().contains("PASS"));
    }
    assert_eq!(std::fs::read_dir(&args.out).unwrap().count(), names.len());
}

#[test]
fn mistakes_are_told_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let good = args(dir.path());
    good.check().unwrap();
    assert_eq!(std::fs::read_dir(&good.out).unwrap().count(), 0);

    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let out = ExperimentArgs {
        out: file.join("out"),
        ..good.clone()
    };
    assert!(out.check().unwrap_err().to_string().contains("--out"));
    let junit = ExperimentArgs {
        junit: Some(file.join("junit.xml")),
        ..good.clone()
    };
    assert!(junit.check().unwrap_err().to_string().contains("with --junit"));
    let summary = ExperimentArgs {
        summary: Some(dir.path().to_owned()),
        ..good.clone()
    };
    let error = summary.check().unwrap_err().to_string();
    assert!(
        error.contains("it is not a file") && error.contains("with --summary"),
        "{error}"
    );
    // What others wrote into it stays, and nothing is left where there was nothing.
    let (old, new) = (dir.path().join("old.md"), dir.path().join("new.xml"));
    std::fs::write(&old, "before").unwrap();
    let both = ExperimentArgs {
        junit: Some(new.clone()),
        summary: Some(old.clone()),
        ..good.clone()
    };
    both.check().unwrap();
    assert_eq!(
        (std::fs::read_to_string(old).unwrap().as_str(), new.exists()),
        ("before", false)
    );

    let twice = ExperimentArgs {
        detectors: vec![DetectorKind::Accrual; 2],
        ..good.clone()
    };
    assert!(twice.check().unwrap_err().to_string().contains("twice"));

    // As many trials as there may be fit with the load of this scenario, but not with each of three detectors.
    let mut long = ExperimentArgs {
        trials: Some(1000),
        ..good.clone()
    };
    long.check().unwrap();
    long.detectors = vec![DetectorKind::Accrual, DetectorKind::Consecutive, DetectorKind::Phi];
    assert!(long.check().unwrap_err().to_string().contains("remembered"));

    std::fs::write(good.scenario.as_ref().unwrap(), "name = 5").unwrap();
    let error = good.check().unwrap_err().to_string();
    assert!(error.contains("short.toml:1:8"), "{error}");
}
