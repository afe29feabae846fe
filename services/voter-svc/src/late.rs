//! How long the answers of one replica may take: the bound of [`Lateness`], cheap enough for every vote.
//!
//! Votes only read a number. Of the answers no more than one per [`SAMPLE_GAP`] is taken into account: so the cost
//! does not grow with the load, and the estimate, which forgets within some ten samples, is not made by a single
//! burst.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tolerancia_core::lateness::Lateness;

/// Between two answers that are taken into account at least, in nanoseconds.
const SAMPLE_GAP: u64 = 1_000_000;

/// The adaptive late bound of one replica.
#[derive(Debug)]
pub struct LateBound {
    bound_ns: AtomicU64,
    sampled_ns: AtomicU64,
    lateness: Mutex<Lateness>,
}

impl LateBound {
    /// A bound between `floor` and `cap`, at the floor until answers are known.
    ///
    /// # Panics
    /// When the floor is above the cap.
    #[must_use]
    pub fn new(floor: Duration, cap: Duration) -> Self {
        let ns = |bound: Duration| u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let lateness = Lateness::new(ns(floor), ns(cap));
        Self {
            bound_ns: AtomicU64::new(lateness.bound_ns()),
            sampled_ns: AtomicU64::new(0),
            lateness: Mutex::new(lateness),
        }
    }

    /// The bound now.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.bound_ns.load(Ordering::Relaxed))
    }

    /// A valid answer that came at `now_ns`, on a monotonic clock, took `took`.
    pub fn sample(&self, now_ns: u64, took: Duration) {
        let last = self.sampled_ns.load(Ordering::Relaxed);
        if now_ns.saturating_sub(last) < SAMPLE_GAP {
            return;
        }
        // Whoever finds it locked has met another vote with the same right to give a sample.
        if let Ok(mut lateness) = self.lateness.try_lock() {
            self.sampled_ns.store(now_ns, Ordering::Relaxed);
            lateness.sample(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            self.bound_ns.store(lateness.bound_ns(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_slow_but_steady_replica_has_its_own_bound_and_a_hanging_one_does_not() {
        let bound = LateBound::new(ms(50), ms(200));
        assert_eq!(bound.get(), ms(50));
        (1..=100).for_each(|n| bound.sample(n * 20 * MS, ms(80 + n % 2 * 10)));
        let slow = bound.get();
        assert!(slow > ms(130) && slow < ms(145), "{slow:?}");
        (101..=200).for_each(|n| bound.sample(n * 20 * MS, ms(280)));
        assert_eq!(bound.get(), slow, "beyond the cap are faults, not samples");
        (201..=300).for_each(|n| bound.sample(n * 20 * MS, ms(1)));
        assert!(bound.get() < ms(52), "and back again");
    }

    #[test]
    fn a_burst_counts_as_one_sample() {
        let (burst, single) = (LateBound::new(ms(50), ms(200)), LateBound::new(ms(50), ms(200)));
        for n in 1..=20 {
            burst.sample(n * 20 * MS, ms(10));
            single.sample(n * 20 * MS, ms(10));
        }
        (0..1000).for_each(|n| burst.sample(500 * MS + n * 100, ms(60)));
        single.sample(500 * MS, ms(60));
        assert_eq!(burst.get(), single.get());
        assert!(burst.get() > ms(50), "{:?}", burst.get());
    }
}
