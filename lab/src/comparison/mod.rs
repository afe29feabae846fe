//! Two experiments side by side: what differs, how certain that is, and whether it got worse.
//!
//! | file | job |
//! | --- | --- |
//! | `model` | what comes out, and its JSON |
//! | `pairs` | which fault of one report is which of the other |
//! | `tested` | times and failed requests, trial by trial |
//! | `counts` | missed trials, and what must not happen at all |
//! | `seen` | what else clients saw, which no test is made of |
//! | `judge` | the correction for many tests, and what a regression is |
//! | `notes` | what a reader must know to trust it |
//! | `markdown` | the same for people |
//!
//! Trials are what is compared, never requests: those of one trial succeed or fail together, so thousands of them say no
//! more than the few trials that they were in.

mod counts;
mod judge;
mod markdown;
mod model;
mod notes;
mod pairs;
mod seen;
mod tested;

use thiserror::Error;

pub use markdown::render;
pub use model::{Comparison, Conclusion, Measure, Outcome, Row, Side};

use crate::report::{Report, Verdict};
use judge::Draft;
use pairs::Pairs;

/// With fewer trials than these on a side nothing is concluded from a test.
pub const TOO_FEW: usize = 5;
/// No scenario has as many trials of one fault; the tests would take minutes.
const MOST_TRIALS: usize = 10_000;

/// What to compare by.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What A and B are called, such as their folders.
    pub names: [String; 2],
    /// By how much B may be worse, percent of A.
    pub tolerance: f64,
    /// Seed of the bootstrap and of the permutations.
    pub seed: u64,
}

/// Why two reports cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompareError {
    /// One of them is partial.
    #[error(
        "{name}: that experiment {what}, and its report is partial: repeat it to its end, then compare (`repeat` in \
         report.json has the command)"
    )]
    Partial {
        /// Which.
        name: String,
        /// How it ended.
        what: &'static str,
    },
    /// They are about different things.
    #[error(
        "no fault is in both reports ({a} has {of_a}; {b} has {of_b}): compare experiments of one scenario, with the same \
         detector where a report has several"
    )]
    NothingInCommon {
        /// Which.
        a: String,
        /// Its faults.
        of_a: String,
        /// Which.
        b: String,
        /// Its faults.
        of_b: String,
    },
    /// It is not the report of an experiment.
    #[error("{name}: more than {MOST_TRIALS} trials of one fault: no experiment has so many; restore report.json")]
    TooManyTrials {
        /// Which.
        name: String,
    },
}

/// Compares `b` with `a`: a difference is what `b` has more.
///
/// # Errors
/// When a report is partial, has more trials than an experiment can have, or when they have no fault in common.
pub fn compare(a: &Report, b: &Report, options: &Options) -> Result<Comparison, CompareError> {
    for (report, name) in [a, b].into_iter().zip(&options.names) {
        usable(report, name)?;
    }
    let pairs = Pairs::of(a, b);
    let some = !a.faults.is_empty() || !b.faults.is_empty();
    if pairs.both.is_empty() && some {
        let [name_a, name_b] = options.names.clone();
        return Err(CompareError::NothingInCommon {
            a: name_a,
            of_a: list(&pairs.only_a),
            b: name_b,
            of_b: list(&pairs.only_b),
        });
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for pair in &pairs.both {
        drafts.extend(tested::drafts(pair, options.seed));
        drafts.extend(counts::missed(pair));
        drafts.extend(seen::of_fault(pair));
    }
    drafts.extend(seen::of_baseline(a, b));
    drafts.extend(counts::of_the_whole(a, b));
    let (rows, tests) = judge::judge(drafts, options.tolerance / 100.0);
    let [name_a, name_b] = &options.names;
    Ok(Comparison {
        schema: 1,
        conclusion: judge::conclude(&rows),
        a: Side::of(a, name_a),
        b: Side::of(b, name_b),
        tolerance_percent: options.tolerance,
        seed: options.seed,
        tests,
        notes: notes::notes(a, b, &pairs, &rows, tests),
        rows,
    })
}

fn usable(report: &Report, name: &str) -> Result<(), CompareError> {
    let name = name.to_owned();
    let what = match report.verdict {
        Verdict::Pass | Verdict::Fail => None,
        Verdict::Aborted => Some("was interrupted"),
        Verdict::Error => Some("could not be carried out"),
    };
    if let Some(what) = what {
        return Err(CompareError::Partial { name, what });
    }
    let too_many = report
        .faults
        .iter()
        .any(|fault| fault.trials_detail.len() > MOST_TRIALS);
    if too_many {
        return Err(CompareError::TooManyTrials { name });
    }
    Ok(())
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join("; ")
    }
}

#[cfg(test)]
mod tests;
