//! Quantiles, and how far they can be trusted.
//!
//! Times of a few trials are not normally distributed and their mean says little, so the report gives the
//! median, the 95th percentile and the maximum, and a bootstrap interval for the median (Efron and
//! Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13, percentile method). The bootstrap is
//! seeded: the same data and seed give the same interval.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamples of the bootstrap; the interval's ends then vary by about a percent of their rank.
const RESAMPLES: usize = 2000;

/// What a set of measured times looks like, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Half of the values are below it.
    pub median: f64,
    /// 95 % of the values are below it.
    pub p95: f64,
    /// The largest value.
    pub max: f64,
    /// Where the median lies with 95 % confidence.
    pub ci95: [f64; 2],
}

/// Describes `values`; `None` if there are none.
#[must_use]
pub fn summarize(values: &[f64], seed: u64) -> Option<Summary> {
    let values = sorted(values);
    Some(Summary {
        median: quantile(&values, 0.5)?,
        p95: quantile(&values, 0.95)?,
        max: *values.last()?,
        ci95: median_interval(&values, seed)?,
    })
}

/// The values in ascending order; those that are not numbers are left out.
#[must_use]
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The quantile `q` (0 to 1) of ascending values, interpolated linearly (type 7 of Hyndman and Fan, "Sample
/// Quantiles in Statistical Packages", 1996: the default of R and NumPy). `None` if there are no values.
#[must_use]
pub fn quantile(ascending: &[f64], q: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    let share = position - below as f64;
    Some(ascending[below] + (ascending[above] - ascending[below]) * share)
}

/// The 95 % bootstrap interval of the median.
fn median_interval(ascending: &[f64], seed: u64) -> Option<[f64; 2]> {
    if ascending.is_empty() {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sample = vec![0.0; ascending.len()];
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            sample.fill_with(|| ascending[rng.random_range(0..ascending.len())]);
            sample.sort_by(f64::total_cmp);
            quantile(&sample, 0.5)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    Some([quantile(&medians, 0.025)?, quantile(&medians, 0.975)?])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_are_those_of_r() {
        // R 4: quantile(c(1, 2, 4, 8, 16, 32), c(0, .25, .5, .75, .95, 1))
        let values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        for (q, expected) in [
            (0.0, 1.0),
            (0.25, 2.5),
            (0.5, 6.0),
            (0.75, 14.0),
            (0.95, 28.0),
            (1.0, 32.0),
        ] {
            assert!((quantile(&values, q).unwrap() - expected).abs() < 1e-9, "{q}");
        }
        assert_eq!(quantile(&[7.0], 0.95), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_order_of_values_does_not_matter_and_nan_is_left_out() {
        let summary = summarize(&[30.0, f64::NAN, 10.0, 20.0], 1).unwrap();
        assert_eq!((summary.median, summary.max), (20.0, 30.0));
        assert!(summarize(&[f64::NAN], 1).is_none());
        assert!(summarize(&[], 1).is_none());
    }

    #[test]
    fn the_interval_holds_the_median_and_is_repeatable() {
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
    }

    #[test]
    fn one_value_has_no_spread() {
        assert_eq!(summarize(&[5.0], 9).unwrap().ci95, [5.0, 5.0]);
    }
}
