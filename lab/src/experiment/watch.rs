//! The monitor's own events, as they come.
//!
//! Detection is taken from here and from nowhere else: an event carries the instant of the verdict itself.
//! The stream resumes after the last event seen, so nothing is missed when the monitor restarts meanwhile.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tolerancia_wire::status::{Failures, Transition};

use super::ExperimentError;
use super::sse::Parser;
use crate::http;

/// The monitor sends a sign of life every five seconds.
const IDLE: Duration = Duration::from_secs(15);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the first connection may take.
const FIRST: Duration = Duration::from_secs(10);

/// All transitions since it was opened.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: watch::Receiver<Vec<Transition>>,
}

impl Watch {
    /// Connects, and stays connected until `stop` is cancelled.
    pub(crate) async fn open(monitor_url: &str, stop: CancellationToken) -> Result<Self, ExperimentError> {
        let (seen, receiver) = watch::channel(Vec::new());
        let (state, mut connected) = watch::channel(Err("no connection yet".to_owned()));
        let client = http::streaming(IDLE);
        let mut follower = Follower {
            client,
            url: monitor_url.to_owned(),
            last: None,
            seen,
            state,
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
        Ok(Self { seen: receiver })
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
}

struct Follower {
    client: reqwest::Client,
    url: String,
    /// The newest event that is known.
    last: Option<u64>,
    seen: watch::Sender<Vec<Transition>>,
    state: watch::Sender<Result<(), String>>,
}

impl Follower {
    async fn follow(&mut self) {
        loop {
            let why = match self.stream().await {
                Ok(()) => "the stream ended".to_owned(),
                Err(why) => why,
            };
            tracing::debug!(why, "the monitor's events are interrupted");
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
        let request = self.client.get(&url).header("Last-Event-ID", last.to_string());
        let mut response = request.send().await.map_err(|error| http::cause(&error))?;
        if !response.status().is_success() {
            return Err(format!("{url} answered {}", response.status()));
        }
        self.state.send_modify(|state| *state = Ok(()));
        let mut parser = Parser::default();
        while let Some(bytes) = response.chunk().await.map_err(|error| http::cause(&error))? {
            for event in parser.feed(&bytes).map_err(|error| error.to_string())? {
                if event.name == "transition" {
                    let transition = serde_json::from_str(&event.data);
                    self.take(transition.map_err(|error| format!("{url} sent something unexpected: {error}"))?);
                }
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
