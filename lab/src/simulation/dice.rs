//! Randomness that can be repeated: one independent stream per trial.
//!
//! ChaCha8 keeps 2^64 streams per seed (Bernstein, "ChaCha, a variant of Salsa20", 2008), so a trial's numbers depend
//! on the seed and on its own number, never on the trials before it.

use std::f64::consts::TAU;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// What the numbers are for: the same seed gives each purpose other ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// One trial of a fault, by its number.
    Trial(u64),
    /// Healthy operation.
    Healthy,
    /// Resampling of a trace.
    Resample,
}

/// A source of random numbers.
#[derive(Debug)]
pub(crate) struct Dice {
    rng: ChaCha8Rng,
    /// The second normal number of a pair.
    spare: Option<f64>,
}

impl Dice {
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(match purpose {
            Purpose::Trial(number) => number,
            Purpose::Healthy => u64::MAX,
            Purpose::Resample => u64::MAX - 1,
        });
        Self { rng, spare: None }
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.rng.random()
    }

    /// Uniform in 0..`n`; 0 for `n` = 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.rng.random_range(0..n) }
    }

    /// Uniform in 0..`n`; 0 for `n` = 0.
    pub(crate) fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// `true` with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// Exponential with this mean; infinite for an infinite mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// How often something of this probability fails to happen before it happens; `u64::MAX` for probability 0.
    pub(crate) fn failures_before(&mut self, probability: f64) -> u64 {
        if probability <= 0.0 {
            return u64::MAX;
        }
        if probability >= 1.0 {
            return 0;
        }
        // Inversion of the geometric distribution; the cast saturates.
        ((1.0 - self.unit()).ln() / (-probability).ln_1p()) as u64
    }

    /// Standard normal (Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sine, cosine) = (TAU * self.unit()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

/// How long something takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Delay {
    /// Log-normal: what the times of answers look like whose causes multiply.
    LogNormal {
        /// Half of them are shorter, nanoseconds.
        median_ns: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// One of the measured times, nanoseconds, each as likely as the other; at least one.
    Measured(Vec<u64>),
}

impl Delay {
    /// Draws one, in nanoseconds.
    pub(crate) fn draw(&self, dice: &mut Dice) -> u64 {
        match self {
            Self::LogNormal { median_ns, sigma } => (median_ns * (sigma * dice.normal()).exp()) as u64,
            Self::Measured(times) => times.get(dice.index(times.len())).copied().unwrap_or(0),
        }
    }

    /// The median, in nanoseconds.
    pub(crate) fn median_ns(&self) -> f64 {
        match self {
            Self::LogNormal { median_ns, .. } => *median_ns,
            Self::Measured(times) => {
                let mut times = times.clone();
                times.sort_unstable();
                times.get(times.len() / 2).map_or(0.0, |ns| *ns as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dice() -> Dice {
        Dice::new(7, Purpose::Trial(3))
    }

    #[test]
    fn a_stream_is_repeatable_and_its_own() {
        let numbers = |purpose| {
            let mut dice = Dice::new(7, purpose);
            [0; 4].map(|_| dice.below(u64::MAX))
        };
        assert_eq!(numbers(Purpose::Trial(3)), numbers(Purpose::Trial(3)));
        let all = [
            Purpose::Trial(3),
            Purpose::Trial(4),
            Purpose::Healthy,
            Purpose::Resample,
        ];
        let mut firsts = all.map(|purpose| numbers(purpose)[0]).to_vec();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), all.len());
    }

    #[test]
    fn a_log_normal_delay_has_its_median_and_spread() {
        let mut dice = dice();
        let delay = Delay::LogNormal {
            median_ns: 1e6,
            sigma: 0.5,
        };
        let mut logs: Vec<f64> = (0..20_000).map(|_| (delay.draw(&mut dice) as f64).ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / logs.len() as f64;
        logs.sort_by(f64::total_cmp);
        assert!((logs[10_000].exp() / 1e6 - 1.0).abs() < 0.02, "{}", logs[10_000].exp());
        assert!((variance.sqrt() - 0.5).abs() < 0.01, "{}", variance.sqrt());
    }

    #[test]
    fn measured_times_are_drawn_as_they_are() {
        let mut dice = dice();
        let delay = Delay::Measured(vec![5, 9]);
        let nines = (0..1000).filter(|_| delay.draw(&mut dice) == 9).count();
        assert!((400..600).contains(&nines), "{nines}");
        assert_eq!(Delay::Measured(Vec::new()).draw(&mut dice), 0);
        assert_eq!(delay.median_ns(), 9.0);
    }

    #[test]
    fn gaps_have_the_mean_of_their_distribution() {
        let mut dice = dice();
        let gaps: u64 = (0..20_000).map(|_| dice.failures_before(0.01)).sum();
        assert!((gaps as f64 / 20_000.0 - 99.0).abs() < 3.0, "{gaps}");
        assert_eq!(dice.failures_before(0.0), u64::MAX);
        assert_eq!(dice.failures_before(1.0), 0);
        let waits: f64 = (0..20_000).map(|_| dice.exponential(4.0)).sum();
        assert!((waits / 20_000.0 - 4.0).abs() < 0.1, "{waits}");
        assert_eq!(dice.exponential(f64::INFINITY), f64::INFINITY);
    }
}
