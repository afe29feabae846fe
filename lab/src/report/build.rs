//! From what was recorded to the report.

use std::collections::BTreeMap;

use tolerancia_wire::Stamp;
use tolerancia_wire::status::Transition;
use tolerancia_wire::time::rfc3339;

use super::model::{Baseline, Environment, FalseAlarm, FaultReport, OracleReport, Phase, Report, TrialReport, Verdict};
use super::objectives;
use crate::experiment::record::{Observation, Record, Trial, Window, false_alarms};
use crate::experiment::verify::Verified;
use crate::experiment::{ExperimentArgs, Target};
use crate::load::stats::End;
use crate::load::{Failure, Operation};
use crate::oracle::{Finding, OrderAnswer, Told};
use crate::scenario::{Pace, Scenario};
use crate::statistics::{quantile, sorted, summarize};

/// Findings that are spelt out.
const MOST_FINDINGS: usize = 100;

/// Everything that the report is made of.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub args: &'a ExperimentArgs,
    pub scenario: &'a Scenario,
    pub pace: Pace,
    pub seed: u64,
    pub started: Stamp,
    pub ended: Stamp,
    pub target: &'a Target,
    pub detector: String,
    pub record: &'a Record,
    pub transitions: &'a [Transition],
    pub observations: &'a [Observation],
    pub verified: &'a Verified,
    pub aborted: bool,
    /// Why it could not be carried out.
    pub failure: Option<String>,
}

/// Makes the report.
pub(crate) fn build(facts: &Facts<'_>) -> Report {
    let Facts { record, verified, .. } = *facts;
    let alarms = false_alarms(facts.transitions, &record.trials);
    let baseline = Baseline {
        phase: record
            .baseline
            .map(|window| phase(facts.observations, &[window]))
            .unwrap_or_default(),
        false_alarms: record.baseline.map_or(0, |window| {
            alarms.iter().filter(|off| window.holds(off.stamp.mono_ns)).count() as u64
        }),
    };
    let mut notes = record.notes.clone();
    notes.extend(facts.failure.clone());
    notes.extend(verified.unequal.clone());
    let mut report = Report {
        schema: 1,
        verdict: Verdict::Error,
        started_at: rfc3339(facts.started.at),
        duration_s: facts.ended.ms_since(facts.started) / 1000.0,
        seed: facts.seed,
        scenario: facts.scenario.name.clone(),
        repeat: repeat(facts.args, facts.seed),
        environment: Environment {
            kafka: facts.target.kafka.to_owned(),
            database: facts.target.database.clone(),
            replicas: facts.target.replicas,
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            detector: facts.detector.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        baseline,
        faults: (0..facts.scenario.faults.len())
            .map(|fault| fault_report(facts, fault))
            .collect(),
        objectives: Vec::new(),
        oracle: oracle(facts),
        false_alarms: alarms
            .into_iter()
            .map(|off| FalseAlarm {
                instance: off.instance,
                at: rfc3339(off.stamp.at),
                reason: off.reason.text.clone(),
            })
            .collect(),
        notes,
    };
    report.verdict = if facts.failure.is_some() {
        Verdict::Error
    } else if facts.aborted {
        Verdict::Aborted
    } else {
        report.objectives = objectives::judge(&report, &facts.scenario.objectives, facts.pace.trials);
        let met = report.objectives.iter().all(|objective| objective.met);
        if met { Verdict::Pass } else { Verdict::Fail }
    };
    report
}

fn repeat(args: &ExperimentArgs, seed: u64) -> String {
    let mut command = "tolerancia experiment".to_owned();
    if args.quick {
        command += " --quick";
    }
    if let Some(trials) = args.trials {
        command += &format!(" --trials {trials}");
    }
    if let Some(scenario) = &args.scenario {
        command += &format!(" --scenario {}", scenario.display());
    }
    command + &format!(" --seed {seed}")
}

fn fault_report(facts: &Facts<'_>, fault: usize) -> FaultReport {
    let spec = &facts.scenario.faults[fault];
    let trials: Vec<&Trial> = facts
        .record
        .trials
        .iter()
        .filter(|trial| trial.fault == fault)
        .collect();
    let windows: Vec<Window> = trials.iter().map(|trial| trial.during()).collect();
    let during = |ns: u64| windows.iter().any(|window| window.holds(ns));
    let summary = |time: fn(&Trial) -> Option<f64>| {
        let times: Vec<f64> = trials.iter().copied().filter_map(time).collect();
        summarize(&times, facts.seed)
    };
    FaultReport {
        fault: spec.fault.name().to_owned(),
        parameters: serde_json::to_value(spec).unwrap_or_default(),
        trials: trials.len(),
        detected: trials.iter().filter(|trial| trial.detected.is_some()).count(),
        recovered: trials.iter().filter(|trial| trial.recovered.is_some()).count(),
        ttd_ms: summary(Trial::ttd_ms),
        ttr_ms: summary(Trial::ttr_ms),
        repair_ms: summary(Trial::repair_ms),
        during: phase(facts.observations, &windows),
        wrong_answers: facts
            .verified
            .findings
            .iter()
            .filter(|(ns, finding)| during(*ns) && matches!(finding, Finding::Wrong(_)))
            .count() as u64,
        trials_detail: trials.iter().map(|trial| trial_report(trial)).collect(),
    }
}

fn trial_report(trial: &Trial) -> TrialReport {
    let at = |stamp: Stamp| rfc3339(stamp.at);
    TrialReport {
        instance: trial.instance,
        activated_at: at(trial.activated),
        detected_at: trial.detected.as_ref().map(|off| at(off.stamp)),
        cleared_at: trial.cleared.map(at),
        recovered_at: trial.recovered.map(at),
        reason: trial.detected.as_ref().map(|off| off.reason.text.clone()),
        ttd_ms: trial.ttd_ms(),
        ttr_ms: trial.ttr_ms(),
        repair_ms: trial.repair_ms(),
    }
}

/// The requests that were meant to start in any of the windows.
fn phase(observations: &[Observation], windows: &[Window]) -> Phase {
    let requests: Vec<&Observation> = observations
        .iter()
        .filter(|seen| windows.iter().any(|window| window.holds(seen.intended_ns)))
        .collect();
    let failed = |seen: &&&Observation| matches!(seen.end, End::Failed(_));
    let rate = |good: usize, all: usize| (all > 0).then(|| good as f64 / all as f64);
    let mut failures = BTreeMap::new();
    for seen in &requests {
        if let End::Failed(failure) = seen.end {
            *failures
                .entry(format!("{}: {failure}", name(seen.operation)))
                .or_default() += 1;
        }
    }
    // What was never sent took no time.
    let sent = requests.iter().filter(|seen| seen.end != End::Failed(Failure::Dropped));
    let latencies = sorted(&sent.map(|seen| seen.latency_ns as f64 / 1e6).collect::<Vec<_>>());
    let queries = || {
        requests
            .iter()
            .filter(|seen| seen.operation == Operation::QueryInventory)
    };
    Phase {
        requests: requests.len() as u64,
        success_rate: rate(requests.len() - requests.iter().filter(failed).count(), requests.len()),
        p50_ms: quantile(&latencies, 0.5),
        p95_ms: quantile(&latencies, 0.95),
        p99_ms: quantile(&latencies, 0.99),
        max_ms: latencies.last().copied(),
        quorum_rate: rate(
            queries().filter(|seen| seen.end == End::Success).count(),
            queries().count(),
        ),
        failed: failures,
    }
}

const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::QueryInventory => "query",
        Operation::CreateOrder => "order",
        Operation::CancelOrder => "cancel",
    }
}

fn oracle(facts: &Facts<'_>) -> OracleReport {
    let Verified {
        complete,
        findings,
        records,
        unreadable,
        unequal,
    } = facts.verified;
    let told = |wanted: fn(&Told) -> bool| {
        let told = facts.observations.iter().filter_map(|seen| seen.told.as_ref());
        told.filter(|told| wanted(told)).count() as u64
    };
    let found = |wanted: fn(&Finding) -> bool| findings.iter().filter(|(_, finding)| wanted(finding)).count() as u64;
    let acknowledged = |told: &Told| match told {
        // An order that was sent again is still one order.
        Told::Order {
            answer, first: None, ..
        } => matches!(answer, OrderAnswer::Confirmed { .. } | OrderAnswer::Pending { .. }),
        Told::Cancelled { .. } => true,
        Told::Order { .. } | Told::Refused { .. } | Told::Stock { .. } => false,
    };
    OracleReport {
        complete: *complete,
        answers_checked: if *complete {
            told(|told| matches!(told, Told::Stock { .. }))
        } else {
            0
        },
        wrong_answers: found(|finding| matches!(finding, Finding::Wrong(_))),
        orders_acknowledged: told(acknowledged),
        orders_lost: found(|finding| matches!(finding, Finding::Lost(_))),
        orders_doubled: found(|finding| matches!(finding, Finding::Doubled(_))),
        replicas_equal: *complete && unequal.is_none(),
        records: *records,
        unreadable_records: *unreadable,
        findings: findings
            .iter()
            .take(MOST_FINDINGS)
            .map(|(_, Finding::Wrong(text) | Finding::Lost(text) | Finding::Doubled(text))| text.clone())
            .collect(),
    }
}
