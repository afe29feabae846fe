#![allow(clippy::unwrap_used)]

use tower::ServiceExt as _;

use super::check::{check, listed};
use super::fuzz;
use super::tests::replica;
use axum::body::Body;
use axum::http::Request;

#[tokio::test]
async fn all_routes_are_described_and_all_that_is_described_is_routed() {
    let document = check(&replica().router, &[]).await;
    let wanted = [
        "DELETE /fault",
        "GET /fault",
        "GET /health",
        "GET /inventory",
        "GET /inventory/{product}",
        "GET /metrics",
        "GET /openapi.json",
        "POST /fault",
        "PUT /fault",
    ];
    assert_eq!(listed(&document, "").iter().collect::<Vec<_>>(), wanted);
}

#[tokio::test(start_paused = true)]
async fn random_requests_are_answered_as_described_and_change_no_stock() {
    let replica = replica();
    let document = check(&replica.router, &[]).await;
    let stock = replica.view.inventory();
    for ask in fuzz::cases(&document, &[]) {
        // It would hit this process.
        if ask.says("crash") || ask.says("freeze") {
            continue;
        }
        fuzz::answer(&replica.router, &document, &ask).await;
        let clear = Request::delete("/fault").body(Body::empty()).unwrap();
        assert_eq!(replica.router.clone().oneshot(clear).await.unwrap().status(), 200);
        assert_eq!(replica.view.inventory(), stock, "{ask:?}");
    }
}
