//! What an experiment does, as a TOML file.
//!
//! Everything has a default except the faults, and nothing unknown is accepted: a misspelt objective that is
//! silently ignored would pass every time. Each error names the line and the column.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tolerancia_core::detector::DetectorKind;
use tolerancia_core::fault::{Fault, FaultSpec, Scope};

mod case;
mod error;
mod file;
mod load;
pub mod parameters;
mod schema;
mod text;

pub use case::{Case, Phase};
pub use error::ScenarioError;
pub use load::{Load, Products};
pub use schema::schema;

/// A scenario file larger than this is none.
const MAX_BYTES: u64 = 1 << 20;
/// Requests that can be remembered until the end: a day at the default load, about a gigabyte.
const MOST_REQUESTS: f64 = 6e6;
/// From the first steady state to the report, beside all that the scenario says: on a calm machine.
const OVERHEAD: Duration = Duration::from_secs(5);

/// What an experiment does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// Its name, for the report.
    pub name: String,
    /// How many replicas the system has: 3, 5 or 7; `None`: any of these.
    pub replicas: Option<u8>,
    /// The services' environment variables, for a system that the experiment starts itself.
    pub parameters: BTreeMap<&'static str, String>,
    /// How much of everything.
    pub pace: Pace,
    /// The same for `--quick`.
    pub quick: Pace,
    /// What clients do meanwhile.
    pub load: Load,
    /// The products that they ask for and order.
    pub products: Products,
    /// The detectors that each fault is tried with, no one twice. The first is judged, the others are compared with
    /// it. Empty: the one in force.
    pub detectors: Vec<DetectorKind>,
    /// What is broken, each once in every round of trials, in this order in the report. Empty: nothing is, and only the
    /// baseline is measured.
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
    /// to `scenarios/classic.toml`.
    #[must_use]
    pub fn classic() -> Self {
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
            name: "classic".to_owned(),
            replicas: None,
            parameters: BTreeMap::new(),
            pace: Pace::FULL,
            quick: Pace::QUICK,
            load: Load::default(),
            products: Products::All,
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

    /// How many trials are made at such a pace, with so many detectors in turn.
    #[must_use]
    pub fn trials(&self, pace: Pace) -> usize {
        pace.trials * self.faults.len() * self.detectors.len().max(1)
    }

    /// About how long it takes at such a pace, on a calm machine and with every fault detected at once.
    #[must_use]
    pub fn estimate(&self, pace: Pace) -> Duration {
        OVERHEAD + self.seconds(pace, Case::expected)
    }

    /// How many requests are made at such a pace, each of which is remembered until the end.
    fn requests(&self, pace: Pace) -> f64 {
        self.seconds(pace, Case::at_worst).as_secs_f64() * (self.load.queries_rps + self.load.orders_rps)
    }

    /// How long the load runs, where a trial takes so long.
    fn seconds(&self, pace: Pace, trial: impl Fn(&Case, Pace) -> Duration) -> Duration {
        let round: f64 = self.faults.iter().map(|case| trial(case, pace).as_secs_f64()).sum();
        let rounds = (pace.trials * self.detectors.len().max(1)) as f64;
        self.load.warm_up + pace.baseline + Duration::from_secs_f64(rounds * round)
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

    /// Checks that a system of so many replicas is one that it is about.
    ///
    /// # Errors
    /// A message that says how many it wants, or names the fault which wants more.
    pub fn fits(&self, replicas: usize) -> Result<(), ScenarioError> {
        if let Some(wanted) = self.replicas.filter(|wanted| usize::from(*wanted) != replicas) {
            return Err(ScenarioError::Replicas { wanted, replicas });
        }
        for case in &self.faults {
            if case.instances() > replicas {
                return Err(ScenarioError::TooFew {
                    fault: case.name(),
                    wanted: case.instances(),
                    replicas,
                });
            }
            if let Some(instance) = case.instance.filter(|instance| instance.index() >= replicas) {
                return Err(ScenarioError::NoInstance {
                    fault: case.name(),
                    instance: instance.number(),
                    replicas,
                });
            }
        }
        Ok(())
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
    let too_large = || unreadable("a scenario has at most 1 MiB".to_owned());
    // Before it is opened: that would wait for the other end of a named pipe.
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(too_large());
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    let size = file
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    // It may have grown.
    if size as u64 > MAX_BYTES {
        return Err(too_large());
    }
    file::read(&path.display().to_string(), &bytes)
}

#[cfg(test)]
mod tests;
