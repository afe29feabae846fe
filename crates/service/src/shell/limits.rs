//! How much a server takes on, and how long it waits for its clients.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections at a time, where the process may have descriptors enough.
pub const MAX_CONNECTIONS: usize = 16_384;
/// Requests worked on at a time, where a service does not say otherwise.
pub const MAX_IN_FLIGHT: usize = 1024;
/// The largest request head that is read, in bytes.
pub(super) const HEAD_LIMIT: u32 = 32 * 1024;
/// Requests of the whole process that may be open at a time, whatever they wait for: of those that an injected latency
/// holds up, say. Each costs memory.
pub(super) const MOST_REQUESTS: usize = 16_384;
/// Descriptors that are left to files, databases, Kafka and connections to other services.
const RESERVE: u64 = 256;

/// The limits of one server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time. When all are taken the one that has been idle for longest is closed for a new one.
    pub connections: usize,
    /// Requests worked on at a time; a few more wait for a moment, the rest gets 503 with `Retry-After`.
    pub in_flight: usize,
    /// Requests of one HTTP/2 connection at a time.
    pub streams: u32,
    /// How long a client may take to send a request's head, counted from its first byte; the first one of a connection
    /// from when it was opened.
    pub head: Duration,
    /// How long it may take to send a request's body, counted from its head.
    pub body: Duration,
    /// How long a connection may be kept open between two requests.
    pub idle: Duration,
    /// How long a client may take nothing of an answer that is there for it.
    pub write: Duration,
    /// How long a request may be worked on until its answer begins.
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Limits {
    /// The limits of this process, with what its operator wants of them. Lets the process have as many descriptors as it
    /// is allowed to, and never more connections than descriptors for them.
    #[must_use]
    pub fn new(connections: Option<usize>, in_flight: Option<usize>) -> Self {
        let possible = possible_connections(raise_file_limit());
        Self {
            connections: connections.unwrap_or(MAX_CONNECTIONS).min(possible),
            in_flight: in_flight.unwrap_or(MAX_IN_FLIGHT),
            streams: 128,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(10),
            request: Duration::from_secs(30),
        }
    }

    /// So many requests of one HTTP/2 connection at a time. A replica has one connection for all clients of the voter.
    #[must_use]
    pub fn with_streams(mut self, streams: u32) -> Self {
        self.streams = streams;
        self
    }

    /// At least this long for a request: a service that waits for others by design says so.
    #[must_use]
    pub fn answers_within(mut self, longest: Duration) -> Self {
        self.request = self.request.max(longest + Duration::from_secs(5));
        self
    }
}

/// The most connections where the process may have so many descriptors; some, however few these are.
fn possible_connections(descriptors: u64) -> usize {
    let left = descriptors.saturating_sub(RESERVE).max(descriptors / 4).max(8);
    usize::try_from(left).unwrap_or(usize::MAX)
}

/// Raises the number of descriptors that the process may have to what it may raise it to. Returns it.
fn raise_file_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    let reached = if current == maximum {
        current
    } else {
        match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => maximum,
            Err(error) => {
                tracing::debug!(%error, "the limit of open files stays as it is");
                current
            }
        }
    };
    reached.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(possible_connections(20_000), 19_744);
        assert_eq!(possible_connections(1024), 768);
        assert_eq!(possible_connections(300), 75);
        assert_eq!(possible_connections(0), 8);
        let limits = Limits::new(Some(usize::MAX), Some(7));
        assert!(limits.connections < usize::MAX, "{limits:?}");
        assert_eq!(limits.in_flight, 7);
        assert_eq!(Limits::new(Some(9), None).connections, 9);
    }

    #[test]
    fn who_waits_by_design_has_the_time() {
        let limits = Limits::default();
        assert_eq!(
            limits.clone().answers_within(Duration::from_secs(1)).request,
            limits.request
        );
        assert_eq!(
            limits.answers_within(Duration::from_secs(60)).request,
            Duration::from_secs(65)
        );
    }
}
