//! `tolerancia simulate` as its users run it. It needs no system, so nothing is started.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn simulate(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tolerancia"));
    command.arg("simulate").args(args).output().unwrap()
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn stdout(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(args: &str) -> Value {
    serde_json::from_str(&stdout(&simulate(&words(args)))).unwrap()
}

fn fields(value: &Value) -> Vec<&str> {
    let mut fields: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    fields
}

const PAIR: &str =
    "--detector accrual --fault intermittent --probability 0.5 --rps 50 --trials 60 --seed 1 --healthy-days 1 --json";

#[test]
fn one_pair_is_one_object_with_exactly_these_fields() {
    let result = json(PAIR);
    assert_eq!(
        fields(&result),
        [
            "detector",
            "false_alarms_per_day",
            "false_alarms_per_day_upper95",
            "fault",
            "missed",
            "trials",
            "ttd_ms"
        ]
    );
    assert_eq!(fields(&result["ttd_ms"]), ["max", "median", "p95", "p99"]);
    assert_eq!(
        (&result["detector"], &result["fault"]),
        (&"accrual".into(), &"intermittent".into())
    );
    assert_eq!((&result["trials"], &result["missed"]), (&60.into(), &0.into()));
    let median = result["ttd_ms"]["median"].as_f64().unwrap();
    assert!((20.0..400.0).contains(&median), "{median}");
    assert!(result["false_alarms_per_day"].is_f64(), "{result}");
}

#[test]
fn the_same_seed_prints_the_same_bytes() {
    let first = stdout(&simulate(&words(PAIR)));
    assert_eq!(first, stdout(&simulate(&words(PAIR))));
    assert_ne!(first, stdout(&simulate(&words(&PAIR.replace("--seed 1", "--seed 2")))));
}

#[test]
fn several_pairs_are_an_array_and_a_missed_fault_has_no_times() {
    let results = json(
        "--detector accrual,phi --fault intermittent --scope queries --trials 5 --horizon 1 --healthy-days 1 --json",
    );
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(
        (&results[1]["detector"], &results[1]["missed"]),
        (&"phi".into(), &5.into())
    );
    assert_eq!(results[1]["ttd_ms"]["median"], Value::Null);
}

#[test]
fn without_json_it_is_a_table() {
    let table = stdout(&simulate(&words("--fault crash,freeze --trials 5 --healthy-days 1")));
    for word in ["accrual", "crash", "freeze", "false alarms/instance-day", "seed 1"] {
        assert!(table.contains(word), "{table}");
    }
}

#[test]
fn a_directory_gets_the_sweep_and_the_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new");
    let args = "--fault crash --detector consecutive --trials 20 --curve-trials 5 --healthy-days 1 --json --out";
    let args = [words(args), vec![out.to_str().unwrap()]].concat();
    assert!(stdout(&simulate(&args)).starts_with('{'));
    for name in [
        "simulation.json",
        "ttd.csv",
        "ttd.svg",
        "curve.csv",
        "curve.json",
        "curve.svg",
    ] {
        assert!(std::fs::metadata(out.join(name)).unwrap().len() > 0, "{name}");
    }
    let curve = std::fs::read_to_string(out.join("curve.csv")).unwrap();
    assert_eq!(curve.lines().count(), 9, "eight thresholds: {curve}");
}

#[test]
fn what_makes_no_sense_ends_with_2_and_a_word_about_it() {
    for (args, said) in [
        ("--detector magic", "magic"),
        ("--fault fire", "fire"),
        ("--fault intermittent --probability 2", "probability"),
        ("--trials 0", "--trials"),
        ("--rps -3", "--rps"),
        ("--accrual-p0 0.9", "p0"),
        ("--trace /nowhere/trace.ndjson", "/nowhere/trace.ndjson"),
        ("--out /dev/null/x --trials 1", "/dev/null/x"),
    ] {
        let output = simulate(&words(args));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args}: {error}");
        assert!(error.contains(said), "{args}: {error}");
        assert!(output.stdout.is_empty(), "{args}");
    }
}

const BEGIN: &str = r#"{"type":"begin","schema":1,"at":"2026-01-01T00:00:00.000000Z","mono_ns":0,"replicas":3,"detector":"accrual","interval_ms":200,"timeout_ms":1000,"late_floor_ms":50,"late_cap_ms":200,"lag_budget_ms":1000}"#;

/// A minute of health, and two crashes in it.
fn trace(path: &Path) {
    let mut lines = vec![
        BEGIN.to_owned(),
        r#"{"type":"load","queries_rps":50.0,"orders_rps":10.0}"#.to_owned(),
    ];
    for check in 0..300_u64 {
        let at_ns = check * 200_000_000 + 1;
        for instance in 1..=3 {
            lines.push(format!(
                r#"{{"type":"check","at_ns":{at_ns},"instance":"{instance}","seen":"good","took_us":800}}"#
            ));
            if check % 5 == 0 {
                let made_ns = at_ns.saturating_sub(6_000_000);
                lines.push(format!(
                    r#"{{"type":"report","at_ns":{at_ns},"made_ns":{made_ns},"instance":"{instance}","from":"voter-svc","good":70,"late":0,"failed":0,"lies":0}}"#
                ));
            }
        }
    }
    for second in [20_u64, 40] {
        let ns = second * 1_000_000_000;
        let (off, on) = (ns + 8_000_000, ns + 2_000_000_000);
        lines.push(format!(
            r#"{{"type":"verdict","at_ns":{off},"instance":"1","on":false,"kind":"unreachable"}}"#
        ));
        lines.push(format!(
            r#"{{"type":"verdict","at_ns":{on},"instance":"1","on":true,"kind":"recovered"}}"#
        ));
        lines.push(format!(
            r#"{{"type":"fault","activated_ns":{ns},"detected_ns":{off},"instance":"1","faults":[{{"fault":"crash","scope":"all"}}],"detector":"accrual"}}"#
        ));
    }
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_trace_is_compared_replayed_and_resampled() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trace.ndjson");
    trace(&file);
    let name = file.to_str().unwrap();
    let args = [words("--trials 20 --detector all --json --trace"), vec![name]].concat();
    let findings: Value = serde_json::from_str(&stdout(&simulate(&args))).unwrap();
    let crash = &findings["agreement"][0];
    assert_eq!(
        (&crash["fault"], &crash["live"]["trials"]),
        (&"crash".into(), &2.into())
    );
    assert_eq!(crash["live"]["ttd_ms"]["median"].as_f64(), Some(8.0));
    let ratio = crash["agreement"].as_f64().unwrap();
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
    assert_eq!(findings["health"]["misses"].as_f64(), Some(0.0));
    for part in ["replay", "bootstrap"] {
        let all = findings[part].as_array().unwrap();
        assert_eq!(all.len(), 4, "{part}");
        assert!(all.iter().all(|one| one["false_alarms"] == 0), "{part}: {all:?}");
    }
    let args = [words("--trials 20 --trace"), vec![name]].concat();
    let table = stdout(&simulate(&args));
    assert!(table.contains("crash") && table.contains("misses"), "{table}");
}

#[test]
fn a_trace_that_is_cut_off_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trace.ndjson");
    for (text, said) in [
        (String::new(), "is empty"),
        (format!("{BEGIN}\n{{\"type\":\"che"), "line 2"),
        (format!("{BEGIN}\n\nx\n"), "line 2"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = simulate(&["--trace", file.to_str().unwrap()]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said) && error.contains("trace.ndjson"), "{error}");
    }
}
