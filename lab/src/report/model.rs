//! `report.json`, schema 1. Readers must accept fields that are not described here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;

use crate::statistics::Summary;

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
    /// By fault, in the order of the scenario.
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
    /// The monitor's detector.
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

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// Its name.
    pub fault: String,
    /// The fault as it was injected.
    pub parameters: serde_json::Value,
    /// Trials that were carried out.
    pub trials: usize,
    /// Trials in which the monitor turned the instance OFF.
    pub detected: usize,
    /// Trials in which it turned it ON again.
    pub recovered: usize,
    /// Activation to OFF.
    pub ttd_ms: Option<Summary>,
    /// Activation to ON.
    pub ttr_ms: Option<Summary>,
    /// End of the fault to ON.
    pub repair_ms: Option<Summary>,
    /// Requests from activation to the end of the fault; for a crash, to ON.
    pub during: Phase,
    /// Answers meanwhile that contradict the log.
    pub wrong_answers: u64,
    /// Each trial.
    pub trials_detail: Vec<TrialReport>,
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// The replica.
    pub instance: ReplicaId,
    /// RFC 3339; so are the others.
    pub activated_at: String,
    /// The monitor's OFF.
    pub detected_at: Option<String>,
    /// The end of the fault; null for a crash.
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
    /// What the monitor based it on.
    pub reason: String,
}
