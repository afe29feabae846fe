//! What an experiment does, as a TOML file.
//!
//! Everything has a default except the faults, and nothing unknown is accepted: a misspelt objective that is
//! silently ignored would pass every time. Each error names the line and the column.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tolerancia_core::detector::DetectorKind;
use tolerancia_core::fault::{Fault, FaultSpec, Scope};

mod case;
mod file;

pub use case::Case;
pub use file::ScenarioError;

/// A scenario file larger than this is none.
const MAX_BYTES: u64 = 1 << 20;
/// Requests that can be remembered until the end: a day at the default load, about a gigabyte.
const MOST_REQUESTS: f64 = 6e6;
/// What a trial takes beside the time that its fault is held and the system settles, seconds: a fault that is not
/// detected is waited for for 10 s, the rest is recovery.
const TRIAL_S: f64 = 15.0;

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
    /// The detectors that each fault is tried with, no one twice. The first is judged, the others are compared with
    /// it. Empty: the one in force.
    pub detectors: Vec<DetectorKind>,
    /// What is broken, in this order. Empty: nothing is, and only the baseline is measured.
    pub faults: Vec<Case>,
    /// What must hold.
    pub objectives: Objectives,
}

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pace {
    /// Trials per fault and detector, 1 to 1000.
    pub trials: usize,
    /// How long the healthy system is measured, 1 to 86,400 s.
    pub baseline: Duration,
    /// How long a fault stays after it was detected, 0 to 600 s.
    pub hold: Duration,
    /// How long all instances are ON before the next trial, 0 to 600 s.
    pub settle: Duration,
}

/// What clients do meanwhile, both open loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Load {
    /// Voted queries per second, 0.1 to 100,000, or 0: none.
    pub queries_rps: f64,
    /// Orders per second, 0.1 to 100,000, or 0: none.
    pub orders_rps: f64,
}

/// What must hold; detection and recovery of every fault, no lost or doubled order and equal replicas are
/// asked for always.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Objectives {
    /// What must hold for every fault that does not say otherwise.
    #[serde(flatten)]
    pub each: FaultObjectives,
    /// At most so many wrong answers.
    pub wrong_answers: u64,
    /// At most so many false alarms.
    pub false_alarms: u64,
}

/// What must hold for one fault.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FaultObjectives {
    /// Every time to detect is below this many milliseconds.
    pub ttd_max_ms: f64,
    /// 95 % of the answers during a fault take less than this many milliseconds.
    pub p95_ms: f64,
    /// More than this share of the requests during a fault succeed, 0 to 1.
    pub success_rate: f64,
    /// More than this share of the queries during a fault find a quorum, 0 to 1.
    pub quorum_rate: f64,
    /// In no trial more changes of verdict while the fault is active; `None`: not asked for.
    pub transitions_max: Option<u64>,
    /// In no trial more returns to ON while the fault is active; `None`: not asked for.
    pub readmissions_max: Option<u64>,
    /// In no trial does repair take longer than the quarantine in force and so many milliseconds; `None`: not asked
    /// for.
    pub repair_over_quarantine_ms: Option<f64>,
}

impl Default for FaultObjectives {
    fn default() -> Self {
        Self {
            ttd_max_ms: 1000.0,
            p95_ms: 1000.0,
            success_rate: 0.99,
            quorum_rate: 0.95,
            transitions_max: None,
            readmissions_max: None,
            repair_over_quarantine_ms: None,
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

impl Load {
    /// Whether clients do nothing at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.queries_rps <= 0.0 && self.orders_rps <= 0.0
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
    /// All six faults, one at a time: crash, latency, intermittent errors, incorrect answers, freeze, staleness. Equal
    /// to `scenarios/all.toml`.
    #[must_use]
    pub fn all() -> Self {
        let product = "PROD-001".parse().expect("a valid product id");
        let faults = [
            Fault::Crash,
            Fault::Latency { latency_ms: Some(1200) },
            Fault::Intermittent { probability: 0.5 },
            Fault::Incorrect { product },
            Fault::Freeze,
            Fault::Stale,
        ];
        let everything = |fault| FaultSpec {
            fault,
            scope: Scope::All,
        };
        Self {
            name: "all".to_owned(),
            pace: Pace::FULL,
            quick: Pace::QUICK,
            load: Load::default(),
            detectors: Vec::new(),
            faults: faults.into_iter().map(|fault| everything(fault).into()).collect(),
            objectives: Objectives::default(),
        }
    }

    /// The pace to keep.
    #[must_use]
    pub const fn pace(&self, quick: bool) -> Pace {
        if quick { self.quick } else { self.pace }
    }

    /// How many requests are made at such a pace, each of which is remembered until the end.
    fn requests(&self, pace: Pace) -> f64 {
        let trials = (pace.trials * self.faults.len() * self.detectors.len().max(1)) as f64;
        let trial_s = (pace.hold + pace.settle).as_secs_f64() + TRIAL_S;
        let seconds = pace.baseline.as_secs_f64() + trials * trial_s;
        seconds * (self.load.queries_rps + self.load.orders_rps)
    }

    /// Checks that what is to be remembered fits into memory.
    ///
    /// # Errors
    /// A message that says how much it would be.
    pub(crate) fn is_bounded(&self, quick: bool) -> Result<(), ScenarioError> {
        let requests = self.requests(self.pace(quick));
        if requests > MOST_REQUESTS {
            return Err(ScenarioError::TooLong(too_many(requests)));
        }
        Ok(())
    }

    /// The names of the faults, in their order, as the report has them: as short as tells one from another.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names: Vec<String> = self.faults.iter().map(Case::name).collect();
        let is_unique = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
        let chosen = names.iter().zip(&self.faults).map(|(name, case)| {
            if is_unique(name) {
                name.clone()
            } else {
                case.full_name()
            }
        });
        chosen.collect()
    }

    /// Checks that a system of so many replicas has enough of them.
    ///
    /// # Errors
    /// A message that names the fault which wants more.
    pub fn fits(&self, replicas: usize) -> Result<(), ScenarioError> {
        let large = self.faults.iter().find(|case| case.instances() > replicas);
        large.map_or(Ok(()), |case| {
            Err(ScenarioError::TooFew {
                fault: case.name(),
                wanted: case.instances(),
                replicas,
            })
        })
    }
}

/// What to tell of so many requests.
fn too_many(requests: f64) -> String {
    format!(
        "that is an experiment of up to {requests:.0} requests, each of which is remembered: fewer trials, detectors or \
         faults, or a smaller load; at most {MOST_REQUESTS:.0}"
    )
}

/// The first detector that is named twice.
pub(crate) fn named_twice(detectors: &[DetectorKind]) -> Option<DetectorKind> {
    let twice = |(n, kind): &(usize, &DetectorKind)| detectors[..*n].contains(kind);
    detectors.iter().enumerate().find(twice).map(|(_, kind)| *kind)
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
