//! The page of a running system: what it is told, what it can do, and that the system does without it.

mod experiments;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tolerancia_client::http;
use tolerancia_client::sse::Listener;
use tolerancia_wire::status::Verdict;

use crate::harness::{System, Traffic, Truth, signal, within};

/// A fault is found within a second: the objective of every scenario.
const DETECTED: Duration = Duration::from_secs(1);

/// What a browser that opens the page is told first; none if nobody answers.
async fn look(system: &System) -> Option<Value> {
    let client = http::streaming(Duration::from_secs(5));
    let url = format!("{}/api/live", system.dashboard());
    let mut stream = Listener::connect(&client, &url, None).await.ok()?;
    loop {
        let events = stream.next().await.ok()??;
        if let Some(event) = events.first() {
            assert_eq!(event.name, "snapshot", "{event:?}");
            return Some(serde_json::from_str(&event.data).unwrap());
        }
    }
}

/// Waits until the page shows something.
async fn shows<T>(limit: Duration, what: &str, system: &System, mut look_for: impl FnMut(&Value) -> Option<T>) -> T {
    let mut last = Value::Null;
    within(limit, what, async || {
        last = look(system).await?;
        look_for(&last)
    })
    .await
}

/// What the page sends.
async fn ask(system: &System, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let mut request = system.http.request(method, format!("{}{path}", system.dashboard()));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn up_serves_the_page_and_what_it_shows() {
    let system = System::up().await;
    let page = system.http.get(system.dashboard()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self'"), "{policy}");
    let text = page.text().await.unwrap();
    for file in ["app.js", "app.css", "favicon.svg"] {
        assert!(text.contains(file), "the page does not load {file}: {text}");
        let answer = system.http.get(format!("{}/{file}", system.dashboard())).send().await;
        assert_eq!(answer.unwrap().status(), 200, "{file}");
    }

    let traffic = Traffic::start(&system, 0, 50);
    let shown = shows(Duration::from_secs(10), "everything that there is", &system, |shown| {
        let is_up = |source: &Value| source["up"] == true && source["pid"].is_u64();
        let sources = ["monitor-svc", "voter-svc", "orders-svc"];
        (sources.iter().all(|name| is_up(&shown["sources"][name]))
            && shown["status"]["on"] == 3
            && shown["replicas"].as_array()?.len() == 3
            && !shown["suspicion"].as_array()?.is_empty()
            && !shown["requests"].as_array()?.is_empty()
            && shown["votes"].as_array()?.iter().any(|second| second["clients"] != 0))
        .then(|| shown.clone())
    })
    .await;
    let about = &shown["system"];
    assert_eq!(
        (
            &about["replicas"],
            &about["injection"],
            &about["token"],
            &about["experiments"]
        ),
        (&json!(3), &json!(true), &json!(false), &json!(true))
    );
    assert_eq!(about["scenarios"][0]["name"], "classic");
    assert_eq!(shown["folders"], json!([]));
    traffic.stop().await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_is_injected_from_the_page_is_found_shown_and_cleared() {
    let system = System::up().await;
    let traffic = Traffic::start(&system, 0, 50);
    let fault = json!({"instance": "2", "fault": "latency", "latency_ms": 1200});
    let (status, window) = ask(&system, Method::POST, "/api/faults", Some(fault)).await;
    assert_eq!(status, StatusCode::OK, "{window}");
    assert_eq!((&window["instance"], &window["active"]), (&json!("2"), &json!(true)));
    let entry = shows(Duration::from_secs(10), "the failure with its time", &system, |shown| {
        let newest = shown["failures"].as_array()?.iter();
        let mut off = newest.filter(|entry| entry["instance"] == "2" && entry["to"] == "OFF");
        off.find(|entry| entry["ttd_ms"].is_f64()).cloned()
    })
    .await;
    let ttd_ms = entry["ttd_ms"].as_f64().unwrap();
    assert!(ttd_ms > 0.0 && ttd_ms < DETECTED.as_secs_f64() * 1e3, "{entry}");
    shows(Duration::from_secs(5), "the fault", &system, |shown| {
        let active = |fault: &Value| fault["fault"] == "latency" && fault["active"] == true;
        shown["faults"].as_array()?.iter().any(active).then_some(())
    })
    .await;

    let (status, cleared) = ask(&system, Method::DELETE, "/api/faults/2", None).await;
    assert_eq!(status, StatusCode::OK, "{cleared}");
    system.all_on().await;
    shows(Duration::from_secs(5), "no fault", &system, |shown| {
        let active = |fault: &Value| fault["active"] == true;
        (shown["status"]["on"] == 3 && !shown["faults"].as_array()?.iter().any(active)).then_some(())
    })
    .await;
    let told = traffic.stop().await;
    Truth::of(&system).await.confirms_answers(&told.answers);
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_dashboard_is_missed_by_nobody_and_comes_back() {
    let system = System::up().await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 50, 50);
    traffic.goes_on(50).await;
    let before = system.status().await;
    let old = system.pid("dashboard");
    signal(old, Signal::KILL);
    within(
        Duration::from_secs(10),
        "another dashboard shows the system",
        async || {
            (system.pid("dashboard") != old).then_some(())?;
            let shown = look(&system).await?;
            (shown["status"]["on"] == 3 && shown["sources"]["voter-svc"]["up"] == true).then_some(())
        },
    )
    .await;
    traffic.goes_on(50).await;
    let told = traffic.stop().await;
    assert_eq!(told.others, [""; 0], "requests failed meanwhile");
    assert_eq!(system.status().await.instances, before.instances);
    for number in 1..=3 {
        let turns = system.failures(number).await;
        assert!(turns.iter().all(|turn| turn.to != Verdict::Off), "{turns:#?}");
    }
    system.down().await;
}

/// A dashboard that reads nothing any more is worse than one that is gone: whoever tells it something could wait for it,
/// or keep for it what it does not take.
#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_stands_still_is_missed_by_nobody() {
    let system = System::up().await;
    system.restock("PROD-001", 1_000_000).await;
    // Its connections are made, and full of what it has been told.
    shows(Duration::from_secs(5), "all is ON", &system, |shown| {
        (shown["status"]["on"] == 3).then_some(())
    })
    .await;
    let dashboard = system.pid("dashboard");
    signal(dashboard, Signal::STOP);
    let memory = |name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", system.pid(name))).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = [memory("monitor-svc"), memory("voter-svc")];
    let traffic = Traffic::start(&system, 50, 50);
    traffic.goes_on(300).await;
    system.inject(&["incorrect", "--instance", "2"]).await.code(0);
    within(DETECTED, "the lie is found", async || {
        (system.status().await.instances[1].status == Verdict::Off).then_some(())
    })
    .await;
    system.inject(&["clear", "--instance", "2"]).await.code(0);
    system.all_on().await;
    traffic.goes_on(500).await;
    let told = traffic.stop().await;
    assert_eq!(told.others, [""; 0], "requests failed meanwhile");
    let after = [memory("monitor-svc"), memory("voter-svc")];
    for (before, after) in before.into_iter().zip(after) {
        assert!(after < before + 16 * 1024, "{before} KiB have become {after} KiB");
    }
    signal(dashboard, Signal::CONT);
    shows(Duration::from_secs(5), "the lie is in the history", &system, |shown| {
        let failures = shown["failures"].as_array()?;
        let is_lie = |entry: &Value| entry["reason"]["kind"] == "dissent" && entry["instance"] == "2";
        (shown["status"]["on"] == 3 && failures.iter().any(is_lie)).then_some(())
    })
    .await;
    assert_eq!(system.pid("dashboard"), dashboard, "it was not started again");
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_can_do_without_it() {
    let system = System::up_with(|up| {
        up.args(["--dashboard", "off"]);
    })
    .await;
    assert!(system.look(&format!("{}/health", system.dashboard())).await.is_none());
    assert_eq!(system.stock("PROD-001").await.stock.available, 1000);
    system.down().await;
}
