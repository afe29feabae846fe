//! The correction for many tests.

/// The p-values in the same order, corrected so that the probability of even one false alarm among all of them is at most
/// the level that they are compared with, whatever depends on what (Holm, "A Simple Sequentially Rejective Multiple Test
/// Procedure", Scandinavian Journal of Statistics 6, 1979).
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut corrected = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, place) in order.into_iter().enumerate() {
        let times = (p_values.len() - rank) as f64;
        // One that is larger than an earlier one cannot be the more certain of the two.
        largest = largest.max((p_values[place] * times).min(1.0));
        corrected[place] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn corrected_values_are_those_of_r() {
        // R 4: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"), and p.adjust(c(0.9, 0.5), "holm")
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (actual, expected) in corrected.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((actual - expected).abs() < 1e-12, "{corrected:?}");
        }
        assert_eq!(holm(&[0.9, 0.5]), [1.0, 1.0]);
        assert_eq!(holm(&[]), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn no_value_gets_smaller_and_the_order_stays(p_values in prop::collection::vec(0.0001..=1.0f64, 1..30)) {
            let corrected = holm(&p_values);
            for (one, &p) in p_values.iter().enumerate() {
                prop_assert!(corrected[one] >= p && corrected[one] <= 1.0);
                for (other, &q) in p_values.iter().enumerate() {
                    prop_assert!(p > q || corrected[one] <= corrected[other]);
                }
            }
        }
    }
}
