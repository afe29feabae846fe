//! How long the rest of the trials takes, for whoever waits.

use std::time::Duration;

/// What is left of an experiment: what its trials were expected to take, corrected by what they really took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remaining {
    /// What the trials to come are expected to take.
    expected: Duration,
    /// What those that are over were expected to take.
    was_expected: Duration,
    /// What they took.
    took: Duration,
}

impl Remaining {
    /// Nothing is over yet.
    pub(super) const fn new(expected: Duration) -> Self {
        Self {
            expected,
            was_expected: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    /// A trial is over that was expected to take so long.
    pub(super) fn over(&mut self, expected: Duration, took: Duration) {
        self.expected = self.expected.saturating_sub(expected);
        self.was_expected += expected;
        self.took += took;
    }

    /// How long the rest takes.
    pub(super) fn left(&self) -> Duration {
        let ratio = if self.was_expected.is_zero() {
            1.0
        } else {
            self.took.as_secs_f64() / self.was_expected.as_secs_f64()
        };
        // A trial takes minutes at most, and there are thousands of them at most.
        Duration::try_from_secs_f64(self.expected.as_secs_f64() * ratio).unwrap_or(Duration::MAX)
    }
}

/// A duration as people say it: `40 s`, `3 min`, `2 h 10 min`.
#[must_use]
pub fn roughly(duration: Duration) -> String {
    match duration.as_secs_f64().round() as u64 {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds @ 90..5400 => format!("{} min", (seconds + 30) / 60),
        seconds => {
            let minutes = (seconds + 30) / 60;
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn what_trials_really_take_corrects_what_was_expected() {
        let mut remaining = Remaining::new(S(60));
        assert_eq!(remaining.left(), S(60));
        remaining.over(S(10), S(20));
        assert_eq!(remaining.left(), S(100));
        remaining.over(S(10), S(10));
        assert_eq!(remaining.left(), S(60));
        remaining.over(S(40), S(500));
        assert_eq!(remaining.left(), S(0));
    }

    #[test]
    fn durations_are_as_exact_as_people_want() {
        let of = |s| roughly(S(s));
        assert_eq!(
            [of(0), of(89), of(90), of(5399), of(5400), of(86_400)],
            ["0 s", "89 s", "2 min", "90 min", "1 h 30 min", "24 h 0 min"]
        );
    }
}
