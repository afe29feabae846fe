//! The permutation test: Fisher, "The Design of Experiments", 1935; Efron and Tibshirani, "An Introduction to the
//! Bootstrap", 1993, chapter 15.
//!
//! If both samples come from one distribution, each way to deal the values out to them was equally likely: the p-value is
//! the share of the ways with a difference at least as large as the measured one. It says that the distributions differ,
//! not only that the statistic does.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::sorted;

/// Up to so many ways to deal out, all of them are tried.
const MOST_EXACT: u64 = 20_000;
/// Otherwise so many are drawn: the smallest p-value is then 0.0001, small enough for hundreds of tests.
const DRAWN: u32 = 9_999;
/// Differences that are closer than this part of themselves are equal but for rounding.
const ROUNDING: f64 = 1e-9;

/// `statistic` of `b` less that of `a`. The statistic gets its values in ascending order; those that are not numbers are
/// left out. `None` if a sample is empty, or if the difference is not finite.
#[must_use]
pub fn difference(a: &[f64], b: &[f64], statistic: fn(&[f64]) -> f64) -> Option<f64> {
    let (a, b) = (sorted(a), sorted(b));
    let difference = statistic(&b) - statistic(&a);
    (!a.is_empty() && !b.is_empty() && difference.is_finite()).then_some(difference)
}

/// The two-sided p-value (above 0, at most 1) of the [`difference`] of a statistic of two samples, `None` where that is.
///
/// Exact where there are at most 20,000 ways to deal the values out. Otherwise 9,999 ways are drawn, of which r are as
/// extreme, and the p-value is (r + 1) / (9,999 + 1): Phipson and Smyth, "Permutation P-values Should Never Be Zero",
/// Statistical Applications in Genetics and Molecular Biology 9, 2010.
#[must_use]
pub fn permutation_test(a: &[f64], b: &[f64], statistic: fn(&[f64]) -> f64, seed: u64) -> Option<f64> {
    let observed = difference(a, b, statistic)?.abs();
    let (first, mut deal) = (sorted(a).len(), Deal::new(a, b));
    let all = deal.ascending.len();
    let mut is_extreme = |in_a: &[bool]| deal.out(in_a, statistic).abs() >= observed * (1.0 - ROUNDING);
    let mut in_a: Vec<bool> = (0..all).map(|place| place < first).collect();
    let (extreme, tried) = if ways(all, first).is_some_and(|ways| ways <= MOST_EXACT) {
        let (mut extreme, mut tried) = (0_u32, 0_u32);
        loop {
            tried += 1;
            extreme += u32::from(is_extreme(&in_a));
            if !next(&mut in_a) {
                break (extreme, tried);
            }
        }
    } else {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let drawn = (0..DRAWN).filter(|_| {
            in_a.shuffle(&mut rng);
            is_extreme(&in_a)
        });
        (drawn.count() as u32 + 1, DRAWN + 1)
    };
    Some(f64::from(extreme) / f64::from(tried))
}

/// The ways to choose `k` of `n`; `None` if there are more than fit.
fn ways(n: usize, k: usize) -> Option<u64> {
    let mut ways = 1_u64;
    for chosen in 0..k.min(n - k) {
        // Each step is a binomial coefficient, so the division leaves nothing.
        ways = ways.checked_mul((n - chosen) as u64)? / (chosen as u64 + 1);
    }
    Some(ways)
}

/// The next choice of as many places, from all at the front to all at the end; false after the last one.
fn next(chosen: &mut [bool]) -> bool {
    // The last chosen place with a free one behind it moves on, and all behind it close up.
    let Some(moves) = chosen.windows(2).rposition(|pair| pair[0] && !pair[1]) else {
        return false;
    };
    chosen.swap(moves, moves + 1);
    let behind = &mut chosen[moves + 2..];
    let count = behind.iter().filter(|chosen| **chosen).count();
    for (place, chosen) in behind.iter_mut().enumerate() {
        *chosen = place < count;
    }
    true
}

/// The values of both samples, to be dealt out anew.
struct Deal {
    ascending: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Deal {
    fn new(a: &[f64], b: &[f64]) -> Self {
        Self {
            ascending: sorted(&[a, b].concat()),
            a: Vec::with_capacity(a.len()),
            b: Vec::with_capacity(b.len()),
        }
    }

    /// The difference if these of the ascending values were the first sample's. Both come out ascending.
    fn out(&mut self, in_a: &[bool], statistic: fn(&[f64]) -> f64) -> f64 {
        self.a.clear();
        self.b.clear();
        for (value, in_a) in self.ascending.iter().zip(in_a) {
            if *in_a { &mut self.a } else { &mut self.b }.push(*value);
        }
        statistic(&self.b) - statistic(&self.a)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::mice::{CONTROL, TREATED};
    use super::super::{mean, median};
    use super::*;

    #[test]
    fn the_mice_have_the_p_value_of_all_permutations() {
        // Efron and Tibshirani, section 15.2, have 0.132 on one side from 1,000 permutations of the means. Of all 11,440
        // there are 1,613 as extreme on that side (0.141), and 3,184 on both (itertools.combinations, Python).
        assert_eq!(ways(16, 7), Some(11_440));
        let p = permutation_test(&CONTROL, &TREATED, mean, 1).unwrap();
        assert_eq!(p, 3_184.0 / 11_440.0);
        assert!((difference(&CONTROL, &TREATED, mean).unwrap() - 30.634_920_6).abs() < 1e-6);
    }

    #[test]
    fn a_small_one_is_what_comes_out_by_hand() {
        // Two of 1, 2, 3, 4, 10 can be chosen in 10 ways. If their sum is s, the means differ by s / 2 - (20 - s) / 3: by
        // 5 for 4 and 10, by 25/6 for 3 and 10 and for 1 and 2, by less for the others.
        assert_eq!(permutation_test(&[4.0, 10.0], &[1.0, 2.0, 3.0], mean, 1), Some(0.1));
        assert_eq!(permutation_test(&[1.0, 2.0], &[3.0, 4.0, 10.0], mean, 1), Some(0.3));
        // Three smaller than three: the first and the last of 20 ways.
        assert_eq!(permutation_test(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], mean, 1), Some(0.1));
        assert_eq!(permutation_test(&[5.0, 5.0], &[5.0, 5.0, 5.0], median, 1), Some(1.0));
    }

    #[test]
    fn what_is_drawn_is_near_what_is_exact() {
        // Both at 8 and 9 values: 24,310 ways, so it is drawn. All ways, tried here one by one, are the truth.
        let a: Vec<f64> = (0..8).map(|n| f64::from(n * n)).collect();
        let b: Vec<f64> = (0..9).map(|n| f64::from(n * n) + 9.5).collect();
        let drawn = permutation_test(&a, &b, median, 3).unwrap();
        assert_eq!(permutation_test(&a, &b, median, 3), Some(drawn));
        let observed = difference(&a, &b, median).unwrap();
        let mut deal = Deal::new(&a, &b);
        let mut in_a: Vec<bool> = (0..17).map(|place| place < 8).collect();
        let (mut extreme, mut tried) = (0.0, 0.0);
        loop {
            tried += 1.0;
            extreme += f64::from(u8::from(deal.out(&in_a, median).abs() >= observed));
            if !next(&mut in_a) {
                break;
            }
        }
        assert_eq!(tried, 24_310.0);
        assert!((drawn - extreme / tried).abs() < 0.02, "{drawn} {}", extreme / tried);
    }

    #[test]
    fn it_is_never_zero_and_needs_values() {
        let near: Vec<f64> = (0..40).map(f64::from).collect();
        let far: Vec<f64> = near.iter().map(|ms| ms + 1000.0).collect();
        assert_eq!(permutation_test(&near, &far, median, 1), Some(0.0001));
        assert_eq!(permutation_test(&[], &far, median, 1), None);
        assert_eq!(permutation_test(&near, &[f64::NAN], median, 1), None);
        assert_eq!(permutation_test(&near, &far, |_| f64::NAN, 1), None);
        assert_eq!(ways(10_000, 5_000), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_p_value_is_a_probability_and_the_order_of_the_samples_does_not_matter(
            a in prop::collection::vec(0u16..500, 1..7), b in prop::collection::vec(0u16..500, 1..7)
        ) {
            let [a, b] = [a, b].map(|sample| sample.into_iter().map(f64::from).collect::<Vec<_>>());
            let p = permutation_test(&a, &b, median, 1).unwrap();
            prop_assert!(p > 0.0 && p <= 1.0);
            prop_assert_eq!(permutation_test(&b, &a, median, 2), Some(p));
            prop_assert_eq!(difference(&a, &b, median).unwrap(), -difference(&b, &a, median).unwrap());
        }
    }
}
