#![allow(clippy::unwrap_used)]

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tolerancia_service::config::name;
use tolerancia_service::shell::Shell;
use tolerancia_wire::health::{Health, HealthState};
use tower::ServiceExt as _;

use super::*;
use crate::desk::Rules;
use crate::desk::tests::{FakeLog, archive};
use crate::log::Undo;

/// The API over a log that no replica reads.
pub(super) fn api() -> (axum::Router, FakeLog) {
    let rules = Rules {
        replicas: 3,
        partitions: 1,
        order_timeout: Duration::from_secs(2),
        max_in_flight: 8,
    };
    let log = FakeLog::default();
    let desk = Desk::new(rules, log.clone(), Undo::channel(1).0, archive());
    let health = || Health {
        status: HealthState::Up,
        service: name::ORDERS.to_owned(),
        instance: "1".to_owned(),
        pid: 1,
        version: String::new(),
        uptime_s: 0.0,
        applied: Default::default(),
        digest: None,
        idle_ms: None,
        database: None,
        details: Default::default(),
    };
    (Shell::new(health).routes(routes(desk)).into_router(), log)
}

struct Answer {
    status: u16,
    media_type: String,
    location: Option<String>,
    body: Value,
}

async fn ask(
    router: &axum::Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router
        .clone()
        .oneshot(request.body(body.into()).unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    let header = |name| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let (media_type, location) = (header("content-type").unwrap_or_default(), header("location"));
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        media_type,
        location,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn assert_problem(answer: &Answer, status: u16, says: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert_eq!(answer.media_type, "application/problem+json", "{what}");
    assert_eq!(answer.body["status"], status, "{what}");
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(says), "{what}: {detail:?} does not say {says:?}");
}

#[tokio::test(start_paused = true)]
async fn bad_orders_are_problems_and_change_nothing() {
    let (router, log) = api();
    let long = format!(r#"{{"product_id":"{}","quantity":5}}"#, "x".repeat(10_000));
    let huge = format!(r#"{{"product_id":"P","quantity":5,"x":"{}"}}"#, "x".repeat(70_000));
    for (body, status, says) in [
        ("nonsense", 400, "JSON"),
        ("", 400, "JSON"),
        ("[]", 400, ""),
        (r#" ["PROD-001",5]"#, 400, "object"),
        ("{}", 400, "product_id"),
        (r#"{"product_id":"P"}"#, 400, "quantity"),
        (r#"{"quantity":5}"#, 400, "product_id"),
        (r#"{"product_id":"P","quantity":0}"#, 400, "quantity"),
        (r#"{"product_id":"P","quantity":-1}"#, 400, "quantity"),
        (r#"{"product_id":"P","quantity":1.5}"#, 400, "quantity"),
        (r#"{"product_id":"P","quantity":"5"}"#, 400, "quantity"),
        (r#"{"product_id":"P","quantity":null}"#, 400, "quantity"),
        (r#"{"product_id":"P","quantity":9007199254740992}"#, 400, "quantity"),
        (r#"{"product_id":"P","quantity":9223372036854775808}"#, 400, "quantity"),
        (r#"{"product_id":"P","quantity":18446744073709551616}"#, 400, "quantity"),
        (r#"{"product_id":"P","quantity":5,"price":1}"#, 400, "price"),
        (r#"{"product_id":"","quantity":5}"#, 400, "product"),
        (r#"{"product_id":"../x","quantity":5}"#, 400, "product"),
        (r#"{"product_id":7,"quantity":5}"#, 400, "product"),
        (long.as_str(), 400, "10000"),
        (huge.as_str(), 413, "64 KiB"),
    ] {
        let answer = ask(&router, Method::POST, "/orders", &[JSON], body.to_owned()).await;
        assert_problem(&answer, status, says, body.get(..80).unwrap_or(body));
    }
    let good = r#"{"product_id":"P","quantity":5}"#;
    for headers in [&[][..], &[("content-type", "text/plain")]] {
        let answer = ask(&router, Method::POST, "/orders", headers, good).await;
        assert_problem(&answer, 415, "application/json", "content type");
    }
    for key in ["", "ñ", &"k".repeat(201)] {
        let headers = [JSON, ("idempotency-key", key)];
        let answer = ask(&router, Method::POST, "/orders", &headers, good).await;
        assert_problem(&answer, 400, "Idempotency-Key", key);
    }
    let twice = [JSON, ("idempotency-key", "a"), ("idempotency-key", "b")];
    let answer = ask(&router, Method::POST, "/orders", &twice, good).await;
    assert_problem(&answer, 400, "once", "two keys");
    assert!(log.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn bad_ids_queries_routes_and_methods_are_problems_and_change_nothing() {
    let (router, log) = api();
    let elsewhere = OrderId::from_random(1, [1; 14]);
    let version_4 = "9b2d3f6e-7a55-4d3c-8f61-2f0c9f1f0a11";
    for (method, path, status, says) in [
        (Method::GET, "/orders/nonsense".to_owned(), 400, "order id"),
        (Method::GET, format!("/orders/{version_4}"), 400, "order id"),
        (Method::GET, format!("/orders/{}", "x".repeat(10_000)), 400, "order id"),
        (Method::GET, "/orders/%ff".to_owned(), 400, ""),
        (Method::GET, format!("/orders/{elsewhere}"), 404, "no order"),
        (Method::POST, "/orders/nonsense/cancel".to_owned(), 400, "order id"),
        (Method::POST, format!("/orders/{elsewhere}/cancel"), 404, "no order"),
        (Method::GET, "/orders?limit=0".to_owned(), 400, "limit"),
        (Method::GET, "/orders?limit=1001".to_owned(), 400, "limit"),
        (Method::GET, "/orders?limit=-1".to_owned(), 400, "limit"),
        (Method::GET, "/orders?limit=ten".to_owned(), 400, "limit"),
        (Method::GET, "/orders?status=LOST".to_owned(), 400, "status"),
        (Method::GET, "/orders?state=PENDING".to_owned(), 400, "state"),
        (Method::DELETE, "/orders".to_owned(), 405, "DELETE"),
        (Method::PUT, format!("/orders/{elsewhere}"), 405, "PUT"),
        (Method::GET, format!("/orders/{elsewhere}/cancel"), 405, "GET"),
        (Method::GET, "/order".to_owned(), 404, "/order"),
    ] {
        let answer = ask(&router, method.clone(), &path, &[], Body::empty()).await;
        assert_problem(
            &answer,
            status,
            says,
            &format!("{method} {}", &path[..path.len().min(80)]),
        );
    }
    assert!(log.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_order_without_a_quorum_is_pending_and_can_be_looked_at() {
    let (router, log) = api();
    let body = r#"{"product_id":"PROD-001","quantity":5}"#;
    let headers = [JSON, ("idempotency-key", "k")];
    let answer = ask(&router, Method::POST, "/orders", &headers, body).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &Value::from("PENDING")));
    let location = answer.location.unwrap();
    assert_eq!(
        location,
        format!("/orders/{}", answer.body["order_id"].as_str().unwrap())
    );
    assert_eq!(log.events().len(), 1);

    let shown = ask(&router, Method::GET, &location, &[], Body::empty()).await;
    assert_eq!((shown.status, &shown.body["quantity"]), (200, &Value::from(5)));
    let listed = ask(
        &router,
        Method::GET,
        "/orders?status=PENDING&limit=1",
        &[],
        Body::empty(),
    )
    .await;
    assert_eq!(listed.body["orders"][0], shown.body);
    let none = ask(&router, Method::GET, "/orders?status=CONFIRMED", &[], Body::empty()).await;
    assert_eq!(none.body["orders"], Value::Array(Vec::new()));

    let other = r#"{"product_id":"PROD-001","quantity":6}"#;
    let answer = ask(&router, Method::POST, "/orders", &headers, other).await;
    assert_problem(&answer, 422, "new key", "reused key");
    let cancel = ask(&router, Method::POST, &format!("{location}/cancel"), &[], Body::empty()).await;
    assert_eq!((cancel.status, cancel.location), (202, Some(location)));
}

#[test]
fn an_order_is_answered_by_where_it_stands() {
    let order = |status, reason: Option<&str>| OrderView {
        status,
        reason: reason.map(str::to_owned),
        ..crate::book::bare(tolerancia_wire::Stamp::now(), OrderId::from_random(0, [1; 14]))
    };
    for (order, status) in [
        (order(OrderStatus::Confirmed, None), 201),
        (order(OrderStatus::Cancelled, None), 201),
        (order(OrderStatus::Pending, None), 202),
        (order(OrderStatus::Rejected, Some("insufficient_stock")), 409),
    ] {
        assert_eq!(stands(order).status().as_u16(), status);
    }
    let response = unavailable("not now");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &header::HeaderValue::from_static("1"))
    );
}
