//! What happened when: phases, timelines, the series.

use tolerancia_wire::status::{Phase as Standing, Transition, Verdict as State};

use super::super::*;
use super::course::Course;
use super::sample;
use crate::experiment::record::tests::{stamp, transition};
use crate::load::Failure;
use crate::load::stats::End;

#[test]
fn requests_are_told_apart_by_what_the_monitor_knew() {
    let mut course = Course::good();
    // Latency: activated at 2000, OFF at 2100, cleared at 2500, ON at 2800 ms; a request every 10 ms.
    for seen in &mut course.observations {
        if (2000..2100).contains(&(seen.intended_ns / 1_000_000)) {
            seen.end = End::Failed(Failure::Timeout);
        }
    }
    let report = course.report();
    let FaultReport { phases, during, .. } = &report.faults[1];
    let counts = [&phases.undetected, &phases.detected, &phases.recovering].map(|phase| phase.requests);
    assert_eq!(counts, [10, 40, 30]);
    // The instant of the end belongs to both what was during the fault and what follows.
    assert_eq!(during.requests, 51);
    assert_eq!(phases.undetected.success_rate, Some(0.0));
    assert_eq!(phases.detected.success_rate, Some(1.0));
    let [low, high] = phases.undetected.success_ci95.unwrap();
    // Wilson 1927: z² / (n + z²).
    assert!(low == 0.0 && (high - 0.277_533).abs() < 2e-6, "{high}");
    assert_eq!(phases.undetected.quorum_ci95.map(|[low, _]| low), Some(0.0));

    // A crash is over when its instance is ON: there is nothing after it.
    let crash = &report.faults[0].phases;
    let counts = [&crash.undetected, &crash.detected, &crash.recovering].map(|phase| phase.requests);
    assert_eq!(counts, [10, 70, 0]);
}

#[test]
fn what_was_never_detected_is_undetected_to_its_end() {
    let mut course = Course::good();
    let hit = &mut course.record.trials[1].hits[0];
    (hit.detected, hit.recovered) = (None, None);
    let phases = &course.report().faults[1].phases;
    let counts = [&phases.undetected, &phases.detected, &phases.recovering].map(|phase| phase.requests);
    assert_eq!(counts, [50, 0, 0]);

    // Neither does an OFF after the end make it longer.
    let mut late = Course::good();
    late.record.trials[1].hits[0].detected = Some(transition(2, 2600, State::Off));
    let phases = &late.report().faults[1].phases;
    let counts = [&phases.undetected, &phases.detected, &phases.recovering].map(|phase| phase.requests);
    assert_eq!(counts, [50, 0, 30]);
}

#[test]
fn a_timeline_shows_the_second_before_and_the_second_after() {
    let mut course = Course::good();
    course.transitions.push(Transition {
        from: State::Off,
        phase: Standing::Probation,
        ..transition(2, 2700, State::Off)
    });
    for seen in &mut course.observations {
        if seen.intended_ns / 1_000_000 == 2050 {
            seen.end = End::Failed(Failure::Timeout);
        }
    }
    let report = course.report();
    let timeline = report.faults[1].trials_detail[0].timeline.as_ref().unwrap();
    // From 1000 to 3800 ms, in buckets of a tenth of a second.
    assert_eq!(
        (timeline.start_s, timeline.from_ms, timeline.to_ms),
        (2.0, -1000.0, 1800.0)
    );
    assert_eq!((timeline.bucket_ms, timeline.requests.len()), (100.0, 28));
    assert!(timeline.requests.iter().all(|requests| *requests == 10), "{timeline:?}");
    assert_eq!(timeline.failed.iter().position(|failed| *failed > 0), Some(10));
    assert_eq!(timeline.p95_ms.len(), 28);
    let marks: Vec<_> = timeline.marks.iter().map(|mark| (mark.what, mark.at_ms)).collect();
    let expected = [
        (Event::Inject, 0.0),
        (Event::Detect, 100.0),
        (Event::Clear, 500.0),
        (Event::Recover, 800.0),
    ];
    assert_eq!(marks, expected);
    let of = |number: u8| {
        let mut all = timeline.states.iter();
        let own = all.find(|states| states.instance.number() == number)?;
        let intervals = own.intervals.iter();
        Some(intervals.map(|it| (it.from_ms, it.to_ms, it.state)).collect::<Vec<_>>())
    };
    let expected = [
        (-1000.0, 100.0, Standing::On),
        (100.0, 700.0, Standing::Quarantine),
        (700.0, 800.0, Standing::Probation),
        (800.0, 1800.0, Standing::On),
    ];
    assert_eq!(of(2).unwrap(), expected);
    // Instance 1 was OFF in the second before, instance 3 is hit in the last.
    assert_eq!(of(1).unwrap()[1], (-900.0, -200.0, Standing::Quarantine));
    assert_eq!(of(3).unwrap().last().unwrap().2, Standing::Quarantine);
}

#[test]
fn a_trial_that_does_not_end_is_drawn_to_the_end() {
    let mut course = Course::good();
    let last = course.record.trials.last_mut().unwrap();
    last.over = None;
    last.hits[0].recovered = None;
    course.transitions.pop();
    course.aborted = true;
    let report = course.report();
    let timeline = report.faults[3].trials_detail[0].timeline.as_ref().unwrap();
    // The run ends at 6000 ms, the trial began at 4000.
    assert_eq!((timeline.to_ms, timeline.marks.len()), (3000.0, 3));
    assert_eq!(timeline.states[0].intervals.last().unwrap().state, Standing::Quarantine);
    assert_eq!(timeline.requests.last(), Some(&0));
    assert_eq!(timeline.p95_ms.last(), Some(&None));
}

#[test]
fn no_list_gets_too_long() {
    let mut course = Course::good();
    course.record.trials[1].over = Some(stamp(3_000_000));
    course.record.trials[1].hits[0].recovered = None;
    for (n, seen) in course.observations.iter_mut().enumerate() {
        seen.intended_ns = n as u64 * 7_200_000_000;
    }
    let report = course.report();
    let series = report.series.as_ref().unwrap();
    // An hour is cut into buckets of three seconds.
    assert_eq!((series.bucket_s, series.start_s.len()), (3.0, 1198));
    assert_eq!(series.requests.iter().sum::<u64>(), 500);
    assert_eq!((series.p50_ms[0], series.p50_ms[1]), (Some(2.0), None));
    let timeline = report.faults[1].trials_detail[0].timeline.as_ref().unwrap();
    assert_eq!((timeline.requests.len(), timeline.bucket_ms), (60, 50_000.0));
}

#[test]
fn a_long_experiment_has_a_report_of_bearable_size() {
    let report = sample::report(50, &[tolerancia_core::detector::DetectorKind::Accrual]);
    assert_eq!(report.faults.iter().map(|fault| fault.trials).sum::<usize>(), 300);
    let series = report.series.as_ref().unwrap();
    assert!(
        (600..=1200).contains(&series.requests.len()),
        "{}",
        series.requests.len()
    );
    let all: u64 = series.requests.iter().sum();
    assert!(all > 40_000, "{all}");
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &report).unwrap();
    let size = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().len();
    assert!(size("report.json") < 2 << 20, "{}", size("report.json"));
    assert!(size("report.html") < 2 << 20, "{}", size("report.html"));
}

#[test]
fn without_load_there_is_no_series() {
    let mut course = Course::good();
    course.observations.clear();
    let report = course.report();
    assert_eq!(report.series, None);
    let timeline = report.faults[0].trials_detail[0].timeline.as_ref().unwrap();
    assert!(timeline.requests.iter().all(|requests| *requests == 0));
    assert_eq!(timeline.states[0].intervals.len(), 3);
}
