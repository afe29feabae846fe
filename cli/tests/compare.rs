//! `tolerancia compare` as its users run it, on reports that are made here. Nothing is started.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn compare(a: &Path, b: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tolerancia"));
    command.arg("compare").args([a, b]).args(more).output().unwrap()
}

/// A folder with the report of one fault, whose trials were detected after these times, in milliseconds.
fn folder(verdict: &str, ttd: &[f64]) -> tempfile::TempDir {
    let trials: Vec<Value> = ttd
        .iter()
        .map(|ms| {
            json!({
                "instance": "1", "activated_at": "t", "detected_at": "t", "cleared_at": "t", "recovered_at": "t",
                "reason": null, "ttd_ms": ms, "ttr_ms": ms + 800.0, "repair_ms": 300.0
            })
        })
        .collect();
    let phase = json!({
        "requests": 0, "success_rate": null, "p50_ms": null, "p95_ms": null, "p99_ms": null, "max_ms": null,
        "quorum_rate": null, "failed": {}, "false_alarms": 0
    });
    let report = json!({
        "schema": 1, "verdict": verdict, "started_at": "t", "duration_s": 60.0, "seed": 7, "scenario": "classic",
        "repeat": "tolerancia experiment --seed 7",
        "environment": {
            "kafka": "embedded", "database": "sqlite", "replicas": 3, "cores": 2, "detector": "accrual",
            "version": "0.1.0"
        },
        "baseline": phase,
        "faults": [{
            "fault": "crash", "detector": "accrual", "parameters": {}, "trials": ttd.len(), "detected": ttd.len(),
            "recovered": ttd.len(), "ttd_ms": null, "ttr_ms": null, "repair_ms": null, "during": phase,
            "wrong_answers": 0, "trials_detail": trials
        }],
        "objectives": [],
        "oracle": {
            "complete": true, "answers_checked": 0, "wrong_answers": 0, "orders_acknowledged": 0, "orders_lost": 0,
            "orders_doubled": 0, "replicas_equal": true, "records": 0, "unreadable_records": 0, "findings": []
        },
        "false_alarms": [], "notes": []
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("report.json"), report.to_string()).unwrap();
    dir
}

fn around(ms: f64) -> Vec<f64> {
    (0..10).map(|trial| ms + f64::from(trial)).collect()
}

#[test]
fn only_a_regression_is_a_no() {
    let (fast, slow) = (folder("pass", &around(50.0)), folder("pass", &around(100.0)));
    for (a, b, more, code, says) in [
        (&fast, &fast, &[][..], 0, "no difference found"),
        (&fast, &slow, &[], 1, "regression (B is worse by more than 10 %)"),
        (&slow, &fast, &[], 0, "differences, no regression"),
        (&fast, &slow, &["--tolerance", "200"], 0, "differences, no regression"),
    ] {
        let output = compare(a.path(), b.path(), more);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.starts_with(&format!("## Comparison: {says}\n")), "{text}");
    }
}

#[test]
fn json_is_for_programs_and_the_same_each_time() {
    let (fast, slow) = (folder("pass", &around(50.0)), folder("fail", &around(100.0)));
    let output = compare(fast.path(), slow.path(), &["--json", "--seed", "3"]);
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["schema"], &json["conclusion"], &json["seed"]),
        (&json!(1), &json!("regression"), &json!(3))
    );
    assert_eq!(json["rows"][0]["difference"], 50.0);
    assert_eq!(
        compare(fast.path(), slow.path(), &["--json", "--seed", "3"]).stdout,
        output.stdout
    );
}

#[test]
fn what_cannot_be_compared_ends_with_2_and_says_what_to_do() {
    let (good, partial) = (folder("pass", &around(50.0)), folder("aborted", &around(50.0)));
    let (empty, garbage) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(garbage.path().join("report.json"), "{\"schema\": 1, ").unwrap();
    for (b, more, says) in [
        (partial.path(), &[][..], "its report is partial: repeat it"),
        (empty.path(), &[], "report.json cannot be read"),
        (garbage.path(), &[], "is no report of an experiment"),
        (Path::new("/no/such/folder"), &[], "cannot be read"),
        (good.path(), &["--tolerance", "-1"], "0 to 1000"),
    ] {
        let output = compare(good.path(), b, more);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{error}");
        assert!(error.contains(says), "{error}");
    }
}
