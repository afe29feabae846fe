//! Stopping at any moment leaves nothing behind.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Command;

use crate::harness::{Run, System, eventually, leftovers, signal};

#[tokio::test(flavor = "multi_thread")]
async fn up_can_be_stopped_at_any_moment_of_its_start() {
    // A shell lets what it starts in the background ignore SIGINT, `nohup` SIGHUP: until the program handles them they
    // are lost then, as for any program.
    for (millis, which) in [
        (0, Signal::TERM),
        (30, Signal::TERM),
        (200, Signal::TERM),
        (800, Signal::INT),
        (1500, Signal::HUP),
    ] {
        let mut system = System::start(|_| {}).await;
        // The moment is the test's input, not something that is waited for.
        tokio::time::sleep(Duration::from_millis(millis)).await;
        system.signal(which);
        let code = system.ended().await;
        // None: the signal came before the program could handle it, and nothing was started then.
        assert!(
            matches!(code, Some(0) | None),
            "{millis} ms: {code:?}\n{}",
            system.log()
        );
        assert_eq!(leftovers(system.dir()), [""; 0], "after {millis} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_replica_does_not_keep_up_from_ending() {
    let mut system = System::up().await;
    system.inject(&["freeze", "--instance", "1"]).await;
    system.signal(Signal::INT);
    assert_eq!(system.ended().await, Some(0));
    assert_eq!(leftovers(system.dir()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_supervisor_takes_its_children_with_it() {
    let mut system = System::up().await;
    system.inject(&["freeze", "--instance", "2"]).await;
    system.signal(Signal::KILL);
    assert_eq!(system.ended().await, None);
    eventually("the children are gone", async || {
        leftovers(system.dir()).is_empty().then_some(())
    })
    .await;
    // And it can be started again at once, over what the killed one left.
    system.again().await;
    assert_eq!(system.stock("PROD-001").await.stock.available, 1000);
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn load_reports_what_it_measured_until_the_signal() {
    let system = System::up().await;
    for which in [Signal::INT, Signal::TERM] {
        let mut command = system.command(&["load", "both", "--rps", "50", "--duration", "600", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let load = command.spawn().unwrap();
        let pid = load.id().unwrap();
        let votes = async || {
            let stats: Value = system.get(&format!("{}/voting-stats", system.voter())).await;
            stats["votes"].as_u64().unwrap()
        };
        let before = votes().await;
        eventually("the load is under way", async || {
            (votes().await > before + 20).then_some(())
        })
        .await;
        signal(pid, which);
        let output = load.wait_with_output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(130), "{text}");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["aborted"], true, "{report}");
    }
    system.down().await;
}

async fn a_fault_is_active(system: &System) {
    eventually("a fault is active", async || {
        for number in 1..=3 {
            if let Some((_, state)) = system.look(&format!("{}/fault", system.inventory(number))).await
                && !state["active"].is_null()
            {
                return Some(());
            }
        }
        None
    })
    .await;
}

async fn no_fault_is_left(system: &System) {
    for number in 1..=3 {
        let state: Value = system.get(&format!("{}/fault", system.inventory(number))).await;
        assert!(state["active"].is_null(), "{state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_that_is_interrupted_clears_its_fault_and_says_so() {
    let system = System::up().await;
    let out = system.dir().join("out");
    let mut command = system.command(&["experiment", "--quick", "--out", out.to_str().unwrap()]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let experiment = command.spawn().unwrap();
    let pid = experiment.id().unwrap();
    a_fault_is_active(&system).await;
    signal(pid, Signal::INT);
    let output = experiment.wait_with_output().await.unwrap();
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_str(&std::fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["verdict"], "aborted", "{report}");
    system.steady().await;
    no_fault_is_left(&system).await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_need_read_along_for_a_fault_to_be_cleared() {
    let system = System::up().await;
    let out = system.dir().join("out");
    let mut command = system.command(&["experiment", "--quick", "--out", out.to_str().unwrap()]);
    for closed in [Command::stdout, Command::stderr] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        closed(&mut command, writer);
    }
    let mut experiment = command.spawn().unwrap();
    let pid = experiment.id().unwrap();
    a_fault_is_active(&system).await;
    signal(pid, Signal::INT);
    assert_eq!(experiment.wait().await.unwrap().code(), Some(130));
    let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["verdict"], "aborted", "{report}");
    system.steady().await;
    no_fault_is_left(&system).await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_experiment_ends_the_system_that_it_started() {
    let _turn = crate::harness::turn().await;
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("out/report.json");
    std::fs::create_dir(dir.path().join("out")).unwrap();
    for (millis, which) in [(100, Signal::INT), (1000, Signal::TERM), (8000, Signal::INT)] {
        // What an earlier experiment left must not pass for the result of this one.
        std::fs::write(&report, r#"{"schema":1,"verdict":"pass"}"#).unwrap();
        let mut command = crate::harness::tolerancia(&["experiment", "--quick"]);
        command
            .env("TMPDIR", dir.path())
            .env("BASE_PORT", crate::harness::free_base().to_string())
            .args(["--out", dir.path().join("out").to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let experiment = command.spawn().unwrap();
        let pid = experiment.id().unwrap();
        // The moment is the test's input.
        tokio::time::sleep(Duration::from_millis(millis)).await;
        signal(pid, which);
        let output = experiment.wait_with_output().await.unwrap();
        let run = Run {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        run.code(130);
        let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        assert_eq!(report["verdict"], "aborted", "after {millis} ms: {report}");
        assert_eq!(report["schema"], 1, "after {millis} ms: {report}");
        assert_eq!(leftovers(dir.path()), [""; 0], "after {millis} ms");
        let data: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(data.iter().all(|name| name == "out"), "left behind: {data:?}");
    }
}
