//! The monitor's own events, as they come.
//!
//! Detection is taken from here and from nowhere else: an event carries the instant of the verdict itself.
//! The stream resumes after the last event seen, so nothing is missed when the monitor restarts meanwhile.
//!
//! A monitor that is not there judges nothing, and its silence is no proof of health: how long it was not heard is kept.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tolerancia_client::http;
use tolerancia_client::sse::Listener;
use tolerancia_wire::status::{Failures, Transition};

use super::ExperimentError;

/// The monitor sends a sign of life every five seconds.
const IDLE: Duration = Duration::from_secs(15);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the first connection may take.
const FIRST: Duration = Duration::from_secs(10);
/// A silence longer than this is one: a sign of life comes every five seconds, and may be a second late.
const SIGN: Duration = Duration::from_secs(6);
/// In all, the monitor may go unheard for so long: a restart, or a few late signs of life.
const MOST_UNHEARD: Duration = Duration::from_secs(5);

/// All transitions since it was opened.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: watch::Receiver<Vec<Transition>>,
    hearing: watch::Receiver<Hearing>,
}

impl Watch {
    /// Connects, and stays connected until `stop` is cancelled.
    pub(crate) async fn open(monitor_url: &str, stop: CancellationToken) -> Result<Self, ExperimentError> {
        let (seen, receiver) = watch::channel(Vec::new());
        let (state, mut connected) = watch::channel(Err("no connection yet".to_owned()));
        let (hearing, heard) = watch::channel(Hearing::new());
        let client = http::streaming(IDLE);
        let mut follower = Follower {
            client,
            url: monitor_url.to_owned(),
            last: None,
            seen,
            state,
            hearing,
        };
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = follower.follow() => {}
            }
        });
        let first = tokio::time::timeout(FIRST, connected.wait_for(Result::is_ok)).await;
        let is_connected = matches!(first, Ok(Ok(_)));
        drop(first);
        if !is_connected {
            let why = connected.borrow().clone().err().unwrap_or_default();
            return Err(ExperimentError::NoEvents(why));
        }
        Ok(Self {
            seen: receiver,
            hearing: heard,
        })
    }

    /// Waits, for `limit` at most, until `holds` is true of all transitions so far; says whether it is.
    pub(crate) async fn until(&self, limit: Duration, holds: impl Fn(&[Transition]) -> bool) -> bool {
        let mut seen = self.seen.clone();
        let found = seen.wait_for(|all| holds(all));
        matches!(tokio::time::timeout(limit, found).await, Ok(Ok(_)))
    }

    /// All so far, oldest first.
    pub(crate) fn all(&self) -> Vec<Transition> {
        self.seen.borrow().clone()
    }

    /// Why what was not seen need not have been absent; `None` if the monitor was heard as good as always, and is now.
    pub(crate) fn deaf(&self) -> Option<String> {
        self.hearing.borrow().deaf(Instant::now())
    }
}

/// When the monitor was heard.
#[derive(Debug, Clone, Copy)]
struct Hearing {
    /// Its last sign of life.
    heard: Instant,
    /// Since when there is no connection.
    lost: Option<Instant>,
    /// How long it was not heard before that, in all.
    before: Duration,
}

impl Hearing {
    fn new() -> Self {
        Self {
            heard: Instant::now(),
            lost: None,
            before: Duration::ZERO,
        }
    }

    /// A sign of life.
    fn hear(&mut self, now: Instant) {
        self.before += self.silence(now);
        self.heard = now;
        self.lost = None;
    }

    /// The connection is lost.
    fn lose(&mut self, now: Instant) {
        self.lost.get_or_insert(now);
    }

    /// How long it has not been heard. A connection that is silent may have been dead for longer than it is lost.
    fn silence(&self, now: Instant) -> Duration {
        let due = self.heard + SIGN;
        now.saturating_duration_since(self.lost.map_or(due, |lost| lost.min(due)))
    }

    fn deaf(&self, now: Instant) -> Option<String> {
        let silence = self.silence(now);
        let unheard = self.before + silence;
        if self.lost.is_some() {
            let seconds = silence.as_secs_f64();
            return Some(format!(
                "the monitor's events are not heard at the end, since {seconds:.1} s"
            ));
        }
        (unheard > MOST_UNHEARD).then(|| {
            let seconds = unheard.as_secs_f64();
            format!("the monitor's events were not heard for {seconds:.1} s in all")
        })
    }
}

struct Follower {
    client: reqwest::Client,
    url: String,
    /// The newest event that is known.
    last: Option<u64>,
    seen: watch::Sender<Vec<Transition>>,
    state: watch::Sender<Result<(), String>>,
    hearing: watch::Sender<Hearing>,
}

impl Follower {
    async fn follow(&mut self) {
        loop {
            let why = match self.stream().await {
                Ok(()) => "the stream ended".to_owned(),
                Err(why) => why,
            };
            tracing::debug!(why, "the monitor's events are interrupted");
            self.hearing.send_modify(|hearing| hearing.lose(Instant::now()));
            // Only the first connection is waited for; a later interruption is bridged.
            self.state.send_if_modified(|state| {
                let never = state.is_err();
                if never {
                    *state = Err(why);
                }
                never
            });
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One connection, until it ends.
    async fn stream(&mut self) -> Result<(), String> {
        let last = match self.last {
            Some(last) => last,
            // What happened before is of no interest, what happens from here on is.
            None => {
                let past: Failures = http::get_json(&self.client, &format!("{}/failures?limit=1", self.url)).await?;
                past.failures.first().map_or(0, |newest| newest.seq)
            }
        };
        self.last = Some(last);
        let url = format!("{}/events", self.url);
        let mut listener = Listener::connect(&self.client, &url, Some(&last.to_string())).await?;
        self.hearing.send_modify(|hearing| hearing.hear(Instant::now()));
        self.state.send_modify(|state| *state = Ok(()));
        while let Some(events) = listener.next().await? {
            self.hearing.send_modify(|hearing| hearing.hear(Instant::now()));
            for event in events.iter().filter(|event| event.name == "transition") {
                let transition = serde_json::from_str(&event.data);
                self.take(transition.map_err(|error| format!("{url} sent something unexpected: {error}"))?);
            }
        }
        Ok(())
    }

    fn take(&mut self, transition: Transition) {
        // An event may come twice around a reconnection.
        if self.last.is_some_and(|last| transition.seq <= last) {
            return;
        }
        self.last = Some(transition.seq);
        self.seen.send_modify(|all| all.push(transition));
    }
}

#[cfg(test)]
mod tests;
