//! One vote from the first question to the last answer, without I/O and without a clock.
//!
//! The caller asks the replicas, hands in answers and the time, and is told whom to ask again and when to
//! come back. So the rules of waiting can be tested by simulation, in virtual time.
//!
//! * **Settled** the moment the subject is decided: the client's answer leaves then. Answers that come
//!   later are still judged until the voting timeout.
//! * **Asked again** while undecided, after 2 ms and then doubling up to [`LONGEST_PAUSE`]: the laggards that
//!   the ballot names, and counted replicas that answered with a server error (an overloaded replica may
//!   answer the next time; one that cannot be reached will not).
//! * **Hopeless**: all counted replicas have answered or failed and none is worth asking again. Waiting for
//!   the timeout would not change the result, so the vote is closed at once.
//! * **Late**: unanswered for longer than the late bound. It counts the moment the bound has passed, not
//!   when the answer finally comes or the vote ends.

use std::time::Duration;

use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_wire::evidence::Dissent;
use tolerancia_wire::inventory::Said;

use crate::subject::{Subject, Voice};

/// Pause before laggards are asked again for the first time.
pub const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The pause doubles up to this. Under a stream of writes the versions of two replicas that lag differently
/// meet only if the laggard is asked while it lists what the other one claimed: 8 versions, which at
/// 500 writes/s pass by in 16 ms. A longer pause steps over that window.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(8);

/// How often a replica that answered with a server error is asked again in one vote: more would turn an
/// overload into a storm.
const MOST_RETRIES: u8 = 3;

/// The bounds of waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// An answer that takes longer counts as late.
    pub late: Duration,
    /// End of the vote.
    pub timeout: Duration,
}

/// What came back from a replica.
#[derive(Debug, Clone)]
pub enum Outcome<B> {
    /// It answered, whatever the status.
    Answer {
        /// HTTP status.
        status: u16,
        /// The body.
        body: B,
    },
    /// It answered, but not in a way that can be read: cut off, or far too much.
    Garbled,
    /// There is no connection, or it was lost before the answer.
    Unreachable,
}

/// What the vote found out about a replica.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// A right answer in time.
    Good,
    /// Unanswered for longer than the late bound.
    Late,
    /// An error or no valid answer.
    Failed,
    /// No connection. One cut connection fails many requests at once and is still one piece of evidence.
    Unreachable,
    /// Older than what was decided.
    Stale,
    /// A proven lie.
    Dissent(Dissent),
    /// A replica whose votes do not count confirmed the decided value.
    Agreed(ProductId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    NotAsked,
    Waiting,
    Valid,
    Invalid,
    Error(u16),
    Unreachable,
}

/// One replica's part in a vote.
#[derive(Debug, Clone)]
pub struct Seat {
    replica: ReplicaId,
    counts: bool,
    last: Last,
    asked_at: Duration,
    late: bool,
    judged: bool,
    retries: u8,
}

impl Seat {
    /// A seat for a replica that is asked when the vote starts if `asked`.
    #[must_use]
    pub const fn new(replica: ReplicaId, counts: bool, asked: bool) -> Self {
        Self {
            replica,
            counts,
            last: if asked { Last::Waiting } else { Last::NotAsked },
            asked_at: Duration::ZERO,
            late: false,
            judged: false,
            retries: 0,
        }
    }

    /// The replica.
    #[must_use]
    pub const fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Whether an answer is outstanding.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.last == Last::Waiting
    }

    const fn is_overloaded(&self) -> bool {
        matches!(self.last, Last::Error(500..))
    }

    fn answer(&self) -> String {
        match self.last {
            Last::NotAsked => "not asked".to_owned(),
            Last::Waiting => "timeout".to_owned(),
            Last::Valid => "ok".to_owned(),
            Last::Invalid => "malformed".to_owned(),
            Last::Error(status) => format!("error {status}"),
            Last::Unreachable => "unreachable".to_owned(),
        }
    }
}

/// One vote. All times are since its start.
#[derive(Debug)]
pub struct Round<S> {
    subject: S,
    seats: Vec<Seat>,
    patience: Patience,
    pause: Duration,
    again_at: Option<Duration>,
    settled: bool,
    findings: Vec<(ReplicaId, Finding)>,
}

impl<S: Subject> Round<S> {
    /// A vote on `subject`; the seats are all configured replicas in the order of their numbers.
    #[must_use]
    pub fn new(subject: S, seats: Vec<Seat>, patience: Patience) -> Self {
        let mut round = Self {
            subject,
            findings: Vec::with_capacity(seats.len() + 1),
            seats,
            patience,
            pause: FIRST_PAUSE,
            again_at: None,
            settled: false,
        };
        round.settle(Duration::ZERO);
        round
    }

    /// Takes what came back from `replica`.
    pub fn answer(&mut self, at: Duration, replica: ReplicaId, label: &str, outcome: &Outcome<impl AsRef<[u8]>>) {
        let seat = &mut self.seats[replica.index()];
        if at.saturating_sub(seat.asked_at) > self.patience.late && !seat.late {
            seat.late = true;
            self.findings.push((replica, Finding::Late));
        }
        seat.last = match outcome {
            Outcome::Unreachable => {
                self.findings.push((replica, Finding::Unreachable));
                Last::Unreachable
            }
            Outcome::Garbled => {
                self.findings.push((replica, Finding::Failed));
                Last::Invalid
            }
            Outcome::Answer { status, body } => {
                let voice = Voice {
                    replica,
                    label,
                    counts: seat.counts,
                };
                if self.subject.take(&voice, *status, body.as_ref()) {
                    Last::Valid
                } else {
                    self.findings.push((replica, Finding::Failed));
                    match status {
                        200 | 404 => Last::Invalid,
                        _ => Last::Error(*status),
                    }
                }
            }
        };
        self.settle(at);
    }

    /// The time is `at`: says whom to ask again now.
    #[must_use]
    pub fn tick(&mut self, at: Duration) -> Vec<ReplicaId> {
        for seat in &mut self.seats {
            if seat.is_waiting() && !seat.late && at.saturating_sub(seat.asked_at) >= self.patience.late {
                seat.late = true;
                self.findings.push((seat.replica, Finding::Late));
            }
        }
        if at >= self.patience.timeout {
            self.close();
            return Vec::new();
        }
        if self.again_at.is_none_or(|again_at| at < again_at) {
            return Vec::new();
        }
        self.again_at = None;
        let again = self.worth_asking();
        for &replica in &again {
            let seat = &mut self.seats[replica.index()];
            seat.retries += u8::from(seat.is_overloaded());
            seat.last = Last::Waiting;
            seat.asked_at = at;
        }
        self.settle(at);
        again
    }

    /// When [`Round::tick`] must be called next at the latest.
    #[must_use]
    pub fn next_tick(&self) -> Duration {
        let waiting = self.seats.iter().filter(|seat| seat.is_waiting() && !seat.late);
        waiting
            .map(|seat| seat.asked_at + self.patience.late)
            .chain(self.again_at)
            .fold(self.patience.timeout, Duration::min)
    }

    /// Whether the result stands: decided, or closed without a decision.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether nothing more can come: settled, and nobody is awaited or the time is up.
    #[must_use]
    pub fn is_over(&self, at: Duration) -> bool {
        self.settled && (at >= self.patience.timeout || !self.seats.iter().any(Seat::is_waiting))
    }

    /// What is voted on.
    #[must_use]
    pub const fn subject(&self) -> &S {
        &self.subject
    }

    /// All seats, in the order of the replicas' numbers.
    #[must_use]
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// What was found out since the last call.
    pub fn findings(&mut self) -> std::vec::Drain<'_, (ReplicaId, Finding)> {
        self.findings.drain(..)
    }

    /// What each replica said, for a client that gets no answer.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.seats
            .iter()
            .map(|seat| Said {
                instance: seat.replica,
                answer: seat.answer(),
                on: seat.counts,
                newest: self.subject.newest(seat.replica),
            })
            .collect()
    }

    /// After any change: is it decided, who is to be asked again, is there hope?
    fn settle(&mut self, at: Duration) {
        if !self.settled && self.subject.is_decided() {
            self.settled = true;
            self.again_at = None;
        }
        if self.settled {
            self.judge();
        } else if self.again_at.is_none() && !self.worth_asking().is_empty() {
            self.again_at = Some(at + self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        let awaited = self.seats.iter().any(|seat| seat.counts && seat.is_waiting());
        if !self.settled && !awaited && self.again_at.is_none() {
            self.close();
        }
    }

    fn close(&mut self) {
        if !self.settled {
            self.subject.close();
            self.settled = true;
            self.again_at = None;
        }
        self.judge();
    }

    /// Judges whoever answered and is not awaited any more, once.
    fn judge(&mut self) {
        for seat in &mut self.seats {
            if seat.judged || seat.last != Last::Valid {
                continue;
            }
            let Some(opinion) = self.subject.opinion(seat.replica) else {
                return;
            };
            seat.judged = true;
            let honest = opinion.dissents.is_empty();
            let dissents = opinion.dissents.into_iter().map(Finding::Dissent);
            self.findings.extend(dissents.map(|finding| (seat.replica, finding)));
            // Products about which it agreed speak for it only if it did not lie in the same breath.
            if honest && !seat.counts {
                let agreed = opinion.agreed.into_iter().map(Finding::Agreed);
                self.findings.extend(agreed.map(|finding| (seat.replica, finding)));
            }
            if honest && !seat.late {
                let finding = if opinion.current { Finding::Good } else { Finding::Stale };
                self.findings.push((seat.replica, finding));
            }
        }
    }

    /// Replicas that are not awaited and whose next answer might decide the vote.
    fn worth_asking(&self) -> Vec<ReplicaId> {
        let mut again = self.subject.ask_again();
        again.retain(|replica| !self.seats[replica.index()].is_waiting());
        let overloaded = self
            .seats
            .iter()
            .filter(|seat| seat.counts && seat.is_overloaded() && seat.retries < MOST_RETRIES);
        again.extend(overloaded.map(|seat| seat.replica));
        again.sort_unstable();
        again.dedup();
        again
    }
}

#[cfg(test)]
mod lag_tests;
#[cfg(test)]
mod tests;
