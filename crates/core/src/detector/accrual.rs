//! A one-sided CUSUM over log-likelihood ratios (Page, "Continuous Inspection Schemes", Biometrika 41,
//! 1954; optimal in detection delay for a given run to a false alarm: Lorden, Annals of Mathematical
//! Statistics 42, 1971).
//!
//! Health is a stream of answers that fail with probability p0, a fault one of answers that fail with p1.
//! Each observation adds the logarithm of its likelihood ratio, `ln(p1/p0)` for a miss and
//! `ln((1−p1)/(1−p0))` (negative) for a good answer. The sum never falls below zero, so long health does
//! not buy credit for a later fault. With p0 = 0.001, p1 = 0.3 a miss adds 5.70 and a good answer takes
//! 0.356 away; at the threshold 14.7 three misses in a row trip it, and so does an instance that fails half
//! of its answers, which a count of consecutive misses sees late or never. The threshold follows from the wanted
//! rate of false alarms (see [`calibrate`](super::calibrate)).

use super::{Detector, Observation};

/// Parameters of [`Accrual`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccrualConfig {
    /// Probability that a healthy instance's answer is a miss; 0 < p0 < p1.
    pub p0: f64,
    /// Probability that a faulty instance's answer is a miss; p0 < p1 < 1.
    pub p1: f64,
    /// Sum of log-likelihood ratios (nats) that trips; above 0. The default is what
    /// [`threshold`](super::calibrate::threshold) gives for the default [`Target`](super::calibrate::Target).
    pub threshold: f64,
}

impl Default for AccrualConfig {
    fn default() -> Self {
        Self {
            p0: 0.001,
            p1: 0.3,
            threshold: 14.7,
        }
    }
}

impl AccrualConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A message for the operator when a parameter is out of range.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0 < self.p0 && self.p0 < self.p1 && self.p1 < 1.0) {
            return Err(format!(
                "accrual needs 0 < p0 < p1 < 1, not p0 = {}, p1 = {}",
                self.p0, self.p1
            ));
        }
        if !(self.threshold > 0.0 && self.threshold.is_finite()) {
            return Err(format!("the accrual threshold must be above 0, not {}", self.threshold));
        }
        Ok(())
    }

    /// What a miss adds to the sum, and what a good answer adds to it (less than nothing), in nats.
    #[must_use]
    pub fn steps(&self) -> (f64, f64) {
        let Self { p0, p1, .. } = self;
        ((p1 / p0).ln(), ((1.0 - p1) / (1.0 - p0)).ln())
    }
}

/// The detector `accrual`.
#[derive(Debug, Clone)]
pub struct Accrual {
    on_miss: f64,
    on_good: f64,
    threshold: f64,
    sum: f64,
}

impl Accrual {
    /// A detector with parameters that pass [`AccrualConfig::check`].
    #[must_use]
    pub fn new(config: AccrualConfig) -> Self {
        debug_assert!(config.check().is_ok(), "{config:?}");
        let (on_miss, on_good) = config.steps();
        Self {
            on_miss,
            on_good,
            threshold: config.threshold,
            sum: 0.0,
        }
    }
}

impl Detector for Accrual {
    fn name(&self) -> &'static str {
        "accrual"
    }

    fn observe(&mut self, observation: Observation) -> bool {
        let ratio = if observation.seen.is_miss() {
            self.on_miss
        } else {
            self.on_good
        };
        // Capped at twice the threshold, so that the level of a long-dead instance stays readable.
        self.sum = (self.sum + ratio * observation.weight).clamp(0.0, 2.0 * self.threshold);
        self.sum >= self.threshold
    }

    fn unit(&self) -> &'static str {
        "nats"
    }

    fn good(&mut self, _at_ns: u64, count: u64, _heartbeat: bool) {
        self.sum = (self.sum + self.on_good * count as f64).max(0.0);
    }

    fn statistic(&self) -> f64 {
        self.sum
    }

    fn limit(&self) -> f64 {
        self.threshold
    }

    fn reset(&mut self) {
        self.sum = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::detector::Seen;

    #[test]
    fn the_steps_are_those_of_the_design() {
        let detector = Accrual::new(AccrualConfig::default());
        assert!((detector.on_miss - 5.704).abs() < 0.001);
        assert!((detector.on_good + 0.356).abs() < 0.001);
    }

    /// Half of 55 answers per second fail: the design computed a median of 97 ms and a p99 of 311 ms, at 13.8.
    #[test]
    fn an_instance_that_fails_half_of_its_answers_is_caught() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut delays: Vec<u64> = (0..2000)
            .map(|_| {
                let mut detector = Accrual::new(AccrualConfig {
                    threshold: 13.8,
                    ..AccrualConfig::default()
                });
                (1..)
                    .find(|&at_ns| {
                        let seen = if random.random_bool(0.5) {
                            Seen::Error
                        } else {
                            Seen::Good
                        };
                        detector.observe(Observation {
                            at_ns,
                            seen,
                            weight: 1.0,
                            heartbeat: true,
                        })
                    })
                    .expect("half of the answers fail")
            })
            .collect();
        delays.sort_unstable();
        let ms = |answers: u64| answers as f64 * 1000.0 / 55.0;
        assert!((70.0..130.0).contains(&ms(delays[1000])), "median {}", ms(delays[1000]));
        assert!((250.0..400.0).contains(&ms(delays[1980])), "p99 {}", ms(delays[1980]));
    }

    #[test]
    fn bad_parameters_are_refused() {
        for (p0, p1, threshold) in [
            (0.0, 0.3, 1.0),
            (0.3, 0.3, 1.0),
            (0.1, 1.0, 1.0),
            (0.1, 0.3, 0.0),
            (f64::NAN, 0.3, 1.0),
        ] {
            assert!(AccrualConfig { p0, p1, threshold }.check().is_err());
        }
    }
}
