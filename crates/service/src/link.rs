//! A kept-open HTTP/2 connection to another service.
//!
//! It is opened ahead and reopened when it is lost: a request never waits for a handshake, it fails at once
//! when there is no connection. All requests share the connection, each in a stream of its own. How long to
//! wait is the caller's business: dropping [`Link::get`] cancels the request and nothing else.
//!
//! The loss of the connection is news in itself, so it is announced the moment the kernel tells it
//! ([`Link::changes`]), with the time at which that was.

use std::fmt::Display;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http2::{self, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tolerancia_wire::Stamp;

/// The first pause after a failed attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the peer's host may leave what was sent unacknowledged, or take no more, until the connection counts as
/// lost. A process that hangs is not meant, since its kernel acknowledges; but one that is sent so much that its
/// receive buffer fills (a zero window) loses the connection too. Without it a host that vanished, or a container that came back under
/// another address, would be waited for as long as the kernel retransmits, some 15 minutes.
const HOST_GONE: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 16 << 20;
/// How many cancelled requests are remembered, so that late answers to them are no protocol error.
const REMEMBERED: usize = 8192;

/// An answer, read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, 16 MiB at most.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no connection now; the last failure to make one.
    #[error("not connected: {0}")]
    NotConnected(String),
    /// The connection was lost while waiting.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The peer answered, but not as agreed: too much, or cut off.
    #[error("not a proper answer: {0}")]
    Protocol(String),
}

/// Whether a link is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Connected.
    Up {
        /// Counts the connections, from 1.
        epoch: u64,
    },
    /// Not connected; being retried.
    Down {
        /// The connection that was lost; 0 if there was none yet.
        epoch: u64,
        /// When it was lost, or when the link was made.
        since: Stamp,
        /// The last failure.
        error: String,
    },
}

type Sender = SendRequest<Empty<Bytes>>;
type Running = Connection<TokioIo<TcpStream>, Empty<Bytes>, TokioExecutor>;

/// A connection to one peer; clones share it. It ends with the token that it was made with.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    addr: String,
    sender: RwLock<Option<Sender>>,
    state: watch::Sender<LinkState>,
}

impl Link {
    /// A link to `addr` (`HOST:PORT`), which begins to connect at once and goes on until `shutdown`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn spawn(addr: impl Display, shutdown: CancellationToken) -> Self {
        let error = "not yet".to_owned();
        let down = LinkState::Down {
            epoch: 0,
            since: Stamp::now(),
            error,
        };
        let shared = Arc::new(Shared {
            addr: addr.to_string(),
            sender: RwLock::new(None),
            state: watch::Sender::new(down),
        });
        let link = Self {
            shared: Arc::clone(&shared),
        };
        tokio::spawn(async move {
            shutdown.run_until_cancelled(shared.keep()).await;
            shared.down("shutting down".to_owned());
        });
        link
    }

    /// Asks for `path`, which begins with a slash. Waits for the answer as long as the connection lasts.
    ///
    /// # Errors
    /// [`LinkError`]; at once when there is no connection.
    pub async fn get(&self, path: &str) -> Result<Answer, LinkError> {
        let Some(mut sender) = self.shared.sender() else {
            return Err(LinkError::NotConnected(self.shared.error()));
        };
        let request = Request::get(format!("http://{}{path}", self.shared.addr))
            .body(Empty::new())
            .map_err(|error| LinkError::Protocol(error.to_string()))?;
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(failure(&sender, &error)),
        };
        let status = response.status().as_u16();
        match Limited::new(response.into_body(), ANSWER_LIMIT).collect().await {
            Ok(body) => Ok(Answer {
                status,
                body: body.to_bytes(),
            }),
            Err(error) => Err(failure(&sender, error.as_ref())),
        }
    }

    /// Whether there is a connection, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(*self.shared.state.borrow(), LinkState::Up { .. })
    }

    /// The state and its changes. Two changes in quick succession may be seen as one; then the epoch tells.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<LinkState> {
        self.shared.state.subscribe()
    }
}

fn failure(sender: &Sender, error: &(dyn std::error::Error + 'static)) -> LinkError {
    let text = chain(error);
    if sender.is_closed() {
        LinkError::Lost(text)
    } else {
        LinkError::Protocol(text)
    }
}

/// An error with its causes: hyper's own text says only which part failed.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Shared {
    async fn keep(&self) {
        let mut pause = Duration::ZERO;
        let mut epoch = 0;
        loop {
            match self.connect().await {
                Ok((sender, connection)) => {
                    epoch += 1;
                    pause = Duration::ZERO;
                    self.up(sender, epoch);
                    let lost = match connection.await {
                        Ok(()) => "closed by the peer".to_owned(),
                        Err(error) => chain(&error),
                    };
                    self.down(lost);
                }
                Err(error) => {
                    self.down(error);
                    pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn connect(&self) -> Result<(Sender, Running), String> {
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.addr))
            .await
            .map_err(|_| format!("{} does not answer", self.addr))?
            .map_err(|error| format!("{}: {error}", self.addr))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        #[cfg(target_os = "linux")]
        rustix::net::sockopt::set_tcp_user_timeout(&stream, u32::try_from(HOST_GONE.as_millis()).unwrap_or(u32::MAX))
            .map_err(|error| error.to_string())?;
        http2::Builder::new(TokioExecutor::new())
            .max_concurrent_reset_streams(REMEMBERED)
            .max_local_error_reset_streams(None)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| chain(&error))
    }

    fn up(&self, sender: Sender, epoch: u64) {
        *self.sender.write().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        self.state.send_replace(LinkState::Up { epoch });
    }

    /// Announces a loss; a further failed attempt only changes the text.
    fn down(&self, failure: String) {
        *self.sender.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.state.send_if_modified(|state| match state {
            LinkState::Up { epoch } => {
                *state = LinkState::Down {
                    epoch: *epoch,
                    since: Stamp::now(),
                    error: failure,
                };
                true
            }
            LinkState::Down { error, .. } => {
                *error = failure;
                false
            }
        });
    }

    fn sender(&self) -> Option<Sender> {
        self.sender.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn error(&self) -> String {
        match &*self.state.borrow() {
            LinkState::Down { error, .. } => error.clone(),
            LinkState::Up { .. } => "it was lost just now".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
