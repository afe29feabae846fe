//! The page of a running system: what it is told, what it can do, and that the system does without it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tolerancia_client::http;
use tolerancia_client::sse::Listener;
use tolerancia_wire::status::Verdict;

use crate::harness::{Run, System, Traffic, Truth, eventually, free_base, leftovers, signal, tolerancia, within};

/// A fault is found within a second: the objective of every scenario.
const DETECTED: Duration = Duration::from_secs(1);
/// How long a short experiment may take. On a calm machine it is 15 s.
const LONG: Duration = Duration::from_secs(120);

/// The shortest experiment that breaks something.
const SHORT: &str = "# Short.\nname = 'short'\ntrials = 1\nbaseline_s = 1.0\nfaults = [{ fault = 'freeze' }]\n";
/// One whose fault stays until somebody ends it.
const HELD: &str =
    "# Held.\nname = 'held'\ntrials = 1\nbaseline_s = 1.0\nhold_ms = 600000\nfaults = [{ fault = 'latency' }]\n";

/// A system with these scenarios.
async fn up_with_scenarios() -> System {
    let system = System::up().await;
    std::fs::create_dir(system.scenarios_dir()).unwrap();
    for (name, text) in [("short", SHORT), ("held", HELD)] {
        std::fs::write(system.scenarios_dir().join(format!("{name}.toml")), text).unwrap();
    }
    system
}

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

async fn start(system: &System, scenario: &str) -> Value {
    let body = json!({ "scenario": scenario, "seed": 7 });
    let (status, state) = ask(system, Method::POST, "/api/experiments", Some(body)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{state}");
    state
}

/// Waits until an instance has a fault, and tells which.
async fn a_fault_is_active(system: &System) -> u8 {
    eventually("a fault is active", async || {
        for number in 1..=3 {
            let (_, state) = system.look(&format!("{}/fault", system.inventory(number))).await?;
            if !state["active"].is_null() {
                return Some(number);
            }
        }
        None
    })
    .await
}

async fn no_fault_is_left(system: &System) {
    for number in 1..=3 {
        let state: Value = system.get(&format!("{}/fault", system.inventory(number))).await;
        assert!(state["active"].is_null(), "{state}");
    }
}

/// The process of the experiment in this folder.
fn experiments(system: &System) -> Vec<String> {
    let all = leftovers(&system.results_dir());
    all.into_iter().filter(|line| line.contains(" experiment ")).collect()
}

fn report(system: &System, state: &Value) -> Value {
    let folder = system.results_dir().join(state["folder"].as_str().unwrap());
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap()
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

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_from_the_page_measures_the_running_system_and_leaves_a_folder() {
    let system = up_with_scenarios().await;
    let begun = start(&system, "short").await;
    assert_eq!((&begun["running"], &begun["seed"]), (&json!(true), &json!(7)));
    // Nothing else may begin, and nothing odd.
    let again = json!({"scenario": "classic", "quick": true});
    let (status, problem) = ask(&system, Method::POST, "/api/experiments", Some(again)).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    let odd = json!({"scenario": "../short"});
    let (status, problem) = ask(&system, Method::POST, "/api/experiments", Some(odd)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");

    shows(LONG, "trials", &system, |shown| {
        let state = &shown["experiment"];
        (state["step"] == "trials" && state["of"] == 1).then_some(())
    })
    .await;
    let ended = shows(LONG, "the end of the experiment", &system, |shown| {
        let is_listed = |folder: &Value| folder["name"] == begun["folder"] && !folder["verdict"].is_null();
        let listed = shown["folders"].as_array()?.iter().any(is_listed);
        (shown["experiment"]["running"] == false && listed).then(|| shown["experiment"].clone())
    })
    .await;
    assert!(ended["exit_code"] == 0 || ended["exit_code"] == 1, "{ended}");
    assert_eq!(
        (&ended["done"], &ended["of"], &ended["error"]),
        (&json!(1), &json!(1), &Value::Null)
    );
    let report = report(&system, &ended);
    assert_eq!((&report["verdict"], &report["seed"]), (&ended["verdict"], &json!(7)));
    assert_eq!(report["environment"]["kafka"], "embedded");
    assert_eq!(report["oracle"]["complete"], true, "{}", report["oracle"]);

    let page = format!("{}/results/{}", system.dashboard(), ended["folder"].as_str().unwrap());
    let answer = system.http.get(format!("{page}/report.html")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let policy = &answer.headers()["content-security-policy"];
    assert_eq!(policy, "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
    assert!(answer.text().await.unwrap().contains("<svg"));
    let answer = system
        .http
        .get(format!("{page}/answers.jsonl.zst"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    no_fault_is_left(&system).await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_that_is_stopped_from_the_page_clears_its_fault() {
    let system = up_with_scenarios().await;
    let (status, _) = ask(&system, Method::DELETE, "/api/experiments/current", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    start(&system, "held").await;
    a_fault_is_active(&system).await;
    for _ in 0..2 {
        // Asked twice it clears all the same.
        let (status, state) = ask(&system, Method::DELETE, "/api/experiments/current", None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{state}");
    }
    let ended = shows(LONG, "the end of the experiment", &system, |shown| {
        let state = &shown["experiment"];
        (state["running"] == false).then(|| state.clone())
    })
    .await;
    assert_eq!(
        (&ended["exit_code"], &ended["verdict"], &ended["error"]),
        (&json!(130), &Value::Null, &Value::Null)
    );
    assert_eq!(report(&system, &ended)["verdict"], "aborted");
    no_fault_is_left(&system).await;
    system.steady().await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_does_not_outlive_a_dashboard_that_is_killed_and_clears_its_fault() {
    let system = up_with_scenarios().await;
    let begun = start(&system, "held").await;
    a_fault_is_active(&system).await;
    assert_eq!(experiments(&system).len(), 1);
    signal(system.pid("dashboard"), Signal::KILL);
    eventually("the experiment is gone", async || {
        experiments(&system).is_empty().then_some(())
    })
    .await;
    no_fault_is_left(&system).await;
    assert_eq!(report(&system, &begun)["verdict"], "aborted");
    // And the next dashboard can do it again.
    eventually("another dashboard", async || look(&system).await).await;
    start(&system, "held").await;
    a_fault_is_active(&system).await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_an_experiment_after_ctrl_c() {
    for (twice, frozen) in [(false, false), (false, true), (true, false)] {
        let mut system = up_with_scenarios().await;
        if frozen {
            let text = HELD.replace("latency", "freeze");
            std::fs::write(system.scenarios_dir().join("held.toml"), text).unwrap();
        }
        let begun = start(&system, "held").await;
        if frozen {
            // It cannot say so itself.
            eventually("an instance is OFF", async || {
                (system.status().await.on < 3).then_some(())
            })
            .await;
        } else {
            a_fault_is_active(&system).await;
        }
        system.signal(Signal::INT);
        if twice {
            // Two at once would be one. The moment is the test's input.
            tokio::time::sleep(Duration::from_millis(100)).await;
            system.signal(Signal::INT);
        }
        let code = system.ended().await;
        assert_eq!(code, Some(0), "{}", system.log());
        let verdict = || report(&system, &begun)["verdict"].clone();
        if twice {
            // Whoever does not wait leaves the experiment to its own clean-up, which gives up soon.
            eventually("the experiment is gone", async || {
                experiments(&system).is_empty().then_some(())
            })
            .await;
            assert!(
                ["aborted", "error"].contains(&verdict().as_str().unwrap()),
                "{}",
                verdict()
            );
        } else {
            assert_eq!(leftovers(system.dir()), [""; 0]);
            assert!(!system.log().contains("is killed"), "{}", system.log());
            assert_eq!(verdict(), "aborted", "{}", system.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_for_a_program_starts_no_system_and_tells_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut command = tolerancia(&["experiment", "--running", "--base-port", &free_base().to_string()]);
    command.arg("--out").arg(&out);
    Run::of(command).await.code(2).says("no system is up");
    let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["verdict"], "error");

    // The end of its standard input, which a test's program has from the beginning, is Ctrl-C.
    let system = System::up().await;
    let mut command = system.command(&["experiment", "--progress", "json", "--seed", "7", "--stop-with-stdin"]);
    command.arg("--out").arg(&out);
    let run = Run::of(command).await.code(130);
    let lines = run.err.lines().filter(|line| line.starts_with('{'));
    let steps: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&steps[0]["step"], &steps[0]["seed"]),
        (&json!("starting"), &json!(7)),
        "{run:#?}"
    );
    assert_eq!(steps.last().unwrap()["step"], "finishing", "{run:#?}");
    assert!(steps.iter().all(|line| line["text"].is_string()), "{run:#?}");
    system.down().await;
}
