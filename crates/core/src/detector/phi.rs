//! The ϕ accrual detector, for silence (Hayashibara, Défago, Yared, Katayama, "The ϕ Accrual Failure Detector", SRDS
//! 2004).
//!
//! Signs of life are good answers to the observer's own checks. From the intervals between them it estimates a normal
//! distribution, and says how improbable it is that the next one comes even later than now:
//! ϕ(t) = −log₁₀ P(interval > t). At ϕ = 8 that is 1 in 100 million, if the model holds.
//!
//! It sees that an instance is silent, and nothing else: errors are only checks that brought no sign of life, and what
//! others report is not its business.

use std::collections::VecDeque;

use super::{Detector, Observation};

/// Parameters of [`Phi`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhiConfig {
    /// The ϕ from which on the instance is suspected; above 0.
    pub threshold: f64,
    /// Intervals that the estimate rests on, 2 to 10,000.
    pub samples: usize,
    /// Lower bound of the standard deviation, nanoseconds, above 0: without it a very regular instance would be
    /// suspected after the least delay.
    pub min_deviation_ns: u64,
    /// The interval that is expected before any is known, nanoseconds, above 0.
    pub interval_ns: u64,
}

impl Default for PhiConfig {
    fn default() -> Self {
        Self {
            threshold: 8.0,
            samples: 100,
            min_deviation_ns: 20_000_000,
            interval_ns: 200_000_000,
        }
    }
}

impl PhiConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A message for the operator when a parameter is out of range.
    pub fn check(&self) -> Result<(), String> {
        if !(self.threshold > 0.0 && self.threshold.is_finite()) {
            return Err(format!("the phi threshold must be above 0, not {}", self.threshold));
        }
        if !(2..=10_000).contains(&self.samples) {
            return Err(format!("phi needs 2 to 10000 samples, not {}", self.samples));
        }
        if self.min_deviation_ns == 0 || self.interval_ns == 0 {
            return Err("phi needs an expected interval and a least standard deviation above 0".to_owned());
        }
        Ok(())
    }
}

/// The detector `phi`.
#[derive(Debug, Clone)]
pub struct Phi {
    config: PhiConfig,
    /// Intervals in nanoseconds, oldest first, and their sum.
    intervals: VecDeque<u64>,
    sum: u128,
    /// The last sign of life, or when it was first waited for.
    last_ns: Option<u64>,
    phi: f64,
}

/// Below this ϕ (a fifth of all healthy intervals last longer) there is no suspicion to speak of.
const NOTHING: f64 = 0.7;

impl Phi {
    /// A detector with parameters that pass [`PhiConfig::check`].
    #[must_use]
    pub fn new(config: PhiConfig) -> Self {
        debug_assert!(config.check().is_ok(), "{config:?}");
        Self {
            config,
            intervals: VecDeque::new(),
            sum: 0,
            last_ns: None,
            phi: 0.0,
        }
    }

    fn arrived(&mut self, at_ns: u64) {
        self.phi = 0.0;
        let Some(last_ns) = self.last_ns else {
            self.last_ns = Some(at_ns);
            return;
        };
        // What comes a little out of order does not make the instance any older.
        self.last_ns = Some(at_ns.max(last_ns));
        let interval_ns = at_ns.saturating_sub(last_ns);
        // A check that was repeated at once says nothing about how regular the others are.
        if interval_ns < self.config.interval_ns / 2 {
            return;
        }
        self.intervals.push_back(interval_ns);
        self.sum += u128::from(interval_ns);
        if self.intervals.len() > self.config.samples
            && let Some(oldest) = self.intervals.pop_front()
        {
            self.sum -= u128::from(oldest);
        }
    }

    /// Mean and standard deviation of the intervals, nanoseconds.
    fn estimate(&self) -> (f64, f64) {
        let least = self.config.min_deviation_ns as f64;
        if self.intervals.len() < 2 {
            return (self.config.interval_ns as f64, least);
        }
        let n = self.intervals.len() as f64;
        let mean = self.sum as f64 / n;
        let squares: f64 = self.intervals.iter().map(|i| (*i as f64 - mean).powi(2)).sum();
        (mean, (squares / n).sqrt().max(least))
    }

    fn waited(&mut self, now_ns: u64) -> bool {
        let last_ns = *self.last_ns.get_or_insert(now_ns);
        let waited = now_ns.saturating_sub(last_ns) as f64;
        // The estimate is for those who wait for long; the others are spared it.
        self.phi = if waited < self.config.interval_ns as f64 / 2.0 {
            0.0
        } else {
            let (mean, deviation) = self.estimate();
            let phi = improbability((waited - mean) / deviation);
            if phi < NOTHING {
                0.0
            } else {
                phi.min(2.0 * self.config.threshold)
            }
        };
        self.level() >= 1.0
    }
}

/// −log₁₀ of the probability that a standard normal variable exceeds `y`; for negative `y`, where half and more of all
/// intervals last longer, that of 0.
///
/// The complementary error function is that of Press, Teukolsky, Vetterling and Flannery ("Numerical Recipes", 3rd
/// edition, section 6.2.2: a Chebyshev fit with a relative error below 1.2 × 10⁻⁷ everywhere), in logarithms, so that
/// nothing underflows in the far tail.
fn improbability(y: f64) -> f64 {
    const FIT: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let x = y.max(0.0) * std::f64::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let fit = FIT.iter().rev().fold(0.0, |sum, coefficient| sum * t + coefficient);
    let ln_tail = (0.5 * t).ln() - x * x + fit;
    -ln_tail / std::f64::consts::LN_10
}

impl Detector for Phi {
    fn name(&self) -> &'static str {
        "phi"
    }

    fn unit(&self) -> &'static str {
        "phi"
    }

    fn observe(&mut self, observation: Observation) -> bool {
        if observation.heartbeat && !observation.seen.is_miss() && observation.weight > 0.0 {
            self.arrived(observation.at_ns);
            return false;
        }
        self.waited(observation.at_ns)
    }

    fn good(&mut self, at_ns: u64, count: u64, heartbeat: bool) {
        if heartbeat && count > 0 {
            self.arrived(at_ns);
        }
    }

    fn tick(&mut self, now_ns: u64) -> bool {
        self.waited(now_ns)
    }

    fn stalled(&mut self, for_ns: u64) {
        self.last_ns = self.last_ns.map(|last_ns| last_ns.saturating_add(for_ns));
    }

    fn statistic(&self) -> f64 {
        self.phi
    }

    fn limit(&self) -> f64 {
        self.config.threshold
    }

    fn reset(&mut self) {
        *self = Self::new(self.config);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detector::Seen;

    const MS: u64 = 1_000_000;

    fn beating(jitters_ms: &[u64]) -> (Phi, u64) {
        let mut phi = Phi::new(PhiConfig::default());
        let mut now = 0;
        for jitter in jitters_ms {
            now += (200 + jitter) * MS;
            phi.good(now, 1, true);
        }
        (phi, now)
    }

    #[test]
    fn a_regular_instance_is_suspected_a_third_of_a_second_after_its_last_sign() {
        let (mut phi, last) = beating(&[0; 50]);
        let tripped = (1..100)
            .find(|tick| phi.tick(last + tick * 20 * MS))
            .expect("suspected");
        assert_eq!(tripped * 20, 320);
    }

    #[test]
    fn an_irregular_one_gets_more_time() {
        let (mut phi, last) = beating(&[0, 100, 0, 150, 20, 0, 180, 60, 0, 120]);
        assert!(!phi.tick(last + 400 * MS));
        assert!(phi.tick(last + 900 * MS));
    }

    #[test]
    fn it_waits_for_one_that_never_came() {
        let mut phi = Phi::new(PhiConfig::default());
        assert!(!phi.tick(5000 * MS));
        assert!(phi.tick(5400 * MS));
    }

    #[test]
    fn repeated_checks_are_signs_of_life_but_no_samples() {
        let (mut phi, last) = beating(&[0; 10]);
        (1..50).for_each(|i| phi.good(last + i * 3 * MS, 1, true));
        assert!(!phi.tick(last + 147 * MS + 250 * MS));
    }

    #[test]
    fn what_comes_out_of_order_makes_nobody_older() {
        let (mut phi, last) = beating(&[0; 10]);
        phi.good(last - 150 * MS, 1, true);
        assert!(!phi.tick(last + 300 * MS));
        assert!(phi.tick(last + 320 * MS));
    }

    #[test]
    fn the_normal_tail_is_right() {
        // −log₁₀ Q(y) for Q(0) = 0.5, Q(1) = 0.158655, Q(3) = 1.34990e-3, Q(5) = 2.86652e-7, Q(10) = 7.61985e-24.
        for (y, exact) in [
            (0.0, std::f64::consts::LOG10_2),
            (1.0, 0.799_546),
            (3.0, 2.869_699),
            (5.0, 6.542_645),
            (10.0, 23.118_053),
        ] {
            assert!(
                (improbability(y) - exact).abs() < 2e-6,
                "{y}: {} {exact}",
                improbability(y)
            );
        }
        // Far out Q(y) is e^(−y²/2) / (y √2π), less a share of 1/y².
        let far = (1e8 / 2.0 + (1e4 * std::f64::consts::TAU.sqrt()).ln()) / std::f64::consts::LN_10;
        assert!((improbability(1e4) - far).abs() < 1e-6, "{} {far}", improbability(1e4));
        assert!(improbability(1e20).is_finite() && improbability(-1e20) > 0.0);
    }

    proptest! {
        #[test]
        fn suspicion_grows_with_silence(jitters in prop::collection::vec(0u64..300, 0..200), silence in 0u64..5000) {
            let (mut phi, last) = beating(&jitters);
            let mut before = 0.0;
            for ms in 0..silence {
                phi.tick(last + ms * MS);
                prop_assert!(phi.statistic() >= before && phi.statistic().is_finite());
                before = phi.statistic();
            }
        }

        #[test]
        fn a_stall_of_the_observer_changes_nothing(silence in 0u64..1000, stall in 0u64..10_000) {
            let (mut one, last) = beating(&[0; 20]);
            let mut two = one.clone();
            one.tick(last + silence * MS);
            two.stalled(stall * MS);
            let at_ns = last + (silence + stall) * MS;
            two.observe(Observation { at_ns, seen: Seen::Late, weight: 1.0, heartbeat: true });
            prop_assert_eq!(one.statistic(), two.statistic());
        }
    }
}
