#![allow(clippy::unwrap_used, clippy::expect_used)]

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query};
use axum::http::Request;
use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tolerancia_wire::health::HealthState;
use tower::ServiceExt as _;

use super::*;
use crate::extract::ApiJson;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    product_id: String,
    quantity: u64,
}

#[derive(Deserialize)]
struct Page {
    limit: Option<u32>,
}

pub(super) fn health(status: HealthState) -> impl Fn() -> Health + Send + Sync + 'static {
    move || Health {
        status,
        service: "test-svc".to_owned(),
        instance: "1".to_owned(),
        pid: 1,
        version: "0".to_owned(),
        uptime_s: 0.0,
        applied: Default::default(),
        digest: None,
        idle_ms: None,
        database: None,
        details: Default::default(),
    }
}

async fn order(ApiJson(order): ApiJson<Order>) -> String {
    format!("{} x {}", order.quantity, order.product_id)
}

async fn number(Path(number): Path<u8>, Query(page): Query<Page>) -> String {
    format!("{number} {:?}", page.limit)
}

async fn broken() -> &'static str {
    panic!("a defect, on purpose")
}

fn router() -> Router {
    let routes = Router::new()
        .route("/orders", post(order))
        .route("/numbers/{number}", get(number))
        .route("/broken", get(broken));
    Shell::new(health(HealthState::Up)).routes(routes).into_router()
}

async fn ask(router: Router, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, String) {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn request(method: &str, uri: &str) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}

fn post_json(media_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/orders").header("content-type", media_type);
    request.body(body.into()).unwrap()
}

/// The answer is a well-formed problem with this status; returns it.
async fn problem(request: Request<Body>, status: u16) -> Value {
    let what = format!("{} {}", request.method(), request.uri());
    let (got, headers, body) = ask(router(), request).await;
    assert_eq!(got.as_u16(), status, "{what}: {body}");
    assert_eq!(headers["content-type"], "application/problem+json", "{what}");
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["status"], status, "{what}");
    assert!(!problem["detail"].as_str().unwrap().is_empty(), "{what}");
    problem
}

#[tokio::test]
async fn bad_bodies_are_problems_that_name_the_field() {
    let (status, _, body) = ask(
        router(),
        post_json("application/json; charset=utf-8", r#"{"product_id":"P","quantity":5}"#),
    )
    .await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "5 x P"));

    for (body, named) in [
        ("", "JSON"),
        ("{", "JSON"),
        ("quantity=5", "JSON"),
        ("\u{1}", "JSON"),
        ("{}", "product_id"),
        (r#"{"product_id":"P"}"#, "quantity"),
        (r#"{"product_id":"P","quantity":-1}"#, "quantity"),
        (r#"{"product_id":"P","quantity":1.5}"#, "quantity"),
        (r#"{"product_id":"P","quantity":"5"}"#, "quantity"),
        (r#"{"product_id":"P","quantity":18446744073709551616}"#, "quantity"),
        (r#"{"product_id":"P","quantity":null}"#, "quantity"),
        (r#"{"product_id":7,"quantity":1}"#, "product_id"),
        (r#"{"product_id":"P","quantity":1,"colour":"red"}"#, "colour"),
        ("[]", "list"),
        ("null", "null"),
    ] {
        let problem = problem(post_json("application/json", body), 400).await;
        assert!(problem["detail"].as_str().unwrap().contains(named), "{body}: {problem}");
    }
    problem(post_json("application/json", vec![0xff, 0xfe]), 400).await;
}

#[tokio::test]
async fn wrong_content_types_and_large_bodies_are_problems() {
    let body = r#"{"product_id":"P","quantity":5}"#;
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        problem(post_json(media_type, body), 415).await;
    }
    problem(Request::post("/orders").body(Body::from(body)).unwrap(), 415).await;
    let padding = " ".repeat(BODY_LIMIT - body.len());
    assert_eq!(
        ask(router(), post_json("application/json", format!("{padding}{body}")))
            .await
            .0,
        StatusCode::OK
    );
    problem(post_json("application/json", format!("{padding} {body}")), 413).await;
}

#[tokio::test]
async fn whatever_else_is_wrong_is_a_problem_too() {
    problem(request("GET", "/nothing"), 404).await;
    problem(request("GET", &format!("/{}", "x".repeat(10_000))), 404).await;
    problem(request("GET", "/orders/"), 404).await;
    for uri in [
        "/numbers/256",
        "/numbers/-1",
        "/numbers/%ff",
        "/numbers/1?limit=many",
        "/numbers/1?limit=1&limit=2",
    ] {
        problem(request("GET", uri), 400).await;
    }
    let (_, headers, _) = ask(router(), request("DELETE", "/orders")).await;
    assert_eq!(headers["allow"], "POST");
    problem(request("DELETE", "/orders"), 405).await;
    problem(request("POST", "/health"), 405).await;
    problem(request("GET", "/broken"), 500).await;
}

#[tokio::test]
async fn health_is_503_unless_the_service_works() {
    for (state, status, word) in [
        (HealthState::Up, 200, "UP"),
        (HealthState::Degraded, 200, "DEGRADED"),
        (HealthState::CatchingUp, 503, "CATCHING_UP"),
        (HealthState::Down, 503, "DOWN"),
    ] {
        let router = Shell::new(health(state)).into_router();
        let (got, headers, body) = ask(router, request("GET", "/health")).await;
        assert_eq!(got.as_u16(), status);
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], word);
    }
}

#[tokio::test]
async fn answers_are_counted_by_route_and_status() {
    let router = router();
    ask(router.clone(), request("GET", "/numbers/7")).await;
    ask(router.clone(), request("GET", "/numbers/8")).await;
    ask(router.clone(), request("GET", "/numbers/x")).await;
    ask(router.clone(), request("GET", "/elsewhere")).await;
    let (status, headers, text) = ask(router, request("GET", "/metrics")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let value = |series: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(series))
            .unwrap_or_else(|| panic!("{series}: {text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    // Other tests of this process count into the same series.
    assert!(value(r#"http_requests_total{route="/numbers/{number}",status="200"}"#) >= 2.0);
    assert!(value(r#"http_requests_total{route="/numbers/{number}",status="400"}"#) >= 1.0);
    assert!(value(r#"http_requests_total{route="unmatched",status="404"}"#) >= 1.0);
    assert!(value(r#"http_request_seconds_count{route="/numbers/{number}",status="200"}"#) >= 2.0);
    assert!(!text.contains("elsewhere"));
}

#[tokio::test]
async fn a_service_may_have_metrics_of_its_own() {
    let own = Router::new().route("/metrics", get(|| async { Json(json!({"own": true})) }));
    let router = Shell::new(health(HealthState::Up))
        .without_metrics()
        .routes(own)
        .into_router();
    assert_eq!(ask(router, request("GET", "/metrics")).await.2, r#"{"own":true}"#);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let error = serve(router(), addr, Limits::default(), CancellationToken::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&addr.port().to_string()) && error.contains("--port"),
        "{error}"
    );
}

#[tokio::test]
async fn requests_under_way_are_finished_after_shutdown() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
        move || async move {
            entered.notify_one();
            release.notified().await;
            "done"
        }
    };
    let router = Shell::new(health(HealthState::Up))
        .routes(Router::new().route("/slow", get(slow)))
        .into_router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve_on(listener, router, Limits::default(), shutdown.clone()));

    // HTTP/1.1 and HTTP/2 on one port.
    let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let (mut one, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let (mut two, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let get = || {
        hyper::Request::get(format!("http://{addr}/slow"))
            .body(Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    let first = tokio::spawn(one.send_request(get()));
    entered.notified().await;
    let second = tokio::spawn(two.send_request(get()));
    entered.notified().await;

    shutdown.cancel();
    // One permit each: wakes whoever waits, or whoever comes.
    release.notify_waiters();
    for answer in [first, second] {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "done");
    }
    drop((one, two));
    server.await.unwrap();
    assert!(TcpStream::connect(addr).await.is_err());
}
