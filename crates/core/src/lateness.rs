//! How long an answer may take before it counts as late.
//!
//! The retransmission timer of TCP (Jacobson, "Congestion Avoidance and Control", SIGCOMM 1988; RFC 6298):
//! a smoothed mean plus four times the smoothed deviation of the instance's own recent answers, between a
//! floor and a cap. The margin above the mean is never less than the floor, as RFC 6298 adds at least the clock's
//! granularity: a steady instance has next to no deviation, and the least hiccup would be late. The floor keeps a
//! fast host's scheduling noise from counting; the cap keeps the bound useful for an instance that is always slow.

/// The adaptive bound of one instance.
#[derive(Debug, Clone)]
pub struct Lateness {
    floor_ns: u64,
    cap_ns: u64,
    estimate: Option<(f64, f64)>,
}

impl Lateness {
    /// A bound between `floor_ns` and `cap_ns` nanoseconds, at the floor until answers are known.
    ///
    /// # Panics
    /// When the floor is above the cap.
    #[must_use]
    pub fn new(floor_ns: u64, cap_ns: u64) -> Self {
        assert!(floor_ns <= cap_ns, "the floor of the late bound is above its cap");
        Self {
            floor_ns,
            cap_ns,
            estimate: None,
        }
    }

    /// Takes the time of one answer. Answers beyond the cap are faults, not samples: they must not raise
    /// the bound that finds them.
    pub fn sample(&mut self, took_ns: u64) {
        if took_ns > self.cap_ns {
            return;
        }
        let took = took_ns as f64;
        self.estimate = Some(match self.estimate {
            None => (took, took / 2.0),
            Some((mean, deviation)) => (
                0.875 * mean + 0.125 * took,
                0.75 * deviation + 0.25 * (mean - took).abs(),
            ),
        });
    }

    /// The bound in nanoseconds.
    #[must_use]
    pub fn bound_ns(&self) -> u64 {
        let Some((mean, deviation)) = self.estimate else {
            return self.floor_ns;
        };
        let margin = (4.0 * deviation).max(self.floor_ns as f64);
        ((mean + margin) as u64).clamp(self.floor_ns, self.cap_ns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn adapts_to_a_slow_but_steady_instance() {
        let mut lateness = Lateness::new(50 * MS, 200 * MS);
        assert_eq!(lateness.bound_ns(), 50 * MS);
        (0..100).for_each(|_| lateness.sample(MS));
        assert_eq!(lateness.bound_ns(), 51 * MS);
        (0..100).for_each(|i| lateness.sample(80 * MS + i % 2 * 10 * MS));
        let bound_ms = lateness.bound_ns() / MS;
        assert!((130..=145).contains(&bound_ms), "{bound_ms}");
    }

    /// A link of 60 ms with a tail: 1 ms in the mean on top, exponential. Hardly any answer may be late of it.
    #[test]
    fn a_steady_instance_that_is_slower_than_the_floor_keeps_a_margin() {
        let mut lateness = Lateness::new(50 * MS, 200 * MS);
        let late = (0..100_000u64).filter(|n| {
            // The quantiles of the distribution in a scrambled order.
            let chance = ((n * 61_803) % 100_000) as f64 / 100_000.0;
            let took = 60.0 - (1.0 - chance).ln();
            let bound_ns = lateness.bound_ns();
            lateness.sample((took * MS as f64) as u64);
            *n > 100 && (took * MS as f64) as u64 > bound_ns
        });
        assert_eq!(late.count(), 0);
    }

    proptest! {
        #[test]
        fn stays_between_floor_and_cap(samples in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut lateness = Lateness::new(50 * MS, 200 * MS);
            for sample in samples {
                lateness.sample(sample);
                prop_assert!((50 * MS..=200 * MS).contains(&lateness.bound_ns()));
            }
        }
    }
}
