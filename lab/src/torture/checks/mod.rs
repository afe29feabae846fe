//! What must hold whatever happens, one rule in each file. Pure functions over the [`Evidence`].
//!
//! | check | what it holds |
//! | --- | --- |
//! | [`no_order_lost`](lost) | what was acknowledged is in the log |
//! | [`none_applied_twice`](doubled) | an order takes stock once, however often it is sent |
//! | [`never_oversold`](oversold) | no stock negative, none made up, none reserved that was not there |
//! | [`cancel_undoes`](undone) | a cancel gives back exactly what the order took, once |
//! | [`no_wrong_answer`](wrong) | every answer is one that the log explains |
//! | [`own_writes_read`](own_writes) | no client reads less than it has written itself |
//! | [`replicas_equal`](equal) | in the end all replicas are equal, and as the log says |
//! | [`faults_detected`](detected) | no fault that can be seen stays unseen for long |
//! | [`no_false_verdict`](false_verdict) | nobody is turned OFF for nothing |
//! | [`no_false_accusation`](accused) | lag is never called a lie |
//!
//! What is undefined is allowed: a request without an answer may have happened or not, a pending one may end either way.

use serde::Serialize;

use super::evidence::Evidence;
use super::shortest::Line;

pub mod accused;
pub mod detected;
pub mod doubled;
pub mod equal;
mod excuse;
pub mod false_verdict;
pub mod lost;
pub mod oversold;
pub mod own_writes;
pub mod undone;
pub mod wrong;

#[cfg(test)]
pub(super) mod world;

/// Violations of one check that are told with their history; the others are counted.
pub const MOST_TOLD: usize = 5;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// Its name.
    pub name: &'static str,
    /// How many things it looked at: answers, records, faults. 0: it could not have failed.
    pub looked_at: u64,
    /// What is wrong, the first few.
    pub violations: Vec<Violation>,
    /// How many more there are.
    pub more: u64,
    /// What a reader should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Violation {
    /// What, in one sentence.
    pub what: String,
    /// The shortest history that shows it.
    pub history: Vec<Line>,
}

impl Checked {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            looked_at: 0,
            violations: Vec::new(),
            more: 0,
            notes: Vec::new(),
        }
    }

    fn violation(&mut self, what: impl Into<String>, history: impl FnOnce() -> Vec<Line>) {
        let what = what.into();
        if self.violations.iter().any(|violation| violation.what == what) {
            return;
        }
        if self.violations.len() < MOST_TOLD {
            self.violations.push(Violation {
                what,
                history: history(),
            });
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

/// All checks.
#[must_use]
pub fn all(evidence: &Evidence) -> Vec<Checked> {
    vec![
        lost::check(evidence),
        doubled::check(evidence),
        oversold::check(evidence),
        undone::check(evidence),
        wrong::check(evidence),
        own_writes::check(evidence),
        equal::check(evidence),
        detected::check(evidence),
        false_verdict::check(evidence),
        accused::check(evidence),
    ]
}
