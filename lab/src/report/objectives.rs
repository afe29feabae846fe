//! What had to hold, and whether it did. What could not be measured does not hold.

use super::model::{FaultReport, Objective, Report};
use crate::scenario::Objectives;

/// Judges a report in which everything but the objectives is filled in. `trials` is how many trials of each
/// fault were planned.
pub(super) fn judge(report: &Report, wanted: &Objectives, trials: usize) -> Vec<Objective> {
    let mut objectives = Vec::new();
    for fault in &report.faults {
        let FaultReport { ttd_ms, during, .. } = fault;
        let mut add = |name: &str, limit: f64, value: Option<f64>, met: fn(f64, f64) -> bool| {
            objectives.push(objective(name, Some(&fault.fault), limit, value, met));
        };
        let count = |n: usize| Some(n as f64);
        add("trials", trials as f64, count(fault.trials), at_least);
        add("detected", trials as f64, count(fault.detected), at_least);
        add("recovered", trials as f64, count(fault.recovered), at_least);
        add("ttd_max_ms", wanted.ttd_max_ms, ttd_ms.map(|ttd| ttd.max), below);
        add("p95_ms", wanted.p95_ms, during.p95_ms, below);
        add("success_rate", wanted.success_rate, during.success_rate, above);
        add("quorum_rate", wanted.quorum_rate, during.quorum_rate, above);
    }
    let oracle = &report.oracle;
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
    add("answers_checked", 1.0, known(oracle.answers_checked), at_least);
    add("orders_acknowledged", 1.0, known(oracle.orders_acknowledged), at_least);
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
