#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tolerancia_core::ledger::{Stock, Versioned};
use tolerancia_wire::fault::{Fault, FaultState};
use tolerancia_wire::health::HealthState;
use tolerancia_wire::inventory::{ReplicaInventory, ReplicaProduct};
use tower::ServiceExt as _;

use super::check::check_process;
use super::*;
use crate::shell::Shell;

mod combined;
mod denied;

fn product(name: &str) -> ReplicaProduct {
    let versions = (0..8).rev().map(|version| {
        let stock = Stock {
            available: 1000 - version,
            reserved: version,
        };
        Versioned { version, stock }
    });
    ReplicaProduct {
        product_id: name.parse().unwrap(),
        instance: "1".parse().unwrap(),
        partition: 0,
        applied: 9,
        versions: versions.collect(),
    }
}

fn inventory() -> ReplicaInventory {
    ReplicaInventory {
        instance: "1".parse().unwrap(),
        products: vec![product("PROD-001"), product("PROD-002")],
    }
}

fn router(switch: &FaultSwitch) -> Router {
    let health = || tolerancia_wire::health::Health {
        status: HealthState::Up,
        service: "inventory-svc".to_owned(),
        instance: "1".to_owned(),
        pid: 1,
        version: "0".to_owned(),
        uptime_s: 1.0,
        applied: [(0, 9)].into(),
        digest: None,
        idle_ms: None,
        database: None,
        details: Default::default(),
    };
    let routes = Router::new()
        .route("/inventory", get(|| async { Json(inventory()) }))
        .route("/inventory/PROD-001", get(|| async { Json(product("PROD-001")) }))
        .route("/inventory/PROD-002", get(|| async { Json(product("PROD-002")) }));
    Shell::new(health).routes(routes).faults(switch.clone()).into_router()
}

fn enabled() -> FaultSwitch {
    FaultSwitch::new("1", true, None)
}

async fn ask(switch: &FaultSwitch, method: &str, uri: &str, body: Option<Value>) -> (u16, HeaderMap, Value) {
    let mut request = Request::builder().method(method).uri(uri);
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    send(switch, request.body(body).unwrap()).await
}

async fn send(switch: &FaultSwitch, request: Request) -> (u16, HeaderMap, Value) {
    let (parts, body) = router(switch).oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    if let Some(length) = parts.headers.get("content-length") {
        assert_eq!(length.to_str().unwrap(), body.len().to_string());
    }
    (
        parts.status.as_u16(),
        parts.headers,
        serde_json::from_slice(&body).unwrap_or(Value::Null),
    )
}

async fn put(switch: &FaultSwitch, spec: Value) -> FaultState {
    let (status, _, body) = ask(switch, "PUT", "/fault", Some(spec)).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_value(body).unwrap()
}

async fn get_json(switch: &FaultSwitch, uri: &str) -> (u16, Value) {
    let (status, _, body) = ask(switch, "GET", uri, None).await;
    (status, body)
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let switch = enabled();
    let before = put(
        &switch,
        json!({"fault": "intermittent", "probability": 0.25, "scope": "queries"}),
    )
    .await;
    for (status, spec) in [
        (400, json!({})),
        (400, json!([])),
        (400, json!("crash")),
        (400, json!({"fault": "earthquake"})),
        (400, json!({"fault": "crash", "when": "now"})),
        (400, json!({"fault": "latency", "probability": 0.5})),
        (400, json!({"fault": "latency", "latency_ms": -1})),
        (400, json!({"fault": "latency", "latency_ms": "1200"})),
        (400, json!({"fault": "latency", "scope": "everything"})),
        (400, json!({"fault": "incorrect"})),
        (400, json!({"fault": "incorrect", "product": ""})),
        (400, json!({"fault": "incorrect", "product": "no spaces"})),
        (400, json!({"fault": "incorrect", "product": "x".repeat(10_000)})),
        (422, json!({"fault": "intermittent", "probability": 1.5})),
        (422, json!({"fault": "intermittent", "probability": 0})),
        (422, json!({"fault": "latency", "latency_ms": 0})),
        (422, json!({"fault": "latency", "latency_ms": 60_001})),
        (422, json!({"fault": "crash", "scope": "health"})),
        (422, json!({"fault": "freeze", "scope": "queries"})),
        (422, json!({"fault": "stale", "scope": "queries"})),
        (422, json!({"fault": "incorrect", "product": "P", "scope": "health"})),
    ] {
        let (got, headers, body) = ask(&switch, "PUT", "/fault", Some(spec.clone())).await;
        assert_eq!(
            (got, &headers["content-type"]),
            (status, &"application/problem+json".parse().unwrap()),
            "{spec} {body}"
        );
    }
    let (status, body) = get_json(&switch, "/fault").await;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_value::<FaultState>(body).unwrap(), before);
}

#[tokio::test]
async fn without_permission_nobody_injects() {
    let switch = FaultSwitch::new("1", false, Some("secret"));
    for method in ["GET", "PUT", "POST", "DELETE"] {
        assert_eq!(
            ask(&switch, method, "/fault", Some(json!({"fault": "stale"}))).await.0,
            404,
            "{method}"
        );
    }
    let switch = FaultSwitch::new("1", true, Some("secret"));
    for authorization in [
        "",
        "secret",
        "Bearer",
        "Bearer wrong",
        "Basic secret",
        "Bearer secret2",
        "Bearersecret",
    ] {
        let request = Request::delete("/fault").header("authorization", authorization);
        let (status, headers, _) = send(&switch, request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (status, &headers["www-authenticate"]),
            (401, &"Bearer".parse().unwrap()),
            "{authorization}"
        );
    }
    let request = Request::delete("/fault").header("authorization", "bearer secret");
    assert_eq!(send(&switch, request.body(Body::empty()).unwrap()).await.0, 200);
    assert!(!format!("{switch:?}").contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn latency_delays_what_its_scope_covers() {
    let switch = enabled();
    for (scope, slow, quick) in [
        ("queries", "/inventory", "/health"),
        ("health", "/health", "/inventory"),
    ] {
        put(&switch, json!({"fault": "latency", "latency_ms": 1000, "scope": scope})).await;
        let start = tokio::time::Instant::now();
        assert_eq!(get_json(&switch, quick).await.0, 200);
        assert_eq!(start.elapsed().as_millis(), 0, "{scope}");
        assert_eq!(get_json(&switch, slow).await.0, 200);
        assert!(
            (800..=1201).contains(&start.elapsed().as_millis()),
            "{scope}: {:?}",
            start.elapsed()
        );
    }
    put(&switch, json!({"fault": "latency"})).await;
    let start = tokio::time::Instant::now();
    get_json(&switch, "/health").await;
    assert!((500..=1501).contains(&start.elapsed().as_millis()));
    assert_eq!(ask(&switch, "DELETE", "/fault", None).await.0, 200);
    let start = tokio::time::Instant::now();
    get_json(&switch, "/health").await;
    assert_eq!(start.elapsed().as_millis(), 0);
}

#[tokio::test]
async fn intermittent_fails_about_as_often_as_asked() {
    let switch = enabled();
    put(&switch, json!({"fault": "intermittent"})).await;
    let mut failed = 0;
    for _ in 0..1000 {
        match get_json(&switch, "/inventory").await.0 {
            500 => failed += 1,
            status => assert_eq!(status, 200),
        }
    }
    // 500 ± 16 (one standard deviation): ten of them.
    assert!((340..=660).contains(&failed), "{failed}");
    put(
        &switch,
        json!({"fault": "intermittent", "probability": 1.0, "scope": "health"}),
    )
    .await;
    assert_eq!(get_json(&switch, "/health").await.0, 500);
    assert_eq!(get_json(&switch, "/inventory").await.0, 200);
}

#[tokio::test]
async fn incorrect_tells_one_consistent_lie_about_one_product() {
    let switch = enabled();
    put(&switch, json!({"fault": "incorrect", "product": "PROD-001"})).await;
    let one: ReplicaProduct = serde_json::from_value(get_json(&switch, "/inventory/PROD-001").await.1).unwrap();
    let truth = product("PROD-001");
    assert_eq!((one.versions.len(), one.applied), (truth.versions.len(), truth.applied));
    for (said, truth) in one.versions.iter().zip(&truth.versions) {
        assert_eq!(said.version, truth.version);
        assert_ne!(said.stock, truth.stock);
    }
    let again: ReplicaProduct = serde_json::from_value(get_json(&switch, "/inventory/PROD-001").await.1).unwrap();
    assert_eq!(again, one);
    let all: ReplicaInventory = serde_json::from_value(get_json(&switch, "/inventory").await.1).unwrap();
    assert_eq!(all.products, [one, product("PROD-002")]);
    let other: ReplicaProduct = serde_json::from_value(get_json(&switch, "/inventory/PROD-002").await.1).unwrap();
    assert_eq!(other, product("PROD-002"));
}

#[tokio::test]
async fn stale_stops_consuming_until_it_is_cleared() {
    let switch = enabled();
    let mut consuming = switch.consuming();
    assert!(*consuming.borrow_and_update());
    let state = put(&switch, json!({"fault": "stale"})).await;
    assert!(!*consuming.borrow_and_update());
    assert_eq!(get_json(&switch, "/inventory").await.0, 200);
    let (_, _, cleared) = ask(&switch, "DELETE", "/fault", None).await;
    let cleared: FaultState = serde_json::from_value(cleared).unwrap();
    assert!(cleared.active.is_none());
    assert!(cleared.cleared_at.unwrap().ms_since(state.active.unwrap().activated_at) >= 0.0);
    assert!(*consuming.borrow_and_update());
    // Clearing nothing is no error, and another fault resumes consumption too.
    assert_eq!(ask(&switch, "DELETE", "/fault", None).await.0, 200);
    put(&switch, json!({"fault": "stale"})).await;
    put(&switch, json!({"fault": "latency"})).await;
    assert!(*consuming.borrow_and_update());
}

/// Whoever detects sees symptoms, never the cause: the answers have their usual shape and no word of it.
#[tokio::test(start_paused = true)]
async fn no_answer_names_the_fault() {
    let switch = enabled();
    let shape = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let usual = shape(&get_json(&switch, "/health").await.1);
    for spec in [
        json!({"fault": "latency", "latency_ms": 50}),
        json!({"fault": "intermittent", "probability": 0.5}),
        json!({"fault": "incorrect", "product": "PROD-001"}),
        json!({"fault": "stale"}),
    ] {
        put(&switch, spec.clone()).await;
        for uri in ["/health", "/inventory", "/inventory/PROD-001", "/nothing"] {
            for _ in 0..20 {
                let (status, headers, body) = ask(&switch, "GET", uri, None).await;
                let text = format!("{headers:?} {body}").to_lowercase();
                for word in [
                    "fault",
                    "inject",
                    "latency",
                    "intermittent",
                    "incorrect",
                    "stale",
                    "false",
                    "activated",
                ] {
                    assert!(!text.contains(word), "{spec}: {uri}: {word}: {text}");
                }
                if uri == "/health" && status == 200 {
                    assert_eq!(shape(&body), usual, "{spec}");
                }
            }
        }
    }
}

/// Not a test of its own: what [`crash_and_freeze_hit_the_process`] starts.
#[tokio::test]
async fn child() {
    let Ok(spec) = std::env::var("FAULT_OF_CHILD") else {
        return;
    };
    let state = put(&enabled(), serde_json::from_str(&spec).unwrap()).await;
    eprintln!("{}", serde_json::to_string(&state).unwrap());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn crash_and_freeze_hit_the_process() {
    let run = |body: Value| {
        tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "fault::tests::child", "--nocapture"])
            .env("FAULT_OF_CHILD", body.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    // The answer gets out, then the process is gone, whatever else is wrong with it.
    let crash = json!({"faults": [{"fault": "latency"}, {"fault": "crash"}, {"fault": "stale"}]});
    let crashed = run(crash).wait_with_output().await.unwrap();
    assert_eq!(crashed.status.signal(), Some(9));
    let answer = crashed
        .stderr
        .split(|b| *b == b'\n')
        .find(|line| line.starts_with(b"{"))
        .unwrap();
    let answer: FaultState = serde_json::from_slice(answer).unwrap();
    assert_eq!(answer.faults[1].spec.fault, Fault::Crash);
    assert!(answer.faults[1].activated_at.mono_ns > answer.faults[2].activated_at.mono_ns);

    let mut frozen = run(json!({"fault": "freeze"}));
    let mut lines = BufReader::new(frozen.stderr.take().unwrap()).lines();
    let state: FaultState = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if line.starts_with('{') {
            break serde_json::from_str(&line).unwrap();
        }
    };
    assert_eq!(state.pid, frozen.id().unwrap());
    let due_ns = state.active.unwrap().activated_at.mono_ns;
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", state.pid)).unwrap();
        if stat.rsplit(") ").next().unwrap().starts_with('T') {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(tolerancia_wire::time::mono_ns() >= due_ns);
    frozen.kill().await.unwrap();
}

#[tokio::test]
async fn a_fault_that_is_cleared_in_time_does_not_strike() {
    let switch = enabled();
    put(&switch, json!({"fault": "crash"})).await;
    ask(&switch, "DELETE", "/fault", None).await;
    // The signal would come within a second, and this process would be gone.
    let waited = tokio::task::spawn_blocking(|| std::thread::sleep(std::time::Duration::from_millis(1100)));
    waited.await.unwrap();
    assert_eq!(get_json(&switch, "/fault").await.1["active"], Value::Null);
    assert_eq!(StatusCode::OK.as_u16(), get_json(&switch, "/health").await.0);
}

#[test]
fn process_1_of_a_container_refuses_what_it_cannot_do() {
    for fault in [Fault::Crash, Fault::Freeze] {
        let error = check_process(&fault, 1).unwrap_err();
        assert!(error.contains(fault.name()) && error.contains("init"), "{error}");
        check_process(&fault, 2).unwrap();
    }
    check_process(&Fault::Stale, 1).unwrap();
}
