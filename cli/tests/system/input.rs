//! What makes no sense is refused in words, and changes nothing.

use std::net::TcpListener;
use std::path::Path;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tolerancia_wire::core::Stock;
use tolerancia_wire::topic;

use crate::harness::{Run, System, free_base, leftovers, tolerancia, turn};

const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_problems_and_change_nothing() {
    let system = System::up().await;
    let stock = stock_of(&system).await;
    let log = tolerancia_bus::end_offsets(&system.bus(), topic::ORDER_EVENTS)
        .await
        .unwrap();

    let orders = format!("{}/orders", system.orders());
    let long = "x".repeat(10_000);
    let quantity = |text: &str| format!(r#"{{"product_id":"PROD-001","quantity":{text}}}"#);
    let product = |name: &str| format!(r#"{{"product_id":"{name}","quantity":1}}"#);
    let bodies = [
        ("nonsense".to_owned(), 400),
        ("{".to_owned(), 400),
        ("[]".to_owned(), 400),
        ("{}".to_owned(), 400),
        (r#"{"product_id":"PROD-001"}"#.to_owned(), 400),
        (r#"{"quantity":1}"#.to_owned(), 400),
        (quantity("0"), 400),
        (quantity("-1"), 400),
        (quantity("1.5"), 400),
        (quantity("\"5\""), 400),
        (quantity("9223372036854775808"), 400),
        (quantity("1e400"), 400),
        (quantity("null"), 400),
        (product(""), 400),
        (product(&long), 400),
        (product("a b"), 400),
        (format!("{}{}", " ".repeat(70_000), quantity("1")), 413),
    ];
    for (body, status) in bodies {
        let text = body[..body.len().min(60)].to_owned();
        let request = system.http.post(&orders).header("content-type", JSON).body(body);
        is_problem(request, status, &text).await;
    }
    let good = quantity("1");
    is_problem(
        system
            .http
            .post(&orders)
            .header("content-type", "text/plain")
            .body(good.clone()),
        415,
        "text",
    )
    .await;
    is_problem(system.http.post(&orders).body(good.clone()), 415, "no content type").await;
    let key = "k".repeat(10_000);
    let request = system
        .http
        .post(&orders)
        .header("content-type", JSON)
        .header("idempotency-key", key)
        .body(good);
    is_problem(request, 400, "a long key").await;

    let unknown = "00008000-0000-8000-8000-000000000001";
    is_problem(system.http.get(format!("{orders}/{unknown}")), 404, "an order").await;
    for id in ["7", &long] {
        is_problem(system.http.get(format!("{orders}/{id}")), 400, "an order").await;
        is_problem(system.http.post(format!("{orders}/{id}/cancel")), 400, "a cancel").await;
    }
    is_problem(system.http.get(format!("{orders}?status=LOST")), 400, "a status").await;
    is_problem(system.http.get(format!("{orders}?limit=-1")), 400, "a limit").await;

    let inventory = format!("{}/inventory", system.voter());
    for (path, status) in [
        ("/PROD-999", 404),
        (&*format!("/{long}"), 400),
        ("/a%20b", 400),
        ("/", 404),
    ] {
        is_problem(system.http.get(format!("{inventory}{path}")), status, path).await;
    }
    for url in system.all() {
        is_problem(system.http.get(format!("{url}/nowhere")), 404, "a route").await;
        is_problem(system.http.delete(format!("{url}/health")), 405, "a method").await;
    }
    let fault = format!("{}/fault", system.inventory(1));
    for (methods, body) in [
        ("PUT POST", r#"{"fault":"flood"}"#),
        ("PUT POST", r#"{"fault":"intermittent","probability":1.5}"#),
        ("PUT POST", r#"{"fault":"latency","latency_ms":0}"#),
        ("PUT POST", r#"{"fault":"crash","scope":"queries"}"#),
        ("PUT POST", r#"{"faults":[]}"#),
        ("PUT POST", r#"{"faults":[{"fault":"stale"},{"fault":"stale"}]}"#),
        ("PUT POST", r#"{"faults":[{"fault":"stale"},{"fault":"flood"}]}"#),
        ("POST", r#"{"faults":[{"fault":"stale"}]}"#),
    ] {
        for method in methods.split(' ') {
            let request = system
                .http
                .request(method.parse().unwrap(), &fault)
                .header("content-type", JSON)
                .body(body);
            is_client_error(request, body).await;
        }
    }
    let state: Value = system.get(&fault).await;
    assert_eq!(
        (&state["active"], &state["faults"]),
        (&Value::Null, &Value::Array(Vec::new()))
    );
    is_problem(
        system.http.get(format!("{}/failures?instance=9x", system.monitor())),
        400,
        "an instance",
    )
    .await;
    is_problem(
        system.http.get(format!("{}/status/inventory-svc/9", system.monitor())),
        404,
        "an instance",
    )
    .await;

    assert_eq!(stock_of(&system).await, stock);
    let after = tolerancia_bus::end_offsets(&system.bus(), topic::ORDER_EVENTS)
        .await
        .unwrap();
    assert_eq!(after, log, "something entered the log");

    // What only the replicas can know is refused by them, so it enters the log.
    is_problem(system.http.post(format!("{orders}/{unknown}/cancel")), 404, "a cancel").await;
    let request = system
        .http
        .post(&orders)
        .header("content-type", JSON)
        .body(product("PROD-999"));
    is_client_error(request, "an unknown product").await;
    assert_eq!(stock_of(&system).await, stock);
    system.steady().await;
    system.down().await;
}

async fn stock_of(system: &System) -> (u64, Stock) {
    let voted = system.stock("PROD-001").await;
    (voted.version, voted.stock)
}

async fn is_problem(request: RequestBuilder, status: u16, what: &str) {
    let (found, problem) = is_client_error(request, what).await;
    assert_eq!(found, status, "{what}: {problem}");
}

async fn is_client_error(request: RequestBuilder, what: &str) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let kind = answer
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    assert!(status.is_client_error(), "{what}: {status} {text}");
    assert_eq!(kind.as_deref(), Some("application/problem+json"), "{what}: {text}");
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["status"], status.as_u16(), "{what}: {problem}");
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.len() > 10),
        "{what}: {problem}"
    );
    (status, problem)
}

#[tokio::test]
async fn arguments_out_of_range_are_refused_with_the_range() {
    for (args, message) in [
        (&["inject", "crash", "--instance", "9"][..], "instances 1 to 3"),
        (&["inject", "crash", "--instance", "0"], "counted from 1"),
        (&["inject", "clear", "--instance", "4"], "instances 1 to 3"),
        (&["inject", "failures", "--instance", "9"], "instances 1 to 3"),
        (&["inject", "crash"], "--instance"),
        (
            &["inject", "intermittent", "--instance", "1", "--probability", "1.5"],
            "above 0 and at most 1",
        ),
        (
            &["inject", "intermittent", "--instance", "1", "--probability", "0"],
            "above 0 and at most 1",
        ),
        (
            &["inject", "intermittent", "--instance", "1", "--probability", "-1"],
            "above 0 and at most 1",
        ),
        (
            &["inject", "latency", "--instance", "1", "--latency", "-1"],
            "1 to 60000",
        ),
        (
            &["inject", "latency", "--instance", "1", "--latency", "0"],
            "1 to 60000",
        ),
        (&["inject", "latency", "--instance", "1", "--scope", "some"], "queries"),
        (
            &["inject", "incorrect", "--instance", "1", "--product", ""],
            "characters",
        ),
        (&["inject", "flood", "--instance", "1"], "flood"),
        (&["inject", "clear", "--instance", "1", "--add"], "--add"),
        (&["load", "both", "--rps", "0"], "requests per second"),
        (&["load", "everything"], "query_inventory"),
        (&["up", "--replicas", "4"], "3, 5, 7"),
        (&["up", "--base-port", "65500"], "65500"),
        (&["up", "--dashboard", "perhaps"], "--dashboard"),
        (&["experiment", "--trials", "0"], "--trials"),
        (&["experiment", "--progress", "xml"], "--progress"),
        (&["inventory-svc"], "INSTANCE_ID"),
        (&["fly"], "fly"),
        (&[], "Usage"),
    ] {
        Run::of(tolerancia(args)).await.code(2).says(message);
    }
}

#[tokio::test]
async fn nobody_there_is_said_with_exit_code_1() {
    let port = free_base().to_string();
    for command in ["crash", "clear", "status", "failures"] {
        let args = ["inject", command, "--instance", "1", "--base-port", &port];
        Run::of(tolerancia(&args)).await.code(1).says("tolerancia up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_certificates_will_do() {
    let port = free_base().to_string();
    let mut status = tolerancia(&["inject", "status", "--instance", "1", "--base-port", &port]);
    status
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("SSL_CERT_DIR", "/nonexistent");
    Run::of(status).await.code(1).says("tolerancia up");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_refuses_a_place_that_is_taken_or_unusable() {
    let _turn = turn().await;
    let dir = tempfile::tempdir().unwrap();
    let base = free_base();
    for (port, service) in [(base + 4, "voter-svc"), (base + 91, "broker")] {
        let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let run = Run::of(up(&dir.path().join("data"), base)).await.code(2);
        run.says(&port.to_string()).says(service).says("--base-port");

        let mut experiment = tolerancia(&["experiment", "--base-port", &base.to_string()]);
        experiment
            .arg("--out")
            .arg(dir.path().join("out"))
            .env("TMPDIR", dir.path());
        let run = Run::of(experiment).await.code(2);
        run.says(&port.to_string()).says(service).says("--base-port");
        drop(taken);
    }
    // The page is missed as any other service is. An experiment's own system has none.
    let taken = TcpListener::bind(("127.0.0.1", base + 6)).unwrap();
    let run = Run::of(up(&dir.path().join("data"), base)).await.code(2);
    run.says("dashboard").says("--base-port").says("--dashboard off");
    drop(taken);
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    Run::of(up(&file.join("data"), base)).await.code(2).says("--data-dir");
    Run::of(up(Path::new("/proc/nowhere"), base))
        .await
        .code(2)
        .says("--data-dir");

    let mut unfit = up(&dir.path().join("data"), base);
    unfit.env("HEALTH_CHECK_INTERVAL_MS", "often");
    Run::of(unfit).await.code(2).says("often");
    assert_eq!(leftovers(dir.path()), [""; 0]);
}

fn up(data_dir: &Path, base: u16) -> tokio::process::Command {
    let mut command = tolerancia(&["up", "--base-port", &base.to_string()]);
    command.arg("--data-dir").arg(data_dir);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_belongs_to_one_system() {
    let system = System::up().await;
    let second = up(&system.data_dir(), free_base());
    Run::of(second).await.code(2).says("in use by another system");
    system.steady().await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_scenario_is_told_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("bad.toml");
    std::fs::write(&scenario, "name = \"bad\"\nfaults = [ { fault = \"flood\" } ]\n").unwrap();
    let out = dir.path().join("out");
    for file in [scenario, dir.path().join("none.toml")] {
        let mut command = tolerancia(&["experiment", "--base-port", &free_base().to_string()]);
        command.arg("--scenario").arg(&file).arg("--out").arg(&out);
        Run::of(command)
            .await
            .code(2)
            .says(file.file_name().unwrap().to_str().unwrap());
    }
    assert!(!out.exists(), "something was written");
    assert_eq!(leftovers(dir.path()), [""; 0]);
}
