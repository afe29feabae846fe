//! What is a difference, and what is a regression.
//!
//! A difference is one if the p-value, corrected for all tests of the comparison, is below 0.05, if its 95 % interval
//! excludes zero, and if it is not too small to matter. A regression is one that makes B worse by more than is tolerated;
//! or a trial missed in B where none was in A; or more of what must not happen at all.

use super::model::{Conclusion, Outcome, Row};
use crate::statistics::holm;

/// The level of the tests, for all of them together.
const LEVEL: f64 = 0.05;

/// A row that is not yet judged; of what was tested, less is better.
pub(super) struct Draft {
    pub row: Row,
    pub test: Test,
    pub rule: Rule,
    /// The value of A.
    pub from: f64,
    /// B less A, also where it depends on a missed trial and is not shown.
    pub difference: Option<f64>,
    /// Its interval, likewise.
    pub interval: Option<[f64; 2]>,
}

/// Where the p-value of a row comes from.
pub(super) enum Test {
    /// There is none.
    None,
    /// A test of its own; without a value if none could be made.
    Own(Option<f64>),
    /// That of the last row with a test of its own: both are about the same measurements.
    Before,
}

/// What else a row is judged by.
pub(super) enum Rule {
    /// A smaller difference is none.
    Above(f64),
    /// Any is a regression where there was none before.
    NoneBefore,
    /// It is judged already, or not at all.
    Settled,
}

/// The rows with their p-values and outcomes, and the number of tests. The tolerance is a share of A.
pub(super) fn judge(drafts: Vec<Draft>, tolerance: f64) -> (Vec<Row>, usize) {
    let own = |draft: &Draft| match draft.test {
        Test::Own(p) => p,
        Test::None | Test::Before => None,
    };
    let p_values: Vec<f64> = drafts.iter().filter_map(own).collect();
    let mut corrected = p_values.iter().copied().zip(holm(&p_values));
    let mut last = None;
    let mut rows = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let tested = match draft.test {
            Test::None => None,
            Test::Own(None) => {
                last = None;
                last
            }
            Test::Own(Some(_)) => {
                last = corrected.next();
                last
            }
            Test::Before => last,
        };
        let outcome = outcome(&draft, tested.map(|(_, corrected)| corrected), tolerance);
        rows.push(Row {
            p: tested.map(|(p, _)| p),
            p_holm: tested.map(|(_, corrected)| corrected),
            outcome,
            ..draft.row
        });
    }
    (rows, p_values.len())
}

fn outcome(draft: &Draft, p_holm: Option<f64>, tolerance: f64) -> Outcome {
    let Some(difference) = draft.difference else {
        return draft.row.outcome;
    };
    let (floor, allowed) = match draft.rule {
        Rule::Settled => return draft.row.outcome,
        Rule::NoneBefore if difference > 0.0 && draft.from == 0.0 => return Outcome::Regression,
        Rule::NoneBefore => (0.0, 0.0),
        Rule::Above(floor) => (floor, floor.max(draft.from.abs() * tolerance)),
    };
    let Some(p) = p_holm else {
        return draft.row.outcome;
    };
    let excludes_zero = draft.interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0);
    if p >= LEVEL || !excludes_zero || difference.abs() < floor {
        Outcome::NoDifference
    } else if difference < 0.0 {
        Outcome::Better
    } else if difference > allowed {
        Outcome::Regression
    } else {
        Outcome::Worse
    }
}

/// What all rows come to.
pub(super) fn conclude(rows: &[Row]) -> Conclusion {
    let any = |outcome: Outcome| rows.iter().any(|row| row.outcome == outcome);
    if any(Outcome::Regression) {
        Conclusion::Regression
    } else if any(Outcome::Worse) || any(Outcome::Better) {
        Conclusion::Difference
    } else if any(Outcome::TooFewTrials) && rows.iter().all(|row| row.p.is_none()) {
        Conclusion::TooFewTrials
    } else {
        Conclusion::NoDifference
    }
}

/// Whether the smallest p-value that so many trials can have is small enough to be seen among so many tests.
pub(super) fn can_show(n: [usize; 2], tests: usize) -> bool {
    let [a, b] = n.map(|n| n as f64);
    // Two of all ways to deal them out are the most extreme; drawn ones end at 1 in 10,000.
    let ways: f64 = (0..n[0].min(n[1]))
        .map(|k| (a + b - k as f64) / (k as f64 + 1.0))
        .product();
    (2.0 / ways).max(1e-4) * (tests as f64) < LEVEL
}
