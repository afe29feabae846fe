//! A set of measured times in a few numbers.

use serde::{Deserialize, Serialize};

use super::{quantile, quantile_interval, sorted};

/// What a set of measured times looks like, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many there are. With fewer than [`FEW`](super::FEW) the 95th percentile says no more than the maximum.
    pub n: usize,
    /// Half of the values are below it.
    pub median: f64,
    /// 95 % of the values are below it.
    pub p95: f64,
    /// The largest value.
    pub max: f64,
    /// Where the median lies with 95 % confidence.
    pub ci95: [f64; 2],
    /// Where the 95th percentile lies with 95 % confidence, as far as so many values tell. Its upper end cannot be
    /// above the maximum, so with few values it is too low.
    pub p95_ci95: [f64; 2],
}

/// Describes `values`; `None` if there are none.
#[must_use]
pub fn summarize(values: &[f64], seed: u64) -> Option<Summary> {
    let values = sorted(values);
    Some(Summary {
        n: values.len(),
        median: quantile(&values, 0.5)?,
        p95: quantile(&values, 0.95)?,
        max: *values.last()?,
        ci95: quantile_interval(&values, 0.5, seed)?,
        p95_ci95: quantile_interval(&values, 0.95, seed)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_order_of_values_does_not_matter_and_nan_is_left_out() {
        let summary = summarize(&[30.0, f64::NAN, 10.0, 20.0], 1).unwrap();
        assert_eq!((summary.n, summary.median, summary.max), (3, 20.0, 30.0));
        assert_eq!(summarize(&[20.0, 30.0, 10.0], 1).unwrap(), summary);
        assert!(summarize(&[f64::NAN], 1).is_none());
        assert!(summarize(&[], 1).is_none());
    }

    #[test]
    fn the_intervals_hold_what_they_are_about_and_are_repeatable() {
        let values: Vec<f64> = (1..=30).map(f64::from).collect();
        let summary = summarize(&values, 42).unwrap();
        assert_eq!(summarize(&values, 42).unwrap(), summary);
        let [low, high] = summary.ci95;
        // The exact interval from order statistics (binomial, n = 30) is [10, 21].
        assert!(
            (9.0..=12.0).contains(&low) && (19.0..=22.0).contains(&high),
            "{:?}",
            summary.ci95
        );
        let [low, high] = summary.p95_ci95;
        assert!(low < summary.p95 && summary.p95 < high && high <= 30.0, "{summary:?}");
    }

    #[test]
    fn one_value_has_no_spread() {
        let one = summarize(&[5.0], 9).unwrap();
        assert_eq!((one.ci95, one.p95_ci95), ([5.0, 5.0], [5.0, 5.0]));
    }
}
