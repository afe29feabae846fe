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
//! * **Late**: unanswered for longer than the replica's late bound. It counts the moment the bound has passed,
//!   not when the answer finally comes or the vote ends.
//! * **An own stall** makes nobody late: answers may wait unread while this process stands still. Whoever is
//!   awaited then has the bound anew, once per question, even beyond the end of the vote. So a replica that
//!   never answers is late after two bounds and what held this process up at their ends, however often it
//!   stalls.

mod seat;

use std::time::Duration;

use tolerancia_core::checks::OWN_STALL_NS;
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_wire::evidence::Dissent;
use tolerancia_wire::inventory::Said;

use self::seat::Last;
pub use self::seat::Seat;
use crate::subject::{Subject, Voice};

/// Pause before laggards are asked again for the first time.
pub const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The pause doubles up to this. Under a stream of writes the versions of two replicas that lag differently
/// meet only if the laggard is asked while it lists what the other one claimed: 8 versions, which at
/// 500 writes/s pass by in 16 ms. A longer pause steps over that window.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(8);

/// A tick that comes later than this after the instant it was asked for was held up by this process.
const OWN_STALL: Duration = Duration::from_nanos(OWN_STALL_NS);

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

/// One vote. All times are since its start.
#[derive(Debug)]
pub struct Round<S> {
    subject: S,
    seats: Vec<Seat>,
    timeout: Duration,
    pause: Duration,
    again_at: Option<Duration>,
    settled: bool,
    no_quorum: bool,
    timed_out: bool,
    findings: Vec<(ReplicaId, Finding)>,
}

impl<S: Subject> Round<S> {
    /// A vote on `subject` that ends after `timeout`; the seats are all configured replicas in the order of
    /// their numbers.
    #[must_use]
    pub fn new(subject: S, seats: Vec<Seat>, timeout: Duration) -> Self {
        let mut round = Self {
            subject,
            findings: Vec::with_capacity(seats.len() + 1),
            seats,
            timeout,
            pause: FIRST_PAUSE,
            again_at: None,
            settled: false,
            no_quorum: false,
            timed_out: false,
        };
        round.settle(Duration::ZERO);
        round
    }

    /// Takes what came back from `replica`. Returns how long a valid answer took, where that can be told.
    pub fn answer(
        &mut self,
        at: Duration,
        replica: ReplicaId,
        label: &str,
        outcome: &Outcome<impl AsRef<[u8]>>,
    ) -> Option<Duration> {
        self.notice_stall(at);
        let seat = &mut self.seats[replica.index()];
        if seat.becomes_late(at) {
            self.findings.push((replica, Finding::Late));
        }
        let took = seat.took(at);
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
        let valid = seat.last == Last::Valid;
        self.settle(at);
        took.filter(|_| valid)
    }

    /// The time is `at`: says whom to ask again now.
    #[must_use]
    pub fn tick(&mut self, at: Duration) -> Vec<ReplicaId> {
        self.notice_stall(at);
        for seat in &mut self.seats {
            if seat.becomes_late(at) {
                self.findings.push((seat.replica, Finding::Late));
            }
        }
        if at >= self.timeout {
            self.timed_out = true;
            self.close();
            return Vec::new();
        }
        if self.again_at.is_none_or(|again_at| at < again_at) {
            return Vec::new();
        }
        self.again_at = None;
        let again = self.worth_asking();
        for &replica in &again {
            self.seats[replica.index()].ask(at);
        }
        self.settle(at);
        again
    }

    /// This process stood still until `ended`. One that shows by a late tick is noticed without being told.
    pub fn stalled(&mut self, ended: Duration) {
        for seat in &mut self.seats {
            seat.renew(ended);
        }
    }

    /// When [`Round::tick`] must be called next at the latest.
    #[must_use]
    pub fn next_tick(&self) -> Duration {
        let due = self.seats.iter().filter_map(Seat::late_at).chain(self.again_at).min();
        match due {
            Some(due) if self.timed_out => due,
            Some(due) => due.min(self.timeout),
            None => self.timeout,
        }
    }

    /// Whether the result stands: decided, or closed without a decision.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether it was closed although no quorum had decided everything that is voted on. Late replies do not change
    /// that: a client has gone without an answer by then. One that asked for all products has got those that were
    /// decided, as long as a quorum answered at all, with the names of the others.
    #[must_use]
    pub const fn lacks_quorum(&self) -> bool {
        self.no_quorum
    }

    /// Whether nothing more can come: settled, and nobody is awaited or the time is up.
    #[must_use]
    pub fn is_over(&self, at: Duration) -> bool {
        let in_time = at < self.timeout;
        let awaited = |seat: &Seat| seat.is_waiting() && (in_time || seat.is_owed_time());
        self.settled && !self.seats.iter().any(awaited)
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

    fn notice_stall(&mut self, at: Duration) {
        if at.saturating_sub(self.next_tick()) > OWN_STALL {
            self.stalled(at);
        }
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
            self.no_quorum = !self.subject.is_decided();
            self.again_at = None;
        }
        self.judge();
    }

    /// Judges whoever answered and is not awaited any more, once.
    fn judge(&mut self) {
        for seat in &mut self.seats {
            if seat.judged.is_some() || seat.last != Last::Valid {
                continue;
            }
            let Some(opinion) = self.subject.opinion(seat.replica) else {
                return;
            };
            seat.judged = Some(opinion.standing());
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
        let overloaded = self.seats.iter().filter(|seat| seat.is_worth_a_retry());
        again.extend(overloaded.map(|seat| seat.replica));
        again.sort_unstable();
        again.dedup();
        again
    }
}

#[cfg(test)]
mod lag_tests;
#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod tests;
