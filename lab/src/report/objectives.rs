//! What had to hold, and whether it did. What could not be measured does not hold.

use super::model::{FaultReport, Objective, Report};
use crate::scenario::{Case, FaultObjectives, Load, Scenario};

/// Judges a report in which everything but the objectives is filled in. `trials` is how many trials of each fault and
/// detector were planned.
pub(super) fn judge(report: &Report, scenario: &Scenario, trials: usize) -> Vec<Objective> {
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
    objectives.extend(judge_the_whole(report, scenario));
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
        p95_ms,
        success_rate,
        quorum_rate,
        transitions_max,
        readmissions_max,
        repair_over_quarantine_ms,
    } = case.objectives;
    let mut objectives = Vec::new();
    let mut add = |name: &str, limit: f64, value: Option<f64>, met: fn(f64, f64) -> bool| {
        objectives.push(objective(name, Some(&fault.fault), limit, value, met));
    };
    let count = |n: usize| Some(n as f64);
    add("trials", trials as f64, count(fault.trials), at_least);
    add("detected", trials as f64, count(fault.detected), at_least);
    add("recovered", trials as f64, count(fault.recovered), at_least);
    add("ttd_max_ms", ttd_max_ms, ttd_ms.map(|ttd| ttd.max), below);
    if case.takes_quorum(replicas) {
        // No answer is the right answer then; that the quorum is lost must be said.
        add("alarm", trials as f64, count(fault.alarmed), at_least);
    } else {
        if !load.is_none() {
            add("p95_ms", p95_ms, during.p95_ms, below);
            add("success_rate", success_rate, during.success_rate, above);
        }
        if load.queries_rps > 0.0 {
            add("quorum_rate", quorum_rate, during.quorum_rate, above);
        }
    }
    let most = |of: fn(&super::TrialReport) -> u64| trials_detail.iter().map(of).max().map(|n| n as f64);
    if let Some(limit) = transitions_max {
        let value = most(|trial| trial.transitions_while_active);
        add("transitions_max", limit as f64, value, at_most);
    }
    if let Some(limit) = readmissions_max {
        let value = most(|trial| trial.readmitted_while_active);
        add("readmissions_max", limit as f64, value, at_most);
    }
    if let Some(limit) = repair_over_quarantine_ms {
        let all: Option<Vec<f64>> = trials_detail
            .iter()
            .map(|trial| trial.repair_over_quarantine_ms)
            .collect();
        let value = all.and_then(|all| all.into_iter().max_by(f64::total_cmp));
        add("repair_over_quarantine_ms", limit, value, at_most);
    }
    objectives
}

fn judge_the_whole(report: &Report, scenario: &Scenario) -> Vec<Objective> {
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
    let alarms = report.false_alarms.len() as f64;
    add("false_alarms", wanted.false_alarms as f64, Some(alarms), at_most);
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
