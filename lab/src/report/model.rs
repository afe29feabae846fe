//! `report.json`, schema 1. Readers must accept fields that are not described here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;
use tolerancia_wire::status::Clue;

use super::times::Times;

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
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// What an experiment ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// `embedded` or `external`.
    pub kafka: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Configured replicas.
    pub replicas: usize,
    /// Processors that this process may use.
    pub cores: usize,
    /// The monitor's detector; where several were compared, the one that is judged.
    pub detector: String,
    /// Version of the program.
    pub version: String,
}

/// Requests of one phase.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Phase {
    /// Queries, orders and cancels that were meant to start in it.
    pub requests: u64,
    /// Share with a valid answer.
    pub success_rate: Option<f64>,
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
    /// Answers meanwhile that contradict the log.
    pub wrong_answers: u64,
    /// Each trial.
    pub trials_detail: Vec<TrialReport>,
}

/// One trial. Where it hits several instances, its times are those of the last of them, and its counts those of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// The replica; the first, where there are several.
    pub instance: ReplicaId,
    /// RFC 3339; so are the others.
    pub activated_at: String,
    /// The monitor's OFF: the first, should there be more.
    pub detected_at: Option<String>,
    /// The end of the fault; null for a crash.
    pub cleared_at: Option<String>,
    /// The monitor's ON: the last, should there be more.
    pub recovered_at: Option<String>,
    /// What the monitor based the OFF on.
    pub reason: Option<String>,
    /// The same piece by piece, oldest first, as far as it is a matter of statistics.
    #[serde(default)]
    pub evidence: Vec<Clue>,
    /// Activation to OFF.
    pub ttd_ms: Option<f64>,
    /// Activation to ON.
    pub ttr_ms: Option<f64>,
    /// End of the fault to ON.
    pub repair_ms: Option<f64>,
    /// The last quarantine before the ON; the longest, where there are several instances.
    #[serde(default)]
    pub quarantine_ms: Option<f64>,
    /// How much longer than its quarantine repair took.
    #[serde(default)]
    pub repair_over_quarantine_ms: Option<f64>,
    /// Changes of verdict from activation to ON for good.
    #[serde(default)]
    pub transitions: u64,
    /// Those of them while the fault was active.
    #[serde(default)]
    pub transitions_while_active: u64,
    /// Returns to ON while the fault was active.
    #[serde(default)]
    pub readmitted_while_active: u64,
    /// Whether the monitor said meanwhile that the quorum was lost.
    #[serde(default)]
    pub alarmed: bool,
    /// Each instance, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<HitReport>,
}

/// One of several instances that were hit at the same time; fields as in [`TrialReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HitReport {
    /// The replica.
    pub instance: ReplicaId,
    /// When its fault became active.
    pub activated_at: String,
    /// The monitor's OFF.
    pub detected_at: Option<String>,
    /// The end of the fault.
    pub cleared_at: Option<String>,
    /// The monitor's ON.
    pub recovered_at: Option<String>,
    /// What the monitor based the OFF on.
    pub reason: Option<String>,
    /// Activation to OFF.
    pub ttd_ms: Option<f64>,
    /// Activation to ON.
    pub ttr_ms: Option<f64>,
    /// End of the fault to ON.
    pub repair_ms: Option<f64>,
    /// The last quarantine before the ON.
    pub quarantine_ms: Option<f64>,
}

impl TrialReport {
    /// The replicas that were hit.
    pub(super) fn instances(&self) -> String {
        if self.hits.is_empty() {
            return self.instance.to_string();
        }
        let all: Vec<String> = self.hits.iter().map(|hit| hit.instance.to_string()).collect();
        all.join(", ")
    }
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
