//! `report.html` as a browser gets it.

use std::collections::HashSet;

use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::status::Verdict as State;

use super::super::*;
use super::course::Course;
use super::sample;
use crate::experiment::record::tests::transition;
use crate::oracle::Finding;

const ALL: [DetectorKind; 2] = [DetectorKind::Accrual, DetectorKind::Consecutive];
/// Names that would be something else if they were not escaped.
const HOSTILE: &str = "<script>alert(1)</script>&\"'><svg onload=x>|`\u{7}";

/// Every text that comes from elsewhere is hostile.
pub(super) fn hostile() -> Report {
    let mut course = sample::course(2, &ALL);
    course.scenario.name = HOSTILE.to_owned();
    course.transitions.push(transition(3, 500, State::Off));
    course.transitions.sort_by_key(|t| t.stamp.mono_ns);
    course.verified.findings = vec![(0, Finding::Wrong(HOSTILE.into()))];
    let mut report = course.report();
    let text = || HOSTILE.to_owned();
    report.notes.push(text());
    report.repeat = text();
    report.started_at = text();
    let environment = &mut report.environment;
    for field in [
        &mut environment.kafka,
        &mut environment.database,
        &mut environment.detector,
        &mut environment.version,
        &mut environment.build,
    ] {
        *field = text();
    }
    let host = &mut environment.host;
    (host.os, host.kernel, host.cpu) = (Some(text()), Some(text()), Some(text()));
    report.steady = vec![SteadyReport {
        when: text(),
        trial: Some(1),
        at: text(),
        waited_ms: 1.0,
        missing: Some(text()),
    }];
    for alarm in &mut report.false_alarms {
        (alarm.at, alarm.detector, alarm.reason) = (text(), text(), text());
    }
    for objective in &mut report.objectives {
        objective.name = text();
        objective.fault = Some(text());
    }
    for (n, fault) in report.faults.iter_mut().enumerate() {
        fault.fault = format!("{HOSTILE}{}", n / 2);
        fault.detector = format!("{HOSTILE}{}", n % 2);
        fault.during.failed.insert(text(), 1);
        for trial in &mut fault.trials_detail {
            (trial.activated_at, trial.reason) = (text(), Some(text()));
            trial.evidence.iter_mut().for_each(|clue| clue.from = text());
        }
    }
    report
}

/// Numbers that no experiment has, as a file may have them.
pub(super) fn absurd() -> Report {
    let mut report = sample::report(1, &ALL);
    let series = report.series.as_mut().unwrap();
    series.bucket_s = 0.0;
    series.requests = vec![u64::MAX; 5];
    series.p95_ms = vec![Some(1e300), Some(-1e300), None, Some(0.0)];
    report.baseline.window_s = Some([1e300, -5.0]);
    report.duration_s = -1e300;
    for fault in &mut report.faults {
        fault.detected = usize::MAX;
        for trial in &mut fault.trials_detail {
            (trial.ttd_ms, trial.ttr_ms) = (Some(-1e300), Some(1e300));
            let timeline = trial.timeline.as_mut().unwrap();
            (timeline.from_ms, timeline.to_ms, timeline.bucket_ms) = (1e300, -1e300, 0.0);
            timeline.requests = vec![u64::MAX; 10_000];
            timeline.marks = vec![timeline.marks[0]; 10_000];
        }
    }
    report
}

/// Interrupted in the middle of its second trial.
pub(super) fn aborted() -> Report {
    let mut course = sample::course(1, &ALL[..1]);
    course.record.trials.truncate(2);
    let last = course.record.trials.last_mut().unwrap();
    (last.over, last.hits[0].recovered, last.hits[0].cleared) = (None, None, None);
    course.aborted = true;
    course.report()
}

/// Nothing was measured at all.
pub(super) fn empty() -> Report {
    let mut course = Course::good();
    course.record = crate::experiment::record::Record::default();
    course.observations.clear();
    course.transitions.clear();
    course.verified = crate::experiment::verify::Verified::default();
    course.failure = Some("no broker: start one".to_owned());
    course.report()
}

pub(super) fn html(report: &Report) -> String {
    super::super::html::render(report)
}

/// Checks that every element is closed in its turn, that attributes are quoted, and that no name is used twice.
fn is_well_formed(html: &str) -> Vec<String> {
    let body = html.strip_prefix("<!DOCTYPE html>\n").expect("it says what it is");
    let mut open: Vec<String> = Vec::new();
    let mut ids = HashSet::new();
    let mut elements = Vec::new();
    let mut rest = body;
    while let Some((text, after)) = rest.split_once('<') {
        let is_style = open.last().is_some_and(|name| name == "style");
        assert!(is_style || !text.contains('>'), "{text}");
        let (tag, after) = after.split_once('>').expect("a tag has an end");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "before {after:.60}");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{tag}");
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
        if let Some(id) = tag.split("id=\"").nth(1).filter(|_| tag.contains(" id=\"")) {
            assert!(
                ids.insert(id.split('"').next().unwrap_or_default()),
                "{tag} is there twice"
            );
        }
        elements.push(tag.to_owned());
        if !(tag.ends_with('/') || name == "meta") {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for link in html.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap_or_default();
        assert!(ids.contains(id), "a link to {id}, which is not there");
    }
    elements
}

fn count(elements: &[String], name: &str) -> usize {
    let own = elements.iter().filter(|tag| tag.split(' ').next() == Some(name));
    own.count()
}

#[test]
fn every_report_is_a_page_with_its_charts() {
    // Six faults: a panel each for the times to detect and to recover, the load, a timeline of each trial.
    let cases = [
        ("classic", sample::report(10, &ALL[..1]), 6 + 6 + 1 + 60),
        ("compared", sample::report(2, &ALL), 6 + 6 + 1 + 24),
        ("hostile", hostile(), 6 + 6 + 1 + 24),
        ("absurd", absurd(), 6 + 6 + 1 + 12),
        // The latency fault was detected, and never ended.
        ("aborted", aborted(), 2 + 1 + 1 + 2),
        ("empty", empty(), 0),
    ];
    for (name, report, charts) in cases {
        let html = html(&report);
        let elements = is_well_formed(&html);
        assert_eq!(count(&elements, "svg"), charts, "{name}");
        assert_eq!(count(&elements, "title"), charts + 1, "{name}");
        assert_eq!(count(&elements, "desc"), charts, "{name}");
        assert_eq!(count(&elements, "h1"), 1);
        assert_eq!(count(&elements, "script"), 0, "{name}");
        for svg in elements.iter().filter(|tag| tag.starts_with("svg")) {
            assert!(
                svg.contains("role=\"img\"") && svg.contains("aria-labelledby="),
                "{svg}"
            );
        }
        for (place, _) in html.match_indices(" d=\"") {
            let path = html[place + 4..].split('"').next().unwrap_or_default();
            assert!(
                path.bytes().all(|byte| b"MLh0123456789.- ".contains(&byte)),
                "{name}: {path:.80}"
            );
        }
        assert!(!html.contains("NaN") && !html.contains("inf\""), "{name}");
        assert!(!html.contains("http://") && !html.contains("https://"), "{name}");
    }
}

#[test]
fn the_verdict_comes_first_and_the_command_is_there() {
    let page = html(&sample::report(10, &ALL[..1]));
    let order = [
        "<h1>Experiment classic:",
        "<h2>Objectives</h2>",
        "<h2>Faults</h2>",
        "<h2>Time to detect</h2>",
        "<h2>Time to recovery</h2>",
        "<h2>Latency over time</h2>",
        "<h2>What clients saw</h2>",
        "<h2>Trials</h2>",
        "<h2>What each verdict was based on</h2>",
        "<h2>False alarms</h2>",
        "<h2>Environment</h2>",
        "<h2>How to repeat it</h2>",
    ];
    let places: Vec<_> = order.iter().map(|text| page.find(text).expect(text)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains("tolerancia experiment --quick --trials 1 --detectors accrual --record --seed 7"));
    assert!(page.contains("crash: 10 of 10 trials; median / 95th percentile / maximum"));
    let empty = html(&empty());
    assert!(
        empty.contains("ERROR") && empty.contains("no broker: start one"),
        "{empty}"
    );
}

#[test]
fn a_run_of_many_trials_stays_readable() {
    let page = html(&sample::report(30, &ALL[..1]));
    assert!(
        page.contains("crash: 12 of 30 trials, those not detected or not recovered first"),
        "{page:.2000}"
    );
    assert_eq!(page.matches("<figcaption>").count(), 6 * 12);
}

#[test]
fn a_few_trials_say_little_and_so_does_the_report() {
    let said = |trials: usize| {
        let report = sample::report(trials, &ALL[..1]);
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &report).unwrap();
        let markdown = std::fs::read_to_string(dir.path().join("report.md")).unwrap();
        [table(&report, dir.path()), markdown, html(&report)]
    };
    for form in said(3) {
        assert!(
            form.contains("Fewer than 5 trials (3 of each fault): nothing is said about the spread"),
            "{form}"
        );
    }
    for form in said(10) {
        assert!(
            form.contains("Fewer than 20 trials (10 of each fault): the 95th percentile says no more"),
            "{form}"
        );
        assert!(!form.contains("Fewer than 5 trials"), "{form}");
    }
    for form in said(20) {
        assert!(!form.contains("Fewer than"), "{form}");
    }
}

#[test]
fn the_table_fits_a_terminal() {
    let mut report = sample::report(20, &ALL);
    for fault in &mut report.faults {
        fault.fault += " with a name that is rather long";
    }
    let table = table(&report, std::path::Path::new("out"));
    let drawn: Vec<&str> = table.lines().filter(|line| line.starts_with(['|', '+'])).collect();
    assert!(drawn.len() > 20, "{table}");
    for line in drawn {
        assert!(line.chars().count() <= 120, "{line}");
    }
}
