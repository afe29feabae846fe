//! The share of misses over a sliding window of time, with a minimum volume, as service meshes and circuit breakers
//! judge (the failure percentage of Envoy's outlier detection; the time-based sliding window of Resilience4j; Nygard,
//! "Release It!", 2nd edition, 2018, chapter 5).
//!
//! The minimum volume keeps two misses of three answers at night from being 67 %. It also makes the rule blind
//! where there is little traffic, and its memory of good answers makes it slow where there was much. Below the volume
//! the share is taken for 0.

use super::{Detector, Observation};

/// Parameters of [`Window`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowConfig {
    /// Length of the window, nanoseconds, 1 ms at least.
    pub span_ns: u64,
    /// Observations below which nothing is concluded; above 0.
    pub volume: u32,
    /// The share of misses from which on the instance is suspected; above 0, at most 1.
    pub share: f64,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            span_ns: 1_000_000_000,
            volume: 10,
            share: 0.3,
        }
    }
}

impl WindowConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A message for the operator when a parameter is out of range.
    pub fn check(&self) -> Result<(), String> {
        if self.span_ns < 1_000_000 {
            return Err("the window must be 1 ms long at least".to_owned());
        }
        if self.volume == 0 {
            return Err("the window's minimum volume must be above 0".to_owned());
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(format!(
                "the window's share of misses must be above 0 and at most 1, not {}",
                self.share
            ));
        }
        Ok(())
    }
}

/// The window moves in steps of its length divided by this.
const BUCKETS: usize = 20;

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Which step of the clock it is for, from 1.
    step: u64,
    all: f64,
    misses: f64,
}

/// The detector `window`.
#[derive(Debug, Clone)]
pub struct Window {
    config: WindowConfig,
    buckets: [Bucket; BUCKETS],
    /// The newest step.
    step: u64,
    share: f64,
}

impl Window {
    /// A detector with parameters that pass [`WindowConfig::check`].
    #[must_use]
    pub fn new(config: WindowConfig) -> Self {
        debug_assert!(config.check().is_ok(), "{config:?}");
        Self {
            config,
            buckets: [Bucket::default(); BUCKETS],
            step: 0,
            share: 0.0,
        }
    }

    /// The step of the clock at a time, from 1.
    const fn step_at(&self, at_ns: u64) -> u64 {
        at_ns / (self.config.span_ns / BUCKETS as u64) + 1
    }

    fn add(&mut self, at_ns: u64, all: f64, misses: f64) {
        // What comes a little out of order belongs to the newest step.
        self.step = self.step.max(self.step_at(at_ns));
        let bucket = &mut self.buckets[(self.step % BUCKETS as u64) as usize];
        if bucket.step != self.step {
            *bucket = Bucket {
                step: self.step,
                ..Bucket::default()
            };
        }
        bucket.all += all;
        bucket.misses += misses;
        let oldest = self.step.saturating_sub(BUCKETS as u64 - 1);
        let inside = self.buckets.iter().filter(|bucket| bucket.step >= oldest.max(1));
        let (all, misses) = inside.fold((0.0, 0.0), |(all, misses), b| (all + b.all, misses + b.misses));
        self.share = if all >= f64::from(self.config.volume) {
            misses / all
        } else {
            0.0
        };
    }
}

impl Detector for Window {
    fn name(&self) -> &'static str {
        "window"
    }

    fn unit(&self) -> &'static str {
        "share"
    }

    fn observe(&mut self, observation: Observation) -> bool {
        let misses = if observation.seen.is_miss() {
            observation.weight
        } else {
            0.0
        };
        // The volume is of observations: that others share the cause of one makes it no smaller.
        let all = if observation.weight > 0.0 { 1.0 } else { 0.0 };
        self.add(observation.at_ns, all, misses);
        self.level() >= 1.0
    }

    fn good(&mut self, at_ns: u64, count: u64, _heartbeat: bool) {
        if count > 0 {
            self.add(at_ns, count as f64, 0.0);
        }
    }

    /// Nothing new for the length of the window: there is nothing in it. Otherwise the share is what it was at the
    /// last observation, since no time that merely passes is a reason to suspect anybody.
    fn tick(&mut self, now_ns: u64) -> bool {
        if self.step_at(now_ns) >= self.step.saturating_add(BUCKETS as u64) {
            self.share = 0.0;
        }
        self.level() >= 1.0
    }

    fn statistic(&self) -> f64 {
        self.share
    }

    fn limit(&self) -> f64 {
        self.config.share
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

    fn miss(window: &mut Window, at_ms: u64) -> bool {
        window.observe(Observation {
            at_ns: at_ms * MS,
            seen: Seen::Error,
            weight: 1.0,
            heartbeat: false,
        })
    }

    #[test]
    fn a_share_counts_from_the_minimum_volume_on() {
        let mut window = Window::new(WindowConfig::default());
        assert!((0..9).all(|i| !miss(&mut window, i)));
        assert!(miss(&mut window, 9));
    }

    #[test]
    fn good_answers_of_the_last_second_slow_it_down() {
        let mut window = Window::new(WindowConfig::default());
        (0..100).for_each(|i| window.good(i * 10 * MS, 1, false));
        let tripped = (0..100).find(|i| miss(&mut window, 1000 + i * 10)).expect("trips");
        assert!((25..=35).contains(&tripped), "{tripped}");
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut window = Window::new(WindowConfig::default());
        (0..30).for_each(|i| {
            miss(&mut window, i);
        });
        assert!(window.level() >= 1.0);
        window.good(2000 * MS, 20, false);
        assert_eq!(window.statistic(), 0.0);
    }

    #[test]
    fn an_empty_window_says_nothing() {
        let mut window = Window::new(WindowConfig::default());
        (0..30).for_each(|_| {
            miss(&mut window, 0);
        });
        assert!(window.tick(999 * MS) && window.level() >= 1.0);
        assert!(!window.tick(1000 * MS));
        assert_eq!(window.statistic(), 0.0);
    }

    proptest! {
        #[test]
        fn many_good_answers_at_once_are_as_many_one_by_one(
            steps in prop::collection::vec((0u64..300, 0u64..30, any::<bool>()), 1..60),
        ) {
            let (mut one, mut all) = (Window::new(WindowConfig::default()), Window::new(WindowConfig::default()));
            let mut now = 0;
            for (wait, good, bad) in steps {
                now += wait;
                all.good(now * MS, good, false);
                (0..good).for_each(|_| one.good(now * MS, 1, false));
                if bad {
                    miss(&mut one, now);
                    miss(&mut all, now);
                }
                prop_assert_eq!(one.statistic(), all.statistic());
                prop_assert!((0.0..=1.0).contains(&one.statistic()));
            }
        }
    }
}
