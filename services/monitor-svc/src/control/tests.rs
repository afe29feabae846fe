#![allow(clippy::unwrap_used)]

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tolerancia_wire::Problem;
use tower::ServiceExt as _;

use super::*;
use crate::tests;

/// A judge that obeys, and the routes that reach it.
struct System {
    router: axum::Router,
    shared: Shared,
    judging: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl System {
    fn new(faults: &FaultSwitch) -> Self {
        let (mut judge, dir) = tests::judge();
        let shared = judge.shared.clone();
        let (router, mut commands) = routes(faults, shared.clone());
        let judging = tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                judge.obey(command);
            }
        });
        Self {
            router: router.into_router(),
            shared,
            judging,
            _dir: dir,
        }
    }

    async fn ask(&self, method: Method, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn put(&self, body: &Value) -> (u16, Value) {
        self.ask(Method::PUT, "/detector", None, body).await
    }
}

fn open() -> FaultSwitch {
    FaultSwitch::new("1", true, None)
}

#[tokio::test]
async fn the_judge_changes_to_every_detector_and_the_status_follows() {
    let system = System::new(&open());
    for path in ["/detector", "/monitor/detector"] {
        for kind in DetectorKind::ALL {
            let choice = json!({ "detector": kind });
            assert_eq!(
                system.ask(Method::PUT, path, None, &choice).await,
                (200, choice.clone())
            );
            assert_eq!(system.shared.detector(), kind);
            assert_eq!(system.ask(Method::GET, path, None, &Value::Null).await, (200, choice));
            let metrics = serde_json::to_value(system.shared.metrics()).unwrap();
            assert_eq!(metrics["detector"], json!(kind));
        }
    }
}

#[tokio::test]
async fn what_is_no_detector_changes_nothing_and_the_answer_lists_those_that_are() {
    let system = System::new(&open());
    system.put(&json!({ "detector": "consecutive" })).await;
    for wrong in [json!({ "detector": "guess" }), json!({ "detector": "Accrual" })] {
        let (status, body) = system.put(&wrong).await;
        let problem: Problem = serde_json::from_value(body).unwrap();
        assert_eq!((status, problem.status), (400, 400), "{wrong}");
        for kind in DetectorKind::ALL {
            assert!(problem.detail.contains(&format!("`{kind}`")), "{}", problem.detail);
        }
    }
    for wrong in [
        json!({}),
        json!("accrual"),
        json!({ "detector": 7 }),
        json!({ "detector": "accrual", "threshold": 9 }),
    ] {
        assert_eq!(system.put(&wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(system.shared.detector(), DetectorKind::Consecutive);
}

#[tokio::test]
async fn only_who_may_inject_faults_may_change_it() {
    let choice = json!({ "detector": "consecutive" });
    let closed = System::new(&FaultSwitch::new("1", false, None));
    assert_eq!(closed.put(&choice).await.0, 404);
    assert_eq!(closed.ask(Method::GET, "/detector", None, &Value::Null).await.0, 200);

    let guarded = System::new(&FaultSwitch::new("1", true, Some("secret")));
    let put = async |token| guarded.ask(Method::PUT, "/detector", token, &choice).await.0;
    assert_eq!((put(None).await, put(Some("other")).await), (401, 401));
    assert_eq!(guarded.shared.detector(), DetectorKind::Accrual);
    assert_eq!(put(Some("secret")).await, 200);
    assert_eq!(guarded.shared.detector(), DetectorKind::Consecutive);
}

#[tokio::test]
async fn a_monitor_that_is_stopping_says_so() {
    let system = System::new(&open());
    system.judging.abort();
    while !system.judging.is_finished() {
        tokio::task::yield_now().await;
    }
    assert_eq!(system.put(&json!({ "detector": "consecutive" })).await.0, 503);
}
