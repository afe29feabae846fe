//! The checks of the steady state.

use serde::{Deserialize, Serialize};
use tolerancia_wire::time::rfc3339;

use crate::experiment::record::{SteadyCheck, When};

/// A check of the steady state: every service healthy, every instance ON for a while, a query and an order work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SteadyReport {
    /// `baseline`: after it; `before` or `after` a trial.
    pub when: String,
    /// Which trial, from 1 in the order in which they were made; null: none.
    pub trial: Option<usize>,
    /// RFC 3339.
    pub at: String,
    /// How long it was waited for.
    pub waited_ms: f64,
    /// What was missing when the wait was given up; null: the system was steady.
    pub missing: Option<String>,
}

impl From<&SteadyCheck> for SteadyReport {
    fn from(check: &SteadyCheck) -> Self {
        let (when, trial) = match check.when {
            When::AfterBaseline => ("baseline", None),
            When::BeforeTrial(number) => ("before", Some(number + 1)),
            When::AfterTrial(number) => ("after", Some(number + 1)),
        };
        Self {
            when: when.to_owned(),
            trial,
            at: rfc3339(check.at.at),
            // To the microsecond.
            waited_ms: (check.waited_ms * 1000.0).round() / 1000.0,
            missing: check.missing.clone(),
        }
    }
}
