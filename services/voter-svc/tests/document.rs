//! The document, and requests that nobody should send, over real connections to replicas.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../../../crates/service/src/openapi/check.rs"]
mod check;
mod common;
#[path = "../../../crates/service/src/openapi/fuzz.rs"]
mod fuzz;

use check::{check, check_aliases, listed};
use common::System;
use tolerancia_service::shell::Shell;
use tolerancia_wire::health::HealthState;

fn router(system: &System) -> axum::Router {
    let args = common::args(&[]).service;
    Shell::new(move || args.health(HealthState::Up))
        .routes(system.api.clone())
        .into_router()
}

#[tokio::test]
async fn all_routes_are_described_and_all_that_is_described_is_routed() {
    let system = System::start().await;
    let document = check(&router(&system), &[]).await;
    let wanted = [
        "GET /health",
        "GET /inventory",
        "GET /inventory/{product}",
        "GET /live",
        "GET /metrics",
        "GET /openapi.json",
        "GET /voting-stats",
    ];
    assert_eq!(listed(&document, "/voter/").iter().collect::<Vec<_>>(), wanted);
    check_aliases(&document, "/voter");
}

#[tokio::test]
async fn random_requests_are_answered_as_described() {
    let system = System::start().await;
    let router = router(&system);
    let document = check(&router, &[]).await;
    for ask in fuzz::cases(&document, &[]) {
        fuzz::answer(&router, &document, &ask).await;
    }
}
