//! Health checks of one instance.
//!
//! One connection is kept open, so its loss is seen at once. Checks overlap: each is an HTTP/2 stream of its
//! own, and none waits for another. A check that is unanswered at the late bound counts as a miss then; it is
//! waited for until the timeout only to learn how slow the instance is. After a miss of an instance that is
//! ON the next check follows at once instead of with the next tick.
//!
//! The monitor's own host may stall. A timer that fires late is the sign of it: such a check gets its bound
//! anew before it counts as late.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::{Seen, UNREACHABLE_SPAN_NS};
use tolerancia_core::lateness::Lateness;
use tolerancia_service::link::{Answer, Link, LinkError, LinkState};
use tolerancia_wire::health::Health;
use tolerancia_wire::time::mono_ns;

use crate::config::CheckConfig;

/// A timer that fires later than this has been held up by the host, not by the instance.
const OWN_STALL: Duration = Duration::from_millis(10);

/// How long the first connection to an instance may take before its absence counts.
const CONNECT: Duration = Duration::from_secs(1);

/// Checks of one instance under way at most.
const MOST_CHECKS: usize = 32;

/// What a check, or the loss of the connection, showed.
#[derive(Debug)]
pub(crate) struct Checked {
    pub instance: ReplicaId,
    pub at_ns: u64,
    pub seen: Seen,
    /// Time to the answer, if one came in time.
    pub took_ns: Option<u64>,
    /// The answer, if it could be read.
    pub health: Option<Health>,
}

/// The task that checks one instance until shutdown.
pub(crate) struct Checker {
    pub instance: ReplicaId,
    pub link: Link,
    pub config: CheckConfig,
    /// Whether the instance is ON: only then are misses followed by a fast re-check.
    pub on: Arc<AtomicBool>,
    pub out: mpsc::Sender<Checked>,
}

impl Checker {
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        // A connection that is not there yet was not lost.
        let mut opened = self.link.changes();
        let up = opened.wait_for(|state| matches!(state, LinkState::Up { .. }));
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tokio::time::timeout(CONNECT, up) => {}
        }
        let lateness = Mutex::new(Lateness::new(self.config.late_floor_ns, self.config.late_cap_ns));
        let mut link = self.link.changes();
        link.mark_unchanged();
        let mut ticker = tokio::time::interval(self.config.interval);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (missed, mut misses) = mpsc::channel::<()>(MOST_CHECKS);
        let mut checks = FuturesUnordered::new();
        let mut recheck: Option<Instant> = None;
        loop {
            let due = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticker.tick() => true,
                () = sleep_until(recheck.unwrap_or_else(Instant::now)), if recheck.is_some() => true,
                Some(()) = misses.recv() => {
                    recheck.get_or_insert_with(recheck_instant);
                    false
                }
                Some(()) = checks.next(), if !checks.is_empty() => false,
                changed = link.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let down = matches!(*link.borrow_and_update(), LinkState::Down { .. });
                    if down {
                        self.report(Seen::Unreachable, None, None).await;
                        recheck.get_or_insert_with(recheck_instant);
                    }
                    false
                }
            };
            if !self.on.load(Ordering::Relaxed) {
                recheck = None;
            }
            if due {
                recheck = recheck.filter(|at| *at > Instant::now());
                if checks.len() < MOST_CHECKS {
                    checks.push(self.check(&lateness, missed.clone()));
                }
            }
        }
    }

    async fn check(&self, lateness: &Mutex<Lateness>, missed: mpsc::Sender<()>) {
        let started = Instant::now();
        let started_ns = mono_ns();
        let bound = Duration::from_nanos(locked(lateness, |l| l.bound_ns()));
        let request = self.link.get("/health");
        tokio::pin!(request);
        let mut deadline = started + bound;
        let in_time = loop {
            tokio::select! {
                biased;
                answer = &mut request => break Some(answer),
                () = sleep_until(deadline) => {
                    let now = Instant::now();
                    if now - deadline <= OWN_STALL || now - started >= self.config.timeout {
                        break None;
                    }
                    deadline = now + bound;
                }
            }
        };
        if let Some(answer) = in_time {
            let took_ns = mono_ns().saturating_sub(started_ns);
            let (seen, health) = self.read(answer);
            if !seen.is_miss() {
                locked(lateness, |l| l.sample(took_ns));
            }
            self.report(seen, health, Some(took_ns)).await;
            if seen.is_miss() {
                // A full channel already asks for a re-check.
                let _ = missed.try_send(());
            }
            return;
        }
        self.report(Seen::Late, None, None).await;
        let _ = missed.try_send(());
        if let Ok(Ok(_)) = timeout_at(started + self.config.timeout, request).await {
            locked(lateness, |l| l.sample(mono_ns().saturating_sub(started_ns)));
        }
    }

    fn read(&self, answer: Result<Answer, LinkError>) -> (Seen, Option<Health>) {
        match answer {
            Err(_) => (Seen::Unreachable, None),
            Ok(answer) => match serde_json::from_slice::<Health>(&answer.body) {
                Ok(health) if answer.status == 200 && health.instance == self.instance.to_string() => {
                    (Seen::Good, Some(health))
                }
                _ => (Seen::Error, None),
            },
        }
    }

    async fn report(&self, seen: Seen, health: Option<Health>, took_ns: Option<u64>) {
        let checked = Checked {
            instance: self.instance,
            at_ns: mono_ns(),
            seen,
            took_ns,
            health,
        };
        // The receiver is gone only at shutdown.
        let _ = self.out.send(checked).await;
    }
}

fn recheck_instant() -> Instant {
    Instant::now() + Duration::from_nanos(UNREACHABLE_SPAN_NS) + Duration::from_micros(500)
}

/// Runs `f` under the lock, which is held for a few arithmetic operations and never across an await.
fn locked<T, R>(mutex: &Mutex<T>, f: impl FnOnce(&mut T) -> R) -> R {
    f(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}
