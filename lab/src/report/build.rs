//! From what was recorded to the report.

use tolerancia_wire::Stamp;
use tolerancia_wire::status::Transition;
use tolerancia_wire::time::rfc3339;

use super::faults::entries;
use super::host::host;
use super::model::{Baseline, Environment, FalseAlarm, OracleReport, Report, Verdict};
use super::objectives;
use super::rounded;
use super::seen::Seen;
use super::series::series;
use crate::experiment::record::{Observation, Record, false_alarms};
use crate::experiment::verify::Verified;
use crate::experiment::{ExperimentArgs, Target};
use crate::oracle::{Finding, Told};
use crate::scenario::{Pace, Scenario};

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
    let seen = Seen::of(facts.observations);
    let since_start_s = |ns: u64| rounded((ns as f64 - facts.started.mono_ns as f64) / 1e9, 3);
    let baseline = Baseline {
        phase: record.baseline.map(|window| seen.phase(&[window])).unwrap_or_default(),
        window_s: record
            .baseline
            .map(|window| [since_start_s(window.from_ns), since_start_s(window.to_ns)]),
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
        duration_s: rounded(facts.ended.ms_since(facts.started) / 1000.0, 6),
        seed: facts.seed,
        scenario: facts.scenario.name.clone(),
        repeat: repeat(facts.args, facts.seed),
        environment: Environment {
            kafka: facts.target.kafka.to_owned(),
            database: facts.target.database.clone(),
            replicas: facts.target.replicas,
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            detector: facts
                .record
                .detectors
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            host: host(),
        },
        baseline,
        faults: entries(facts, &seen),
        objectives: Vec::new(),
        oracle: oracle(facts),
        false_alarms: alarms
            .into_iter()
            .map(|off| FalseAlarm {
                instance: off.instance,
                at: rfc3339(off.stamp.at),
                detector: record
                    .detector_at(off.stamp)
                    .map(|kind| kind.to_string())
                    .unwrap_or_default(),
                reason: off.reason.text.clone(),
            })
            .collect(),
        series: series(&seen, facts.started),
        steady: record.steady_checks.iter().map(Into::into).collect(),
        notes,
        // They are written after it was built.
        files: None,
    };
    report.verdict = if facts.failure.is_some() {
        Verdict::Error
    } else if facts.aborted {
        Verdict::Aborted
    } else {
        report.objectives = objectives::judge(&report, facts.scenario, facts.pace.trials, record);
        report.notes.extend(record.deaf.clone());
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
        command += &format!(" --scenario {}", quoted(&scenario.display().to_string()));
    }
    if !args.detectors.is_empty() {
        let names: Vec<String> = args.detectors.iter().map(ToString::to_string).collect();
        command += &format!(" --detectors {}", names.join(","));
    }
    if args.record {
        command += " --record";
    }
    command + &format!(" --seed {seed}")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
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
    OracleReport {
        complete: *complete,
        answers_checked: if *complete { told(Told::is_stock) } else { 0 },
        wrong_answers: found(|finding| matches!(finding, Finding::Wrong(_))),
        orders_acknowledged: told(Told::is_acknowledgement),
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
