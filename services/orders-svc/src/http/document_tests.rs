#![allow(clippy::unwrap_used)]

use axum::body::Body;
use axum::http::Request;
use tolerancia_core::ledger::Event;
use tower::ServiceExt as _;

use super::check::{check, listed};
use super::fuzz;
use super::tests::api;

#[tokio::test(start_paused = true)]
async fn all_routes_are_described_and_all_that_is_described_is_routed() {
    let document = check(&api().0, &[]).await;
    let wanted = [
        "GET /health",
        "GET /metrics",
        "GET /openapi.json",
        "GET /orders",
        "GET /orders/{id}",
        "POST /orders",
        "POST /orders/{id}/cancel",
    ];
    assert_eq!(listed(&document, "").iter().collect::<Vec<_>>(), wanted);
}

#[tokio::test(start_paused = true)]
async fn random_requests_are_answered_as_described_and_what_is_refused_is_not_in_the_log() {
    let (router, log) = api();
    let document = check(&router, &[]).await;
    for ask in fuzz::cases(&document, &[]) {
        let before = log.events().len();
        let status = fuzz::answer(&router, &document, &ask).await;
        let after = log.events().len();
        if status.is_client_error() {
            assert_eq!(after, before, "{status} to {ask:?}");
        }
        assert!(after <= before + 1, "{ask:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_number_may_be_written_with_a_point() {
    let (router, log) = api();
    for (quantity, status) in [("5.0", 202), ("5e0", 202), ("5.5", 400), ("1e300", 400), ("-5.0", 400)] {
        let body = format!(r#"{{"product_id":"P","quantity":{quantity}}}"#);
        let request = Request::post("/orders").header("content-type", "application/json");
        let answer = router
            .clone()
            .oneshot(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{quantity}");
    }
    let quantities: Vec<u64> = log
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Reserve { quantity, .. } => Some(*quantity),
            _ => None,
        })
        .collect();
    assert_eq!(quantities, [5, 5]);
}
