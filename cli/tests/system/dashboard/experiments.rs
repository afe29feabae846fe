//! Experiments that are started from the page: they measure the system that is up, and nothing is left of them.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write as _};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{ask, look, shows};
use crate::harness::{Run, System, eventually, free_base, leftovers, signal, tolerancia};

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
    another_experiment_is_refused(&system).await;
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

/// From the command line, while one runs that the page has started.
async fn another_experiment_is_refused(system: &System) {
    let out = system.dir().join("another");
    let mut command = system.command(&["experiment", "--quick"]);
    command.arg("--out").arg(&out);
    let run = Run::of(command).await.code(2);
    run.says("another experiment runs (process ").says("Ctrl-C");
    assert!(!out.exists(), "something was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_from_the_command_line_keeps_the_page_from_starting_one() {
    let system = up_with_scenarios().await;
    let mut command = system.command(&["experiment"]);
    command
        .arg("--scenario")
        .arg(system.scenarios_dir().join("held.toml"))
        .arg("--out")
        .arg(system.dir().join("out"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut experiment = command.spawn().unwrap();
    a_fault_is_active(&system).await;
    let begun = start(&system, "short").await;
    let ended = shows(LONG, "the end of the experiment", &system, |shown| {
        let state = &shown["experiment"];
        (state["running"] == false).then(|| state.clone())
    })
    .await;
    assert_eq!(ended["exit_code"], 2, "{ended}");
    let error = ended["error"].as_str().unwrap();
    assert!(error.contains("another experiment runs"), "{ended}");
    let folder = system.results_dir().join(begun["folder"].as_str().unwrap());
    assert!(!folder.exists(), "an empty folder is left");
    signal(experiment.id().unwrap(), Signal::INT);
    assert_eq!(experiment.wait().await.unwrap().code(), Some(130));
    no_fault_is_left(&system).await;
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
            assert!(!system.log().contains("no longer waited for"), "{}", system.log());
            assert_eq!(verdict(), "aborted", "{}", system.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_clean_up_in_time_is_let_go_and_ends_with_its_system() {
    let mut system = up_with_scenarios().await;
    let text = HELD.replace("faults", "detectors = ['consecutive']\nfaults");
    std::fs::write(system.scenarios_dir().join("held.toml"), text).unwrap();
    start(&system, "held").await;
    a_fault_is_active(&system).await;
    // The detector cannot be put in force again for as long as the monitor is stopped, which is until its turn to end.
    signal(system.pid("monitor-svc"), Signal::STOP);
    system.signal(Signal::INT);
    assert_eq!(system.ended().await, Some(0), "{}", system.log());
    let log = system.log();
    assert!(log.contains("no longer waited for"), "{log}");
    assert!(!log.contains("still runs"), "{log}");
    assert_eq!(leftovers(system.dir()), [""; 0], "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_ends_after_the_last_experiment_that_was_let_go() {
    let mut system = System::up().await;
    let user = rustix::process::getuid().as_raw();
    let name = format!("tolerancia-experiment-{user}-{}.lock", system.ports().base);
    let path = system.dir().join(name);
    let mut lock = File::create(&path).unwrap();
    lock.lock().unwrap();
    writeln!(lock, "4321 tied").unwrap();
    system.signal(Signal::INT);
    eventually("up waits", async || {
        let log = system.log();
        log.contains("waiting for the experiment (process 4321)").then_some(())
    })
    .await;
    drop(lock);
    std::fs::remove_file(path).unwrap();
    assert_eq!(system.ended().await, Some(0));
    assert!(!system.log().contains("still runs"), "{}", system.log());
    assert_eq!(leftovers(system.dir()), [""; 0]);
}

/// A pipe that nobody reads and that takes no more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut filling, written) = (writer.try_clone().unwrap(), Arc::new(AtomicUsize::new(0)));
    let filled = Arc::clone(&written);
    // It stands still when the pipe is full, and ends with the reader.
    std::thread::spawn(move || {
        while filling.write_all(b"x").is_ok() {
            filled.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut before = None;
    loop {
        let now = written.load(Ordering::Relaxed);
        if before.replace(now) == Some(now) && now > 0 {
            return (reader, writer);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stands_still_does_not_keep_an_experiment_from_ending() {
    let dir = tempfile::tempdir().unwrap();
    let (_reader, writer) = full_pipe();
    let base = free_base().to_string();
    let mut command = tolerancia(&["experiment", "--running", "--progress", "json", "--base-port", &base]);
    command.arg("--out").arg(dir.path().join("out")).stderr(writer);
    let ended = tokio::time::timeout(Duration::from_secs(30), command.status()).await;
    assert_eq!(ended.expect("it ends").unwrap().code(), Some(2));
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
