//! Empirical distribution functions.

use super::sorted;

/// The share of all trials that took no longer than a given time. A trial that was missed took longer than any time, so
/// where some were missed the function ends below 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Ecdf {
    ascending: Vec<f64>,
    missed: usize,
}

impl Ecdf {
    /// The distribution of the values and of so many trials beside them that were missed. Values that are not numbers
    /// are left out.
    #[must_use]
    pub fn new(values: &[f64], missed: usize) -> Self {
        Self {
            ascending: sorted(values),
            missed,
        }
    }

    /// All trials, those that were missed among them.
    #[must_use]
    pub fn trials(&self) -> usize {
        self.ascending.len().saturating_add(self.missed)
    }

    /// Its steps: each value that occurs, ascending, and the share that it steps up to (above 0, at most 1).
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let values = self.ascending.iter().enumerate();
        // Equal values are one step.
        let last_of_its_kind = values.filter(|(place, value)| self.ascending.get(place + 1) != Some(value));
        last_of_its_kind.map(|(place, value)| (*value, self.share(place + 1)))
    }

    /// The share of the trials that took `x` or less; 0 if there are no trials.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        self.share(self.ascending.partition_point(|value| *value <= x))
    }

    fn share(&self, count: usize) -> f64 {
        count as f64 / self.trials().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_steps_at_its_values_and_missed_trials_never_come() {
        let ecdf = Ecdf::new(&[30.0, 10.0, f64::NAN, 10.0], 1);
        assert_eq!(ecdf.trials(), 4);
        assert_eq!(ecdf.points().collect::<Vec<_>>(), [(10.0, 0.5), (30.0, 0.75)]);
        let at = [9.9, 10.0, 29.0, 30.0, f64::INFINITY, f64::NAN].map(|x| ecdf.at(x));
        assert_eq!(at, [0.0, 0.5, 0.5, 0.75, 0.75, 0.0]);
        let none = Ecdf::new(&[], 0);
        assert_eq!((none.points().count(), none.at(1.0)), (0, 0.0));
        assert_eq!(Ecdf::new(&[], 3).at(1.0), 0.0);
    }

    proptest! {
        #[test]
        fn it_rises_and_ends_at_the_share_that_was_not_missed(
            values in prop::collection::vec(-50i32..50, 0..60), missed in 0usize..5, x in -60i32..60, step in 0i32..40
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let ecdf = Ecdf::new(&values, missed);
            prop_assert!(ecdf.at(f64::from(x)) <= ecdf.at(f64::from(x + step)));
            let points: Vec<_> = ecdf.points().collect();
            prop_assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
            for (value, share) in &points {
                prop_assert_eq!(ecdf.at(*value), *share);
            }
            let end = values.len() as f64 / (values.len() + missed).max(1) as f64;
            prop_assert_eq!(points.last().map_or(0.0, |(_, share)| *share), end);
        }
    }
}
