//! Quantiles, and the statistics of a sample that are compared.

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

/// The median of ascending values as a statistic; not a number if there are none.
#[must_use]
pub fn median(ascending: &[f64]) -> f64 {
    quantile(ascending, 0.5).unwrap_or(f64::NAN)
}

/// The 95th percentile of ascending values as a statistic; not a number if there are none.
#[must_use]
pub fn p95(ascending: &[f64]) -> f64 {
    quantile(ascending, 0.95).unwrap_or(f64::NAN)
}

/// The mean as a statistic; not a number if there are no values.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
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
        assert_eq!((median(&values), p95(&values)), (6.0, 28.0));
        assert_eq!(mean(&values), 10.5);
        assert!(median(&[]).is_nan() && p95(&[]).is_nan() && mean(&[]).is_nan());
    }
}
