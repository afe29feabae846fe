//! What an experiment does, as a TOML file.
//!
//! Everything has a default except the faults, and nothing unknown is accepted: a misspelt objective that is
//! silently ignored would pass every time. Each error names the line and the column.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tolerancia_core::fault::{Fault, FaultSpec, Scope};

mod file;

pub use file::ScenarioError;

/// A scenario file larger than this is none.
const MAX_BYTES: u64 = 1 << 20;

/// What an experiment does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// Its name, for the report.
    pub name: String,
    /// How much of everything.
    pub pace: Pace,
    /// The same for `--quick`.
    pub quick: Pace,
    /// What clients do meanwhile.
    pub load: Load,
    /// The faults, in this order.
    pub faults: Vec<FaultSpec>,
    /// What must hold.
    pub objectives: Objectives,
}

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pace {
    /// Trials per fault, 1 to 1000.
    pub trials: usize,
    /// How long the healthy system is measured, 1 to 3600 s.
    pub baseline: Duration,
    /// How long a fault stays after it was detected, 0 to 600 s.
    pub hold: Duration,
    /// How long all instances are ON before the next trial, 0 to 600 s.
    pub settle: Duration,
}

/// What clients do meanwhile, both open loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Load {
    /// Voted queries per second, 0.1 to 100,000.
    pub queries_rps: f64,
    /// Orders per second, 0.1 to 100,000.
    pub orders_rps: f64,
}

/// What must hold; detection and recovery of every fault, no lost or doubled order and equal replicas are
/// asked for always.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Objectives {
    /// Every time to detect is below this many milliseconds.
    pub ttd_max_ms: f64,
    /// 95 % of the answers during a fault take less than this many milliseconds.
    pub p95_ms: f64,
    /// More than this share of the requests during a fault succeed, 0 to 1.
    pub success_rate: f64,
    /// More than this share of the queries during a fault find a quorum, 0 to 1.
    pub quorum_rate: f64,
    /// At most so many wrong answers.
    pub wrong_answers: u64,
    /// At most so many false alarms.
    pub false_alarms: u64,
}

impl Default for Objectives {
    fn default() -> Self {
        Self {
            ttd_max_ms: 1000.0,
            p95_ms: 1000.0,
            success_rate: 0.99,
            quorum_rate: 0.95,
            wrong_answers: 0,
            false_alarms: 0,
        }
    }
}

impl Default for Load {
    fn default() -> Self {
        Self {
            queries_rps: 50.0,
            orders_rps: 10.0,
        }
    }
}

impl Pace {
    /// The default pace.
    const FULL: Self = Self {
        trials: 10,
        baseline: Duration::from_secs(20),
        hold: Duration::from_secs(1),
        settle: Duration::from_millis(500),
    };
    /// The pace of `--quick`.
    const QUICK: Self = Self {
        trials: 3,
        baseline: Duration::from_secs(6),
        hold: Duration::from_millis(500),
        settle: Duration::from_millis(300),
    };
}

impl Scenario {
    /// The four classic faults: crash, latency, intermittent errors, incorrect answers. Equal to
    /// `scenarios/classic.toml`.
    #[must_use]
    pub fn classic() -> Self {
        let product = "PROD-001".parse().expect("a valid product id");
        let faults = [
            Fault::Crash,
            Fault::Latency { latency_ms: Some(1200) },
            Fault::Intermittent { probability: 0.5 },
            Fault::Incorrect { product },
        ];
        let everything = |fault| FaultSpec {
            fault,
            scope: Scope::All,
        };
        Self {
            name: "classic".to_owned(),
            pace: Pace::FULL,
            quick: Pace::QUICK,
            load: Load::default(),
            faults: faults.into_iter().map(everything).collect(),
            objectives: Objectives::default(),
        }
    }

    /// The pace to keep.
    #[must_use]
    pub const fn pace(&self, quick: bool) -> Pace {
        if quick { self.quick } else { self.pace }
    }
}

/// Reads a scenario file.
///
/// # Errors
/// When the file cannot be read, is larger than 1 MiB, or is not a scenario; the message says where.
pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    let unreadable = |cause: String| ScenarioError::Unreadable {
        path: path.display().to_string(),
        cause,
    };
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    let size = file
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if size as u64 > MAX_BYTES {
        return Err(unreadable("a scenario has at most 1 MiB".to_owned()));
    }
    file::parse(&path.display().to_string(), &text)
}

#[cfg(test)]
mod tests;
