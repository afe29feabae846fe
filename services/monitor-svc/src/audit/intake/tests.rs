#![allow(clippy::unwrap_used)]

use axum::http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tolerancia_wire::activation::FaultName;

use super::*;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use tower::ServiceExt as _;

const DAY: i64 = 86_400;

fn at(offset_s: i64) -> Value {
    let now = Stamp::now();
    let stamp = Stamp {
        at: jiff::Timestamp::from_microsecond(now.at.as_microsecond() + offset_s * 1_000_000).unwrap(),
        mono_ns: now.mono_ns.saturating_add_signed(offset_s * 1_000_000_000),
    };
    serde_json::to_value(stamp).unwrap()
}

fn report() -> Value {
    json!({ "instance": "2", "fault": "latency", "activated_at": at(-2), "cleared_at": at(-1) })
}

fn with(name: &str, value: Value) -> Value {
    let mut report = report();
    report[name] = value;
    report
}

/// The status and the body of the answer, and what reached the audit.
async fn post(switch: &FaultSwitch, path: &str, token: Option<&str>, body: &Value) -> (u16, Value, Option<Activation>) {
    let (out, mut reports) = mpsc::channel(1);
    let mut request = Request::post(path).header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    let answer = routes(switch, 3, out).into_router().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap(), reports.try_recv().ok())
}

fn open() -> FaultSwitch {
    FaultSwitch::new("1", true, None)
}

#[tokio::test]
async fn a_report_is_handed_on_and_repeated_in_the_answer() {
    for path in ["/faults", "/monitor/faults"] {
        let body = report();
        let (status, answer, handed) = post(&open(), path, None, &body).await;
        assert_eq!((status, &answer), (202, &body));
        let handed = handed.unwrap();
        assert_eq!((handed.instance.number(), handed.fault), (2, FaultName::Latency));
        assert_eq!(serde_json::to_value(handed).unwrap(), body);
    }
    let (status, ..) = post(&open(), "/faults", None, &with("cleared_at", Value::Null)).await;
    assert_eq!(status, 202);
}

#[tokio::test]
async fn only_who_may_inject_may_report() {
    let off = FaultSwitch::new("1", false, Some("secret"));
    let guarded = FaultSwitch::new("1", true, Some("secret"));
    for (switch, token, expected, hint) in [
        (&off, Some("secret"), 404, "FAULT_INJECTION=on"),
        (&guarded, None, 401, "FAULT_TOKEN"),
        (&guarded, Some("guess"), 401, "FAULT_TOKEN"),
    ] {
        let (status, problem, handed) = post(switch, "/faults", token, &report()).await;
        assert_eq!((status, handed), (expected, None), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
    }
    assert_eq!(post(&guarded, "/faults", Some("secret"), &report()).await.0, 202);
}

#[tokio::test]
async fn nonsense_is_refused_and_goes_no_further() {
    for (body, expected, hint) in [
        (with("instance", "9".into()), 422, "instances 1 to 3"),
        (with("instance", "0".into()), 400, "counted from 1"),
        (with("fault", "flood".into()), 400, "latency"),
        (with("cleared_at", at(-3)), 422, "before activated_at"),
        (with("activated_at", at(-DAY)), 422, "activated_at is more than an hour"),
        (with("activated_at", at(DAY)), 422, "activated_at is more than an hour"),
        (with("cleared_at", at(DAY)), 422, "cleared_at is more than an hour"),
        (with("since", at(0)), 400, "since"),
        (json!({}), 400, "instance"),
    ] {
        let (status, problem, handed) = post(&open(), "/faults", None, &body).await;
        assert_eq!((status, handed), (expected, None), "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
    }
}
