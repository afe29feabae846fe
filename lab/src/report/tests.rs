#![allow(clippy::unwrap_used)]

mod browser;
mod course;
mod forms;
mod objectives;
mod page;
mod read;
mod sample;
mod time;

use serde_json::Value;
use tolerancia_wire::status::Verdict as State;

use super::*;
use crate::experiment::record::tests::transition;
use crate::load::Failure;
use crate::load::stats::End;
use crate::oracle::Finding;
use course::Course;

#[test]
fn a_good_run_passes_and_has_the_shape_of_schema_1() {
    let report = Course::good().report();
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.objectives);
    let json: Value = serde_json::from_str(&json(&report)).unwrap();
    assert_eq!(serde_json::from_value::<Report>(json.clone()).unwrap(), report);
    let expected: Value = serde_json::from_str(
        r#"{"schema":1,"verdict":"pass","started_at":"","duration_s":6.0,"seed":7,
         "environment":{"kafka":"embedded","database":"sqlite","replicas":3,"cores":0},
         "baseline":{"requests":100,"success_rate":1.0,"p50_ms":2.0,"p95_ms":2.0,"p99_ms":2.0,"false_alarms":0},
         "faults":[{"fault":"crash","trials":1,"detected":1,"recovered":1,
           "ttd_ms":{"median":100.0,"p95":100.0,"max":100.0,"ci95":[100.0,100.0]},
           "ttr_ms":{"median":800.0},"repair_ms":{"median":800.0},
           "during":{"requests":81,"success_rate":1.0,"p50_ms":2.0,"p95_ms":2.0,"p99_ms":2.0,"quorum_rate":1.0},
           "wrong_answers":0,"trials_detail":[{"instance":"1","activated_at":"","detected_at":"","recovered_at":"","reason":"because"}]}],
         "objectives":[{"name":"trials","fault":"crash","limit":1.0,"value":1.0,"met":true}],
         "oracle":{"answers_checked":250,"wrong_answers":0,"orders_acknowledged":250,"orders_lost":0,"orders_doubled":0,"replicas_equal":true}}"#,
    )
    .unwrap();
    contains(&json, &expected, "report");
    assert_eq!(json["faults"].as_array().unwrap().len(), 4);
    assert_eq!(json["faults"][1]["repair_ms"]["median"], 300.0);
    assert!(
        json["repeat"]
            .as_str()
            .unwrap()
            .ends_with("--quick --trials 1 --seed 7")
    );
}

/// Everything that is expected is there; empty text and 0 cores stand for any.
fn contains(actual: &Value, expected: &Value, path: &str) {
    match expected {
        Value::Object(fields) => {
            for (name, field) in fields {
                contains(&actual[name], field, &format!("{path}.{name}"));
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                contains(&actual[n], item, &format!("{path}[{n}]"));
            }
        }
        Value::String(text) if text.is_empty() => assert!(actual.is_string(), "{path}: {actual}"),
        Value::Number(n) if n.as_u64() == Some(0) && path.ends_with("cores") => assert!(actual.is_u64(), "{path}"),
        _ => assert_eq!(actual, expected, "{path}"),
    }
}

#[test]
fn everything_that_goes_wrong_misses_its_objective() {
    let mut undetected = Course::good();
    undetected.record.trials[3].hits[0].detected = None;
    undetected.record.trials[3].hits[0].recovered = None;
    undetected.transitions.truncate(6);
    assert_eq!(
        undetected.missed(),
        ["detected/incorrect", "recovered/incorrect", "ttd_max_ms/incorrect"]
    );

    let mut slow = Course::good();
    slow.record.trials[1].hits[0].detected = Some(transition(2, 3001, State::Off));
    slow.transitions.clear();
    assert_eq!(slow.missed(), ["ttd_max_ms/latency"]);

    let mut failing = Course::good();
    for seen in failing
        .observations
        .iter_mut()
        .filter(|seen| (1000..1050).contains(&(seen.intended_ns / 1_000_000)))
    {
        seen.end = End::Failed(Failure::Status(503));
    }
    assert_eq!(failing.missed(), ["success_rate/crash", "quorum_rate/crash"]);
    assert_eq!(failing.report().faults[0].during.failed["query: status 503"], 3);

    let mut late = Course::good();
    for seen in late
        .observations
        .iter_mut()
        .filter(|seen| (1000..1100).contains(&(seen.intended_ns / 1_000_000)))
    {
        seen.latency_ns = 1_500_000_000;
    }
    assert_eq!(late.missed(), ["p95_ms/crash"]);

    let mut alarmed = Course::good();
    alarmed.transitions.push(transition(3, 500, State::Off));
    assert_eq!(alarmed.missed(), ["false_alarms/"]);
    assert_eq!(alarmed.report().baseline.false_alarms, 1);

    let mut stopped = Course::good();
    stopped.record.trials.truncate(3);
    stopped.transitions.truncate(6);
    assert!(stopped.missed().contains(&"trials/incorrect".to_owned()));
}

#[test]
fn the_healthy_time_after_a_fault_dilutes_nothing() {
    let mut course = Course::good();
    // The whole of the latency fault, which was cleared after 500 ms; its instance was ON after 800 ms.
    for seen in &mut course.observations {
        if (2000..2500).contains(&(seen.intended_ns / 1_000_000)) {
            seen.end = End::Failed(Failure::Status(503));
        }
    }
    let latency = &course.report().faults[1];
    assert_eq!(latency.during.requests, 51);
    assert!(latency.during.success_rate.unwrap() < 0.02, "{:?}", latency.during);
}

#[test]
fn a_fault_without_requests_meets_nothing() {
    let mut course = Course::good();
    course
        .observations
        .retain(|seen| !(2000..=2500).contains(&(seen.intended_ns / 1_000_000)));
    let missed = ["p95_ms/latency", "success_rate/latency", "quorum_rate/latency"];
    assert_eq!(course.missed(), missed);
}

#[test]
fn what_the_oracle_finds_misses_its_objective() {
    let found = |finding: Finding| {
        let mut course = Course::good();
        course.verified.findings = vec![(1_500_000_000, finding)];
        course
    };
    let wrong = found(Finding::Wrong("w".into()));
    assert_eq!(wrong.missed(), ["wrong_answers/"]);
    assert_eq!(wrong.report().faults[0].wrong_answers, 1);
    assert_eq!(wrong.report().faults[1].wrong_answers, 0);
    assert_eq!(found(Finding::Lost("l".into())).missed(), ["orders_lost/"]);
    assert_eq!(found(Finding::Doubled("d".into())).missed(), ["orders_doubled/"]);

    let mut unequal = Course::good();
    unequal.verified.unequal = Some("instance 2 differs".into());
    assert_eq!(unequal.missed(), ["replicas_equal/"]);
    assert!(unequal.report().notes.contains(&"instance 2 differs".to_owned()));

    let mut blind = Course::good();
    blind.verified.complete = false;
    assert!(blind.missed().contains(&"wrong_answers/".to_owned()));
}

#[test]
fn a_partial_report_is_marked_and_judges_nothing() {
    let mut aborted = Course::good();
    aborted.aborted = true;
    let report = aborted.report();
    assert_eq!(report.verdict, Verdict::Aborted);
    assert!(report.objectives.is_empty());

    let mut failed = Course::good();
    failed.failure = Some("no broker".into());
    let report = failed.report();
    assert_eq!(report.verdict, Verdict::Error);
    assert_eq!(report.notes, ["no broker"]);
}
