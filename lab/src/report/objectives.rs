//! What had to hold, and whether it did. What could not be measured does not hold.

use super::model::{FaultReport, Objective, Phase, Report};
use crate::experiment::record::Record;
use crate::scenario::{Case, FaultObjectives, Load, Scenario};

/// Judges a report in which everything but the objectives is filled in. `trials` is how many trials of each fault and
/// detector were planned.
pub(super) fn judge(report: &Report, scenario: &Scenario, trials: usize, record: &Record) -> Vec<Objective> {
    let mut objectives = Vec::new();
    let detectors = report
        .faults
        .len()
        .checked_div(scenario.faults.len())
        .unwrap_or(0)
        .max(1);
    for (case, with_each) in scenario.faults.iter().zip(report.faults.chunks(detectors)) {
        for (place, fault) in with_each.iter().enumerate() {
            if place == 0 {
                let replicas = report.environment.replicas;
                objectives.extend(judge_fault(fault, case, trials, replicas, scenario.load));
            } else {
                // Compared, not judged: a detector may miss what it misses, but must have had its chance.
                let label = format!("{}, {}", fault.fault, fault.detector);
                let (planned, carried_out) = (trials as f64, Some(fault.trials as f64));
                objectives.push(objective("trials", Some(&label), planned, carried_out, at_least));
            }
        }
    }
    if scenario.faults.is_empty() {
        objectives.extend(judge_the_baseline(report, scenario, record));
    }
    objectives.extend(judge_the_whole(report, scenario, record));
    objectives
}

/// What clients saw, where they are to be served.
fn served(phase: &Phase, wanted: &FaultObjectives, load: Load, fault: Option<&str>) -> Vec<Objective> {
    let mut objectives = Vec::new();
    if !load.is_none() {
        objectives.push(objective("p95_ms", fault, wanted.p95_ms, phase.p95_ms, below));
        let rate = phase.success_rate;
        objectives.push(objective("success_rate", fault, wanted.success_rate, rate, above));
    }
    if load.queries_rps > 0.0 {
        let rate = phase.quorum_rate;
        objectives.push(objective("quorum_rate", fault, wanted.quorum_rate, rate, above));
    }
    objectives
}

/// Where nothing is broken, the healthy system is what is judged.
fn judge_the_baseline(report: &Report, scenario: &Scenario, record: &Record) -> Vec<Objective> {
    let wanted = &scenario.objectives.each;
    let mut objectives = served(&report.baseline.phase, wanted, scenario.load, None);
    let steady = Some(f64::from(u8::from(record.steady)));
    objectives.push(objective("steady", None, 1.0, steady, at_least));
    objectives
}

fn judge_fault(fault: &FaultReport, case: &Case, trials: usize, replicas: usize, load: Load) -> Vec<Objective> {
    let FaultReport {
        ttd_ms,
        during,
        trials_detail,
        ..
    } = fault;
    let FaultObjectives {
        ttd_max_ms,
        transitions_max,
        readmissions_max,
        repair_over_quarantine_ms,
        ..
    } = case.objectives;
    let name = Some(fault.fault.as_str());
    let asked = |what: &str, limit: f64, value: Option<f64>, met: fn(f64, f64) -> bool| {
        objective(what, name, limit, value, met)
    };
    let count = |n: usize| Some(n as f64);
    let planned = trials as f64;
    let mut objectives = vec![
        asked("trials", planned, count(fault.trials), at_least),
        asked("detected", planned, count(fault.detected), at_least),
        asked("recovered", planned, count(fault.recovered), at_least),
        asked("ttd_max_ms", ttd_max_ms, ttd_ms.and_then(|ttd| ttd.max), below),
    ];
    if case.takes_quorum(replicas) {
        // No answer is the right answer then; that the quorum is lost must be said.
        objectives.push(asked("alarm", planned, count(fault.alarmed), at_least));
    } else {
        objectives.extend(served(during, &case.objectives, load, name));
    }
    let most = |of: fn(&super::TrialReport) -> u64| trials_detail.iter().map(of).max().map(|n| n as f64);
    if let Some(limit) = transitions_max {
        let value = most(|trial| trial.transitions_while_active);
        objectives.push(asked("transitions_max", limit as f64, value, at_most));
    }
    if let Some(limit) = readmissions_max {
        let value = most(|trial| trial.readmitted_while_active);
        objectives.push(asked("readmissions_max", limit as f64, value, at_most));
    }
    if let Some(limit) = repair_over_quarantine_ms {
        let all: Option<Vec<f64>> = trials_detail
            .iter()
            .map(|trial| trial.repair_over_quarantine_ms)
            .collect();
        let value = all.and_then(|all| all.into_iter().max_by(f64::total_cmp));
        objectives.push(asked("repair_over_quarantine_ms", limit, value, at_most));
    }
    objectives
}

fn judge_the_whole(report: &Report, scenario: &Scenario, record: &Record) -> Vec<Objective> {
    let Scenario {
        objectives: wanted,
        load,
        ..
    } = scenario;
    let oracle = &report.oracle;
    let mut objectives = Vec::new();
    let mut add = |name: &str, limit: f64, value: Option<f64>, met: fn(f64, f64) -> bool| {
        objectives.push(objective(name, None, limit, value, met));
    };
    let known = |n: u64| oracle.complete.then_some(n as f64);
    add(
        "wrong_answers",
        wanted.wrong_answers as f64,
        known(oracle.wrong_answers),
        at_most,
    );
    add("orders_lost", 0.0, known(oracle.orders_lost), at_most);
    add("orders_doubled", 0.0, known(oracle.orders_doubled), at_most);
    add("replicas_equal", 1.0, known(oracle.replicas_equal.into()), at_least);
    // An oracle that saw nothing has proved nothing.
    if load.queries_rps > 0.0 {
        add("answers_checked", 1.0, known(oracle.answers_checked), at_least);
    }
    if load.orders_rps > 0.0 {
        add("orders_acknowledged", 1.0, known(oracle.orders_acknowledged), at_least);
    }
    // Neither has a monitor that was not heard.
    let alarms = record.deaf.is_none().then_some(report.false_alarms.len() as f64);
    add("false_alarms", wanted.false_alarms as f64, alarms, at_most);
    objectives
}

fn objective(name: &str, fault: Option<&str>, limit: f64, value: Option<f64>, met: fn(f64, f64) -> bool) -> Objective {
    Objective {
        name: name.to_owned(),
        fault: fault.map(str::to_owned),
        limit,
        value,
        met: value.is_some_and(|value| met(value, limit)),
    }
}

fn below(value: f64, limit: f64) -> bool {
    value < limit
}

/// More than the limit; all of it, if the limit is all.
fn above(value: f64, limit: f64) -> bool {
    value > limit || value >= 1.0
}

fn at_least(value: f64, limit: f64) -> bool {
    value >= limit
}

fn at_most(value: f64, limit: f64) -> bool {
    value <= limit
}
