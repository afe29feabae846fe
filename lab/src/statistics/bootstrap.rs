//! Bootstrap intervals: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; the percentile method is in
//! chapter 13, two samples in section 8.3.
//!
//! The percentile method needs no formula for the spread of a median, and its ends are values that occur. It is a little
//! too narrow for small samples, and for a quantile far out it cannot see beyond the largest value.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{quantile, sorted};

/// Resamples of the bootstrap; the interval's ends then vary by about a percent of their rank.
const RESAMPLES: usize = 2000;

/// The 95 % bootstrap interval of the quantile `q` (0 to 1); `None` if there are no values. Those that are not numbers
/// are left out.
#[must_use]
pub fn quantile_interval(values: &[f64], q: f64, seed: u64) -> Option<[f64; 2]> {
    let ascending = sorted(values);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut resampled = Resampled::of(&ascending)?;
    middle(
        (0..RESAMPLES)
            .filter_map(|_| quantile(resampled.draw(&mut rng), q))
            .collect(),
    )
}

/// The 95 % bootstrap interval of `statistic` of `b` less that of `a`; each sample is drawn from on its own, since they
/// are independent. The statistic gets its values in ascending order. `None` if a sample is empty, or if the statistic
/// is not a number. Values that are not numbers are left out.
#[must_use]
pub fn difference_interval(a: &[f64], b: &[f64], statistic: fn(&[f64]) -> f64, seed: u64) -> Option<[f64; 2]> {
    let (a, b) = (sorted(a), sorted(b));
    let (mut of_a, mut of_b) = (Resampled::of(&a)?, Resampled::of(&b)?);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let differences = (0..RESAMPLES).map(|_| {
        let of_a = statistic(of_a.draw(&mut rng));
        statistic(of_b.draw(&mut rng)) - of_a
    });
    middle(differences.filter(|difference| !difference.is_nan()).collect())
}

/// Between which the middle 95 % of the values are.
fn middle(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    Some([quantile(&values, 0.025)?, quantile(&values, 0.975)?])
}

/// Draws samples with replacement.
struct Resampled<'a> {
    ascending: &'a [f64],
    /// How often each value was drawn.
    counts: Vec<u32>,
    sample: Vec<f64>,
}

impl<'a> Resampled<'a> {
    /// `None` if there is nothing to draw from.
    fn of(ascending: &'a [f64]) -> Option<Self> {
        (!ascending.is_empty()).then(|| Self {
            ascending,
            counts: vec![0; ascending.len()],
            sample: Vec::with_capacity(ascending.len()),
        })
    }

    /// As many values as there are, ascending: counting them takes the place of sorting.
    fn draw(&mut self, rng: &mut ChaCha8Rng) -> &[f64] {
        self.counts.fill(0);
        for _ in 0..self.ascending.len() {
            self.counts[rng.random_range(0..self.ascending.len())] += 1;
        }
        self.sample.clear();
        for (value, count) in self.ascending.iter().zip(&self.counts) {
            self.sample.extend(std::iter::repeat_n(*value, *count as usize));
        }
        &self.sample
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::mice::{CONTROL, TREATED};
    use super::super::{mean, median};
    use super::*;

    /// The probability that the bootstrap median of `n` (odd) values is the one of rank `rank` or below: at least half
    /// of the draws are (Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7, 1979,
    /// section 3).
    fn up_to(rank: u32, n: u32) -> f64 {
        let p = f64::from(rank) / f64::from(n);
        let choose = |k: u32| (0..k).map(|i| f64::from(n - i) / f64::from(i + 1)).product::<f64>();
        (n.div_ceil(2)..=n)
            .map(|k| choose(k) * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32))
            .sum()
    }

    #[test]
    fn the_median_of_the_mice_has_the_interval_of_the_exact_bootstrap_distribution() {
        let ends = |mice: &[f64], share: f64| {
            let n = mice.len() as u32;
            let rank = (1..=n).find(|rank| up_to(*rank, n) >= share).unwrap();
            sorted(mice)[rank as usize - 1]
        };
        // Of the bootstrap medians of the treated 1.0 % are the smallest value and 10.8 % the second or smaller, and
        // likewise from the other end: the interval is from the second to the second last, whatever is drawn.
        let exact = [0.025, 0.975].map(|share| ends(&TREATED, share));
        assert_eq!(exact, [23.0, 141.0]);
        for seed in 0..5 {
            assert_eq!(quantile_interval(&TREATED, 0.5, seed), Some(exact));
        }
        // Of the control 3.0 % are the second value or smaller: so close to 2.5 % that the drawn end is there or next to it.
        let [low, high] = quantile_interval(&CONTROL, 0.5, 6).unwrap();
        assert_eq!([0.025, 0.975].map(|share| ends(&CONTROL, share)), [27.0, 104.0]);
        assert!(
            (27.0..=30.0).contains(&low) && (52.0..=104.0).contains(&high),
            "{low} {high}"
        );
    }

    #[test]
    fn the_differences_of_the_mice_have_the_intervals_of_scipy() {
        // SciPy 1.17: stats.bootstrap of two samples, method percentile, 200,000 resamples: [-20.9, 84.3] for the means,
        // whose bootstrap error 26.9 is that of Efron and Tibshirani's table 2.2 (23.36 and 13.33, squared and added), and
        // [-29, 101] for the medians.
        let near = |actual: Option<[f64; 2]>, [low, high]: [f64; 2]| {
            let [actual_low, actual_high] = actual.unwrap();
            let fits = (actual_low - low).abs() < 6.0 && (actual_high - high).abs() < 6.0;
            assert!(fits, "{actual_low} {actual_high}");
        };
        near(difference_interval(&CONTROL, &TREATED, mean, 1), [-20.9, 84.3]);
        near(difference_interval(&TREATED, &CONTROL, mean, 2), [-84.3, 20.9]);
        near(difference_interval(&CONTROL, &TREATED, median, 1), [-29.0, 101.0]);
        assert!(difference_interval(&[], &TREATED, mean, 1).is_none());
        assert!(difference_interval(&TREATED, &[f64::NAN], mean, 1).is_none());
        assert!(difference_interval(&TREATED, &CONTROL, |_| f64::NAN, 1).is_none());
    }

    #[test]
    fn far_apart_is_far_from_nothing() {
        let near: Vec<f64> = (0..10).map(f64::from).collect();
        let far: Vec<f64> = near.iter().map(|ms| ms + 100.0).collect();
        let [low, high] = difference_interval(&near, &far, median, 3).unwrap();
        assert!(low > 90.0 && high < 110.0, "{low} {high}");
        let [low, high] = difference_interval(&near, &near, median, 3).unwrap();
        assert!(low < 0.0 && high > 0.0, "{low} {high}");
    }

    proptest! {
        #[test]
        fn an_interval_is_within_the_values(
            values in prop::collection::vec(0.0..1e6f64, 1..40), q in 0.0..=1.0f64, seed: u64
        ) {
            let [low, high] = quantile_interval(&values, q, seed).unwrap();
            let ascending = sorted(&values);
            prop_assert!(ascending[0] <= low && low <= high && high <= ascending[ascending.len() - 1]);
        }
    }
}
