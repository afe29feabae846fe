//! Every command of the guide answers.

use serde_json::{Value, json};
use tolerancia_wire::order::{OrderStatus, OrderView};
use tolerancia_wire::status::Verdict;

use crate::harness::{System, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_the_guide_answers() {
    let system = System::up().await;
    for url in system.all() {
        let health: Value = system.get(&format!("{url}/health")).await;
        assert_eq!(health["status"], "UP", "{url}: {health}");
        let metrics = system.http.get(format!("{url}/metrics")).header("accept", "text/plain");
        let text = metrics.send().await.unwrap().text().await.unwrap();
        assert!(text.contains("# TYPE"), "{url}/metrics is no Prometheus text: {text}");
    }
    for path in [
        "status",
        "metrics",
        "monitor/status",
        "monitor/failures",
        "monitor/metrics",
    ] {
        let body: Value = system.get(&format!("{}/{path}", system.monitor())).await;
        assert!(body.is_object(), "{path}: {body}");
    }
    for path in [
        "inventory",
        "inventory/PROD-001",
        "voter/inventory/PROD-002",
        "voter/voting-stats",
    ] {
        let body: Value = system.get(&format!("{}/{path}", system.voter())).await;
        assert!(body.is_object(), "{path}: {body}");
    }
    let status = system.status().await;
    assert_eq!((status.on, status.replicas, status.quorum), (3, 3, 2));

    // The catalogue of the first start, and an order that is made and taken back.
    for (product, available) in [("PROD-001", 1000), ("PROD-002", 500), ("PROD-003", 750)] {
        let stock = system.stock(product).await.stock;
        assert_eq!((stock.available, stock.reserved), (available, 0), "{product}");
    }
    let order = system.order("PROD-001", 5).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    let stock = system.stock("PROD-001").await.stock;
    assert_eq!((stock.available, stock.reserved), (995, 5));
    let cancel = format!("{}/orders/{}/cancel", system.orders(), order.order_id);
    let answer = system.http.post(&cancel).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let cancelled: OrderView = answer.json().await.unwrap();
    assert_eq!(cancelled.status, OrderStatus::Cancelled);
    let stock = system.stock("PROD-001").await.stock;
    assert_eq!((stock.available, stock.reserved), (1000, 0));
    assert_eq!(system.http.post(&cancel).send().await.unwrap().status(), 409);
    let known: OrderView = system
        .get(&format!("{}/orders/{}", system.orders(), order.order_id))
        .await;
    assert_eq!(known.status, OrderStatus::Cancelled);

    the_same_key_is_the_same_order(&system).await;
    everything_survives_a_restart(system).await;
}

async fn the_same_key_is_the_same_order(system: &System) {
    let order = async |key: &str, quantity: u64| {
        let body = json!({"product_id": "PROD-002", "quantity": quantity});
        let request = system
            .http
            .post(format!("{}/orders", system.orders()))
            .header("idempotency-key", key)
            .json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, first) = order("a", 2).await;
    assert_eq!(status, 201, "{first}");
    let (status, again) = order("a", 2).await;
    assert_eq!((status, &again["order_id"]), (201, &first["order_id"]));
    assert_eq!(order("a", 3).await.0, 422);
    assert_ne!(order("b", 2).await.1["order_id"], first["order_id"]);
    assert_eq!(system.stock("PROD-002").await.stock.reserved, 4);
}

/// The catalogue enters the log once, not once per start.
async fn everything_survives_a_restart(mut system: System) {
    let before = system.stock("PROD-002").await;
    system.restart().await;
    assert_eq!(system.stock("PROD-002").await.stock, before.stock);
    assert_eq!(system.stock("PROD-001").await.stock.available, 1000);
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_does_what_it_says() {
    let system = System::up().await;
    for (args, fault) in [
        (&["latency", "--instance", "2", "--latency", "1200"][..], "latency"),
        (
            &["intermittent", "--instance", "3", "--probability", "0.5"],
            "intermittent",
        ),
        (&["incorrect", "--instance", "1", "--product", "PROD-001"], "incorrect"),
        (&["stale", "--instance", "2"], "stale"),
        (&["freeze", "--instance", "3"], "freeze"),
    ] {
        let instance = args[2];
        system.inject(args).await.says(fault).says("inject clear");
        if fault != "freeze" {
            system.inject(&["status", "--instance", instance]).await.says(fault);
            let json = system.inject(&["status", "--instance", instance, "--json"]).await;
            let state: Value = serde_json::from_str(&json.out).unwrap();
            assert_eq!(state["active"]["fault"], fault);
        }
        system.inject(&["clear", "--instance", instance]).await.says("no fault");
        system
            .inject(&["status", "--instance", instance])
            .await
            .says("no fault");
    }
    system.steady().await;

    let old = system.pid("inventory-svc/1");
    system.inject(&["crash", "--instance", "1"]).await.says("supervisor");
    eventually("the supervisor starts another process", async || {
        (system.pid("inventory-svc/1") != old).then_some(())
    })
    .await;
    system.steady().await;
    let seen = system.failures(1).await;
    assert!(seen.iter().any(|change| change.to == Verdict::Off), "{seen:#?}");
    system
        .inject(&["failures", "--instance", "1"])
        .await
        .says("ON -> OFF")
        .says("OFF -> ON");

    for kind in ["query_inventory", "create_order", "both"] {
        let args = ["load", kind, "--rps", "50", "--duration", "2", "--metrics"];
        system.run(&args).await.code(0);
    }
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_can_be_forbidden_or_guarded() {
    let off = System::up_with(|up| {
        up.args(["--fault-injection", "off"]);
    })
    .await;
    let args = ["inject", "latency", "--instance", "1"];
    off.run(&args).await.code(1).says("FAULT_INJECTION=on");
    off.run(&["inject", "clear", "--instance", "1"]).await.code(1);
    off.down().await;

    let guarded = System::up_with(|up| {
        up.env("FAULT_TOKEN", "secret");
    })
    .await;
    guarded.run(&args).await.code(1).says("FAULT_TOKEN");
    let mut with_token = guarded.command(&args);
    with_token.env("FAULT_TOKEN", "secret");
    crate::harness::Run::of(with_token).await.code(0);
    guarded.down().await;
}
