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
mod consecutive;

use serde::{Deserialize, Serialize};

pub use accrual::{Accrual, AccrualConfig};
pub use burst::{Bursts, UNREACHABLE_SPAN_NS};
pub use consecutive::Consecutive;

/// What one observation of an instance showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
}

/// Turns observations of one instance into suspicion.
///
/// Every detector is monotone in evidence (a miss in place of a good answer never lowers the level) and
/// silent on perfect health.
pub trait Detector: Send + std::fmt::Debug {
    /// The name that configuration and reports use.
    fn name(&self) -> &'static str;

    /// Takes one observation; `true` if the instance is suspected now.
    fn observe(&mut self, observation: Observation) -> bool;

    /// The suspicion as a fraction of what trips the detector: 0 none, 1 or more suspected.
    fn level(&self) -> f64;

    /// Forgets all evidence.
    fn reset(&mut self);
}

/// Which detector to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// Misses in a row.
    Consecutive,
    /// CUSUM over log-likelihood ratios.
    #[default]
    Accrual,
}

impl std::str::FromStr for DetectorKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "consecutive" => Ok(Self::Consecutive),
            "accrual" => Ok(Self::Accrual),
            other => Err(format!("the detectors are consecutive and accrual, not {other:?}")),
        }
    }
}

/// Parameters of all detectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectorConfig {
    /// Which one.
    pub kind: DetectorKind,
    /// `consecutive`: misses in a row that turn an instance OFF.
    pub misses: u32,
    /// `accrual`: its parameters.
    pub accrual: AccrualConfig,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            kind: DetectorKind::default(),
            misses: 3,
            accrual: AccrualConfig::default(),
        }
    }
}

impl DetectorConfig {
    /// A detector for one instance.
    #[must_use]
    pub fn build(&self) -> Box<dyn Detector> {
        match self.kind {
            DetectorKind::Consecutive => Box::new(Consecutive::new(self.misses)),
            DetectorKind::Accrual => Box::new(Accrual::new(self.accrual)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> Vec<Box<dyn Detector>> {
        [DetectorKind::Consecutive, DetectorKind::Accrual]
            .map(|kind| {
                DetectorConfig {
                    kind,
                    ..DetectorConfig::default()
                }
                .build()
            })
            .into()
    }

    fn seen() -> impl Strategy<Value = Seen> {
        prop::sample::select(vec![
            Seen::Good,
            Seen::Unreachable,
            Seen::Late,
            Seen::Error,
            Seen::Stale,
        ])
    }

    fn run(detector: &mut dyn Detector, trace: &[(Seen, f64)]) -> Vec<f64> {
        trace
            .iter()
            .enumerate()
            .map(|(i, &(seen, weight))| {
                let suspected = detector.observe(Observation {
                    at_ns: i as u64,
                    seen,
                    weight,
                });
                assert_eq!(suspected, detector.level() >= 1.0);
                detector.level()
            })
            .collect()
    }

    #[test]
    fn three_misses_in_a_row_trip_every_detector() {
        for mut detector in all() {
            let levels = run(&mut *detector, &[(Seen::Late, 1.0); 3]);
            assert!(levels[1] < 1.0 && levels[2] >= 1.0, "{}: {levels:?}", detector.name());
            detector.reset();
            assert_eq!(detector.level(), 0.0);
        }
    }

    proptest! {
        #[test]
        fn silent_on_perfect_health(n in 0usize..2000) {
            for mut detector in all() {
                prop_assert!(run(&mut *detector, &vec![(Seen::Good, 1.0); n]).iter().all(|level| *level == 0.0));
            }
        }

        #[test]
        fn monotone_in_evidence(
            trace in prop::collection::vec((seen(), prop::sample::select(vec![0.0, 0.25, 0.5, 1.0])), 1..200),
            at in any::<prop::sample::Index>(),
        ) {
            let at = at.index(trace.len());
            let mut worse = trace.clone();
            if worse[at].0 == Seen::Good { worse[at] = (Seen::Error, worse[at].1); }
            for (mut better, mut other) in all().into_iter().zip(all()) {
                let better = run(&mut *better, &trace);
                let worse = run(&mut *other, &worse);
                prop_assert!(better.iter().zip(&worse).all(|(b, w)| b <= w), "{better:?} {worse:?}");
            }
        }

        #[test]
        fn evidence_without_weight_changes_nothing(trace in prop::collection::vec(seen(), 1..100)) {
            for mut detector in all() {
                let trace: Vec<_> = trace.iter().map(|seen| (*seen, 0.0)).collect();
                prop_assert!(run(&mut *detector, &trace).iter().all(|level| *level == 0.0));
            }
        }
    }
}
