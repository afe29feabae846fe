//! Times of the trials of one fault, with those that were missed among them.

use serde::{Deserialize, Serialize};

use super::rounded;
use crate::statistics::{Summary, summarize};

/// What a missed trial is taken to have lasted, milliseconds (30 years): a quantile that it has the least part in is
/// longer than [`LONGEST_MS`].
const MISSED_MS: f64 = 1e12;
/// No trial takes longer than this, milliseconds (17 minutes).
const LONGEST_MS: f64 = 1e6;

/// Times in milliseconds. A trial that was missed took longer than any other: a quantile whose rank falls among the
/// missed ones is null, and so is the maximum if any was missed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Half of the values are below it.
    pub median: Option<f64>,
    /// 95 % of the values are below it.
    pub p95: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// Where the median lies with 95 % confidence.
    pub ci95: Option<[f64; 2]>,
    /// Where the 95th percentile lies with 95 % confidence.
    #[serde(default)]
    pub p95_ci95: Option<[f64; 2]>,
    /// How many trials that is, with those that were missed; 0 where an older version did not say.
    #[serde(default)]
    pub n: usize,
}

impl Times {
    /// Describes the times that were measured, beside so many that were missed; `None` if none was measured.
    pub(super) fn of(measured: &[f64], missed: usize, seed: u64) -> Option<Self> {
        if measured.is_empty() {
            return None;
        }
        let missed = std::iter::repeat_n(MISSED_MS, missed);
        let all: Vec<f64> = measured.iter().copied().chain(missed).collect();
        let Summary {
            median,
            p95,
            max,
            ci95,
            p95_ci95,
            ..
        } = summarize(&all, seed)?;
        // To the microsecond: the clock of another process is not read more exactly.
        let known = |ms: f64| (ms < LONGEST_MS).then(|| rounded(ms, 3));
        let interval = |[low, high]: [f64; 2]| known(low).zip(known(high)).map(<[f64; 2]>::from);
        Some(Self {
            median: known(median),
            p95: known(p95),
            max: known(max),
            ci95: interval(ci95),
            p95_ci95: interval(p95_ci95),
            n: all.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_missed_trial_took_longer_than_any() {
        let measured: Vec<f64> = (1..=19).map(f64::from).collect();
        let one = Times::of(&measured, 1, 7).unwrap();
        // The 95th percentile lies between the slowest and the one that was missed.
        assert_eq!((one.median, one.p95, one.max), (Some(10.5), None, None));
        assert!(one.ci95.unwrap()[1] < 20.0);
        assert_eq!((one.p95_ci95, one.n), (None, 20));
        let none = Times::of(&measured, 0, 7).unwrap();
        assert_eq!((none.median, none.max), (Some(10.0), Some(19.0)));

        // The one in the middle of three was detected.
        assert_eq!(Times::of(&[30.0, 20.0], 1, 7).unwrap().median, Some(30.0));
        let most = Times::of(&[30.0], 9, 7).unwrap();
        assert_eq!((most.median, most.p95, most.max, most.ci95), (None, None, None, None));
        assert_eq!(Times::of(&[], 9, 7), None);
    }

    #[test]
    fn without_a_missed_one_it_is_the_ordinary_summary() {
        let measured = [12.0, 8.0, 9.0];
        let (times, summary) = (Times::of(&measured, 0, 3).unwrap(), summarize(&measured, 3).unwrap());
        let expected = Times {
            median: Some(summary.median),
            p95: Some(summary.p95),
            max: Some(summary.max),
            ci95: Some(summary.ci95),
            p95_ci95: Some(summary.p95_ci95),
            n: 3,
        };
        assert_eq!(times, expected);
    }
}
