//! Runs one [`Round`] over the connections to the replicas.
//!
//! No task is started to decide a vote: the client's own task waits for the replies. Only when a reply is
//! still awaited after the decision does the rest move to a task of its own.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, Sleep, sleep_until};
use tolerancia_core::ReplicaId;
use tolerancia_service::link::LinkError;
use tolerancia_wire::time::mono_ns;

use crate::product::ProductVote;
use crate::round::{Outcome, Round};
use crate::subject::Subject;
use crate::voter::{Purpose, Voter};

type Asked = Pin<Box<dyn Future<Output = (ReplicaId, Outcome<Bytes>)> + Send>>;

/// A vote that is being held.
pub struct Vote<S> {
    voter: Arc<Voter>,
    purpose: Purpose,
    path: Arc<str>,
    round: Round<S>,
    start: Instant,
    asked: FuturesUnordered<Asked>,
    timer: Pin<Box<Sleep>>,
}

impl Vote<ProductVote> {
    /// Begins a vote about one product.
    #[must_use]
    pub fn on_product(voter: &Arc<Voter>, product: tolerancia_core::ProductId, purpose: Purpose) -> Self {
        let path = format!("/inventory/{product}").into();
        let vote = Self::begin(voter, ProductVote::new(product, voter.replicas().len()), path, purpose);
        if vote.asked.len() == voter.replicas().len() {
            voter.catalogue.voted(vote.subject().product(), mono_ns());
        }
        vote
    }
}

impl<S: Subject> Vote<S> {
    /// Begins a vote on `subject`: asks the replicas for `path`.
    #[must_use]
    pub fn begin(voter: &Arc<Voter>, subject: S, path: Arc<str>, purpose: Purpose) -> Self {
        let start = Instant::now();
        let seats = voter.seats(purpose, mono_ns(), subject.adapts());
        let round = Round::new(subject, seats, voter.rules().patience.timeout);
        let vote = Self {
            voter: Arc::clone(voter),
            purpose,
            path,
            start,
            asked: FuturesUnordered::new(),
            timer: Box::pin(sleep_until(start + round.next_tick())),
            round,
        };
        for seat in vote.round.seats().iter().filter(|seat| seat.is_waiting()) {
            vote.ask(seat.replica());
        }
        vote
    }

    /// Waits until the result stands and says how long that took.
    pub async fn decide(&mut self) -> Duration {
        while !self.round.is_settled() {
            self.step().await;
        }
        self.start.elapsed()
    }

    /// Judges the replies that are still to come, in the background.
    pub fn collect(mut self) {
        while let Some(Some((replica, outcome))) = self.asked.next().now_or_never() {
            let at = self.time();
            self.take(at, replica, &outcome);
        }
        if self.round.is_over(self.start.elapsed()) {
            self.conclude();
        } else if let Some(permit) = self.voter.collector() {
            tokio::spawn(async move {
                while !self.round.is_over(self.start.elapsed()) {
                    self.step().await;
                }
                self.conclude();
                drop(permit);
            });
        } else {
            // Nobody waits for the replies that are still to come, so for this vote they are missing.
            self.voter.live.concluded(self.purpose, &self.round, &[]);
        }
    }

    /// What is voted on.
    #[must_use]
    pub const fn subject(&self) -> &S {
        self.round.subject()
    }

    /// The vote's state.
    #[must_use]
    pub const fn round(&self) -> &Round<S> {
        &self.round
    }

    /// One reply or one tick.
    async fn step(&mut self) {
        let reply = tokio::select! {
            biased;
            Some(reply) = self.asked.next() => Some(reply),
            () = self.timer.as_mut() => None,
        };
        let at = self.time();
        match reply {
            Some((replica, outcome)) => self.take(at, replica, &outcome),
            None => {
                for replica in self.round.tick(at) {
                    self.ask(replica);
                }
                self.write_down(mono_ns());
            }
        }
        let next = self.start + self.round.next_tick();
        // A timer that has fired must be set again even to the same instant.
        if self.timer.deadline() != next || self.timer.is_elapsed() {
            self.timer.as_mut().reset(next);
        }
    }

    fn ask(&self, replica: ReplicaId) {
        let (voter, path) = (Arc::clone(&self.voter), Arc::clone(&self.path));
        self.asked.push(Box::pin(async move {
            let outcome = match voter.replicas()[replica.index()].link.get(&path).await {
                Ok(answer) => Outcome::Answer {
                    status: answer.status,
                    body: answer.body,
                },
                Err(LinkError::Protocol(_)) => Outcome::Garbled,
                Err(LinkError::NotConnected(_) | LinkError::Lost(_)) => Outcome::Unreachable,
            };
            (replica, outcome)
        }));
    }

    /// The time since the start. If this process stood still meanwhile, the round is told first: replies from
    /// then have not been read yet.
    fn time(&mut self) -> Duration {
        let now = Instant::now();
        if let Some(ended) = self.voter.stalls.since(self.start, self.timer.deadline(), now) {
            self.round.stalled(ended);
        }
        now.saturating_duration_since(self.start)
    }

    fn take(&mut self, at: Duration, replica: ReplicaId, outcome: &Outcome<Bytes>) {
        let from = &self.voter.replicas()[replica.index()];
        let now_ns = mono_ns();
        let took = self.round.answer(at, replica, &from.label, outcome);
        // Only comparable answers teach the bound: those about one product. Of a replica that is OFF too, or one that
        // returned by a slower way would be late for ever.
        if let Some(took) = took
            && self.round.subject().adapts()
        {
            from.late.sample(now_ns, took);
        }
        self.write_down(now_ns);
    }

    fn write_down(&mut self, now_ns: u64) {
        for (replica, finding) in self.round.findings() {
            self.voter.book.note(replica, finding, now_ns);
        }
    }

    fn conclude(&self) {
        let liars = match self.round.subject().claims() {
            Some((product, replies)) => self.voter.watch_claims(product, replies),
            None => Vec::new(),
        };
        self.voter.live.concluded(self.purpose, &self.round, &liars);
        if self.purpose == Purpose::Client {
            self.voter.stats.unanimous(self.round.subject().unanimous());
        }
    }
}
