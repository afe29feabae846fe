#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tolerancia_core::Stock;
use tolerancia_wire::status::{Transition, Verdict as State};

use super::*;
use crate::experiment::record::tests::{stamp, transition, trial};
use crate::experiment::record::{Observation, Record, Window};
use crate::experiment::verify::Verified;
use crate::experiment::{ExperimentArgs, Target};
use crate::load::stats::End;
use crate::load::{Failure, Operation};
use crate::oracle::{Finding, OrderAnswer, Told};
use crate::scenario::Scenario;

/// A system that behaved: a baseline from 0 to 1 s, then a trial of each fault.
struct Course {
    record: Record,
    observations: Vec<Observation>,
    transitions: Vec<Transition>,
    verified: Verified,
    aborted: bool,
    failure: Option<String>,
}

impl Course {
    fn good() -> Self {
        let ns = |ms: u64| ms * 1_000_000;
        let product: tolerancia_core::ProductId = "PROD-001".parse().unwrap();
        let told = |n: u64| {
            let order = tolerancia_core::OrderId::from_key(0, &n.to_string());
            match n % 2 {
                0 => Told::Stock {
                    asked: product.clone(),
                    product: product.clone(),
                    version: n,
                    stock: Stock {
                        available: 1,
                        reserved: 0,
                    },
                    fresh: true,
                    known: None,
                },
                _ => Told::Order {
                    key: order.key_part(),
                    asked: tolerancia_wire::order::OrderRequest {
                        product_id: product.clone(),
                        quantity: 1,
                    },
                    first: None,
                    answer: OrderAnswer::Confirmed {
                        order,
                        version: Some(n),
                    },
                },
            }
        };
        let trials: Vec<_> = (0..4)
            .map(|fault| {
                let at = 1000 + fault as u64 * 1000;
                let cleared = (fault > 0).then_some(at + 500);
                let mut trial = trial(1 + fault as u8 % 3, at, at + 100, cleared, at + 800);
                trial.fault = fault;
                trial
            })
            .collect();
        let transitions = trials
            .iter()
            .flat_map(|t| {
                let on = t.recovered.unwrap().mono_ns / 1_000_000;
                [
                    t.detected.clone().unwrap(),
                    transition(t.instance.number(), on, State::On),
                ]
            })
            .collect();
        Self {
            record: Record {
                baseline: Some(Window {
                    from_ns: 0,
                    to_ns: ns(999),
                }),
                injected: true,
                trials,
                notes: Vec::new(),
            },
            observations: (0..500)
                .map(|n| Observation {
                    operation: if n % 2 == 0 {
                        Operation::QueryInventory
                    } else {
                        Operation::CreateOrder
                    },
                    intended_ns: ns(n * 10),
                    latency_ns: ns(2),
                    end: End::Success,
                    told: Some(told(n)),
                })
                .collect(),
            transitions,
            verified: Verified {
                complete: true,
                records: 300,
                ..Verified::default()
            },
            aborted: false,
            failure: None,
        }
    }

    fn report(&self) -> Report {
        let args = ExperimentArgs {
            quick: true,
            trials: Some(1),
            scenario: None,
            seed: None,
            out: PathBuf::from("out"),
            json: false,
        };
        let mut scenario = Scenario::classic();
        scenario.quick.trials = 1;
        let target = Target {
            voter_url: String::new(),
            orders_url: String::new(),
            monitor_url: String::new(),
            inventory_urls: Vec::new(),
            bus: tolerancia_bus::BusConfig {
                bootstrap: String::new(),
                client_id: String::new(),
                fetch_wait: Duration::ZERO,
                partitions: 1,
                replication: 1,
                extra: Vec::new(),
            },
            fault_token: None,
            kafka: "embedded",
            database: "sqlite".to_owned(),
            replicas: 3,
        };
        build(&Facts {
            args: &args,
            pace: scenario.pace(true),
            scenario: &scenario,
            seed: 7,
            started: stamp(0),
            ended: stamp(6000),
            target: &target,
            detector: "accrual".to_owned(),
            record: &self.record,
            transitions: &self.transitions,
            observations: &self.observations,
            verified: &self.verified,
            aborted: self.aborted,
            failure: self.failure.clone(),
        })
    }

    /// The objectives that were missed, as `name/fault`.
    fn missed(&self) -> Vec<String> {
        let report = self.report();
        assert_eq!(report.verdict, Verdict::Fail);
        let missed = report.objectives.iter().filter(|objective| !objective.met);
        missed
            .map(|o| format!("{}/{}", o.name, o.fault.as_deref().unwrap_or("")))
            .collect()
    }
}

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
    undetected.record.trials[3].detected = None;
    undetected.record.trials[3].recovered = None;
    undetected.transitions.truncate(6);
    assert_eq!(
        undetected.missed(),
        ["detected/incorrect", "recovered/incorrect", "ttd_max_ms/incorrect"]
    );

    let mut slow = Course::good();
    slow.record.trials[1].detected = Some(transition(2, 3001, State::Off));
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

#[test]
fn all_forms_are_written_and_say_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let mut course = Course::good();
    course.transitions.push(transition(3, 500, State::Off));
    course.verified.findings = vec![(0, Finding::Wrong("<b>|x".into()))];
    let report = course.report();
    write(dir.path(), &report).unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&read("report.json")).unwrap(), report);
    let html = read("report.html");
    assert!(
        html.contains("FAIL") && html.contains("&lt;b&gt;|x") && html.contains("<svg"),
        "{html}"
    );
    assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
    let markdown = read("report.md");
    assert!(
        markdown.contains("FAIL") && markdown.contains("&lt;b>\\|x"),
        "{markdown}"
    );
    let table = table(&report, dir.path());
    assert!(table.contains("missed: false_alarms: 1, limit 0"), "{table}");
    assert!(table.contains("missed: wrong_answers: 1, limit 0"), "{table}");
}
