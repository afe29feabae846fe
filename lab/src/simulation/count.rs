//! Rare events: how many, in how much time, and how many there may be.

/// The factor of the normal distribution for a one-sided bound of 95 %.
const Z95: f64 = 1.644_853_626_951_472_2;

/// Events of a Poisson process in an observed time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Alarms {
    /// How many.
    pub events: u64,
    /// The observed time, in the unit of the rate (instance-days, instance-years).
    pub time: f64,
}

impl Alarms {
    /// Events per unit of time; 0 where none was seen.
    pub(crate) fn rate(self) -> f64 {
        if self.events == 0 {
            0.0
        } else {
            self.events as f64 / self.time
        }
    }

    /// The rate that is exceeded with 5 % confidence only. Without any event this is the rule of three (Hanley and
    /// Lippman-Hand, "If Nothing Goes Wrong, Is Everything All Right?", JAMA 249, 1983).
    pub(crate) fn upper95(self) -> f64 {
        upper95(self.events) / self.time
    }
}

/// The expectation of a Poisson number that is exceeded with 5 % confidence only, when `events` were seen: exactly
/// −ln 0.05 for none, else Byar's approximation (Breslow and Day, "Statistical Methods in Cancer Research" II, 1987,
/// §2.3), which is at most 0.4 % off the exact bound.
pub(crate) fn upper95(events: u64) -> f64 {
    if events == 0 {
        return -(0.05_f64.ln());
    }
    let n = events as f64 + 1.0;
    n * (1.0 - 1.0 / (9.0 * n) + Z95 / (3.0 * n.sqrt())).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probability of at most `events` when `mean` are expected.
    fn at_most(events: u64, mean: f64) -> f64 {
        let mut term = (-mean).exp();
        let mut sum = term;
        for n in 1..=events {
            term *= mean / n as f64;
            sum += term;
        }
        sum
    }

    #[test]
    fn the_bound_leaves_five_percent() {
        for events in [0, 1, 2, 3, 10, 100, 400] {
            let share = at_most(events, upper95(events));
            assert!((share - 0.05).abs() < 0.001, "{events}: {share}");
        }
    }

    #[test]
    fn nothing_seen_is_a_rate_of_nought_with_a_bound() {
        let none = Alarms { events: 0, time: 30.0 };
        assert_eq!(none.rate(), 0.0);
        assert!((none.upper95() - 0.0999).abs() < 0.001);
        let some = Alarms { events: 6, time: 3.0 };
        assert_eq!(some.rate(), 2.0);
        assert!(some.upper95() > 2.0);
    }
}
