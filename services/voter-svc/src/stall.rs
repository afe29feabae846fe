//! Whether this process itself stood still for a while.
//!
//! On a busy host the voter may not run for a moment. All answers that were due in that moment look late,
//! although no replica was. A heartbeat that should come every [`BEAT`] notices: a request that was open
//! during a stall of the voter itself says nothing about lateness and is not counted as late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often the heart beats.
const BEAT: Duration = Duration::from_millis(20);
/// What comes more than this after its time shows a stall: a quarter of the late bound (200 ms).
const STALL: Duration = Duration::from_millis(50);

/// When this process last stood still.
#[derive(Debug)]
pub struct Stalls {
    epoch: Instant,
    /// End of the last stall, in nanoseconds since `epoch`; 0 for never.
    last_ns: AtomicU64,
}

impl Default for Stalls {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            last_ns: AtomicU64::new(0),
        }
    }
}

impl Stalls {
    /// Watches until `shutdown`.
    pub async fn watch(&self, shutdown: CancellationToken) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = Instant::now();
        while shutdown.run_until_cancelled(beat.tick()).await.is_some() {
            let now = Instant::now();
            self.happened(before + BEAT, now);
            before = now;
        }
    }

    /// Something that should have happened at `due` happens `now`. Whoever waits for a timer can tell, so a
    /// stall is known before the heart beats again.
    pub fn happened(&self, due: Instant, now: Instant) {
        if now.saturating_duration_since(due) > STALL {
            let at = now.saturating_duration_since(self.epoch).as_nanos();
            self.last_ns
                .store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
            metrics::counter!("voter_stalls_total").increment(1);
        }
    }

    /// Whether a stall ended after `start`.
    #[must_use]
    pub fn since(&self, start: Instant) -> bool {
        let start = start.saturating_duration_since(self.epoch).as_nanos();
        let last = self.last_ns.load(Ordering::Relaxed);
        last != 0 && u128::from(last) >= start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_that_were_open_during_a_stall_are_excused() {
        let stalls = Stalls::default();
        let at = |ms| stalls.epoch + Duration::from_millis(ms);
        stalls.happened(at(100), at(130));
        assert!(!stalls.since(at(0)), "30 ms are no stall");
        stalls.happened(at(200), at(400));
        assert!(stalls.since(at(300)));
        assert!(!stalls.since(at(401)));
    }
}
