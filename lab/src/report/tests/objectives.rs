//! What is asked for when, and of whom.

use tolerancia_wire::status::Verdict as State;

use super::super::*;
use super::course::Course;
use crate::experiment::record::tests::transition;
use crate::load::Failure;
use crate::load::stats::End;

#[test]
fn a_compared_detector_may_miss_but_must_have_had_its_chance() {
    let mut course = Course::good();
    course.compare(&[true, false, false, true]);
    let report = course.report();
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.objectives);
    assert_eq!(course.asked(Some("latency, consecutive")), ["trials"]);
    assert!(course.asked(Some("latency")).contains(&"ttd_max_ms".to_owned()));
    let entry = &report.faults[3];
    assert_eq!(
        (entry.fault.as_str(), entry.detector.as_str(), entry.detected),
        ("latency", "consecutive", 0)
    );
    assert_eq!(report.environment.detector, "accrual");

    course.record.trials.pop();
    assert_eq!(course.missed(), ["trials/incorrect, consecutive"]);
}

#[test]
fn what_a_compared_detector_does_to_clients_counts() {
    let mut course = Course::good();
    course.compare(&[true; 4]);
    course.transitions.push(transition(3, 10_500, State::Off));
    assert_eq!(course.missed(), ["false_alarms/"]);
}

#[test]
fn without_a_quorum_the_alarm_is_asked_for_and_not_success() {
    let mut course = Course::good();
    course.hit_two(1);
    for seen in &mut course.observations {
        if (2000..2500).contains(&(seen.intended_ns / 1_000_000)) {
            seen.end = End::Failed(Failure::Status(503));
            seen.latency_ns = 2_000_000_000;
        }
    }
    let asked = ["trials", "detected", "recovered", "ttd_max_ms", "alarm"];
    assert_eq!(course.asked(Some("latency ×2")), asked);
    assert_eq!(course.missed(), ["alarm/latency ×2"]);
    course.record.trials[1].alarmed = true;
    assert_eq!(course.report().verdict, Verdict::Pass);
    course.record.trials[1].hits[1].detected = None;
    course.record.trials[1].hits[1].recovered = None;
    let missed = ["detected/latency ×2", "recovered/latency ×2", "ttd_max_ms/latency ×2"];
    assert_eq!(course.missed(), missed);
}

#[test]
fn clients_that_ask_for_nothing_prove_nothing_and_need_not() {
    let mut course = Course::good();
    course.observations.clear();
    let all = [
        "p95_ms/crash",
        "success_rate/crash",
        "quorum_rate/crash",
        "answers_checked/",
    ];
    let missed = course.missed();
    assert!(
        all.iter().all(|name| missed.contains(&(*name).to_owned())),
        "{missed:?}"
    );

    course.scenario.load.queries_rps = 0.0;
    let missed = course.missed();
    assert!(!missed.contains(&"quorum_rate/crash".to_owned()), "{missed:?}");
    assert!(missed.contains(&"orders_acknowledged/".to_owned()), "{missed:?}");

    course.scenario.load.orders_rps = 0.0;
    let report = course.report();
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.objectives);
    assert_eq!(
        course.asked(Some("crash")),
        ["trials", "detected", "recovered", "ttd_max_ms"]
    );
    let whole = course.asked(None);
    assert!(whole.contains(&"replicas_equal".to_owned()), "{whole:?}");
}

#[test]
fn a_healthy_system_is_asked_for_its_clients_the_log_and_silence() {
    let mut course = Course::good();
    course.scenario.faults.clear();
    course.record.trials.clear();
    course.transitions.clear();
    let report = course.report();
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.objectives);
    assert!(report.objectives.iter().all(|objective| objective.fault.is_none()));
    course.transitions.push(transition(1, 500, State::Off));
    assert_eq!(course.missed(), ["false_alarms/"]);
    course.transitions.clear();

    course.record.steady = false;
    assert_eq!(course.missed(), ["steady/"]);
    course.record.steady = true;
    for seen in course.observations.iter_mut().take(20) {
        seen.end = End::Failed(Failure::Status(503));
        seen.latency_ns = 1_500_000_000;
    }
    assert_eq!(course.missed(), ["p95_ms/", "success_rate/", "quorum_rate/"]);
    course.scenario.load.queries_rps = 0.0;
    course.scenario.load.orders_rps = 0.0;
    assert_eq!(course.report().verdict, Verdict::Pass);
}

#[test]
fn a_monitor_that_was_not_heard_has_not_been_silent() {
    let mut course = Course::good();
    course.record.deaf = Some("not heard for 9.0 s".to_owned());
    assert_eq!(course.missed(), ["false_alarms/"]);
    let report = course.report();
    let alarms = report.objectives.iter().find(|one| one.name == "false_alarms").unwrap();
    assert_eq!(alarms.value, None);
    assert_eq!(report.notes, ["not heard for 9.0 s"]);
}

#[test]
fn flapping_and_a_slow_repair_are_missed_only_where_they_are_asked_about() {
    let mut course = Course::good();
    let hit = &mut course.record.trials[1].hits[0];
    (hit.transitions_while_active, hit.readmitted_while_active) = (5, 2);
    assert_eq!(course.report().verdict, Verdict::Pass);

    // Repaired 300 ms after the end of the fault, in a quarantine of 200.
    let wanted = &mut course.scenario.faults[1].objectives;
    wanted.transitions_max = Some(3);
    wanted.readmissions_max = Some(1);
    wanted.repair_over_quarantine_ms = Some(99.0);
    let missed = [
        "transitions_max/latency",
        "readmissions_max/latency",
        "repair_over_quarantine_ms/latency",
    ];
    assert_eq!(course.missed(), missed);
    let wanted = &mut course.scenario.faults[1].objectives;
    wanted.transitions_max = Some(5);
    wanted.readmissions_max = Some(2);
    wanted.repair_over_quarantine_ms = Some(100.0);
    assert_eq!(course.report().verdict, Verdict::Pass);

    // A quarantine that nobody knows proves nothing.
    course.record.trials[1].hits[0].quarantine_ms = None;
    assert_eq!(course.missed(), ["repair_over_quarantine_ms/latency"]);
}
