#![allow(clippy::unwrap_used)]
use tolerancia_core::checks::ChecksConfig;
use tolerancia_service::fault::FaultSwitch;
use tolerancia_service::shell::Shell;
use tolerancia_wire::live::Hello;

use super::check::{check, check_aliases, listed};
use super::fuzz;
use super::*;
use crate::audit::Auditor;
use crate::denials::Denials;
use crate::judge::Judge;
use crate::live::Live;
use crate::trace::Tracer;
use crate::{control, live, tests, trace};

const HEADERS: [(&str, &str); 1] = [("authorization", "Bearer secret")];

/// All that the monitor serves, and a judge and an audit that listen to it.
fn monitor(judge: &Judge, live: Live) -> axum::Router {
    let faults = FaultSwitch::new("1", true, Some("secret"));
    let shutdown = CancellationToken::new();
    let shared = judge.shared.clone();
    let (auditor, reports) = Auditor::new(shared.clone(), judge.store.clone(), live.clone(), &faults, 3);
    tokio::spawn(auditor.run(shutdown.clone()));
    let (detectors, mut commands) = control::routes(&faults, shared.clone());
    tokio::spawn(async move {
        while let Some(control::Command::Detector { done, .. }) = commands.recv().await {
            let _ = done.send(());
        }
    });
    let (panel, checks) = (tests::panel_config(), ChecksConfig::default());
    let traces = trace::routes(Tracer::new(), shared.clone(), panel, checks, shutdown.clone());
    let hello = Hello {
        service: "monitor-svc".to_owned(),
        version: "1".to_owned(),
        pid: 7,
    };
    let lives = live::routes(live, shared.clone(), hello, shutdown.clone());
    let app = App {
        shared,
        denials: Denials::new(judge.store.clone()),
        prometheus: tolerancia_service::metrics::install(),
        shutdown,
    };
    let api = routes(app).merge(reports).merge(detectors).merge(traces).merge(lives);
    let health = || serde_json::from_str(HEALTH).unwrap();
    Shell::new(health).without_metrics().routes(api).into_router()
}

const HEALTH: &str =
    r#"{ "status": "UP", "service": "monitor-svc", "instance": "1", "pid": 1, "version": "1", "uptime_s": 1.5 }"#;

#[tokio::test]
async fn all_routes_are_described_and_all_that_is_described_is_routed() {
    let (judge, live, _dir) = tests::watched();
    let document = check(&monitor(&judge, live), &HEADERS).await;
    let wanted = [
        "GET /denials",
        "GET /detector",
        "GET /events",
        "GET /failures",
        "GET /health",
        "GET /live",
        "GET /metrics",
        "GET /openapi.json",
        "GET /status",
        "GET /status/{service}/{instance}",
        "GET /trace",
        "POST /faults",
        "PUT /detector",
    ];
    assert_eq!(listed(&document, "/monitor/").iter().collect::<Vec<_>>(), wanted);
    check_aliases(&document, "/monitor");
}

#[tokio::test]
async fn random_requests_are_answered_as_described_and_change_no_verdict() {
    let (judge, live, _dir) = tests::watched();
    let router = monitor(&judge, live);
    let document = check(&router, &HEADERS).await;
    let status = judge.shared.read(|view| view.status.clone());
    for ask in fuzz::cases(&document, &HEADERS) {
        fuzz::answer(&router, &document, &ask).await;
        assert_eq!(judge.shared.read(|view| view.status.clone()), status, "{ask:?}");
    }
}
