//! Faults from the page: injected, shown, cleared, told to the audit; and who may not.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tolerancia_client::{http, inject};
use tolerancia_wire::fault::{Fault, FaultSpec, Scope};

use common::fake::Replica;
use common::{LONG, System};

fn latency() -> Value {
    json!({ "instance": "2", "fault": "latency", "latency_ms": 1200, "scope": "queries" })
}

#[tokio::test]
async fn a_fault_is_injected_shown_and_cleared_and_the_audit_knows() {
    let mut system = System::start().await;
    let mut browser = system.browser().await;
    let answer = system.send(Method::POST, "/api/faults", Some(latency())).await;
    assert_eq!(answer.status(), 200);
    let window: Value = answer.json().await.unwrap();
    assert_eq!(
        window["spec"],
        json!({ "fault": "latency", "latency_ms": 1200, "scope": "queries" })
    );
    assert_eq!(
        (&window["instance"], &window["active"], &window["cleared_at"]),
        (&json!("2"), &json!(true), &Value::Null)
    );
    assert_eq!(browser.next("fault").await, window);
    let state = inject::status(&system.replicas[1].url(), None).await.unwrap();
    assert_eq!(
        serde_json::to_value(state.active.unwrap().activated_at).unwrap(),
        window["activated_at"]
    );
    let report = system.monitor.reports.recv().await.unwrap();
    assert_eq!(
        (&report["instance"], &report["fault"]),
        (&json!("2"), &json!("latency"))
    );
    assert_eq!(
        (&report["activated_at"], &report["cleared_at"]),
        (&window["activated_at"], &Value::Null)
    );

    let answer = system.send(Method::DELETE, "/api/faults/2", None).await;
    assert_eq!(answer.status(), 200);
    let cleared: Value = answer.json().await.unwrap();
    let over = browser.find("fault", |window| window["active"] == false).await;
    assert_eq!(cleared["cleared"], json!([over]));
    assert!(over["cleared_at"].is_object());
    let report = system.monitor.reports.recv().await.unwrap();
    assert_eq!(
        (&report["activated_at"], &report["cleared_at"]),
        (&window["activated_at"], &over["cleared_at"])
    );
    let mut later = system.browser().await;
    assert_eq!(later.next("snapshot").await["faults"], json!([over]));
}

#[tokio::test]
async fn what_others_inject_and_clear_is_shown() {
    let system = System::start().await;
    let mut browser = system.browser().await;
    let url = system.replicas[0].url();
    let stale = FaultSpec {
        fault: Fault::Stale,
        scope: Scope::All,
    };
    inject::put_fault(&url, None, stale).await.unwrap();
    let window = browser.next("fault").await;
    assert_eq!(
        (&window["instance"], &window["fault"], &window["active"]),
        (&json!("1"), &json!("stale"), &json!(true))
    );
    let begin = window["activated_at"]["mono_ns"].as_u64().unwrap();
    inject::clear(&url, None, None).await.unwrap();
    let window = browser.next("fault").await;
    assert_eq!(window["active"], false);
    let end = window["cleared_at"]["mono_ns"].as_u64();
    assert!(
        end.is_some_and(|end| end > begin),
        "nobody told when, but it was seen: {window}"
    );
}

#[tokio::test]
async fn all_faults_are_cleared_as_far_as_that_is_possible() {
    let mut system = System::start().await;
    for instance in ["1", "3"] {
        let body = json!({ "instance": instance, "fault": "stale" });
        assert_eq!(system.send(Method::POST, "/api/faults", Some(body)).await.status(), 200);
    }
    let answer = system.send(Method::DELETE, "/api/faults", None).await;
    assert_eq!(answer.status(), 200);
    let cleared: Value = answer.json().await.unwrap();
    assert_eq!(cleared["cleared"].as_array().unwrap().len(), 2);

    let body = json!({ "instance": "3", "fault": "stale" });
    system.send(Method::POST, "/api/faults", Some(body)).await;
    system.replicas[0].stop().await;
    let answer = system.send(Method::DELETE, "/api/faults", None).await;
    assert_eq!(answer.status(), 502);
    let problem: Value = answer.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("instance 1: "), "{problem}");
    assert!(detail.contains("`tolerancia inject clear --instance 1`"), "{problem}");
    assert_eq!(problem["failed"][0]["instance"], "1");
    let state = inject::status(&system.replicas[2].url(), None).await.unwrap();
    assert!(state.faults.is_empty(), "the others are cleared all the same");
}

#[tokio::test]
async fn a_replica_without_injection_has_nothing_to_clear() {
    let mut system = System::start().await;
    let port = system.replicas[0].port;
    system.replicas[0].stop().await;
    system.replicas[0] = Replica::without_injection(1, port);
    let body = json!({ "instance": "3", "fault": "stale" });
    assert_eq!(system.send(Method::POST, "/api/faults", Some(body)).await.status(), 200);
    let answer = system.send(Method::DELETE, "/api/faults", None).await;
    assert_eq!(answer.status(), 200);
    let cleared: Value = answer.json().await.unwrap();
    assert_eq!(cleared["cleared"].as_array().unwrap().len(), 1, "{cleared}");
    // Whoever asks for this one alone is told.
    let answer = system.send(Method::DELETE, "/api/faults/1", None).await;
    assert_eq!(answer.status(), 502);
    let problem: Value = answer.json().await.unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("FAULT_INJECTION=on"),
        "{problem}"
    );
}

#[tokio::test]
async fn only_a_fault_that_is_refused_is_a_mistake_of_the_browser() {
    let mut system = System::start().await;
    for (status, body, to_post) in [(409, "no", 422), (422, "no", 422), (500, "no", 502), (200, "no", 502)] {
        let port = system.replicas[1].port;
        system.replicas[1].stop().await;
        system.replicas[1] = Replica::odd(port, status, body);
        let answer = system.send(Method::POST, "/api/faults", Some(latency())).await;
        assert_eq!(answer.status(), to_post, "POST: {status}");
        let answer = system.send(Method::DELETE, "/api/faults/2", None).await;
        assert_eq!(answer.status(), 502, "DELETE: {status}");
    }
}

/// A process that only looks like a replica, until this is dropped.
struct Process(std::process::Child);

impl Process {
    fn start() -> Self {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "read -r line", "inventory-svc"]);
        Self(command.stdin(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits until it is stopped, or not.
    async fn until_stopped(&self, stopped: bool) {
        let waiting = async {
            while inject::is_stopped_replica(self.0.id()) != stopped {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_frozen_replica_that_only_the_verdicts_name_is_continued() {
    let system = System::start().await;
    let process = Process::start();
    process.signal(Signal::STOP);
    process.until_stopped(true).await;
    let since = json!({ "at": "2026-01-01T00:00:00.000000Z", "mono_ns": 5 });
    let instance = json!({ "service": "inventory-svc", "instance": "1", "status": "OFF", "phase": "quarantine",
        "reason": { "kind": "late", "text": "" }, "since": since, "pid": process.0.id() });
    let status = json!({ "replicas": 3, "quorum": 2, "on": 2, "quorum_lost": false, "detector": "accrual",
        "instances": [instance] });
    let mut browser = system.browser().await;
    system.monitor.say("status", None, &status);
    browser.next("status").await;
    let answer = system.send(Method::DELETE, "/api/faults/1", None).await;
    assert_eq!(answer.status(), 200);
    process.until_stopped(false).await;
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_told_to_the_audit_all_the_same() {
    let mut system = System::start().await;
    let port = system.replicas[1].port;
    system.replicas[1].stop().await;
    let (replica, gate) = Replica::held(2, port);
    system.replicas[1] = replica;
    let request = http::client(LONG).post(system.url("/api/faults")).json(&latency());
    let answer = tokio::spawn(request.send());
    gate.arrived().await;
    system.begin_to_stop();
    // It takes no more requests, so it has begun to end.
    let client = http::client(LONG);
    let closing = async { while client.get(system.url("/health")).send().await.is_ok() {} };
    tokio::time::timeout(LONG, closing).await.unwrap();
    gate.open();
    system.stop().await.unwrap();
    let report = tokio::time::timeout(LONG, system.monitor.reports.recv()).await;
    let report = report.expect("a report").unwrap();
    assert_eq!(
        (&report["instance"], &report["fault"]),
        (&json!("2"), &json!("latency"))
    );
    answer.abort();
}

#[tokio::test]
async fn what_cannot_be_says_so() {
    let system = System::start().await;
    for (body, status, hint) in [
        (json!({ "fault": "stale" }), 400, "which instance"),
        (json!({ "instance": "2" }), 400, "not a fault"),
        (json!({ "instance": "2", "fault": "flood" }), 400, "not a fault"),
        (
            json!({ "instance": "2", "fault": "stale", "latency_ms": 5 }),
            400,
            "no parameter",
        ),
        (json!({ "instance": "4", "fault": "stale" }), 422, "instances 1 to 3"),
        (
            json!({ "instance": "2", "fault": "latency", "latency_ms": 0 }),
            422,
            "latency",
        ),
        (
            json!({ "instance": "2", "fault": "stale", "scope": "health" }),
            422,
            "scope",
        ),
        (json!([]), 400, "send a JSON object"),
    ] {
        let answer = system.send(Method::POST, "/api/faults", Some(body.clone())).await;
        assert_eq!(answer.status().as_u16(), status, "{body}");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{body}: {problem}");
    }
    assert_eq!(system.send(Method::DELETE, "/api/faults/9", None).await.status(), 404);
}

#[tokio::test]
async fn without_injection_nothing_can_be_asked_for() {
    let system = System::with(&[], None).await;
    let mut browser = system.browser().await;
    assert_eq!(browser.next("snapshot").await["system"]["injection"], false);
    let stop = json!({ "scenario": "classic", "quick": true });
    for (method, path, body) in [
        (Method::POST, "/api/faults", Some(latency())),
        (Method::DELETE, "/api/faults", None),
        (Method::DELETE, "/api/faults/1", None),
        (Method::POST, "/api/token", None),
        (Method::POST, "/api/experiments", Some(stop)),
        (Method::DELETE, "/api/experiments/current", None),
    ] {
        let answer = system.send(method.clone(), path, body).await;
        assert_eq!(answer.status(), 404, "{method} {path}");
        let problem: Value = answer.json().await.unwrap();
        assert!(
            problem["detail"].as_str().unwrap().contains("FAULT_INJECTION=on"),
            "{problem}"
        );
    }
    // The replicas were started with it: they would obey.
    let state = inject::status(&system.replicas[1].url(), None).await.unwrap();
    assert!(state.faults.is_empty());
}

#[tokio::test]
async fn with_a_token_only_who_knows_it_may_ask_and_the_replicas_get_it() {
    let mut system = System::with(&["--fault-injection", "on"], Some("secret")).await;
    assert_eq!(system.send(Method::POST, "/api/token", None).await.status(), 204);
    assert_eq!(
        system.send(Method::POST, "/api/faults", Some(latency())).await.status(),
        200
    );
    assert!(system.monitor.reports.recv().await.is_some());
    for token in [None, Some("wrong")] {
        system.token = token;
        for path in ["/api/token", "/api/faults"] {
            let answer = system.send(Method::POST, path, Some(latency())).await;
            assert_eq!(answer.status(), 401, "{path} {token:?}");
        }
    }
    // Nothing that is told has it.
    let mut browser = system.browser().await;
    let mut told = vec![browser.any().await.data];
    let snapshot: Value = serde_json::from_str(&told[0]).unwrap();
    system.voter.votes(1000, 7);
    loop {
        let event = browser.any().await;
        told.push(event.data);
        if event.name == "votes" {
            break;
        }
    }
    for path in ["/health", "/metrics", "/"] {
        let answer = system.send(Method::GET, path, None).await;
        told.push(format!("{:?}", answer.headers()));
        told.push(answer.text().await.unwrap());
    }
    for text in told {
        assert!(!text.contains("secret"), "{text}");
    }
    assert_eq!(
        (
            &snapshot["system"]["token"],
            snapshot["faults"].as_array().unwrap().len()
        ),
        (&json!(true), 1)
    );
}

#[tokio::test]
async fn a_replica_with_another_token_is_none_of_the_browsers_mistakes() {
    let mut system = System::with(&["--fault-injection", "on"], Some("secret")).await;
    let port = system.replicas[1].port;
    system.replicas[1].stop().await;
    system.replicas[1] = Replica::start(2, port, Some("another"));
    let answer = system.send(Method::POST, "/api/faults", Some(latency())).await;
    assert_eq!(answer.status(), 502, "401 would make the page ask for the token");
    let problem: Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("FAULT_TOKEN"), "{problem}");
}

#[tokio::test]
async fn pages_of_other_sites_are_kept_out() {
    let system = System::start().await;
    let client = http::client(LONG);
    let own = format!("127.0.0.1:{}", system.port);
    for (name, value, status) in [
        ("origin", "http://evil.example".to_owned(), 403),
        ("sec-fetch-site", "cross-site".to_owned(), 403),
        ("host", format!("evil.example:{}", system.port), 421),
        ("content-type", "text/plain".to_owned(), 415),
        ("origin", format!("http://{own}"), 200),
        ("host", "localhost".to_owned(), 200),
    ] {
        let mut request = client.post(system.url("/api/faults")).body(latency().to_string());
        if name != "content-type" {
            request = request.header("content-type", "application/json");
        }
        let answer = request.header(name, &value).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{name}: {value}");
    }
}
