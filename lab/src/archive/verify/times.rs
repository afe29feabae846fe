//! Whether the monitor told what the report says it did.

use tolerancia_core::ReplicaId;

use super::{Found, REPORT};
use crate::archive::EVENTS;
use crate::archive::events::Events;
use crate::report::{FaultReport, Report, TrialReport};

/// What the report says of one instance in a trial.
struct Hit<'a> {
    instance: ReplicaId,
    detected_at: Option<&'a str>,
    cleared_at: Option<&'a str>,
    recovered_at: Option<&'a str>,
}

/// Each instance of a trial.
fn hits(trial: &TrialReport) -> Vec<Hit<'_>> {
    if trial.hits.is_empty() {
        return vec![Hit {
            instance: trial.instance,
            detected_at: trial.detected_at.as_deref(),
            cleared_at: trial.cleared_at.as_deref(),
            recovered_at: trial.recovered_at.as_deref(),
        }];
    }
    let hits = trial.hits.iter().map(|hit| Hit {
        instance: hit.instance,
        detected_at: hit.detected_at.as_deref(),
        cleared_at: hit.cleared_at.as_deref(),
        recovered_at: hit.recovered_at.as_deref(),
    });
    hits.collect()
}

fn title(fault: &FaultReport) -> String {
    match fault.detector.as_str() {
        "" => fault.fault.clone(),
        detector => format!("{}, {detector}", fault.fault),
    }
}

/// Looks for the times of all trials, and for the false alarms, in the events. Gives the number of trials.
pub(super) fn check(report: &Report, events: &Events, found: &mut Found) -> u64 {
    let mut count = 0;
    for fault in &report.faults {
        for (number, trial) in fault.trials_detail.iter().enumerate() {
            count += 1;
            let title = format!("{}, trial {}", title(fault), number + 1);
            check_trial(&title, trial, events, found);
        }
        if fault.trials != fault.trials_detail.len() {
            let what = format!(
                "{}: {} trials are to follow, {} do",
                title(fault),
                fault.trials,
                fault.trials_detail.len()
            );
            found.tell(REPORT, None, what);
        }
    }
    for alarm in &report.false_alarms {
        if !events.has_off(alarm.instance, &alarm.at) {
            let what = format!(
                "a false alarm of instance {} at {} is not in {EVENTS}",
                alarm.instance, alarm.at
            );
            found.tell(REPORT, None, what);
        }
    }
    count
}

fn check_trial(title: &str, trial: &TrialReport, events: &Events, found: &mut Found) {
    let hits = hits(trial);
    for hit in &hits {
        let instance = hit.instance;
        if let Some(at) = hit.detected_at.filter(|at| !events.has_off(instance, at)) {
            let what = format!("{title}: no OFF of instance {instance} at {at} is in {EVENTS}");
            found.tell(REPORT, None, what);
        }
        // An instance that was ON when its fault ended, and stayed so, had recovered at that instant.
        let is_told = |at: &str| hit.cleared_at == Some(at) || events.has_on(instance, at);
        if let Some(at) = hit.recovered_at.filter(|at| !is_told(at)) {
            let what = format!("{title}: no ON of instance {instance} at {at} is in {EVENTS}");
            found.tell(REPORT, None, what);
        }
    }
    // Of several instances the last counts, which the clock of the day need not tell; none, if one has none.
    let is_one_of = |said: Option<&str>, times: &[Option<&str>]| match said {
        Some(_) => times.contains(&said) && !times.contains(&None),
        None => times.contains(&None),
    };
    let detected: Vec<Option<&str>> = hits.iter().map(|hit| hit.detected_at).collect();
    let recovered: Vec<Option<&str>> = hits.iter().map(|hit| hit.recovered_at).collect();
    for (name, said, times) in [
        ("detected_at", trial.detected_at.as_deref(), detected),
        ("recovered_at", trial.recovered_at.as_deref(), recovered),
    ] {
        if !is_one_of(said, &times) {
            let what = format!("{title}: {name} is {said:?}, its instances have {times:?}");
            found.tell(REPORT, None, what);
        }
    }
}
