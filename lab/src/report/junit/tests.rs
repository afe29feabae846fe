#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A report of two faults that passed, but for one trial of the second, and with text that means something in XML.
pub(in crate::report) fn failing() -> Report {
    let times = json!({
        "median": 56.25, "p95": 107.0, "max": 123.0, "ci95": [40.0, 80.5], "p95_ci95": [80.0, 123.0], "n": 2
    });
    let phase = json!({
        "requests": 100, "success_rate": 0.995, "p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 4.0, "max_ms": 5.0,
        "quorum_rate": 1.0, "failed": {}, "false_alarms": 0
    });
    let trial = |instance: &str, ttd: Option<f64>| {
        json!({
            "instance": instance, "activated_at": "2026-01-01T00:00:01Z", "detected_at": ttd.map(|_| "t"),
            "cleared_at": null, "recovered_at": ttd.map(|_| "t"), "reason": "3 < 4 & \"5\"", "ttd_ms": ttd,
            "ttr_ms": ttd.map(|ms| ms + 1000.0), "repair_ms": null
        })
    };
    let fault = |name: &str, detected: usize, second: Option<f64>| {
        json!({
            "fault": name, "detector": "accrual", "parameters": {}, "trials": 2, "detected": detected,
            "recovered": detected, "ttd_ms": times, "ttr_ms": times, "repair_ms": null, "during": phase,
            "wrong_answers": 0, "trials_detail": [trial("1", Some(50.0)), trial("2", second)]
        })
    };
    let objective = |name: &str, fault: Option<&str>, limit: f64, value: Option<f64>, met: bool| json!({ "name": name, "fault": fault, "limit": limit, "value": value, "met": met });
    let json = json!({
        "schema": 1, "verdict": "fail", "started_at": "2026-01-01T00:00:00Z", "duration_s": 61.5, "seed": 7,
        "scenario": "a<b|c", "repeat": "tolerancia experiment --scenario 'a<b' --seed 7",
        "environment": {
            "kafka": "embedded", "database": "sqlite", "replicas": 3, "cores": 2, "detector": "accrual",
            "version": "0.1.0"
        },
        "baseline": phase, "faults": [fault("crash", 2, Some(60.0)), fault("latency", 1, None)],
        "objectives": [
            objective("detected", Some("crash"), 2.0, Some(2.0), true),
            objective("ttd_max_ms", Some("crash"), 1000.0, Some(60.0), true),
            objective("detected", Some("latency"), 2.0, Some(1.0), false),
            objective("ttd_max_ms", Some("latency"), 1000.0, None, false),
            objective("wrong_answers", None, 0.0, Some(1.0), false),
            objective("orders_lost", None, 0.0, Some(0.0), true)
        ],
        "oracle": {
            "complete": true, "answers_checked": 100, "wrong_answers": 1, "orders_acknowledged": 100, "orders_lost": 0,
            "orders_doubled": 0, "replicas_equal": true, "records": 300, "unreadable_records": 0,
            "findings": ["PROD-001 <was> \u{1}\"7\""]
        },
        "false_alarms": [], "notes": ["a note"]
    });
    serde_json::from_value(json).unwrap()
}

/// What is between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let begin = text.find(from).unwrap_or_else(|| panic!("no {from} in {text}")) + from.len();
    let end = text[begin..].find(to).unwrap_or_else(|| panic!("no {to} in {text}"));
    &text[begin..begin + end]
}

/// Checks that XML is well formed, as far as it is made here, and gives the names of its elements in order.
fn elements(xml: &str) -> Vec<String> {
    let body = xml
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
        .unwrap();
    assert!(!body.chars().any(|char| char.is_control() && char != '\n'), "{body:?}");
    let (mut open, mut names): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(!text.contains('>'), "{text}");
        // Every ampersand begins a reference that ends.
        for reference in part.split('&').skip(1) {
            let name = reference.split(';').next().unwrap();
            assert!(
                ["amp", "lt", "gt", "quot", "apos", "#9", "#10", "#13"].contains(&name),
                "&{name}"
            );
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{xml}");
            continue;
        }
        let empty = tag.ends_with('/');
        let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap_or((tag, ""));
        // Names and values by turns.
        let pieces: Vec<&str> = attributes.split('"').collect();
        assert_eq!(pieces.len() % 2, 1, "{tag}");
        for name in pieces.iter().step_by(2).filter(|name| !name.trim().is_empty()) {
            assert!(name.trim().ends_with('=') && !name.trim().contains(' '), "{tag}");
        }
        names.push(name.to_owned());
        if !empty {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    names
}

#[test]
fn there_is_a_suite_for_each_fault_and_one_for_the_whole() {
    let xml = render(&failing());
    let names = elements(&xml);
    let count = |wanted: &str| names.iter().filter(|name| *name == wanted).count();
    assert_eq!(
        (count("testsuite"), count("testcase"), count("failure"), count("error")),
        (3, 6, 3, 0)
    );
    let head = between(&xml, "<testsuites", ">");
    assert_eq!(
        head,
        " name=\"tolerancia experiment a&lt;b|c\" tests=\"6\" failures=\"3\" errors=\"0\" time=\"61.500\""
    );
    let crash = between(&xml, "<testsuite name=\"crash\"", "</testsuite>");
    assert!(
        crash.starts_with(" tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"2.110\""),
        "{crash}"
    );
    assert!(
        crash.contains("classname=\"a&lt;b|c.crash\" name=\"ttd_max_ms\" time=\"0.060\"/>"),
        "{crash}"
    );
}

#[test]
fn a_failure_says_what_was_measured_and_where() {
    let xml = render(&failing());
    let latency = between(&xml, "<testsuite name=\"latency\"", "</testsuite>");
    assert!(latency.contains("<failure message=\"detected (latency): 1, limit 2\" type=\"objective\">instance 2, "));
    assert!(latency.contains("ttd_max_ms (latency): –, limit 1000"), "{latency}");
    assert!(
        latency.contains(": not detected 3 &lt; 4 &amp; &quot;5&quot;</failure>"),
        "{latency}"
    );
    let whole = between(&xml, "<testsuite name=\"experiment\"", "</testsuite>");
    assert!(whole.contains("PROD-001 &lt;was&gt; \u{fffd}&quot;7&quot;"), "{whole}");
    assert!(whole.contains("name=\"repeat\" value=\"tolerancia experiment --scenario &apos;a&lt;b&apos; --seed 7\""));
}

#[test]
fn an_experiment_that_broke_off_is_an_error() {
    let mut report = failing();
    report.verdict = Verdict::Aborted;
    report.objectives.clear();
    let xml = render(&report);
    let names = elements(&xml);
    assert_eq!(names.iter().filter(|name| *name == "error").count(), 1);
    assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "{xml}");
    assert!(
        xml.contains("<error message=\"ABORTED\" type=\"experiment\">a note</error>"),
        "{xml}"
    );
}

#[test]
fn each_detector_has_its_suite_and_the_judged_one_the_objectives() {
    let mut report = failing();
    let mut other = report.faults[0].clone();
    other.detector = "phi".to_owned();
    report.faults.insert(1, other);
    let mut trials = report.objectives[0].clone();
    trials.fault = Some("crash, phi".to_owned());
    report.objectives.push(trials);
    let xml = render(&report);
    let judged = between(&xml, "<testsuite name=\"crash, accrual\"", ">");
    let compared = between(&xml, "<testsuite name=\"crash, phi\"", ">");
    assert!(
        judged.starts_with(" tests=\"2\"") && compared.starts_with(" tests=\"1\""),
        "{judged} {compared}"
    );
    assert_eq!(elements(&xml).iter().filter(|name| *name == "testcase").count(), 7);
}

#[test]
fn many_findings_are_cut_short() {
    let mut report = failing();
    report.oracle.findings = (0..100).map(|n| format!("finding {n}")).collect();
    let xml = render(&report);
    assert!(
        xml.contains("finding 19\nand 80 more</failure>") && !xml.contains("finding 20"),
        "{xml}"
    );
}

proptest! {
    #[test]
    fn any_text_is_well_formed(text: String) {
        let mut report = failing();
        report.scenario = text.clone();
        report.faults[0].fault = text.clone();
        report.oracle.findings = vec![text.clone()];
        report.notes = vec![text.clone()];
        let xml = render(&report);
        prop_assert_eq!(elements(&xml).iter().filter(|name| *name == "testcase").count(), 6);
    }
}
