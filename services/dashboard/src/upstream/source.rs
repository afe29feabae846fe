//! What the page is told of a service: what its stream and its health say together.

use std::sync::{Mutex, PoisonError};

use tolerancia_wire::Stamp;
use tolerancia_wire::health::Health;

use crate::browser::{BrowserEvent, NamedSource, Source};
use crate::hub::Hub;

/// Tells of one service.
#[derive(Debug)]
pub(super) struct Teller {
    hub: Hub,
    name: &'static str,
    has_stream: bool,
    parts: Mutex<Parts>,
}

#[derive(Debug)]
struct Parts {
    /// The process at the other end of the open stream, or why it is not open.
    stream: Result<u32, String>,
    health: Result<Health, String>,
    told: Option<Source>,
}

impl Teller {
    /// Tells at once that nothing is known yet.
    pub(super) fn new(hub: Hub, name: &'static str, has_stream: bool) -> Self {
        let unknown = || "not connected yet".to_owned();
        let teller = Self {
            hub,
            name,
            has_stream,
            parts: Mutex::new(Parts {
                stream: Err(unknown()),
                health: Err(unknown()),
                told: None,
            }),
        };
        teller.tell(|_| {});
        teller
    }

    /// The stream is open, to this process.
    pub(super) fn connected(&self, pid: u32) {
        self.tell(|parts| parts.stream = Ok(pid));
    }

    /// The stream is lost.
    pub(super) fn lost(&self, why: String) {
        self.tell(|parts| parts.stream = Err(why));
    }

    /// What it answered, or why it did not.
    pub(super) fn health(&self, health: Result<Health, String>) {
        self.tell(|parts| parts.health = health);
    }

    /// Under one lock, so that what is told last is how it is.
    fn tell(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let source = parts.source(self.has_stream);
        self.hub.publish(BrowserEvent::Source(NamedSource {
            name: self.name.to_owned(),
            source: source.clone(),
        }));
        parts.told = Some(source);
    }
}

impl Parts {
    fn source(&self, has_stream: bool) -> Source {
        let health = self.health.as_ref();
        let stream = has_stream.then_some(self.stream.as_ref());
        let up = stream.map_or(health.is_ok(), |stream| stream.is_ok());
        let pid = stream.and_then(Result::ok).copied();
        let error = stream.and_then(Result::err).or(health.err());
        let before = self.told.as_ref().filter(|told| told.up == up);
        Source {
            up,
            since: before.map_or_else(|| Stamp::now().at, |told| told.since),
            state: health.ok().map(|health| health.status),
            details: health.map(|health| health.details.clone()).unwrap_or_default(),
            pid: health.ok().map(|health| health.pid).or(pid),
            error: error.cloned(),
        }
    }
}
