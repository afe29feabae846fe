#![allow(clippy::unwrap_used, clippy::expect_used)]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use clap::Parser as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use tolerancia_core::ledger::{Event, HISTORY, Ledger};
use tolerancia_core::{OrderId, ReplicaId};
use tolerancia_service::config::{ServiceArgs, name};
use tolerancia_service::fault::FaultSwitch;
use tolerancia_wire::health::Health;
use tolerancia_wire::inventory::{ReplicaInventory, ReplicaProduct};
use tower::ServiceExt as _;

use super::*;
use crate::idle::Idle;
use crate::saver::Failing;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    service: ServiceArgs,
}

pub(super) struct Replica {
    pub(super) router: Router,
    pub(super) view: Arc<View>,
    ledger: Ledger,
}

fn id(text: &str) -> ProductId {
    text.parse().unwrap()
}

/// Replica 2 with a catalogue of two products and more orders than a product remembers versions.
pub(super) fn replica() -> Replica {
    let me = ReplicaId::new(2).unwrap();
    let view = Arc::new(View::new(me));
    let mut ledger = Ledger::new();
    for (offset, product) in [(0, "PROD-001"), (1, "PROD-002")] {
        ledger.apply(
            0,
            offset,
            &Event::Restock {
                product_id: id(product),
                quantity: 1000,
            },
        );
    }
    for n in 2..12 {
        let order_id = OrderId::from_random(0, [n; 14]);
        ledger.apply(
            0,
            n.into(),
            &Event::Reserve {
                order_id,
                product_id: id("PROD-001"),
                quantity: 1,
            },
        );
    }
    view.publish(ledger.products(), &[(0, 15)].into(), ledger.digest());
    let args = Cli::try_parse_from(["svc", "--instance-id", "2", "--fault-injection", "on"]).unwrap();
    let service = args.service.prepared(name::INVENTORY).unwrap();
    let faults: FaultSwitch = service.faults();
    let health = {
        let (view, idle, failing) = (Arc::clone(&view), Idle::default(), Failing::default());
        move || crate::health(&service, &view, &idle, true, &failing)
    };
    Replica {
        router: crate::in_shell(health, Arc::clone(&view), faults).into_router(),
        view,
        ledger,
    }
}

impl Replica {
    fn expected(&self, product: &str) -> ReplicaProduct {
        ReplicaProduct {
            product_id: id(product),
            instance: ReplicaId::new(2).unwrap(),
            partition: 0,
            applied: 15,
            versions: self
                .ledger
                .product(&id(product))
                .map(|p| p.history.iter().copied().collect())
                .unwrap_or_default(),
        }
    }

    async fn ask(&self, method: Method, uri: &str, body: Value) -> (u16, String, Bytes) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let media_type = parts.headers["content-type"].to_str().unwrap().to_owned();
        (
            parts.status.as_u16(),
            media_type,
            to_bytes(body, usize::MAX).await.unwrap(),
        )
    }

    async fn get(&self, uri: &str) -> (u16, String, Bytes) {
        self.ask(Method::GET, uri, Value::Null).await
    }
}

#[tokio::test]
async fn queries_answer_with_what_is_applied() {
    let replica = replica();
    replica.view.set_ready();
    for product in ["PROD-001", "PROD-002"] {
        let (status, media_type, body) = replica.get(&format!("/inventory/{product}")).await;
        assert_eq!((status, media_type.as_str()), (200, "application/json"));
        // Byte for byte what serde would write.
        assert_eq!(body, serde_json::to_vec(&replica.expected(product)).unwrap());
    }
    assert_eq!(replica.expected("PROD-001").versions.len(), HISTORY);
    let (status, _, body) = replica.get("/inventory").await;
    let products = vec![replica.expected("PROD-001"), replica.expected("PROD-002")];
    let all = ReplicaInventory {
        instance: ReplicaId::new(2).unwrap(),
        products,
    };
    assert_eq!(
        (status, body.as_ref()),
        (200, serde_json::to_vec(&all).unwrap().as_slice())
    );
}

#[tokio::test]
async fn an_unknown_product_is_an_answer_too() {
    let replica = replica();
    replica.view.set_ready();
    let (status, media_type, body) = replica.get("/inventory/PROD-999").await;
    assert_eq!((status, media_type.as_str()), (404, "application/json"));
    assert_eq!(
        serde_json::from_slice::<ReplicaProduct>(&body).unwrap(),
        replica.expected("PROD-999")
    );
}

#[tokio::test]
async fn bad_questions_are_problems() {
    let replica = replica();
    replica.view.set_ready();
    let long = format!("/inventory/{}", "x".repeat(10_000));
    for (status, uri) in [
        (400, "/inventory/no%20spaces"),
        (400, "/inventory/%ff"),
        (400, &long),
        (404, "/inventory/"),
        (404, "/stock"),
    ] {
        let (got, media_type, body) = replica.get(uri).await;
        assert_eq!(
            (got, media_type.as_str()),
            (status, "application/problem+json"),
            "{body:?}"
        );
        assert!(body.len() < 1000);
    }
    let (status, media_type, _) = replica.ask(Method::POST, "/inventory/PROD-001", json!({})).await;
    assert_eq!((status, media_type.as_str()), (405, "application/problem+json"));
}

#[tokio::test]
async fn nothing_is_answered_before_the_log_is_applied() {
    let replica = replica();
    for uri in ["/inventory", "/inventory/PROD-001", "/inventory/PROD-999"] {
        let (status, media_type, _) = replica.get(uri).await;
        assert_eq!(
            (status, media_type.as_str()),
            (503, "application/problem+json"),
            "{uri}"
        );
    }
    let (status, _, body) = replica.get("/health").await;
    let health: Health = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, health.status),
        (503, tolerancia_wire::health::HealthState::CatchingUp)
    );
    assert_eq!(health.applied, [(0, 15)].into());

    replica.view.set_ready();
    let (status, _, body) = replica.get("/health").await;
    let health: Health = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, health.status), (200, tolerancia_wire::health::HealthState::Up));
    assert_eq!(health.digest, Some(replica.ledger.digest().to_string()));
    assert_eq!(health.idle_ms, Some(0));
    assert_eq!(
        (health.service.as_str(), health.instance.as_str()),
        ("inventory-svc", "2")
    );
}

/// The monitor must see symptoms only: the health answer is the same, whatever is injected.
#[tokio::test(start_paused = true)]
async fn health_tells_nothing_of_faults() {
    let replica = replica();
    replica.view.set_ready();
    let strip = |body: &Bytes| {
        let mut health: Health = serde_json::from_slice(body).unwrap();
        health.uptime_s = 0.0;
        health
    };
    let usual = strip(&replica.get("/health").await.2);
    for spec in [
        json!({"fault": "latency", "latency_ms": 20}),
        json!({"fault": "intermittent", "probability": 0.5}),
        json!({"fault": "incorrect", "product": "PROD-001"}),
        json!({"fault": "stale"}),
    ] {
        let (status, _, body) = replica.ask(Method::PUT, "/fault", spec.clone()).await;
        assert_eq!(status, 200, "{body:?}");
        for _ in 0..20 {
            let (status, _, body) = replica.get("/health").await;
            if status == 200 {
                assert_eq!(strip(&body), usual, "{spec}");
            } else {
                assert_eq!(spec["fault"], "intermittent");
            }
        }
        let (_, _, product) = replica.get("/inventory/PROD-001").await;
        let text = String::from_utf8(product.to_vec()).unwrap();
        assert!(
            !["fault", "inject", "incorrect", "latency"]
                .iter()
                .any(|word| text.contains(word)),
            "{text}"
        );
    }
    // A lie looks like a truth: same shape, other numbers.
    replica
        .ask(
            Method::PUT,
            "/fault",
            json!({"fault": "incorrect", "product": "PROD-001"}),
        )
        .await;
    let (_, _, lie) = replica.get("/inventory/PROD-001").await;
    let lie: ReplicaProduct = serde_json::from_slice(&lie).unwrap();
    let truth = replica.expected("PROD-001");
    assert_eq!(lie.versions.len(), truth.versions.len());
    assert!(
        lie.versions
            .iter()
            .zip(&truth.versions)
            .all(|(a, b)| a.version == b.version && a.stock != b.stock)
    );
}

proptest! {
    /// The text that is put together by hand is what serde writes, for any name and number.
    #[test]
    fn answers_are_exact(product in "[A-Za-z0-9._-]{1,64}", quantity in 1u64.., applied: u64) {
        let view = View::new(ReplicaId::new(3).unwrap());
        let mut ledger = Ledger::new();
        ledger.apply(0, 7, &Event::Restock { product_id: id(&product), quantity });
        view.publish(ledger.products(), &[(0, applied)].into(), ledger.digest());
        let expected = ReplicaProduct {
            product_id: id(&product),
            instance: ReplicaId::new(3).unwrap(),
            partition: 0,
            applied,
            versions: ledger.product(&id(&product)).unwrap().history.iter().copied().collect(),
        };
        let (known, body) = view.product(&id(&product));
        prop_assert!(known);
        prop_assert_eq!(body, serde_json::to_vec(&expected).unwrap());
    }
}
