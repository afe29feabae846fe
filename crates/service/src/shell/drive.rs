//! Drives one connection, and ends it when it is told to or its client is too slow.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::conn::{Conn, Order, Slow, Verdict};
use super::limits::Limits;
use super::outbox::Outbox;

/// How long a client may take to end an idle connection after the server said goodbye.
const PARTING: Duration = Duration::from_secs(1);
/// Before a client is held to be too slow, what it sent meanwhile is read: this process itself may have stood still.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// What hyper makes of a connection.
pub(super) trait Served: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> {
    /// Finishes what is under way and takes nothing more.
    fn part(self: Pin<&mut Self>);
}

impl<S, B, E> Served
    for hyper_util::server::conn::auto::Connection<'static, hyper_util::rt::TokioIo<super::io::Io>, S, E>
where
    S: hyper::service::Service<hyper::Request<hyper::body::Incoming>, Response = hyper::Response<B>>,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper_util::server::conn::auto::HttpServerConnExec<S::Future, B>,
{
    fn part(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// A connection that is served.
pub(super) struct Driven<S> {
    served: Pin<Box<S>>,
    conn: Arc<Conn>,
    outbox: Arc<Outbox>,
    limits: Arc<Limits>,
    sleep: Pin<Box<Sleep>>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Serves,
    /// Its client was too slow, unless it turns out that it was not.
    SecondLook,
    /// It was told to finish. It has no end of its own.
    Finishes,
    /// It was idle, and said goodbye.
    Parts,
}

impl<S: Served> Driven<S> {
    pub(super) fn new(served: S, conn: Arc<Conn>, outbox: Arc<Outbox>, limits: Arc<Limits>) -> Self {
        let first = Instant::now() + limits.head.min(limits.write);
        Self {
            served: Box::pin(served),
            conn,
            outbox,
            limits,
            sleep: Box::pin(sleep_until(first)),
            state: State::Serves,
        }
    }

    fn part(&mut self, state: State) {
        self.state = state;
        self.served.as_mut().part();
    }

    /// The time to look again, if it comes earlier than thought.
    fn hurry(&mut self) {
        if self.state == State::Serves
            && let Verdict::Stay(until) = self.conn.verdict(&self.limits)
        {
            let until = self.conn.clock().instant(until);
            if until < self.sleep.deadline() {
                self.sleep.as_mut().reset(until);
            }
        }
    }

    /// It is time. Whether this is the end.
    fn judge(&mut self) -> bool {
        let now = Instant::now();
        let (verdict, state) = (self.conn.verdict(&self.limits), self.state);
        let next = match (state, verdict) {
            (State::Parts, _) => return true,
            (State::Finishes, Verdict::Stay(_) | Verdict::Idle) => now + self.limits.write,
            (_, Verdict::Stay(until)) => {
                self.state = State::Serves;
                self.conn.clock().instant(until)
            }
            (State::Serves, _) => {
                self.state = State::SecondLook;
                now + SECOND_LOOK
            }
            (State::SecondLook, Verdict::Idle) => {
                count("idle");
                self.part(State::Parts);
                now + PARTING
            }
            (State::SecondLook | State::Finishes, Verdict::Cut(slow)) => {
                count(match slow {
                    Slow::Head => "slow_head",
                    Slow::Answer => "answer_not_taken",
                });
                return true;
            }
        };
        self.sleep.as_mut().reset(next);
        false
    }
}

fn count(reason: &'static str) {
    metrics::counter!("http_connections_closed_total", "reason" => reason).increment(1);
}

impl<S: Served> Future for Driven<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let served = this.served.as_mut().poll(cx);
            if this.outbox.gathers() {
                // An error is met again, by whoever reads or writes next.
                let released = this.outbox.poll_release(cx);
                this.conn.wrote(released.is_pending());
            }
            if let Poll::Ready(ended) = served {
                // A client that goes away in the middle is its own affair.
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection ended early");
                }
                return Poll::Ready(());
            }
            match this.conn.told(cx.waker()) {
                Order::End => return Poll::Ready(()),
                Order::Part if matches!(this.state, State::Serves | State::SecondLook) => {
                    this.part(State::Finishes);
                    continue;
                }
                Order::Part | Order::Stay => {}
            }
            this.hurry();
            // The moment may have been over before the time to look again was set.
            if this.conn.missed() {
                continue;
            }
            ready!(this.sleep.as_mut().poll(cx));
            if this.judge() {
                return Poll::Ready(());
            }
        }
    }
}
