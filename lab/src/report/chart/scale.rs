//! From values to places, and where the ticks are.

/// Nothing on a logarithmic axis is less or more.
const LEAST: f64 = 1e-3;
const MOST: f64 = 1e12;
/// Times that span more than this are drawn on a logarithmic axis.
const WIDE: f64 = 30.0;
/// Steps that are easy to count with.
const NICE: [f64; 3] = [1.0, 2.0, 5.0];

/// An axis: values from `low` to `high` lie between two places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    range: [f64; 2],
    logarithmic: bool,
}

impl Scale {
    /// An axis on which equal differences are equally long.
    pub fn linear([low, high]: [f64; 2], range: [f64; 2]) -> Self {
        let length = high - low;
        // Where there is next to nothing between the ends, rounding would leave no place for a tick.
        let is_usable = length.is_finite() && length > 1e-9 && length > high.abs().max(low.abs()) * 1e-9;
        let [low, high] = if is_usable { [low, high] } else { [0.0, 1.0] };
        Self {
            low,
            high,
            range,
            logarithmic: false,
        }
    }

    /// An axis from 0 that holds all values, up to a value that is easy to read.
    pub fn from_zero(values: impl Iterator<Item = f64>, range: [f64; 2]) -> Self {
        let high = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let high = if high > 0.0 { above(high.min(MOST)) } else { 1.0 };
        Self::linear([0.0, high], range)
    }

    /// An axis for times: from 0, or logarithmic where they span decades.
    pub fn of_times(values: impl Iterator<Item = f64> + Clone, range: [f64; 2]) -> Self {
        let positive = values.clone().filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = positive.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
            (low.min(value), high.max(value))
        });
        if high <= low.max(LEAST) * WIDE {
            return Self::from_zero(values, range);
        }
        Self {
            low: below(low.clamp(LEAST, MOST / 10.0)),
            high: above(high.min(MOST)),
            range,
            logarithmic: true,
        }
    }

    /// Where it lies.
    pub const fn range(&self) -> [f64; 2] {
        self.range
    }

    /// Where a value lies; the nearer end, if it is beyond the axis.
    pub fn at(&self, value: f64) -> f64 {
        let map = |value: f64| {
            if self.logarithmic {
                value.max(LEAST).log10()
            } else {
                value
            }
        };
        let (low, high) = (map(self.low), map(self.high));
        let share = if value.is_nan() {
            0.0
        } else {
            (map(value.clamp(self.low, self.high)) - low) / (high - low)
        };
        self.range[0] + (self.range[1] - self.range[0]) * share
    }

    /// Whether it lies on the axis.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Values to be named: none, or about so many, but at least two.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        if most == 0 {
            return Vec::new();
        }
        let most = most.max(2);
        if self.logarithmic {
            self.decades(most)
        } else {
            self.steps(most)
        }
    }

    fn steps(&self, most: usize) -> Vec<f64> {
        let step = above((self.high - self.low) / most as f64);
        let first = (self.low / step).ceil();
        (0..=most)
            .map(|n| (first + n as f64) * step)
            .take_while(|tick| *tick <= self.high + step * 1e-9)
            .collect()
    }

    /// 1, 2 and 5 of each decade; fewer of them where there are many.
    fn decades(&self, most: usize) -> Vec<f64> {
        let (from, to) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let all = |factors: &[f64], every: usize| -> Vec<f64> {
            let decades = (from..=to).step_by(every).map(|decade| 10_f64.powi(decade));
            decades
                .flat_map(|decade| factors.iter().map(move |factor| factor * decade))
                .filter(|tick| *tick >= self.low * 0.999_999 && *tick <= self.high * 1.000_001)
                .collect()
        };
        let fine = all(&NICE, 1);
        if fine.len() <= most {
            return fine;
        }
        let every = (1..).find(|every| all(&NICE[..1], *every).len() <= most);
        all(&NICE[..1], every.unwrap_or(1))
    }
}

/// The least of 1, 2, 5, 10, … that is not less; `value` is positive.
fn above(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let found = NICE
        .into_iter()
        .map(|nice| nice * decade)
        .find(|nice| *nice >= value * 0.999_999_9);
    found.unwrap_or(decade * 10.0)
}

/// The largest of 1, 2, 5, 10, … that is not more; `value` is positive.
fn below(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let mut found = NICE.into_iter().rev().map(|nice| nice * decade);
    found.find(|nice| *nice <= value * 1.000_000_1).unwrap_or(decade)
}

/// A number beside an axis.
pub(super) fn number(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return format!("{value:.0e}").replacen('-', "−", usize::from(value < 0.0));
    }
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        _ => text.replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_easy_to_count_with() {
        let linear = Scale::linear([-1.0, 3.2], [0.0, 100.0]);
        assert_eq!(linear.ticks(5), [-1.0, 0.0, 1.0, 2.0, 3.0]);
        let times = Scale::of_times([9.7, 1036.0].into_iter(), [0.0, 100.0]);
        assert_eq!(
            times.ticks(9),
            [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]
        );
        assert_eq!(times.ticks(4), [10.0, 100.0, 1000.0]);
        let near = Scale::of_times([100.0, 230.0].into_iter(), [0.0, 100.0]);
        assert_eq!(near.ticks(5), [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]);
        assert_eq!(
            [0.0, -1.5, 0.25, 1000.0, 1e7, -0.0001].map(number),
            ["0", "−1.5", "0.25", "1000", "1e7", "−1e-4"]
        );
    }

    #[test]
    fn a_logarithmic_axis_has_decades_of_equal_length() {
        let times = Scale::of_times([1.0, 1000.0].into_iter(), [0.0, 300.0]);
        for (value, place) in [(1.0, 0.0), (10.0, 100.0), (100.0, 200.0), (1000.0, 300.0)] {
            assert!((times.at(value) - place).abs() < 1e-9, "{value}");
        }
        assert_eq!((times.at(-3.0), times.at(f64::NAN), times.at(1e300)), (0.0, 0.0, 300.0));
    }

    proptest! {
        /// Whatever a file says, a picture stays a picture.
        #[test]
        fn every_value_has_a_place(
            values in prop::collection::vec(prop_oneof![any::<f64>(), 0.0..1e4], 0..8),
            other in any::<f64>(),
            most in 0..12_usize,
        ) {
            let own = values.iter().copied();
            for scale in [
                Scale::of_times(own.clone(), [10.0, 90.0]),
                Scale::from_zero(own.clone(), [90.0, 10.0]),
                Scale::linear([other, values.first().copied().unwrap_or(0.0)], [10.0, 90.0]),
            ] {
                for value in own.clone().chain([other]) {
                    prop_assert!((9.999..=90.001).contains(&scale.at(value)), "{scale:?} {value}");
                }
                let ticks = scale.ticks(most);
                prop_assert!(ticks.len() <= most.max(2) + 1, "{scale:?}: {ticks:?}");
                prop_assert!(ticks.is_sorted() && ticks.iter().all(|tick| tick.is_finite()), "{ticks:?}");
            }
        }
    }
}
