//! The faults that can be injected into one inventory replica, and what each does to an answer.
//!
//! Terms as in Avizienis, Laprie, Randell and Landwehr, "Basic Concepts and Taxonomy of Dependable and
//! Secure Computing", IEEE TDSC 1(1), 2004. Only the description and the arithmetic are here; the layer
//! that applies them to real answers and real processes is `tolerancia_service::fault`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ProductId, Stock};

/// What is broken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The process dies at once (SIGKILL).
    Crash,
    /// Every answer sleeps first: uniform 500 to 1500 ms, or `latency_ms` ± 20 %.
    Latency {
        /// Mean of the sleep in milliseconds, 1 to 60,000; absent: uniform 500 to 1500 ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        latency_ms: Option<u64>,
    },
    /// Answers are 5xx with this probability.
    Intermittent {
        /// 0 < probability ≤ 1.
        #[serde(default = "half")]
        probability: f64,
    },
    /// The stock of one product is reported wrong.
    Incorrect {
        /// Which product.
        product: ProductId,
    },
    /// The process is stopped (SIGSTOP): sockets stay open, nothing answers.
    Freeze,
    /// The replica stops consuming but keeps answering.
    Stale,
}

/// Which answers a fault touches. The default is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Queries and health checks.
    #[default]
    All,
    /// Queries only: health looks fine (a gray failure).
    Queries,
    /// Health checks only: queries are fine.
    Health,
}

impl Scope {
    /// Whether the fault touches health answers (`true`) or query answers (`false`).
    #[must_use]
    pub const fn covers(self, health: bool) -> bool {
        match self {
            Self::All => true,
            Self::Queries => !health,
            Self::Health => health,
        }
    }
}

/// A fault and the answers it touches: the body of `PUT /fault`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultSpec {
    /// What is broken.
    #[serde(flatten)]
    pub fault: Fault,
    /// Which answers it touches.
    #[serde(default)]
    pub scope: Scope,
}

const fn half() -> f64 {
    0.5
}

/// The longest latency that can be injected, in milliseconds.
pub const MAX_LATENCY_MS: u64 = 60_000;

impl Fault {
    /// The fault's name as the command line and the report write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Latency { .. } => "latency",
            Self::Intermittent { .. } => "intermittent",
            Self::Incorrect { .. } => "incorrect",
            Self::Freeze => "freeze",
            Self::Stale => "stale",
        }
    }

    /// Checks the ranges that the types do not hold.
    ///
    /// # Errors
    /// A message for the caller when a probability or a latency is out of range.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Intermittent { probability } if !(*probability > 0.0 && *probability <= 1.0) => {
                Err(format!("probability must be above 0 and at most 1, not {probability}"))
            }
            Self::Latency { latency_ms: Some(ms) } if !(1..=MAX_LATENCY_MS).contains(ms) => {
                Err(format!("latency must be 1 to {MAX_LATENCY_MS} ms, not {ms}"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How long one answer sleeps, in milliseconds, for a uniform `chance` in [0, 1).
#[must_use]
pub fn latency_ms(mean_ms: Option<u64>, chance: f64) -> f64 {
    let (low, high) = mean_ms.map_or((500.0, 1500.0), |mean| (mean as f64 * 0.8, mean as f64 * 1.2));
    low + (high - low) * chance.clamp(0.0, 1.0)
}

/// A wrong stock that differs from the true one and looks plausible: `chance` in [0, 1) picks it.
#[must_use]
pub fn falsify(truth: Stock, chance: f64) -> Stock {
    let bump = 1 + (chance.clamp(0.0, 1.0) * 100.0) as u64;
    let available = truth.available.checked_add(bump).unwrap_or(truth.available - bump);
    Stock {
        available,
        reserved: truth.reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_checked() {
        for bad in [0.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
            assert!(Fault::Intermittent { probability: bad }.check().is_err(), "{bad}");
        }
        assert!(Fault::Intermittent { probability: 1.0 }.check().is_ok());
        assert!(Fault::Latency { latency_ms: Some(0) }.check().is_err());
        assert!(
            Fault::Latency {
                latency_ms: Some(60_001)
            }
            .check()
            .is_err()
        );
        assert!(Fault::Latency { latency_ms: None }.check().is_ok());
    }

    proptest! {
        #[test]
        fn a_falsified_stock_is_always_wrong(available: u64, reserved: u64, chance in 0.0f64..1.0) {
            let truth = Stock { available, reserved };
            prop_assert_ne!(falsify(truth, chance), truth);
        }

        #[test]
        fn latency_stays_within_its_range(mean in prop::option::of(1u64..60_000), chance in 0.0f64..1.0) {
            let ms = latency_ms(mean, chance);
            match mean {
                None => prop_assert!((500.0..=1500.0).contains(&ms)),
                Some(mean) => prop_assert!((ms - mean as f64).abs() <= mean as f64 * 0.2 + 1e-9),
            }
        }
    }
}
