//! What the page is told of a service: what its stream and its health say together.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tolerancia_wire::Stamp;
use tolerancia_wire::health::{Health, HealthState};

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
        let source = parts.source(self.has_stream, Stamp::now().at);
        self.hub.publish(BrowserEvent::Source(NamedSource {
            name: self.name.to_owned(),
            source: source.clone(),
        }));
        parts.told = Some(source);
    }
}

impl Parts {
    /// What is told at `now`.
    fn source(&self, has_stream: bool, now: Timestamp) -> Source {
        let health = self.health.as_ref();
        let stream = has_stream.then_some(self.stream.as_ref());
        let up = stream.map_or(health.is_ok(), |stream| stream.is_ok());
        let pid = stream.and_then(Result::ok).copied();
        let error = stream.and_then(Result::err).or(health.err());
        let mut source = Source {
            up,
            since: now,
            state: health.ok().map(|health| health.status),
            details: health.map(|health| health.details.clone()).unwrap_or_default(),
            pid: health.ok().map(|health| health.pid).or(pid),
            error: error.cloned(),
        };
        if let Some(told) = self.told.as_ref().filter(|told| shown(told) == shown(&source)) {
            source.since = told.since;
        }
        source
    }
}

/// What the page shows of a service in one word: one whose stream is lost is DOWN, one that has yet to be asked is UP.
fn shown(source: &Source) -> HealthState {
    match source.up {
        true => source.state.unwrap_or(HealthState::Up),
        false => HealthState::Down,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn health(status: HealthState) -> Result<Health, String> {
        let health = json!({ "service": "voter-svc", "instance": "1", "status": status, "version": "1", "pid": 7,
            "uptime_s": 1.0, "details": {} });
        Ok(serde_json::from_value(health).unwrap())
    }

    #[test]
    fn the_time_begins_anew_with_each_state_that_is_shown_and_with_nothing_else() {
        let mut parts = Parts {
            stream: Err("not connected yet".to_owned()),
            health: Err("not connected yet".to_owned()),
            told: None,
        };
        let mut now = 0;
        let mut since = |stream: Option<u32>, health: Result<Health, String>| {
            now += 1;
            parts.stream = stream.ok_or_else(|| format!("lost {now}"));
            parts.health = health;
            let source = parts.source(true, Timestamp::from_second(now).unwrap());
            parts.told = Some(source.clone());
            source.since.as_second()
        };
        let none = || Err("refused".to_owned());
        assert_eq!(since(None, none()), 1);
        assert_eq!(since(Some(7), none()), 2, "UP, as far as is known");
        assert_eq!(since(Some(7), health(HealthState::Up)), 2);
        assert_eq!(since(Some(7), health(HealthState::Degraded)), 4);
        assert_eq!(since(Some(7), health(HealthState::Degraded)), 4);
        assert_eq!(since(Some(8), health(HealthState::Up)), 6);
        assert_eq!(since(None, health(HealthState::Up)), 7);
        assert_eq!(since(None, none()), 7, "it is DOWN all the same");
        assert_eq!(since(Some(9), none()), 9);
    }
}
