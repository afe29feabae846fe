//! Shares of trials: how far they can be trusted, and whether two of them differ.
//!
//! All of it takes the trials to be independent of each other. Requests that fail together are not: for them an interval
//! is too narrow, and a p-value too small.

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Most tables that [`fisher_exact`] looks at: a fraction of a second.
const MOST_TABLES: u64 = 10_000_000;

/// Successes and trials.
type Share = (u64, u64);

/// The 95 % interval of a share (Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal
/// of the American Statistical Association 22, 1927; without correction for continuity). `None` without trials, or with
/// more successes than trials.
#[must_use]
pub fn wilson(successes: u64, trials: u64) -> Option<[f64; 2]> {
    let share = share((successes, trials))?;
    let n = trials as f64;
    let center = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // At the ends they cancel out, but for rounding.
    let low = if successes == 0 { 0.0 } else { (center - spread) / scale };
    let high = if successes == trials {
        1.0
    } else {
        (center + spread) / scale
    };
    Some([low.clamp(0.0, share), high.clamp(share, 1.0)])
}

/// The 95 % interval of the share of `b` less that of `a`, each as successes and trials (Newcombe, "Interval Estimation
/// for the Difference between Independent Proportions", Statistics in Medicine 17, 1998, pages 873 to 890, method 10).
/// `None` where [`wilson`] is.
#[must_use]
pub fn share_difference(a: (u64, u64), b: (u64, u64)) -> Option<[f64; 2]> {
    let (from, to) = (share(a)?, share(b)?);
    let ([a_low, a_high], [b_low, b_high]) = (wilson(a.0, a.1)?, wilson(b.0, b.1)?);
    let difference = to - from;
    Some([
        difference - (to - b_low).hypot(a_high - from),
        difference + (b_high - to).hypot(from - a_low),
    ])
}

/// The two-sided p-value of Fisher's exact test that two shares, each as successes and trials, are equal: the probability
/// of all tables with the same margins that are no likelier than this one, as R's `fisher.test` has it. `None` without
/// trials, with more successes than trials, or with more than 10 million tables.
#[must_use]
pub fn fisher_exact(a: (u64, u64), b: (u64, u64)) -> Option<f64> {
    share(a)?;
    share(b)?;
    let successes = a.0.checked_add(b.0)?;
    let low = successes.saturating_sub(b.1);
    let high = successes.min(a.1);
    if high - low >= MOST_TABLES {
        return None;
    }
    let margins = Margins {
        trials: [a.1, b.1],
        successes,
    };
    // Weights by that of the likeliest table, so that none overflows.
    let likeliest = (a.1 as f64 * successes as f64 / (a.1 as f64 + b.1 as f64)).round() as u64;
    let likeliest = likeliest.clamp(low, high);
    let mut here = 0.0;
    margins.walk(likeliest, low, high, |k, weight| {
        if k == a.0 {
            here = weight;
        }
    });
    let (mut unlikely, mut all) = (0.0, 0.0);
    margins.walk(likeliest, low, high, |_, weight| {
        all += weight;
        // Tables that are equally likely may differ by rounding.
        if weight <= here * (1.0 + 1e-7) {
            unlikely += weight;
        }
    });
    // It is never 0, however small.
    Some((unlikely / all).clamp(f64::MIN_POSITIVE, 1.0))
}

fn share((successes, trials): Share) -> Option<f64> {
    (trials > 0 && successes <= trials).then(|| successes as f64 / trials as f64)
}

/// What all tables of a test have in common.
struct Margins {
    trials: [u64; 2],
    successes: u64,
}

impl Margins {
    /// Tells the weight of each table, named by the successes of the first sample, from `start` (weight 1) upwards, then
    /// downwards. Weights that are too small for a number are left out.
    fn walk(&self, start: u64, low: u64, high: u64, mut each: impl FnMut(u64, f64)) {
        let mut weight = 1.0;
        for k in start..=high {
            if weight == 0.0 {
                break;
            }
            each(k, weight);
            if k < high {
                weight *= self.ratio(k);
            }
        }
        weight = 1.0;
        for k in (low..start).rev() {
            weight /= self.ratio(k);
            if weight == 0.0 {
                break;
            }
            each(k, weight);
        }
    }

    /// How much likelier `k` + 1 successes of the first sample are than `k`.
    fn ratio(&self, k: u64) -> f64 {
        let [first, second] = self.trials.map(|trials| trials as f64);
        let (k, successes) = (k as f64, self.successes as f64);
        (first - k) * (successes - k) / ((k + 1.0) * (second - successes + k + 1.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn close(actual: Option<[f64; 2]>, expected: [f64; 2]) {
        let [low, high] = actual.unwrap();
        let near = |a: f64, b: f64| (a - b).abs() < 0.000_051;
        assert!(
            near(low, expected[0]) && near(high, expected[1]),
            "[{low}, {high}], {expected:?}"
        );
    }

    #[test]
    fn wilson_intervals_are_those_of_newcombe() {
        // Newcombe, "Two-sided Confidence Intervals for the Single Proportion", Statistics in Medicine 17, 1998, pages
        // 857 to 872, table I, method 3.
        close(wilson(81, 263), [0.2553, 0.3662]);
        close(wilson(15, 148), [0.0624, 0.1605]);
        close(wilson(0, 20), [0.0, 0.1611]);
        close(wilson(1, 29), [0.0061, 0.1718]);
        assert_eq!((wilson(0, 0), wilson(2, 1)), (None, None));
        assert_eq!(wilson(20, 20).unwrap()[1], 1.0);
    }

    #[test]
    fn intervals_of_differences_are_those_of_newcombe() {
        // The paper that the function cites, table II, method 10: p1 - p2.
        for (first, second, expected) in [
            ((56, 70), (48, 80), [0.0524, 0.3339]),
            ((9, 10), (3, 10), [0.1705, 0.8090]),
            ((6, 7), (2, 7), [0.0582, 0.8062]),
            ((5, 56), (0, 29), [-0.0381, 0.1926]),
            ((0, 10), (0, 20), [-0.1611, 0.2775]),
            ((10, 10), (0, 20), [0.6791, 1.0]),
        ] {
            close(share_difference(second, first), expected);
            close(share_difference(first, second), [-expected[1], -expected[0]]);
        }
        assert_eq!(share_difference((0, 0), (1, 2)), None);
    }

    #[test]
    fn exact_p_values_are_those_of_fisher() {
        let near = |actual: Option<f64>, expected: f64| {
            let p = actual.unwrap();
            assert!((p - expected).abs() < 1e-7, "{p}, {expected}");
        };
        // The lady tasting tea, "The Design of Experiments", 1935: 34 of 70 tables are no likelier.
        near(fisher_exact((3, 4), (1, 4)), 34.0 / 70.0);
        // Convictions of twins, "The Logic of Inductive Inference", 1935; R's help of fisher.test: 0.0005367.
        near(fisher_exact((2, 17), (10, 13)), 0.000_536_724_1);
        // By binomial coefficients: C(10, 3) / C(20, 3) on each side.
        near(fisher_exact((0, 10), (3, 10)), 2.0 * 120.0 / 1140.0);
        near(fisher_exact((1200, 1200), (1190, 1200)), 0.001_916_702_2);
        near(fisher_exact((7, 7), (9, 9)), 1.0);
        assert_eq!(
            (fisher_exact((0, 0), (1, 1)), fisher_exact((2, 1), (1, 1))),
            (None, None)
        );
        assert_eq!(fisher_exact((1 << 40, 1 << 41), (1 << 40, 1 << 41)), None);
        // Too small for a number, and still not 0.
        let p = fisher_exact((0, 1_000_000), (1_000_000, 1_000_000)).unwrap();
        assert!(p > 0.0 && p < 1e-300, "{p}");
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_share(trials in 1u64..100_000, part in 0.0..=1.0f64) {
            let successes = (part * trials as f64) as u64;
            let [low, high] = wilson(successes, trials).unwrap();
            let share = successes as f64 / trials as f64;
            prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0);
            prop_assert!(low < high);
        }

        #[test]
        fn the_order_of_two_shares_turns_the_difference_and_leaves_the_p_value(
            n in 1u64..200, m in 1u64..200, x in 0.0..=1.0f64, y in 0.0..=1.0f64
        ) {
            let a = ((x * n as f64) as u64, n);
            let b = ((y * m as f64) as u64, m);
            let ([low, high], [back_low, back_high]) =
                (share_difference(a, b).unwrap(), share_difference(b, a).unwrap());
            prop_assert!((low + back_high).abs() < 1e-12 && (high + back_low).abs() < 1e-12);
            let (p, back) = (fisher_exact(a, b).unwrap(), fisher_exact(b, a).unwrap());
            prop_assert!(p > 0.0 && p <= 1.0 && (p - back).abs() < 1e-9, "{} {}", p, back);
        }
    }
}
