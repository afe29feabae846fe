//! Votes over real connections to replicas that lie, hang, err, lag or die.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request, header};
use common::{Manner, System, id};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tolerancia_service::link::{Link, LinkState};
use tolerancia_service::shell::Shell;
use tolerancia_wire::evidence::Dissent;
use tower::ServiceExt as _;

const PRODUCT: &str = "/inventory/PROD-001";

#[tokio::test]
async fn a_minority_lie_is_never_served_and_always_reported() {
    for liar in 1..=3u8 {
        let mut system = System::start().await;
        system.replicas[usize::from(liar) - 1].set(Manner::Lies(989));
        for _ in 0..50 {
            let (status, body) = system.get(PRODUCT).await;
            assert_eq!(
                (status, &body["available"], &body["version"]),
                (200, &10.into(), &7.into()),
                "{body}"
            );
            assert_eq!(body["fresh"], true);
            assert!(
                !body["votes"].as_array().unwrap().contains(&liar.to_string().into()),
                "{body}"
            );
        }
        let batch = system.evidence(liar, |batch| !batch.dissents.is_empty()).await;
        let Dissent::Stock {
            product,
            version,
            said,
            agreed,
            ..
        } = &batch.dissents[0].dissent
        else {
            panic!("{batch:?}")
        };
        assert_eq!((product.as_str(), *version), ("PROD-001", 7));
        assert_eq!((said.unwrap().available, agreed.unwrap().available), (999, 10));
        for batch in system.other_evidence() {
            assert!(
                batch.instance == id(liar) || !batch.is_bad(),
                "an honest replica is accused: {batch:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_hanging_replica_delays_nobody_and_is_late() {
    let mut system = System::start().await;
    assert_eq!(system.get(PRODUCT).await.0, 200);
    system.evidence(3, |batch| batch.good > 0).await;
    let gate = Arc::new(Semaphore::new(0));
    system.replicas[2].set(Manner::Gated(gate.clone()));
    for _ in 0..20 {
        // The gate is shut, so an answer can only have come without replica 3.
        let (status, body) = system.get(PRODUCT).await;
        assert_eq!((status, &body["votes"]), (200, &serde_json::json!(["1", "2"])));
    }
    assert_eq!(system.evidence(3, |batch| batch.late > 0).await.good, 0);
    gate.add_permits(1000);
}

#[tokio::test]
async fn a_late_lie_is_still_a_lie() {
    let long = Duration::from_secs(20);
    let mut system = System::with(long, long).await;
    let gate = Arc::new(Semaphore::new(0));
    system.replicas[2].stock("PROD-001", &[(7, 77)]);
    system.replicas[2].set(Manner::Gated(gate.clone()));
    assert_eq!(system.get(PRODUCT).await.1["available"], 10);
    gate.add_permits(1);
    system.evidence(3, |batch| batch.dissents.len() == 1).await;
}

#[tokio::test]
async fn one_dead_replica_is_masked_and_counted_once_per_cut() {
    let mut system = System::start().await;
    assert_eq!(system.get(PRODUCT).await.0, 200);
    system.evidence(2, |batch| batch.good > 0).await;
    system.kill(2).await;
    let before = std::time::Instant::now();
    for _ in 0..200 {
        assert_eq!(system.get(PRODUCT).await.1["available"], 10);
    }
    let most = before.elapsed().as_millis() / 50 + 1;
    assert!(system.evidence(2, |batch| batch.failed > 0).await.good == 0);
    let failed = u128::from(system.voter.voting_stats().instances[1].failed);
    assert!(
        (1..=most).contains(&failed),
        "{failed} failures in {most} spans of 50 ms"
    );
}

#[tokio::test]
async fn two_dead_replicas_leave_no_answer_but_say_why() {
    let system = System::start().await;
    system.kill(1).await;
    system.kill(3).await;
    for path in [PRODUCT, "/inventory"] {
        let response = system.response(path).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
    let (_, body) = system.get(PRODUCT).await;
    let replies = body["replies"].as_array().unwrap();
    let answers: Vec<_> = replies.iter().map(|reply| reply["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["unreachable", "ok", "unreachable"]);
    assert_eq!(replies[1]["newest"]["available"], 10);
    assert!(
        body.get("available").is_none(),
        "a value that one replica supports is no answer"
    );
    let stats = system.voter.voting_stats();
    assert_eq!((stats.no_quorum, stats.decided), (3, 0));
}

#[tokio::test]
async fn a_laggard_is_asked_again_until_it_has_caught_up() {
    let system = System::start().await;
    system.kill(1).await;
    system.replicas[1].set(Manner::Lags(3));
    let (status, body) = system.get(PRODUCT).await;
    assert_eq!(
        (status, &body["version"], &body["fresh"]),
        (200, &7.into(), &true.into())
    );
    assert_eq!(system.replicas[1].asked(), 4);
    assert_eq!(system.replicas[2].asked(), 1, "only the laggard is");
}

#[tokio::test]
async fn without_the_newest_version_the_older_one_is_served_as_not_fresh() {
    let system = System::start().await;
    system.replicas[0].stock("PROD-001", &[(900, 1), (7, 10)]);
    system.kill(2).await;
    let (status, body) = system.get(PRODUCT).await;
    assert_eq!(
        (status, &body["version"], &body["fresh"]),
        (200, &7.into(), &false.into()),
        "{body}"
    );
    assert_eq!(system.voter.voting_stats().not_fresh, 1);
}

#[tokio::test]
async fn answers_that_are_no_votes_are_failures() {
    let other_instance = r#"{"product_id":"PROD-001","instance":"1","partition":0,"applied":9,"versions":[{"version":7,"available":10,"reserved":0}]}"#;
    let unordered = r#"{"product_id":"PROD-001","instance":"3","partition":0,"applied":9,"versions":[{"version":5,"available":1,"reserved":0},{"version":7,"available":10,"reserved":0}]}"#;
    let not_a_number = r#"{"product_id":"PROD-001","instance":"3","partition":0,"applied":9,"versions":[{"version":7,"available":-1,"reserved":0}]}"#;
    let says = |text: &str| Manner::Says(text.to_owned());
    let mut system = System::start().await;
    assert_eq!(system.get(PRODUCT).await.0, 200);
    system.evidence(3, |batch| batch.good > 0).await;
    for manner in [
        says(""),
        says("{"),
        says("<html>"),
        says(other_instance),
        says(unordered),
        says(not_a_number),
        Manner::Error(500),
        Manner::Error(503),
        Manner::Error(404),
        Manner::Error(204),
    ] {
        system.replicas[2].set(manner);
        assert_eq!(system.get(PRODUCT).await.1["votes"], serde_json::json!(["1", "2"]));
        let batch = system.evidence(3, |batch| batch.failed > 0).await;
        assert_eq!((batch.failed, batch.dissents.len(), batch.good), (1, 0, 0), "{batch:?}");
    }
}

#[tokio::test]
async fn what_a_quorum_does_not_know_does_not_exist() {
    let system = System::start().await;
    system.replicas[0].stock("GHOST", &[(3, 5)]);
    let (status, body) = system.get("/inventory/PROD-999").await;
    assert_eq!((status, &body["status"]), (404, &404.into()));
    let (status, body) = system.get("/inventory/GHOST").await;
    assert_eq!(status, 404, "one replica alone cannot make a product: {body}");
}

#[tokio::test]
async fn the_order_of_the_replies_does_not_matter() {
    let long = Duration::from_secs(20);
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let system = System::with(long, long).await;
        system.replicas[0].stock("PROD-001", &[(7, 99), (5, 11)]);
        let gates: Vec<_> = (0..3).map(|_| Arc::new(Semaphore::new(0))).collect();
        for (replica, gate) in system.replicas.iter().zip(&gates) {
            replica.set(Manner::Gated(gate.clone()));
        }
        let release = async {
            for replica in order {
                gates[replica].add_permits(1);
                // The next gate opens only once this one has been passed.
                while gates[replica].available_permits() > 0 {
                    tokio::task::yield_now().await;
                }
            }
        };
        let ((status, body), ()) = tokio::join!(system.get(PRODUCT), release);
        assert_eq!(
            (status, &body["available"], &body["fresh"]),
            (200, &10.into(), &true.into()),
            "{order:?}"
        );
    }
}

#[tokio::test]
async fn a_replica_that_is_off_does_not_count_but_its_shadow_votes_are_reported() {
    let mut system = System::start().await;
    system.voter.set_on(id(1), false);
    assert_eq!(system.get(PRODUCT).await.1["votes"], serde_json::json!(["2", "3"]));
    let batch = system.evidence(1, |batch| !batch.agreed.is_empty()).await;
    assert_eq!((batch.agreed[0].as_str(), batch.good), ("PROD-001", 1));
    // The other two disagree now: the third voice would decide, but it does not count.
    system.replicas[1].set(Manner::Lies(1));
    assert_ne!(system.get(PRODUCT).await.1["version"], 7);
    system.voter.set_on(id(1), true);
    assert_eq!(system.get(PRODUCT).await.1["version"], 7);
}

#[tokio::test]
async fn with_fewer_than_a_quorum_on_there_is_no_answer_at_all() {
    let system = System::start().await;
    system.voter.set_on(id(1), false);
    system.voter.set_on(id(2), false);
    let (status, body) = system.get(PRODUCT).await;
    assert_eq!((status, &body["replies"][0]["on"]), (503, &false.into()));
    assert!(body["detail"].as_str().unwrap().contains("only 1 of 3"), "{body}");
}

#[tokio::test]
async fn the_inventory_is_voted_on_product_by_product() {
    let mut system = System::start().await;
    for replica in &system.replicas {
        replica.stock("PROD-002", &[(8, 20)]);
    }
    let liar = &system.replicas[1];
    assert_eq!(liar.number(), 2);
    liar.stock("PROD-002", &[(8, 21)]);
    liar.stock("GHOST", &[(9, 1)]);
    let (status, body) = system.get("/inventory").await;
    assert_eq!(status, 200);
    let products: Vec<_> = body["products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["product_id"].as_str().unwrap(), p["available"].as_u64().unwrap()))
        .collect();
    assert_eq!(products, [("PROD-001", 10), ("PROD-002", 20)]);
    system.evidence(2, |batch| !batch.dissents.is_empty()).await;
}

#[tokio::test]
async fn routes_aliases_and_errors() {
    let system = System::start().await;
    for path in [
        PRODUCT,
        "/voter/inventory/PROD-001",
        "/voter/inventory",
        "/voting-stats",
        "/voter/voting-stats",
    ] {
        assert_eq!(system.get(path).await.0, 200, "{path}");
    }
    let (_, stats) = system.get("/voter/voting-stats").await;
    assert_eq!(
        (&stats["votes"], &stats["decided"], &stats["quorum_rate"]),
        (&3.into(), &3.into(), &1.0.into())
    );
    assert_eq!(stats["instances"].as_array().unwrap().len(), 3);

    let args = common::args(&[]).service;
    let shell = Shell::new(move || args.health(tolerancia_wire::health::HealthState::Up));
    let router = shell.routes(system.api.clone()).into_router();
    let long = format!("/inventory/{}", "x".repeat(10_000));
    for (method, path, expected) in [
        (Method::GET, long.as_str(), 400),
        (Method::GET, "/inventory/a%20b", 400),
        (Method::GET, "/inventory/", 404),
        (Method::GET, "/nothing", 404),
        (Method::POST, PRODUCT, 405),
        (Method::DELETE, "/voter/inventory", 405),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(axum::body::Body::empty())
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let head: String = path.chars().take(40).collect();
        assert_eq!(response.status(), expected, "{head}");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json",
            "{head}"
        );
    }
}

#[tokio::test]
async fn the_service_votes_without_kafka_and_says_what_is_missing() {
    let system = System::start().await;
    let args = system.service();
    let addr = args.service.addr();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(tolerancia_voter_svc::run(args.clone(), shutdown.clone()));

    let link = Link::spawn(addr.to_string(), shutdown.clone());
    link.changes()
        .wait_for(|state| matches!(state, LinkState::Up { .. }))
        .await
        .unwrap();
    let health = link.get("/health").await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&health.body).unwrap();
    assert_eq!(
        (health.status, &body["status"], &body["service"]),
        (200, &"DEGRADED".into(), &"voter-svc".into())
    );
    assert!(body["details"]["kafka"].is_string(), "{body}");
    assert!(
        body["details"]["connections"].is_null(),
        "it starts with its replicas: {body}"
    );
    assert_eq!(link.get(PRODUCT).await.unwrap().status, 200);
    let metrics = link.get("/metrics").await.unwrap();
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains(r#"voter_votes_total{result="fresh"}"#), "{metrics}");

    let second = tolerancia_voter_svc::run(args, shutdown.clone()).await;
    assert!(
        format!("{:#}", second.unwrap_err()).contains(&addr.port().to_string()),
        "the message names the port in use"
    );
    assert!(!shutdown.is_cancelled(), "one that cannot start stops nobody else");
    shutdown.cancel();
    running.await.unwrap().unwrap();
}
