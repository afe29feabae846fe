//! What those who watch are told: how the votes of each second ended, and where the replicas disagreed.
//!
//! ```text
//! a vote ends ── some atomic adds ──▶ Tally ── once a second ──▶ Seconds ─────┐
//!     └─ if replicas disagree: one short lock ──▶ Disagreements ── paced ─────┴──▶ streams, each with a Place
//! ```
//!
//! * **Watching changes nothing.** A vote never waits for a stream. One in which all replicas agree costs two atomic
//!   adds, whether or not somebody watches. One in which they do not is not judged once more: where they differ is noted
//!   as their replies are judged (see [`Subject::disputed`]), however many products they are about.
//! * **Everything is bounded.** [`KEPT_SECONDS`] seconds and [`KEPT_DISAGREEMENTS`] disagreements are kept, and nothing
//!   is queued for a stream: it has a place in what is kept, and whoever reads slowly finds fewer events there.
//! * **What is counted** is each vote that ended: those of clients and of the scrub, those without a quorum, and those
//!   whose late replies nobody could wait for (these are missing then). A vote that its client gave up is not. A vote
//!   about all products is one vote here; it is stale, for instance, if a replica lags behind about any of them.
//! * **A disagreement** is a vote in which a replica lied or lagged, or which lacked a quorum. Replies that are only
//!   missing make none. One in a vote about all products is about the only product on which replicas differ, or about
//!   none if they differ on several: then the standing of each replica is the worst that it has on any.
//! * **Without a quorum** (`no_quorum`) nobody can confirm what was decided: there is no version, and whoever did not lie
//!   or lag, by what a majority of all replies says, is *undecided*.
//! * A version that only the end of the log proves false (see [`crate::claims`]) belongs to no vote and is told by the
//!   monitor alone.

mod disagreements;
mod standings;
mod stream;
mod tally;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tolerancia_core::ReplicaId;
use tolerancia_wire::Stamp;
use tolerancia_wire::live::{Disagreement, VoterEvent, VotesSecond};
#[cfg(doc)]
use tolerancia_wire::live::{KEPT_DISAGREEMENTS, KEPT_SECONDS};
use tolerancia_wire::time::mono_ns;

use self::disagreements::Disagreements;
use self::standings::{Dispute, Marks};
pub use self::stream::routes;
use self::tally::{Seconds, Tally, rest_of_second};
use crate::round::Round;
use crate::subject::Subject;
use crate::voter::Purpose;

/// Streams at a time. One whose reader takes nothing is not asked for more either, so it cannot know; the server ends its
/// connection after 10 s.
pub const MOST_STREAMS: usize = 32;

/// What is known to those who watch.
pub struct Live {
    tally: Tally,
    board: Mutex<Board>,
    /// A disagreement waits to be told.
    untold: Notify,
    /// There is something new on the board.
    changed: watch::Sender<()>,
}

/// What is kept.
#[derive(Default)]
struct Board {
    seconds: Seconds,
    disagreements: Disagreements,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy)]
struct Place {
    second: i64,
    revision: u64,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            tally: Tally::default(),
            board: Mutex::default(),
            untold: Notify::new(),
            changed: watch::Sender::new(()),
        }
    }
}

impl Live {
    /// Counts a vote that nothing more is to be learnt about. `liars` are those of whom it was proven otherwise than by
    /// what was decided.
    pub fn concluded<S: Subject>(&self, purpose: Purpose, round: &Round<S>, liars: &[ReplicaId]) {
        let marks = Marks::of(purpose, round, liars);
        self.tally.add(marks);
        if !marks.is_disagreement() {
            return;
        }
        let dispute = Dispute::of(round, liars);
        let is_untold = {
            let mut board = self.board();
            // The clock is read under the lock, so that times come in order.
            let at = Stamp::now();
            board.disagreements.note(at, dispute.kind(), || dispute.details())
        };
        if is_untold {
            self.untold.notify_one();
        }
    }

    /// Tells whenever there is something new.
    fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What a stream begins with: the seconds after `last`, all of them without it, and the disagreements.
    fn kept(&self, last: Option<i64>) -> (Vec<VoterEvent>, Place) {
        let board = self.board();
        let seconds = board.seconds.after(last.unwrap_or(i64::MIN));
        let events = events(seconds, board.disagreements.kept());
        let place = Place {
            // Who claims to know the future goes on from here all the same.
            second: board.seconds.newest().unwrap_or(i64::MIN),
            revision: board.disagreements.revision(),
        };
        (events, place)
    }

    /// What is new since `place`, which moves on.
    fn since(&self, place: &mut Place) -> Vec<VoterEvent> {
        let board = self.board();
        let seconds = board.seconds.after(place.second);
        let told = board.disagreements.since(place.revision);
        place.second = board.seconds.newest().unwrap_or(place.second);
        place.revision = board.disagreements.revision();
        events(seconds, told)
    }

    /// Ends each second of the wall clock.
    async fn end_seconds(&self) {
        loop {
            tokio::time::sleep(rest_of_second(Stamp::now().at.as_microsecond())).await;
            self.end_second(Stamp::now().at.as_second());
        }
    }

    /// A second has ended: it is `now`, Unix time.
    fn end_second(&self, now: i64) {
        self.board().seconds.end(now, self.tally.take());
        self.changed.send_replace(());
    }

    /// Tells disagreements when it is their turn.
    async fn tell_disagreements(&self) {
        loop {
            let due_ns = self.board().disagreements.due_ns();
            let Some(due_ns) = due_ns else {
                self.untold.notified().await;
                continue;
            };
            let now_ns = mono_ns();
            if due_ns > now_ns {
                let turn = tokio::time::sleep(Duration::from_nanos(due_ns - now_ns));
                // A new one may be due earlier.
                tokio::select! {
                    () = turn => {}
                    () = self.untold.notified() => {}
                }
            } else if self.board().disagreements.tell(now_ns) {
                self.changed.send_replace(());
            }
        }
    }

    /// Held for a look or a copy of what is kept, never across an await.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn events<'a>(
    seconds: impl Iterator<Item = &'a VotesSecond>,
    disagreements: impl IntoIterator<Item = &'a Disagreement>,
) -> Vec<VoterEvent> {
    let seconds = seconds.copied().map(VoterEvent::Votes);
    let disagreements = disagreements.into_iter().cloned().map(VoterEvent::Disagreement);
    seconds.chain(disagreements).collect()
}

/// Keeps the seconds, and tells the streams what is new, until `shutdown`.
pub async fn run(live: Arc<Live>, shutdown: CancellationToken) {
    let both = async { tokio::join!(live.end_seconds(), live.tell_disagreements()) };
    shutdown.run_until_cancelled(both).await;
}

#[cfg(test)]
mod tests;
