//! Following a service's stream: connects, goes on where it was lost, and connects again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tolerancia_client::http;
use tolerancia_client::sse::{Event, Listener};
use tolerancia_wire::live::Hello;

use super::Service;
use super::source::Teller;

/// Before the second attempt; the pause doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that has lasted so long was a good one: when it is lost, the next is tried at once.
const GOOD: Duration = Duration::from_secs(1);

/// What becomes of a stream's events.
pub(super) trait Reader: Send + 'static {
    /// The events, with name and content apart (`tag = "event", content = "data"`).
    type Event: DeserializeOwned + Send;

    /// Reads what the stream does not tell, once it is open and before anything of it is taken.
    ///
    /// # Errors
    /// What is in the way. Then it is tried again with another connection.
    fn begin(&mut self) -> impl Future<Output = Result<(), String>> + Send;

    /// Takes an event.
    fn take(&mut self, event: Self::Event);
}

/// Follows one stream.
pub(super) struct Follower<R> {
    client: reqwest::Client,
    service: Service,
    /// Where the service is.
    at: String,
    /// Its stream.
    url: String,
    /// The last event with an id, over all connections.
    last_id: Option<String>,
    teller: Arc<Teller>,
    reader: R,
}

impl<R: Reader> Follower<R> {
    /// Of `service` at `url`, whose silence of `silence` counts as a loss.
    pub(super) fn new(service: Service, url: &str, silence: Duration, teller: Arc<Teller>, reader: R) -> Self {
        Self {
            client: http::streaming(silence),
            service,
            at: url.to_owned(),
            url: format!("{url}/live"),
            last_id: None,
            teller,
            reader,
        }
    }

    /// Follows until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let why = match self.connection().await {
                Ok(()) => format!("{} ended", self.url),
                Err(why) => why,
            };
            tracing::debug!(why, "a stream is interrupted");
            self.teller.lost(why);
            if began.elapsed() >= GOOD {
                pause = FIRST_PAUSE;
            } else {
                sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }

    /// One connection, until it ends.
    async fn connection(&mut self) -> Result<(), String> {
        let mut listener = Listener::connect(&self.client, &self.url, self.last_id.as_deref()).await?;
        let mut greeted = false;
        let mut complained = false;
        while let Some(events) = listener.next().await? {
            for event in events {
                if !greeted {
                    let hello = hello(&event).ok_or_else(|| format!("{} begins with no hello", self.url))?;
                    self.service.check(&self.at, &hello.service)?;
                    self.reader.begin().await?;
                    self.teller.connected(hello.pid);
                    greeted = true;
                    continue;
                }
                match read(&event) {
                    Ok(known) => self.reader.take(known),
                    // A newer service may tell more. Once is enough in the log.
                    Err(error) if !complained => {
                        complained = true;
                        tracing::info!(url = self.url, event = event.name, error, "an event is not understood");
                    }
                    Err(_) => {}
                }
                // None before the first one of this connection.
                self.last_id = event.id.or(self.last_id.take());
            }
        }
        Ok(())
    }
}

fn hello(event: &Event) -> Option<Hello> {
    (event.name == "hello").then(|| serde_json::from_str(&event.data).ok())?
}

/// The event with this name and this data.
fn read<E: DeserializeOwned>(event: &Event) -> Result<E, String> {
    let data: Value = serde_json::from_str(&event.data).map_err(|error| error.to_string())?;
    let fields = serde_json::Map::from_iter([
        ("event".to_owned(), Value::from(event.name.as_str())),
        ("data".to_owned(), data),
    ]);
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
