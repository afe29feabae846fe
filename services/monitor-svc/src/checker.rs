//! Health checks of one instance: the I/O around [`Checks`], which decides when to ask and what counts.
//!
//! One connection is kept open, so its loss is seen at once. Checks overlap: each is an HTTP/2 stream of its
//! own, and none waits for another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tolerancia_core::ReplicaId;
use tolerancia_core::checks::{Checks, ChecksConfig, Step};
use tolerancia_core::detector::Seen;
use tolerancia_service::link::{Answer, Link, LinkError, LinkState};
use tolerancia_wire::health::Health;
use tolerancia_wire::time::mono_ns;

use crate::live::Answers;

/// How long the first connection to an instance may take before its absence counts.
const CONNECT: Duration = Duration::from_secs(1);

/// What a check, or the loss of the connection, showed.
#[derive(Debug)]
pub(crate) struct Checked {
    pub instance: ReplicaId,
    pub at_ns: u64,
    pub seen: Seen,
    /// Time to the answer, if one came in time.
    pub took_ns: Option<u64>,
    /// The answer, if it was a good one.
    pub health: Option<Health>,
}

/// What the judge lets the checker of an instance know.
#[derive(Debug)]
pub(crate) struct Cue {
    on: AtomicBool,
    missed: Notify,
}

impl Cue {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on: AtomicBool::new(on),
            missed: Notify::new(),
        }
    }

    /// The verdict: only an instance that is ON is checked at once after a miss.
    pub(crate) fn set_on(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// Whether the instance is ON.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Somebody else saw a miss: check at once.
    pub(crate) fn hasten(&self) {
        self.missed.notify_one();
    }
}

/// The task that checks one instance until shutdown.
pub(crate) struct Checker {
    pub instance: ReplicaId,
    pub link: Link,
    pub config: ChecksConfig,
    pub cue: Arc<Cue>,
    pub out: mpsc::Sender<Checked>,
    /// Where answers are left for those who look on. No check depends on it.
    pub answers: Answers,
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
        let mut link = self.link.changes();
        link.mark_unchanged();
        let mut checks = Checks::new(self.config, mono_ns());
        let mut asked = FuturesUnordered::new();
        let mut open: BTreeMap<_, AbortHandle> = BTreeMap::new();
        loop {
            checks.set_on(self.cue.is_on());
            // Answers first: what has come is not late.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(answer) = asked.next(), if !asked.is_empty() => {
                    // Abandoned otherwise.
                    if let Ok((id, asked_ns, at_ns, answer)) = answer {
                        open.remove(&id);
                        let (seen, health) = self.read(answer);
                        if let Some(health) = &health {
                            self.answers.answered(at_ns, at_ns.saturating_sub(asked_ns), health);
                        }
                        // Only a good answer is evidence of how far the instance is.
                        let health = health.filter(|_| seen == Seen::Good);
                        if let Some(took_ns) = checks.answered(at_ns, id, !seen.is_miss()) {
                            self.report(at_ns, seen, health, Some(took_ns)).await;
                        }
                    }
                }
                changed = link.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if matches!(*link.borrow_and_update(), LinkState::Down { .. }) {
                        let now_ns = mono_ns();
                        self.answers.lost();
                        self.report(now_ns, Seen::Unreachable, None, None).await;
                        checks.hasten(now_ns);
                    }
                }
                () = self.cue.missed.notified() => {
                    // The verdict may be newer than what was read above.
                    checks.set_on(self.cue.is_on());
                    checks.hasten(mono_ns());
                }
                () = tokio::time::sleep_until(instant(checks.next_ns())) => {
                    let now_ns = mono_ns();
                    for step in checks.poll(now_ns) {
                        match step {
                            Step::Start(id) => {
                                let (abort, registration) = AbortHandle::new_pair();
                                open.insert(id, abort);
                                let link = &self.link;
                                let ask = async move {
                                    let answer = link.get("/health").await;
                                    (id, now_ns, mono_ns(), answer)
                                };
                                asked.push(Abortable::new(ask, registration));
                            }
                            Step::Late(_) => self.report(now_ns, Seen::Late, None, None).await,
                            Step::Abandon(id) => {
                                if let Some(abort) = open.remove(&id) {
                                    abort.abort();
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What an answer is evidence of, and what the instance says in it, be it good or bad.
    fn read(&self, answer: Result<Answer, LinkError>) -> (Seen, Option<Health>) {
        let Ok(answer) = answer else {
            return (Seen::Unreachable, None);
        };
        let health = serde_json::from_slice::<Health>(&answer.body)
            .ok()
            .filter(|health| health.instance == self.instance.to_string());
        let seen = if answer.status == 200 && health.is_some() {
            Seen::Good
        } else {
            Seen::Error
        };
        (seen, health)
    }

    async fn report(&self, at_ns: u64, seen: Seen, health: Option<Health>, took_ns: Option<u64>) {
        let checked = Checked {
            instance: self.instance,
            at_ns,
            seen,
            took_ns,
            health,
        };
        // The receiver is gone only at shutdown.
        let _ = self.out.send(checked).await;
    }
}

/// When the monotonic clock shows `at_ns`; now, if it did already.
fn instant(at_ns: u64) -> Instant {
    Instant::now() + Duration::from_nanos(at_ns.saturating_sub(mono_ns()))
}

#[cfg(test)]
mod tests;
