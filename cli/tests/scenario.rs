//! Scenario files as users write them, good and bad. Nothing is started here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn tolerancia() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tolerancia"));
    command.env_remove("REPLICAS").env_remove("BASE_PORT");
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn check(files: &[&Path]) -> Output {
    tolerancia().args(["scenario", "check"]).args(files).output().unwrap()
}

/// Each with what is told about it, the place included.
const BAD: [(&str, &[u8], &str); 9] = [
    (
        "unknown-key",
        b"name = 'x'\ncolour = 'red'\nfaults = [{ fault = 'crash' }]",
        "unknown-key.toml:2:1: ",
    ),
    (
        "two-replicas",
        b"name = 'x'\nreplicas = 2\nfaults = [{ fault = 'crash' }]",
        "two-replicas.toml:2:12: replicas must be 3, 5 or 7, not 2",
    ),
    (
        "negative-duration",
        b"name = 'x'\n[[faults]]\nfault = 'freeze'\nduration_ms = -5",
        "negative-duration.toml:4:15: duration_ms must be",
    ),
    (
        "no-such-instance",
        b"name = 'x'\n[[faults]]\nfault = 'freeze'\ninstance = 9",
        "no-such-instance.toml:4:12: instance must be 1 to 7, not 9",
    ),
    (
        "overlap",
        b"name = 'x'\n[[faults]]\nfault = 'crash'\nwith = [{ fault = 'latency' }]",
        "overlap.toml:4:19: these overlap",
    ),
    ("empty", b"", "empty.toml:1:1: the file is empty"),
    (
        "latin1",
        b"name = 'x'\n# a\xf1o\n",
        "latin1.toml:2:4: here begins what is not UTF-8",
    ),
    (
        "unknown-parameter",
        b"name = 'x'\nfaults = [{ fault = 'stale' }]\n[parameters]\nDETECTR = 'phi'",
        ":4:1: no service knows",
    ),
    ("twice", b"name = 'x'\nname = 'y'\nfaults = []", "twice.toml:2:1: "),
];

/// What is no scenario is told by `scenario check` and by `experiment` alike, with exit code 2, and nothing is written.
fn is_refused(file: &Path, told: &str) {
    let output = check(&[file]);
    assert_eq!((code(&output), output.stdout.as_slice()), (2, &b""[..]), "{output:?}");
    assert!(err(&output).contains(told), "{told}: {}", err(&output));

    let out = file.with_extension("out");
    let mut experiment = tolerancia();
    experiment.args(["experiment", "--quick", "--base-port", "1", "--scenario"]);
    let output = experiment.arg(file).arg("--out").arg(&out).output().unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(err(&output).contains(told), "{told}: {}", err(&output));
    assert!(!out.exists(), "something was written");
}

#[test]
fn a_bad_scenario_is_told_with_its_place_and_nothing_is_started() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text, told) in BAD {
        let file = dir.path().join(name).with_extension("toml");
        std::fs::write(&file, text).unwrap();
        is_refused(&file, told);
    }
}

#[test]
fn what_is_no_file_of_a_sensible_size_is_told_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let huge = dir.path().join("huge.toml");
    std::fs::File::create(&huge).unwrap().set_len(10 << 30).unwrap();
    is_refused(&huge, "huge.toml cannot be read: a scenario has at most 1 MiB");
    is_refused(&dir.path().join("none.toml"), "none.toml cannot be read");
    let folder = dir.path().join("folder.toml");
    std::fs::create_dir(&folder).unwrap();
    is_refused(&folder, "folder.toml cannot be read: it is not a file");
    let pipe = dir.path().join("pipe.toml");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    is_refused(&pipe, "pipe.toml cannot be read: it is not a file");
}

#[test]
fn a_good_scenario_is_a_line() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files: Vec<_> = std::fs::read_dir(scenarios)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let all: Vec<&Path> = files.iter().map(|file| file.as_path()).collect();
    let output = check(&all);
    assert_eq!((code(&output), err(&output)), (0, String::new()));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), files.len(), "{text}");
    let classic = text
        .lines()
        .find(|line| line.contains("classic.toml: classic: "))
        .unwrap();
    assert!(
        classic.contains("6 faults × 10 trials = 60") && classic.contains("about 3 min"),
        "{classic}"
    );
    let five = text.lines().find(|line| line.contains("five-replicas.toml")).unwrap();
    assert!(five.contains(", 5 replicas: 9 faults"), "{five}");

    // A bad one among them is told, and the good ones are looked at all the same.
    let missing = Path::new("missing.toml");
    let output = check(&[missing, all[0]]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("missing.toml") && !output.stdout.is_empty());
}

#[test]
fn the_schema_is_printed() {
    let output = tolerancia().args(["scenario", "schema"]).output().unwrap();
    assert_eq!(code(&output), 0);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["replicas"]["enum"], serde_json::json!([3, 5, 7]));
    assert_eq!(schema["additionalProperties"], false);
}
