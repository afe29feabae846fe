//! `tolerancia torture`: a short run that finds nothing, and leaves nothing.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::harness::{LIMIT, Run, free_base, leftovers, signal, tolerancia, turn};

/// The run itself, starting and stopping the system, and what healing may take.
const LONG: Duration = Duration::from_secs(240);

fn torture(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = tolerancia(&[&["torture"], args].concat());
    command
        .env("TMPDIR", dir.path())
        .env("BASE_PORT", free_base().to_string());
    command
}

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("tolerancia-test-").tempdir().unwrap()
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

#[tokio::test]
async fn the_same_seed_is_the_same_plan() {
    let dir = directory();
    let plan = async |seed: &str| {
        Run::of(torture(&dir, &["--plan", "--seed", seed, "--seconds", "120"]))
            .await
            .code(0)
            .out
    };
    let (one, again, other) = (plan("7").await, plan("7").await, plan("8").await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    let run = Run::of(torture(&dir, &["--plan", "--json", "--seed", "7", "--seconds", "120"])).await;
    let planned = json(&run.code(0))["planned"].as_array().map(Vec::len);
    // And a line with the sum.
    assert_eq!(planned.map(|count| count + 1), Some(one.lines().count()));
}

#[tokio::test]
async fn a_short_torture_finds_nothing_and_leaves_nothing() {
    let _turn = turn().await;
    let dir = directory();
    let out = dir.path().join("out");
    let args = [
        "--seconds",
        "25",
        "--seed",
        "1",
        "--json",
        "--out",
        out.to_str().unwrap(),
    ];
    let run = Run::within(LONG, torture(&dir, &args)).await.code(0);
    let result = json(&run);
    assert_eq!(
        (&result["verdict"], &result["seed"]),
        (&"pass".into(), &1.into()),
        "{result:#}"
    );
    let checks = result["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 11, "{result:#}");
    assert!(
        checks
            .iter()
            .all(|check| check["violations"] == Value::Array(Vec::new())),
        "{result:#}"
    );
    let done: u64 = result["actions"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert!(done > 0, "{result:#}");
    assert!(out.join("system.log").exists());
    assert_eq!(leftovers(dir.path()), [""; 0]);
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["out"]);
}

#[tokio::test]
async fn an_interrupted_torture_is_judged_and_leaves_nothing() {
    let _turn = turn().await;
    let dir = directory();
    let mut command = torture(&dir, &["--seconds", "600", "--seed", "1", "--json"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // The first fault: the plan tells its time first.
    let begun = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.trim_start().starts_with(|first: char| first.is_ascii_digit()) && line.contains(" s  ") {
                return;
            }
        }
        panic!("it ended before it began");
    };
    tokio::time::timeout(LIMIT, begun).await.unwrap();
    signal(child.id().unwrap(), Signal::INT);
    // Somebody has to read what it says.
    let rest = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let output = tokio::time::timeout(LONG, child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    rest.await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["verdict"], "aborted", "{result:#}");
    assert_eq!(leftovers(dir.path()), [""; 0]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_said_and_nothing_is_left() {
    let dir = directory();
    let out = dir.path().join("out");
    // In the place of the log.
    std::fs::create_dir_all(out.join("system.log")).unwrap();
    let args = ["--seconds", "25", "--out", out.to_str().unwrap()];
    let run = Run::of(torture(&dir, &args)).await.code(2);
    assert!(run.err.contains("cannot be written"), "{run:#?}");
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["out"]);
}
