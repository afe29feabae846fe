//! Whether this process itself stood still for a while.
//!
//! On a busy host the voter may not run for a moment. All answers that were due in that moment look late,
//! although no replica was. A heartbeat that should come every [`BEAT`] notices, and so does every vote that waits
//! for a timer: a request that was open during a stall has its late bound anew from the end of it. Once: a host
//! that stalls again and again must not excuse a replica for ever.
//!
//! A vote sees by its own timer when it was held up by more than 10 ms just as its bound passed. What is kept here
//! are stalls that used up so much of a bound before it passed that the rest is too short to judge by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often the heart beats.
const BEAT: Duration = Duration::from_millis(10);
/// What comes more than this after its time shows a stall: half of the lowest late bound (50 ms).
const STALL: Duration = Duration::from_millis(25);

/// When this process last stood still.
#[derive(Debug)]
pub struct Stalls {
    epoch: Instant,
    /// The last heartbeat, in nanoseconds since `epoch`; 0 for never.
    beat_ns: AtomicU64,
    /// End of the last stall, likewise.
    last_ns: AtomicU64,
}

impl Default for Stalls {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            beat_ns: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
        }
    }
}

impl Stalls {
    /// Watches until `shutdown`.
    pub async fn watch(&self, shutdown: CancellationToken) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(beat.tick()).await.is_some() {
            self.beat(Instant::now());
        }
    }

    /// The heart beats `now`.
    pub(crate) fn beat(&self, now: Instant) {
        self.look(now);
        self.beat_ns.store(self.ns(now), Ordering::Relaxed);
    }

    /// Whoever began at `start` and was to be woken at `due` is awake `now`: when the last stall since the start
    /// ended, counted from the start; none if there was none.
    #[must_use]
    pub fn since(&self, start: Instant, due: Instant, now: Instant) -> Option<Duration> {
        // Of all that wait, the heartbeat need not be the first to go on after a stall.
        self.look(now);
        self.happened(self.ns(due), now);
        let after = self.last_ns.load(Ordering::Relaxed).checked_sub(self.ns(start))?;
        (after > 0).then(|| Duration::from_nanos(after))
    }

    /// Whether the heart has not beaten for too long.
    fn look(&self, now: Instant) {
        let beat_ns = self.beat_ns.load(Ordering::Relaxed);
        if beat_ns > 0 {
            self.happened(beat_ns + BEAT.as_nanos() as u64, now);
        }
    }

    /// What was due at `due_ns` happens `now`. A stall that many notice is counted once.
    fn happened(&self, due_ns: u64, now: Instant) {
        let now_ns = self.ns(now);
        if now_ns.saturating_sub(due_ns) > STALL.as_nanos() as u64 {
            let last_ns = self.last_ns.fetch_max(now_ns, Ordering::Relaxed);
            if last_ns <= due_ns {
                metrics::counter!("voter_stalls_total").increment(1);
            }
        }
    }

    fn ns(&self, at: Instant) -> u64 {
        let ns = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn only_requests_that_were_open_during_a_stall_are_excused() {
        let stalls = Stalls::default();
        let at = |ms: u64| stalls.epoch + Duration::from_millis(ms);
        assert_eq!(stalls.since(at(0), at(100), at(120)), None, "20 ms are no stall");
        assert_eq!(stalls.since(at(0), at(200), at(240)), Some(ms(240)));
        assert_eq!(stalls.since(at(230), at(300), at(250)), Some(ms(10)));
        assert_eq!(stalls.since(at(240), at(300), at(250)), None);
        assert_eq!(stalls.since(at(0), at(205), at(235)), Some(ms(240)), "the last one");
    }

    #[test]
    fn a_heart_that_does_not_beat_shows_a_stall_before_it_beats_again() {
        let stalls = Stalls::default();
        let at = |ms: u64| stalls.epoch + Duration::from_millis(ms);
        stalls.beat(at(10));
        stalls.beat(at(20));
        assert_eq!(
            stalls.since(at(21), at(71), at(55)),
            None,
            "25 ms after the beat that was due"
        );
        assert_eq!(stalls.since(at(21), at(71), at(56)), Some(ms(35)));
        stalls.beat(at(57));
        assert_eq!(stalls.since(at(57), at(107), at(60)), None);
        stalls.beat(at(100));
        assert_eq!(
            stalls.since(at(57), at(107), at(101)),
            Some(ms(43)),
            "the heart has noticed by itself"
        );
    }
}
