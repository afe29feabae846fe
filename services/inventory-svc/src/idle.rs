//! How long the replica has not been waiting for its log.
//!
//! A position does not tell a replica that stopped reading from one that has nothing to read. Kafka's clients tell
//! it by the age of their last poll (KIP-517, `last-poll-seconds-ago`); here it is the time since the replica last
//! waited for what only Kafka can bring: the next records, or room for its outcomes. While it waits that age is 0,
//! for however long, so a broker that is away makes no replica look idle. Whatever else holds the replica up does.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use tolerancia_wire::time::mono_ns;

/// While the replica waits for its log.
const ATTACHED: u64 = 0;

/// Since when one task has not been waiting for its log. Before it first did, it counts as waiting.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    /// The end of the last wait on `CLOCK_MONOTONIC` in nanoseconds, or [`ATTACHED`].
    since_ns: AtomicU64,
}

impl Idle {
    /// Waits for the log: from the first poll of this future until it is done or dropped.
    pub(crate) async fn wait_for<T>(&self, log: impl Future<Output = T>) -> T {
        let _attached = Attached::to(self);
        log.await
    }

    /// Milliseconds from the end of the last wait to `now_ns`; 0 while the replica waits.
    pub(crate) fn ms(&self, now_ns: u64) -> u64 {
        match self.since_ns.load(Ordering::Acquire) {
            ATTACHED => 0,
            since_ns => now_ns.saturating_sub(since_ns) / 1_000_000,
        }
    }
}

/// One wait.
struct Attached<'a>(&'a Idle);

impl<'a> Attached<'a> {
    fn to(idle: &'a Idle) -> Self {
        idle.since_ns.store(ATTACHED, Ordering::Release);
        Self(idle)
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        // The clock began with the host, so it is past the value that means something else.
        self.0.since_ns.store(mono_ns().max(ATTACHED + 1), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    fn poll_once(future: std::pin::Pin<&mut impl Future>) {
        let _ = future.poll(&mut Context::from_waker(Waker::noop()));
    }

    #[test]
    fn who_waits_is_not_idle_however_long_it_takes() {
        let idle = Idle::default();
        assert_eq!(idle.ms(u64::MAX), 0, "it did not begin yet");
        let mut wait = pin!(idle.wait_for(pending::<()>()));
        poll_once(wait.as_mut());
        assert_eq!(idle.ms(mono_ns() + HOUR_NS), 0);
    }

    #[test]
    fn who_has_waited_is_idle_from_the_end_of_the_wait() {
        let idle = Idle::default();
        let before = mono_ns();
        poll_once(pin!(idle.wait_for(ready(()))));
        let after = mono_ns();
        assert!(idle.ms(before + HOUR_NS) <= 3_600_000);
        assert!(idle.ms(after + HOUR_NS) >= 3_600_000);
        // A clock that was read before the end is no reason to panic.
        assert_eq!(idle.ms(before), 0);
    }

    #[test]
    fn a_wait_that_is_given_up_has_ended() {
        let idle = Idle::default();
        {
            let mut wait = Box::pin(idle.wait_for(pending::<()>()));
            poll_once(wait.as_mut());
        }
        assert!(idle.ms(mono_ns() + HOUR_NS) >= 3_600_000);
        let mut again = pin!(idle.wait_for(pending::<()>()));
        poll_once(again.as_mut());
        assert_eq!(idle.ms(mono_ns() + HOUR_NS), 0);
    }

    /// As in a branch of `select!` that is switched off: there is a future, and nobody waits.
    #[test]
    fn a_wait_that_is_never_polled_has_not_begun() {
        let idle = Idle::default();
        poll_once(pin!(idle.wait_for(ready(()))));
        let _disabled = pin!(idle.wait_for(pending::<()>()));
        assert!(idle.ms(mono_ns() + HOUR_NS) >= 3_600_000);
    }
}
