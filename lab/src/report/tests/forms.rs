//! What people read.

use tolerancia_core::detector::{DetectorKind, Seen};
use tolerancia_wire::status::{Clue, Verdict as State};

use super::super::*;
use super::course::Course;
use crate::experiment::record::tests::{stamp, transition};
use crate::oracle::Finding;

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

/// All that is written for people: the table, Markdown, HTML.
fn forms(report: &Report) -> [String; 3] {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), report).unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    [table(report, dir.path()), read("report.md"), read("report.html")]
}

#[test]
fn detectors_stand_side_by_side_and_only_where_there_are_several() {
    let one = Course::good().report();
    let [table, markdown, html] = forms(&one);
    assert!(table.contains("TTD ms med/p95/max"), "{table}");
    assert!(!table.contains("side by side") && !markdown.contains("## Detectors") && !html.contains("<h2>Detectors"));

    let mut course = Course::good();
    course.compare(&[true, true, false, true]);
    let [table, markdown, html] = forms(&course.report());
    let expected = [
        ("intermittent", "100 / 100 / 100", "0/1", "–", "1/1"),
        ("crash", "100 / 100 / 100", "0/1", "150 / 150 / 150", "0/1"),
    ];
    for (fault, a, missed_a, b, missed_b) in expected {
        let squeezed = |line: &str| {
            line.split(['|', ' '])
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let row = format!("{fault} {a} {missed_a} {b} {missed_b}");
        assert!(table.lines().any(|line| squeezed(line) == row), "{row} in {table}");
        assert!(
            markdown.contains(&format!("| {fault} | {a} | {missed_a} | {b} | {missed_b} |")),
            "{markdown}"
        );
    }
    assert!(markdown.contains("| crash, consecutive | 1 | 1 | 1 |"), "{markdown}");
    assert!(
        html.contains("<h2>Detectors") && html.contains("crash, accrual"),
        "{html}"
    );
    assert!(markdown.contains("| (false alarms) | 0 |  | 0 |  |"), "{markdown}");
    // The main table has the judged one alone.
    assert_eq!(
        table
            .lines()
            .filter(|line| line.trim_start_matches(['|', ' ']).starts_with("crash"))
            .count(),
        2
    );
}

#[test]
fn a_detector_that_misses_some_does_not_look_fast() {
    let mut course = Course::good();
    course.compare(&[true, true, true, true]);
    // Two more trials of the crash, which were missed.
    for _ in 0..2 {
        let mut missed = course.record.trials[4].clone();
        (missed.hits[0].detected, missed.hits[0].recovered) = (None, None);
        course.record.trials.push(missed);
    }
    let report = course.report();
    let ttd = report.faults[1].ttd_ms.unwrap();
    assert_eq!(
        (report.faults[1].detector.as_str(), ttd.median, ttd.max),
        ("consecutive", None, None)
    );
    let [_, markdown, html] = forms(&report);
    assert!(
        markdown.contains("| crash | 100 / 100 / 100 | 0/1 | – / – / – | 2/3 |"),
        "{markdown}"
    );
    assert!(
        markdown.contains("| crash, consecutive | 3 | 1 | 1 | – / – / – |"),
        "{markdown}"
    );
    // The one that was detected is in the picture.
    assert!(html.contains("crash, consecutive: 1 of 3 trials"), "{html}");
}

#[test]
fn a_false_alarm_is_the_detectors_that_was_in_force() {
    let mut course = Course::good();
    course.compare(&[true; 4]);
    course.record.switches = vec![
        (stamp(0), DetectorKind::Accrual),
        (stamp(9000), DetectorKind::Consecutive),
    ];
    course.transitions.push(transition(3, 500, State::Off));
    course.transitions.push(transition(3, 10_500, State::Off));
    course.transitions.push(transition(2, 10_600, State::Off));
    let report = course.report();
    let detectors: Vec<_> = report
        .false_alarms
        .iter()
        .map(|alarm| alarm.detector.as_str())
        .collect();
    assert_eq!(detectors, ["accrual", "consecutive", "consecutive"]);
    let [_, markdown, _] = forms(&report);
    assert!(markdown.contains("| (false alarms) | 1 |  | 2 |  |"), "{markdown}");
}

#[test]
fn one_reason_of_each_fault_is_shown_with_its_evidence() {
    let mut course = Course::good();
    let off = course.record.trials[1].hits[0].detected.as_mut().unwrap();
    off.reason.text = "3 <late> answers".to_owned();
    let clue = |count, weight| Clue {
        at: stamp(2050).at,
        ms_before: 50.0,
        what: Seen::Late,
        from: "voter-svc".to_owned(),
        count,
        weight,
        likelihood: 5.7,
    };
    off.reason.evidence = vec![clue(3, 0.5), clue(1, 1.0)];
    let report = course.report();
    assert_eq!(report.faults[1].trials_detail[0].evidence.len(), 2);
    let [_, markdown, html] = forms(&report);
    assert!(
        markdown.contains("- **latency**, instance 2: 3 &lt;late> answers"),
        "{markdown}"
    );
    assert!(
        markdown.contains("  - 50 ms before: late ×3, voter-svc, weight 0.50: +5.70"),
        "{markdown}"
    );
    assert!(
        markdown.contains("  - 50 ms before: late, voter-svc: +5.70"),
        "{markdown}"
    );
    assert_eq!(markdown.matches("- **").count(), 4);
    assert!(
        html.contains("3 &lt;late&gt; answers") && html.contains("late ×3"),
        "{html}"
    );
}

#[test]
fn several_instances_are_all_named() {
    let mut course = Course::good();
    course.hit_two(1);
    let report = course.report();
    assert_eq!(report.faults[1].fault, "latency ×2");
    let trial = &report.faults[1].trials_detail[0];
    let instances: Vec<_> = trial.hits.iter().map(|hit| hit.instance.number()).collect();
    assert_eq!((trial.instance.number(), instances), (2, vec![2, 3]));
    let [table, markdown, html] = forms(&report);
    assert!(table.contains("latency ×2"), "{table}");
    assert!(markdown.contains("| latency ×2 | 2, 3 |"), "{markdown}");
    assert!(html.contains("Trial 1, instances 2, 3: detected"), "{html}");
}

#[test]
fn the_repeating_command_has_all_that_was_asked() {
    let mut course = Course::good();
    course.compare(&[true; 4]);
    let command = course.report().repeat;
    assert_eq!(
        command,
        "tolerancia experiment --quick --trials 1 --detectors accrual,consecutive --record --seed 7"
    );
    assert_eq!(
        course.record.detectors,
        [DetectorKind::Accrual, DetectorKind::Consecutive]
    );
}
