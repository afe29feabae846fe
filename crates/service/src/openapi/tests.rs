#![allow(clippy::unwrap_used)]
use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tolerancia_wire::health::Health;
use tower::ServiceExt as _;

use super::check::{check, check_aliases, listed};
use super::fuzz;
use super::{Answer, Api, Operation, Whole};
use crate::fault::FaultSwitch;
use crate::shell::Shell;

fn health() -> Health {
    serde_json::from_value(
        json!({ "status": "UP", "service": "test", "instance": "1", "pid": 1, "version": "1", "uptime_s": 0.5 }),
    )
    .unwrap()
}

fn numbers() -> Api {
    let about = Operation::new("number", "A number")
        .path::<String>("number", "Which.", "7")
        .query::<Whole<1, 9>>("times", "How often.")
        .answer(Answer::json::<u64>(200, "It.").example(&7));
    Api::new().get("/numbers/{number}", async |Path(number): Path<u64>| Json(number), about)
}

async fn document(faults: FaultSwitch) -> Value {
    let routes = numbers().also_under("/more");
    let router = Shell::new(health)
        .described("test", "A test.")
        .routes(routes)
        .faults(faults)
        .into_router();
    check(&router, &[("authorization", "Bearer secret")]).await
}

#[tokio::test]
async fn what_a_service_serves_is_described_and_the_document_too() {
    let document = document(FaultSwitch::new("1", true, None)).await;
    assert_eq!(document["info"]["title"], "test");
    let wanted = [
        "DELETE /fault",
        "GET /fault",
        "GET /health",
        "GET /metrics",
        "GET /numbers/{number}",
        "GET /openapi.json",
        "POST /fault",
        "PUT /fault",
    ];
    assert_eq!(listed(&document, "/more").iter().collect::<Vec<_>>(), wanted);
    check_aliases(&document, "/more");
    assert_eq!(
        document["paths"]["/more/numbers/{number}"]["get"]["operationId"],
        "more_number"
    );
}

#[tokio::test]
async fn a_token_is_asked_for_where_there_is_one() {
    let locked = document(FaultSwitch::new("1", true, Some("secret"))).await;
    let get = &locked["paths"]["/fault"]["get"];
    assert_eq!(get["security"], json!([{ "faultToken": [] }]));
    assert!(get["responses"]["401"]["headers"]["WWW-Authenticate"].is_object());
    assert!(locked["paths"]["/health"]["get"]["security"].is_null());
    let open = document(FaultSwitch::new("1", true, None)).await;
    assert!(open["paths"]["/fault"]["get"]["security"].is_null());
    assert!(open["components"]["securitySchemes"].is_null());
}

#[tokio::test]
async fn faults_are_described_only_where_they_can_be_injected() {
    let document = document(FaultSwitch::new("1", false, Some("secret"))).await;
    assert!(document["paths"]["/fault"].is_null());
}

#[tokio::test]
async fn a_body_may_leave_out_what_has_a_default_and_an_answer_has_it() {
    let document = document(FaultSwitch::new("1", true, None)).await;
    let fault = &document["paths"]["/fault"];
    let body = &fault["post"]["requestBody"]["content"]["application/json"]["schema"];
    let valid = |value: Value| jsonschema::validator_for(body).unwrap().is_valid(&value);
    for (fault, fits) in [
        (json!({ "fault": "latency" }), true),
        (
            json!({ "fault": "latency", "latency_ms": 60_000, "scope": "health" }),
            true,
        ),
        (json!({ "fault": "latency", "latency_ms": 60_001 }), false),
        (json!({ "fault": "latency", "latency_ms": 0 }), false),
        (json!({ "fault": "latency", "latency": 5 }), false),
        (json!({ "fault": "intermittent", "probability": 0 }), false),
        (json!({ "fault": "intermittent", "probability": 1 }), true),
        (json!({ "fault": "incorrect" }), false),
        (json!({ "fault": "incorrect", "product": "a b" }), false),
        (json!({ "fault": "flood" }), false),
        (json!({ "scope": "all" }), false),
    ] {
        assert_eq!(valid(fault.clone()), fits, "{fault}: {body:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_makes_a_service_answer_what_is_not_described() {
    let faults = FaultSwitch::new("1", true, None);
    let router = Shell::new(health)
        .routes(numbers())
        .faults(faults.clone())
        .into_router();
    let document = check(&router, &[]).await;
    let state = async || {
        let answer = router
            .clone()
            .oneshot(Request::get("/fault").body(Body::empty()).unwrap())
            .await
            .unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    for ask in fuzz::cases(&document, &[]) {
        // It would hit this process.
        if ask.says("crash") || ask.says("freeze") {
            continue;
        }
        let before = state().await;
        let status = fuzz::answer(&router, &document, &ask).await;
        if !status.is_success() {
            assert_eq!(state().await, before, "{status} to {ask:?}");
        }
        let clear = Request::delete("/fault").body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(clear).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn the_number_of_a_fault_is_not_its_name() {
    let router = Shell::new(health)
        .faults(FaultSwitch::new("1", true, None))
        .into_router();
    for (method, body) in [
        ("PUT", r#"{"fault":0}"#),
        ("POST", r#"{"fault":5}"#),
        ("PUT", r#"{"faults":[{"fault":0}]}"#),
        ("PUT", r#"{"fault":["stale"]}"#),
        ("POST", r#"{"fault":"latency","latency_ms":null}"#),
    ] {
        let request = Request::builder()
            .method(method)
            .uri("/fault")
            .header("content-type", "application/json");
        let answer = router
            .clone()
            .oneshot(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{body}");
    }
    let whole = Request::put("/fault").header("content-type", "application/json");
    let whole = whole
        .body(Body::from(r#"{"fault":"latency","latency_ms":5.0}"#))
        .unwrap();
    assert_eq!(router.oneshot(whole).await.unwrap().status(), 200);
}
