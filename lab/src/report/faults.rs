//! What became of each fault.

use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::Stamp;
use tolerancia_wire::time::rfc3339;

use super::build::Facts;
use super::model::{FaultReport, HitReport, Phases, TrialReport};
use super::rounded;
use super::seen::Seen;
use super::timeline::Clock;
use super::times::Times;
use crate::experiment::record::{Hit, Trial, Window};
use crate::oracle::Finding;
use crate::scenario::Case;

/// By fault in the order of the scenario, and by detector.
pub(super) fn entries(facts: &Facts<'_>, seen: &Seen<'_>) -> Vec<FaultReport> {
    // Where nothing was measured, it is not known with which detector.
    let detectors: Vec<Option<DetectorKind>> = match facts.record.detectors.as_slice() {
        [] => vec![None],
        some => some.iter().copied().map(Some).collect(),
    };
    let cases = facts.scenario.faults.iter().zip(facts.scenario.names()).enumerate();
    cases
        .flat_map(|(number, (case, name))| {
            let entry =
                move |detector: &Option<DetectorKind>| entry(facts, seen, (number, case), name.clone(), *detector);
            detectors.iter().map(entry)
        })
        .collect()
}

fn entry(
    facts: &Facts<'_>,
    seen: &Seen<'_>,
    (number, case): (usize, &Case),
    name: String,
    detector: Option<DetectorKind>,
) -> FaultReport {
    let all = facts.record.trials.iter();
    let trials: Vec<&Trial> = all
        .filter(|trial| trial.case == number && Some(trial.detector) == detector)
        .collect();
    let windows: Vec<Window> = trials.iter().map(|trial| trial.during()).collect();
    let during = |ns: u64| windows.iter().any(|window| window.holds(ns));
    let times = |time: fn(&Trial) -> Option<f64>| trials.iter().copied().filter_map(time).collect::<Vec<f64>>();
    let ttd_ms = times(Trial::ttd_ms);
    let missed = trials.len() - ttd_ms.len();
    // What was not detected was not turned ON either: that says nothing about how long it takes.
    let summary = |time: fn(&Trial) -> Option<f64>| Times::of(&times(time), 0, facts.seed);
    let clock = Clock {
        seen,
        transitions: facts.transitions,
        started: facts.started,
        ended: facts.ended,
    };
    let count = |holds: fn(&Trial) -> bool| trials.iter().filter(|trial| holds(trial)).count();
    FaultReport {
        fault: name,
        detector: detector.map(|kind| kind.to_string()).unwrap_or_default(),
        parameters: case.parameters(),
        trials: trials.len(),
        detected: count(|trial| trial.detected().is_some()),
        recovered: count(|trial| trial.recovered().is_some()),
        alarmed: count(|trial| trial.alarmed),
        ttd_ms: Times::of(&ttd_ms, missed, facts.seed),
        ttr_ms: summary(Trial::ttr_ms),
        repair_ms: summary(Trial::repair_ms),
        during: seen.phase(&windows),
        phases: phases(&trials, seen),
        wrong_answers: facts
            .verified
            .findings
            .iter()
            .filter(|(ns, finding)| during(*ns) && matches!(finding, Finding::Wrong(_)))
            .count() as u64,
        trials_detail: trials.iter().filter_map(|trial| trial_report(trial, &clock)).collect(),
    }
}

/// The requests by what the monitor knew. An instant belongs to the phase that begins with it.
fn phases(trials: &[&Trial], seen: &Seen<'_>) -> Phases {
    let (mut undetected, mut detected, mut recovering) = (Vec::new(), Vec::new(), Vec::new());
    let until = |from_ns: u64, to_ns: u64| {
        let to_ns = to_ns.checked_sub(1).filter(|last| *last >= from_ns)?;
        Some(Window { from_ns, to_ns })
    };
    for trial in trials {
        let Window { from_ns, to_ns: end_ns } = trial.during();
        let off_ns = trial.detected().map_or(end_ns, |off| off.stamp.mono_ns.min(end_ns));
        undetected.extend(until(from_ns, off_ns));
        detected.extend(until(off_ns, end_ns));
        recovering.extend(trial.recovered().and_then(|on| until(end_ns, on.mono_ns)));
    }
    Phases {
        undetected: seen.phase(&undetected),
        detected: seen.phase(&detected),
        recovering: seen.phase(&recovering),
    }
}

fn at(stamp: Stamp) -> String {
    rfc3339(stamp.at)
}

/// `None` for a trial that hits nothing, which there is not.
fn trial_report(trial: &Trial, clock: &Clock<'_>) -> Option<TrialReport> {
    let detected = trial.detected();
    let quarantines = trial.hits.iter().filter_map(|hit| hit.quarantine_ms);
    Some(TrialReport {
        instance: trial.hits.first()?.instance,
        activated_at: at(trial.activated()),
        detected_at: detected.map(|off| at(off.stamp)),
        cleared_at: trial.cleared().map(at),
        recovered_at: trial.recovered().map(at),
        reason: detected.map(|off| off.reason.text.clone()),
        evidence: detected.map(|off| off.reason.evidence.clone()).unwrap_or_default(),
        ttd_ms: trial.ttd_ms(),
        ttr_ms: trial.ttr_ms(),
        repair_ms: trial.repair_ms(),
        quarantine_ms: quarantines.max_by(f64::total_cmp),
        repair_over_quarantine_ms: trial.over_quarantine_ms().map(|ms| rounded(ms, 6)),
        transitions: trial.hits.iter().map(|hit| hit.transitions).sum(),
        transitions_while_active: trial.transitions_while_active(),
        readmitted_while_active: trial.readmitted_while_active(),
        alarmed: trial.alarmed,
        timeline: Some(clock.timeline(trial)),
        hits: match trial.hits.as_slice() {
            [_] => Vec::new(),
            several => several.iter().map(hit_report).collect(),
        },
    })
}

fn hit_report(hit: &Hit) -> HitReport {
    HitReport {
        instance: hit.instance,
        activated_at: at(hit.activated),
        detected_at: hit.detected.as_ref().map(|off| at(off.stamp)),
        cleared_at: hit.cleared.map(at),
        recovered_at: hit.recovered.map(at),
        reason: hit.detected.as_ref().map(|off| off.reason.text.clone()),
        ttd_ms: hit.ttd_ms(),
        ttr_ms: hit.ttr_ms(),
        repair_ms: hit.repair_ms(),
        quarantine_ms: hit.quarantine_ms,
    }
}
