//! What browsers are told, and what becomes of it when somebody fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tolerancia_client::http;
use tolerancia_client::sse::{Listener, Parser};

use common::fake::{Orders, transition};
use common::{LONG, System};

#[tokio::test]
async fn a_browser_gets_what_is_known_and_then_what_happens() {
    let mut system = System::start().await;
    system.voter.votes(1000, 7);
    let mut first = system.browser().await;
    let snapshot = first.next("snapshot").await;
    assert_eq!(snapshot["system"]["replicas"], 3);
    assert_eq!(snapshot["system"]["injection"], true);
    assert_eq!(snapshot["system"]["token"], false);
    for name in ["monitor-svc", "voter-svc", "orders-svc"] {
        assert_eq!(snapshot["sources"][name]["up"], true, "{name}");
    }
    system.voter.votes(1001, 8);
    first.find("votes", |votes| votes["second"] == 1001).await;
    let status = json!({ "replicas": 3, "quorum": 2, "on": 3, "quorum_lost": false, "detector": "accrual",
        "instances": [] });
    system.monitor.say("status", None, &status);
    assert_eq!(first.next("status").await, status);
    system.monitor.say("transition", Some(5), &transition(5));
    assert_eq!(first.next("transition").await["seq"], 5);
    system.monitor.say("times", None, &json!({ "seq": 5, "ttd_ms": 120.5 }));
    assert_eq!(first.next("times").await["ttd_ms"], 120.5);
    let report = json!({ "instance": "2", "fault": "stale",
        "activated_at": { "at": "2026-01-01T00:00:00.000000Z", "mono_ns": 5 }, "cleared_at": null });
    system.monitor.say("fault", None, &report);
    let window = first.next("fault").await;
    assert_eq!((&window["fault"], &window["spec"]), (&json!("stale"), &Value::Null));

    let mut second = system.browser().await;
    let snapshot = second.next("snapshot").await;
    assert_eq!(snapshot["votes"].as_array().unwrap().len(), 2);
    assert_eq!(snapshot["status"], status);
    assert_eq!(snapshot["failures"][0]["ttd_ms"], 120.5);
    second.next("tick").await;
    // However many look, the services see one.
    assert_eq!(system.monitor.connections.recv().await, Some(None));
    assert_eq!(system.voter.connections.recv().await, Some(None));
    assert!(system.monitor.connections.try_recv().is_err() && system.voter.connections.try_recv().is_err());
}

#[tokio::test]
async fn a_monitor_that_is_started_anew_is_followed_again_and_its_history_is_right() {
    let mut system = System::start().await;
    let mut browser = system.browser().await;
    browser.next("snapshot").await;
    system.monitor.say("transition", Some(5), &transition(5));
    browser.next("transition").await;

    system.monitor.stop().await;
    let is_monitor = |up: bool| move |source: &Value| source["name"] == "monitor-svc" && source["up"] == up;
    let source = browser.find("source", is_monitor(false)).await;
    assert!(
        source["error"].as_str().is_some_and(|error| error.contains("/live")),
        "{source}"
    );
    system.until_health("DEGRADED").await;
    system.voter.votes(1000, 7);
    browser.next("votes").await;

    // While it was away, it found out how long the first took, and turned the instance OFF once more.
    let mut with_times = transition(5);
    with_times["ttd_ms"] = 80.5.into();
    system.monitor.audit(vec![transition(6), with_times]);
    system.monitor.again();
    let (mut source, mut failures) = (Value::Null, Value::Null);
    while source.is_null() || failures.is_null() {
        let event = browser.any().await;
        let data: Value = serde_json::from_str(&event.data).unwrap();
        match event.name.as_str() {
            "source" if is_monitor(true)(&data) => source = data,
            "snapshot" => failures = data["failures"].clone(),
            _ => {}
        }
    }
    let brief: Vec<_> = failures
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["seq"], &entry["ttd_ms"]))
        .collect();
    assert_eq!(brief, [(&json!(6), &Value::Null), (&json!(5), &json!(80.5))]);
    let asked = [
        system.monitor.connections.recv().await,
        system.monitor.connections.recv().await,
    ];
    assert_eq!(
        asked,
        [Some(None), Some(Some("5".to_owned()))],
        "it goes on where it was"
    );
    system.until_health("UP").await;
}

#[tokio::test]
async fn a_service_that_is_gone_is_shown_as_gone() {
    let mut system = System::start().await;
    let mut browser = system.browser().await;
    system.orders.stop().await;
    let gone = browser
        .find("source", |source| {
            source["name"] == "orders-svc" && source["up"] == false
        })
        .await;
    assert_eq!(
        (&gone["state"], gone["error"].is_string()),
        (&Value::Null, true),
        "{gone}"
    );
    system.until_health("DEGRADED").await;
}

#[tokio::test]
async fn another_service_in_the_place_of_one_is_not_taken_for_it() {
    let mut system = System::start().await;
    let mut browser = system.browser().await;
    system.orders.stop().await;
    system.orders = Orders::named(system.orders.port, "voter-svc");
    let told = "is voter-svc, not orders-svc: check ORDERS_URL";
    browser
        .find("source", |source| {
            source["error"].as_str().is_some_and(|error| error.contains(told)) && source["up"] == false
        })
        .await;
}

#[tokio::test]
async fn experiments_are_not_started_about_a_system_that_is_elsewhere() {
    // All its addresses were given: what is on the ports here may be another one.
    let system = System::start().await;
    let mut browser = system.browser().await;
    let about = browser.next("snapshot").await["system"].clone();
    assert_eq!(
        (&about["injection"], &about["experiments"]),
        (&json!(true), &json!(false))
    );
    let wish = json!({ "scenario": "classic", "quick": true });
    let answer = system.send(reqwest::Method::POST, "/api/experiments", Some(wish)).await;
    assert_eq!(answer.status(), 404);
    let problem: Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("MONITOR_URL"), "{problem}");
}

#[tokio::test]
async fn a_browser_that_comes_back_misses_nothing() {
    let system = System::start().await;
    let mut browser = system.browser().await;
    browser.next("snapshot").await;
    system.voter.votes(1000, 7);
    let (id, _) = browser.find_event("votes", |votes| votes["second"] == 1000).await;
    drop(browser);
    system.voter.votes(1001, 7);
    system.voter.votes(1002, 7);
    let mut browser = system.browser_after(id.as_deref()).await;
    let mut seconds = Vec::new();
    while seconds.len() < 2 {
        let event = browser.any().await;
        assert_ne!(event.name, "snapshot", "what was missed is sent alone");
        if event.name == "votes" {
            let votes: Value = serde_json::from_str(&event.data).unwrap();
            seconds.push(votes["second"].clone());
        }
    }
    assert_eq!(seconds, [1001, 1002]);

    // One that was away for longer than events are kept gets all again; so does one of another process.
    for second in 1003..1003 + 1100 {
        system.voter.votes(second, 7);
    }
    browser.find("votes", |votes| votes["second"] == 2102).await;
    for id in [id.as_deref(), Some("0123456789abcdef-1"), Some("1"), Some("")] {
        let mut browser = system.browser_after(id).await;
        let snapshot = browser.next("snapshot").await;
        let votes = snapshot["votes"].as_array().unwrap();
        assert_eq!((votes.len(), &votes[299]["second"]), (300, &json!(2102)), "{id:?}");
    }
}

/// Requests of 300 seconds, 40 KB, that were never told before.
fn requests(n: u64) -> Value {
    let row = |second: u64| {
        json!({ "second": second, "service": "voter-svc", "count": n, "failed": 0, "p50_us": n, "p95_us": n,
            "p99_us": n, "max_us": n })
    };
    (1000..1300).map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_browser_keeps_nobody_waiting_and_gets_all_again() {
    let system = System::start().await;
    let mut fast = system.browser().await;
    // It asks, and reads nothing.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(([127, 0, 0, 1], system.port).into()).await.unwrap();
    slow.write_all(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();

    const MANY: u64 = 600;
    for n in 0..MANY {
        system.monitor.say("requests", None, &requests(n));
        // What is sent fits between the two.
        fast.find("requests", |rows| rows[0]["count"] == n).await;
    }
    // Now it reads: what was on its way, and then a snapshot, which has the newest.
    let mut parser = Parser::default();
    let (mut bytes, mut snapshots, mut told) = (vec![0; 1 << 16], Vec::new(), 0);
    let reading = async {
        loop {
            let n = slow.read(&mut bytes).await.unwrap();
            assert_ne!(n, 0, "the stream goes on");
            for event in parser.feed(&bytes[..n]).unwrap() {
                match event.name.as_str() {
                    "requests" => told += 1,
                    "snapshot" => snapshots.push(serde_json::from_str::<Value>(&event.data).unwrap()),
                    _ => {}
                }
            }
            if snapshots.len() > 1 {
                return;
            }
        }
    };
    tokio::time::timeout(LONG, reading).await.expect("a second snapshot");
    assert_eq!(snapshots[1]["requests"][0]["count"], MANY - 1);
    assert!(told < MANY, "not all was kept for it");
}

#[tokio::test]
async fn the_thirty_third_browser_is_told_why_and_a_place_that_is_left_is_free() {
    let system = System::start().await;
    let mut browsers = Vec::new();
    for _ in 0..32 {
        let mut browser = system.browser().await;
        browser.next("snapshot").await;
        browsers.push(browser);
    }
    let refused = system.send(reqwest::Method::GET, "/api/live", None).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("32 pages"), "{problem}");
    drop(browsers.pop());
    let client = http::streaming(LONG);
    let coming = async {
        while Listener::connect(&client, &system.url("/api/live"), None)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, coming).await.expect("a place");
}

#[tokio::test]
async fn it_ends_although_somebody_looks() {
    let mut system = System::start().await;
    let mut browser = system.browser().await;
    browser.next("snapshot").await;
    system.stop().await.unwrap();
    browser.end().await;
}

#[tokio::test]
async fn the_page_and_what_every_service_has_are_there() {
    let system = System::start().await;
    let get = async |path: &str| system.send(reqwest::Method::GET, path, None).await;
    let page = get("/").await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    for path in ["/app.js", "/app.css", "/favicon.svg", "/health", "/metrics"] {
        let answer = get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    let nothing = get("/nothing").await;
    assert_eq!(nothing.status(), 404);
    assert_eq!(nothing.headers()["content-type"], "application/problem+json");
}
