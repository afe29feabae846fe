//! Evidence in, suspicion out.
//!
//! A failure detector in the sense of Chandra and Toueg ("Unreliable Failure Detectors for Reliable
//! Distributed Systems", JACM 43(2), 1996): it may be wrong, so what matters is how soon it suspects a
//! faulty instance and how seldom a correct one. The detectors here see one instance each and take weighted
//! observations, whatever their source: health checks, a lost connection, batches from the voter and from
//! orders. A proven lie is not among them: it is a verdict, not a statistic (see [`crate::lifecycle`]).
//!
//! To add a detector: one file beside these with its source cited, one variant in [`DetectorKind`].

mod accrual;
mod burst;
pub mod calibrate;
mod consecutive;
mod phi;
mod window;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use accrual::{Accrual, AccrualConfig};
pub use burst::{Bursts, UNREACHABLE_SPAN_NS};
pub use consecutive::Consecutive;
pub use phi::{Phi, PhiConfig};
pub use window::{Window, WindowConfig};

/// What one observation of an instance showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// A right answer in time.
    Good,
    /// The connection was lost or refused.
    Unreachable,
    /// No answer in time.
    Late,
    /// An answer that was an error or malformed.
    Error,
    /// An answer from a position behind the quorum's for longer than the lag budget.
    Stale,
}

impl Seen {
    /// Whether it speaks against the instance.
    #[must_use]
    pub const fn is_miss(self) -> bool {
        !matches!(self, Self::Good)
    }
}

/// One piece of evidence about one instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// When it was made, in nanoseconds on a monotonic clock.
    pub at_ns: u64,
    /// What was seen.
    pub seen: Seen,
    /// How much it counts, 0 to 1: misses with a common cause share one unit (see [`Bursts`]).
    pub weight: f64,
    /// Whether it is the result of the observer's own regular check; otherwise it was reported.
    pub heartbeat: bool,
}

/// Turns observations of one instance into suspicion.
pub trait Detector: Send + std::fmt::Debug {
    /// The name that configuration and reports use.
    fn name(&self) -> &'static str;

    /// The unit of [`Detector::statistic`].
    fn unit(&self) -> &'static str;

    /// Takes one observation; `true` if the instance is suspected now.
    fn observe(&mut self, observation: Observation) -> bool;

    /// Takes `count` good answers of full weight that were seen at `at_ns`, as [`Detector::observe`] would one by
    /// one, but in constant time.
    fn good(&mut self, at_ns: u64, count: u64, heartbeat: bool);

    /// Time passes; `true` if the instance is suspected now. Only detectors of silence change with time.
    fn tick(&mut self, now_ns: u64) -> bool {
        let _ = now_ns;
        self.level() >= 1.0
    }

    /// The observer itself stood still for so many nanoseconds: the silence meanwhile says nothing.
    fn stalled(&mut self, for_ns: u64) {
        let _ = for_ns;
    }

    /// The suspicion in the detector's unit; 0: none.
    fn statistic(&self) -> f64;

    /// The value of [`Detector::statistic`] from which on the instance is suspected; above 0.
    fn limit(&self) -> f64;

    /// The suspicion as a fraction of what trips the detector: 0 none, 1 or more suspected.
    fn level(&self) -> f64 {
        self.statistic() / self.limit()
    }

    /// Forgets all evidence.
    fn reset(&mut self);
}

/// Which detector to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// Misses in a row.
    Consecutive,
    /// CUSUM over log-likelihood ratios.
    #[default]
    Accrual,
    /// How improbable the present silence is.
    Phi,
    /// Share of misses over a sliding window.
    Window,
}

impl DetectorKind {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Accrual, Self::Consecutive, Self::Phi, Self::Window];

    /// The name that configuration and reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consecutive => "consecutive",
            Self::Accrual => "accrual",
            Self::Phi => "phi",
            Self::Window => "window",
        }
    }
}

impl std::fmt::Display for DetectorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for DetectorKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no detector {text:?}; the detectors are {names}")
        })
    }
}

/// Parameters of all detectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectorConfig {
    /// Which one.
    pub kind: DetectorKind,
    /// `consecutive`: misses in a row that turn an instance OFF; from 1.
    pub misses: u32,
    /// `accrual`: its parameters.
    pub accrual: AccrualConfig,
    /// `phi`: its parameters.
    pub phi: PhiConfig,
    /// `window`: its parameters.
    pub window: WindowConfig,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            kind: DetectorKind::default(),
            misses: 3,
            accrual: AccrualConfig::default(),
            phi: PhiConfig::default(),
            window: WindowConfig::default(),
        }
    }
}

impl DetectorConfig {
    /// Checks the ranges of all parameters.
    ///
    /// # Errors
    /// A message for the operator when a parameter is out of range.
    pub fn check(&self) -> Result<(), String> {
        if self.misses == 0 {
            return Err("consecutive needs at least one miss in a row".to_owned());
        }
        self.accrual.check()?;
        self.phi.check()?;
        self.window.check()
    }

    /// The same parameters for another detector.
    #[must_use]
    pub const fn of(self, kind: DetectorKind) -> Self {
        Self { kind, ..self }
    }

    /// A detector for one instance.
    #[must_use]
    pub fn build(&self) -> Box<dyn Detector> {
        match self.kind {
            DetectorKind::Consecutive => Box::new(Consecutive::new(self.misses)),
            DetectorKind::Accrual => Box::new(Accrual::new(self.accrual)),
            DetectorKind::Phi => Box::new(Phi::new(self.phi)),
            DetectorKind::Window => Box::new(Window::new(self.window)),
        }
    }
}

#[cfg(test)]
mod tests;
