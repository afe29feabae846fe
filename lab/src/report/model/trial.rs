//! The trials of `report.json`.

use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;
use tolerancia_wire::status::{Clue, Phase as Standing};

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
    /// What happened around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
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
    pub(in super::super) fn instances(&self) -> String {
        if self.hits.is_empty() {
            return self.instance.to_string();
        }
        let all: Vec<String> = self.hits.iter().map(|hit| hit.instance.to_string()).collect();
        all.join(", ")
    }

    /// The same with the word for it.
    pub(in super::super) fn named(&self) -> String {
        let word = if self.hits.len() > 1 { "instances" } else { "instance" };
        format!("{word} {}", self.instances())
    }
}

/// What happened around a trial: from a second before the activation to a second after the recovery. The instants are
/// milliseconds from the activation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The activation, in seconds from the start of the experiment.
    pub start_s: f64,
    /// The beginning of the first bucket.
    pub from_ms: f64,
    /// The end of the last bucket.
    pub to_ms: f64,
    /// The length of a bucket, at least 100 ms; the last one may be cut short.
    pub bucket_ms: f64,
    /// Requests that were meant to start, bucket by bucket; at most 60.
    pub requests: Vec<u64>,
    /// Those of them without a valid answer.
    pub failed: Vec<u64>,
    /// 95th percentile of the latency, milliseconds; null where nothing was sent.
    pub p95_ms: Vec<Option<f64>>,
    /// What was done, and what the monitor said, in order of time.
    pub marks: Vec<Mark>,
    /// The instances that were hit, and those that were not ON throughout.
    pub states: Vec<States>,
}

/// Something that happened to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at_ms: f64,
    /// The replica.
    pub instance: ReplicaId,
    /// What.
    pub what: Event,
}

/// What can happen in a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Its fault became active.
    Inject,
    /// The monitor turned it OFF.
    Detect,
    /// Its fault was ended.
    Clear,
    /// The monitor turned it ON for good.
    Recover,
}

/// How the monitor judged an instance meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct States {
    /// The replica.
    pub instance: ReplicaId,
    /// Without gaps, in order of time.
    pub intervals: Vec<Interval>,
}

/// A time in which the judgement was the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its beginning.
    pub from_ms: f64,
    /// Its end.
    pub to_ms: f64,
    /// `on`; or OFF, in `quarantine` or `probation`.
    pub state: Standing,
}
