//! `report.json`, schema 1. Readers must accept fields that are not described here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;

use super::times::Times;

mod environment;
mod series;
mod steady;
mod trial;

pub use environment::{Environment, Host};
pub use series::Series;
pub use steady::SteadyReport;
pub use trial::{Event, HitReport, Interval, Mark, States, Timeline, TrialReport};

/// How the experiment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every objective was met.
    Pass,
    /// At least one objective was missed.
    Fail,
    /// It was interrupted: partial.
    Aborted,
    /// It could not be carried out, or its clean-up failed: partial.
    Error,
}

/// The whole report. Times are in milliseconds unless their name says otherwise, rates are shares of 1; what
/// could not be measured is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub schema: u32,
    /// How it ended.
    pub verdict: Verdict,
    /// RFC 3339.
    pub started_at: String,
    /// From the start to the end of the judgement.
    pub duration_s: f64,
    /// Seed of everything that is random.
    pub seed: u64,
    /// The scenario's name.
    pub scenario: String,
    /// The command that repeats it.
    pub repeat: String,
    /// What it ran on.
    pub environment: Environment,
    /// The healthy system.
    pub baseline: Baseline,
    /// By fault in the order of the scenario, and by detector: the judged one first.
    pub faults: Vec<FaultReport>,
    /// What had to hold; empty unless the experiment was carried out.
    pub objectives: Vec<Objective>,
    /// What the log says.
    pub oracle: OracleReport,
    /// All of them.
    pub false_alarms: Vec<FalseAlarm>,
    /// The load over the whole run; null if there was none.
    #[serde(default)]
    pub series: Option<Series>,
    /// The checks of the steady state, in order of time: after the baseline, and before and after every trial.
    #[serde(default)]
    pub steady: Vec<SteadyReport>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// How much is in the files beside the report; null in what older versions wrote, and where they were not written.
    #[serde(default)]
    pub files: Option<crate::archive::Files>,
}

/// Requests of one phase.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Phase {
    /// Queries, orders and cancels that were meant to start in it.
    pub requests: u64,
    /// Share with a valid answer.
    pub success_rate: Option<f64>,
    /// Where that share lies with 95 % confidence (Wilson), were the requests independent.
    #[serde(default)]
    pub success_ci95: Option<[f64; 2]>,
    /// Median latency from the intended start, failures included.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// Share of the queries that were answered with a quorum's value.
    pub quorum_rate: Option<f64>,
    /// Where that share lies with 95 % confidence (Wilson), were the queries independent.
    #[serde(default)]
    pub quorum_ci95: Option<[f64; 2]>,
    /// Failures by operation and kind.
    pub failed: BTreeMap<String, u64>,
}

/// The healthy system.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// Its requests.
    #[serde(flatten)]
    pub phase: Phase,
    /// Instances turned OFF meanwhile.
    pub false_alarms: u64,
    /// Its beginning and its end, seconds from the start of the experiment.
    #[serde(default)]
    pub window_s: Option<[f64; 2]>,
}

/// The requests of a fault, told apart by what the monitor knew. Where an OFF never came, or came after the end of the
/// fault, the first lasts to that end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Phases {
    /// From activation to OFF: the fault does what it can.
    pub undetected: Phase,
    /// From OFF to the end of the fault, which for a crash is ON.
    pub detected: Phase,
    /// From the end of the fault to ON; nothing for a crash.
    pub recovering: Phase,
}

/// One fault, with one detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// Its name; where it is combined, scoped, or on several instances, that too.
    pub fault: String,
    /// The detector in force.
    #[serde(default)]
    pub detector: String,
    /// The fault as it was injected; `with` others at the same time, on so many `instances`, `each` with its own.
    pub parameters: serde_json::Value,
    /// Trials that were carried out.
    pub trials: usize,
    /// Trials in which the monitor turned the instance OFF; all of them, where there are several.
    pub detected: usize,
    /// Trials in which it turned it ON again.
    pub recovered: usize,
    /// Trials in which the monitor said that the quorum was lost.
    #[serde(default)]
    pub alarmed: usize,
    /// Activation to OFF; to the last OFF, where there are several instances. Trials that were not detected took longer
    /// than any: what depends on them is null.
    pub ttd_ms: Option<Times>,
    /// Activation to ON; to the last ON, where there are several instances; of the trials that recovered.
    pub ttr_ms: Option<Times>,
    /// End of the fault to ON; of the trials that recovered.
    pub repair_ms: Option<Times>,
    /// Requests from activation to the end of the fault; for a crash, to ON.
    pub during: Phase,
    /// The same in parts, and what follows until ON.
    #[serde(default)]
    pub phases: Phases,
    /// Answers meanwhile that contradict the log.
    pub wrong_answers: u64,
    /// Each trial.
    pub trials_detail: Vec<TrialReport>,
}

impl Report {
    /// The detectors that trials were made with, the judged one first.
    pub(super) fn detectors(&self) -> Vec<&str> {
        let mut detectors: Vec<&str> = Vec::new();
        for fault in &self.faults {
            if !detectors.contains(&fault.detector.as_str()) {
                detectors.push(&fault.detector);
            }
        }
        detectors
    }

    /// What to call an entry of `faults`: by its detector too, where there are several.
    pub(super) fn label(&self, fault: &FaultReport) -> String {
        if self.detectors().len() > 1 {
            format!("{}, {}", fault.fault, fault.detector)
        } else {
            fault.fault.clone()
        }
    }
}

/// Something that had to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Which.
    pub name: String,
    /// The fault that it is about; null: the whole experiment.
    pub fault: Option<String>,
    /// The bound.
    pub limit: f64,
    /// What was measured; null if nothing was.
    pub value: Option<f64>,
    /// Whether it holds.
    pub met: bool,
}

/// What the log says about what clients were told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OracleReport {
    /// Whether the log was read; otherwise nothing was judged.
    pub complete: bool,
    /// Successful answers to queries.
    pub answers_checked: u64,
    /// Those, and answers about orders, that contradict the log.
    pub wrong_answers: u64,
    /// Orders answered as confirmed or pending, and cancels answered as done.
    pub orders_acknowledged: u64,
    /// Those of them that are not in the log.
    pub orders_lost: u64,
    /// Orders that took stock more than once, and products of which more was taken than was ordered.
    pub orders_doubled: u64,
    /// Whether all replicas, and the replayed log, have the same state.
    pub replicas_equal: bool,
    /// Records of the log.
    pub records: usize,
    /// Records that nobody can read.
    pub unreadable_records: u64,
    /// What was found, in words; at most 100.
    pub findings: Vec<String>,
}

/// An OFF without a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FalseAlarm {
    /// The replica.
    pub instance: ReplicaId,
    /// RFC 3339.
    pub at: String,
    /// The detector in force; empty where it is not known.
    #[serde(default)]
    pub detector: String,
    /// What the monitor based it on.
    pub reason: String,
}
