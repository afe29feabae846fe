//! How far a value lies from the others, in robust standard deviations.
//!
//! Mean and standard deviation are useless with three values: the outlier moves both, and no value can
//! lie further than (n − 1)/√n = 1.155 from the mean. The median and the median absolute deviation (MAD)
//! do not follow a minority. Scaled by 1.4826 the MAD estimates the standard deviation of a normal
//! distribution (Hampel, "The Influence Curve and Its Role in Robust Estimation", JASA 69(346), 1974).
//!
//! The distance is only reported beside the proof of a dissent; nothing is decided by it.

/// Makes the MAD of a normal distribution its standard deviation: 1 / Φ⁻¹(3/4).
const NORMAL: f64 = 1.4826;

/// Signed distance of `said` from the median of `all` in robust standard deviations; `None` where it is
/// not defined: no values, or a MAD of 0, as when more than half of the values are equal.
#[must_use]
pub fn robust_z(said: u64, all: &[u64]) -> Option<f64> {
    let center = median(all.iter().map(|&value| value as f64).collect())?;
    let deviation = median(all.iter().map(|&value| (value as f64 - center).abs()).collect())?;
    (deviation > 0.0).then(|| (said as f64 - center) / (NORMAL * deviation))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_robust_standard_deviations() {
        // Median 101, deviations 1, 0, 898: MAD 1.
        let z = robust_z(999, &[100, 101, 999]).expect("the values differ");
        assert!((z - 898.0 / 1.4826).abs() < 1e-9, "{z}");
        let below = robust_z(1, &[100, 101, 1, 102]).expect("the values differ");
        assert!(below < -30.0, "{below}");
    }

    #[test]
    fn without_spread_there_is_no_distance() {
        assert_eq!(robust_z(999, &[100, 100, 999]), None);
        assert_eq!(robust_z(7, &[7]), None);
        assert_eq!(robust_z(7, &[]), None);
    }

    #[test]
    fn the_largest_values_are_no_problem() {
        assert!(robust_z(u64::MAX, &[0, 1, u64::MAX]).is_some_and(f64::is_finite));
    }
}
