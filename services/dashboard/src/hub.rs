//! Where all events meet, and from where every browser takes them.
//!
//! Each event gets a number and is kept for a while, written out once for all browsers. A browser holds the number of the
//! last event that it was handed, and asks for those after it when it can take more. Whoever asks for events that are
//! not kept any more, because it is new, was away, or is slow, gets all that is known instead. So a browser that does not
//! read costs nothing, and none makes another one wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;
use tolerancia_wire::activation::AuditEntry;

use crate::browser::{BrowserEvent, System};
use crate::state::State;

/// Events that are kept.
pub(crate) const MOST_EVENTS: usize = 1024;
/// Their size in all, bytes. One is a few hundred as a rule.
const MOST_BYTES: usize = 8 << 20;

/// Events that a browser is handed at a time: those that it is slow to take are kept for it, so they must be few.
const MOST_AT_ONCE: usize = 64;

/// An event as it is sent.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its number; that of a snapshot is the number of the last event that is in it.
    pub number: u64,
    /// Its name.
    pub name: &'static str,
    /// Its data, JSON.
    pub data: String,
}

/// Clones are the same hub.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: String,
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    system: System,
    /// The number of the last event.
    newest: u64,
    /// The newest events, without a gap up to the last.
    kept: VecDeque<Arc<Message>>,
    /// Their size.
    bytes: usize,
    /// The newest snapshot that was asked for: many browsers may ask at once.
    snapshot: Option<Arc<Message>>,
}

/// What a `snapshot` holds.
#[derive(Debug, Serialize)]
struct Snapshot<'a> {
    epoch: &'a str,
    version: &'static str,
    system: &'a System,
    #[serde(flatten)]
    state: &'a State,
}

impl Hub {
    /// One that knows nothing yet.
    pub(crate) fn new() -> Self {
        let shared = Shared {
            epoch: format!("{:016x}", rand::random::<u64>()),
            inner: Mutex::default(),
            newest: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes an event in, and tells the browsers if it is news. Never waits.
    pub(crate) fn publish(&self, event: BrowserEvent) {
        self.publish_with(|_| [event]);
    }

    /// As [`publish`](Self::publish), with events that follow from what is known, of which nothing changes meanwhile.
    pub(crate) fn publish_with<I: IntoIterator<Item = BrowserEvent>>(&self, events: impl FnOnce(&State) -> I) {
        let mut inner = self.lock();
        for event in events(&inner.state) {
            if let Some(news) = inner.state.apply(event) {
                inner.keep(&news);
            }
        }
        self.shared.newest.send_replace(inner.newest);
    }

    /// Takes the audit's own list in. It may change the past, which no event does: then every browser gets a snapshot.
    pub(crate) fn audit(&self, entries: Vec<AuditEntry>) {
        let mut inner = self.lock();
        if inner.state.audit(entries) {
            inner.begin_anew();
        }
        self.shared.newest.send_replace(inner.newest);
    }

    /// Says what the system is. If that is news, every browser gets a snapshot.
    pub(crate) fn describe(&self, system: System) {
        let mut inner = self.lock();
        if inner.system != system {
            inner.system = system;
            inner.begin_anew();
        }
        self.shared.newest.send_replace(inner.newest);
    }

    /// Reads what is known; nothing changes for the time of `f`.
    pub(crate) fn read<R>(&self, f: impl FnOnce(&State) -> R) -> R {
        f(&self.lock().state)
    }

    /// The number of the last event, as it rises.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.shared.newest.subscribe()
    }

    /// The first events after number `last`, none if it is the newest. A snapshot alone, if they are not kept any more, or
    /// if nothing is known yet.
    pub(crate) fn after(&self, last: Option<u64>) -> Vec<Arc<Message>> {
        let mut inner = self.lock();
        let oldest = inner.newest - inner.kept.len() as u64;
        match last {
            Some(last) if (oldest..=inner.newest).contains(&last) => {
                let skipped = usize::try_from(last - oldest).unwrap_or(usize::MAX);
                inner.kept.iter().skip(skipped).take(MOST_AT_ONCE).cloned().collect()
            }
            _ => vec![inner.snapshot(&self.shared.epoch)],
        }
    }

    /// The `id` of the event with this number.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.shared.epoch)
    }

    /// The number in an `id`; none if it is of another process.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&self.shared.epoch)?.strip_prefix('-')?.parse().ok()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, event: &BrowserEvent) {
        self.newest += 1;
        let message = Message {
            number: self.newest,
            name: event.name(),
            data: serde_json::to_string(event).expect("an event has only text keys"),
        };
        self.bytes += message.data.len();
        self.kept.push_back(Arc::new(message));
        while self.kept.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
            let Some(gone) = self.kept.pop_front() else { break };
            self.bytes -= gone.data.len();
        }
    }

    /// What was told before is told to nobody any more.
    fn begin_anew(&mut self) {
        self.newest += 1;
        self.kept.clear();
        self.bytes = 0;
    }

    fn snapshot(&mut self, epoch: &str) -> Arc<Message> {
        if let Some(snapshot) = self.snapshot.as_ref().filter(|known| known.number == self.newest) {
            return Arc::clone(snapshot);
        }
        let snapshot = Snapshot {
            epoch,
            version: env!("CARGO_PKG_VERSION"),
            system: &self.system,
            state: &self.state,
        };
        let message = Arc::new(Message {
            number: self.newest,
            name: "snapshot",
            data: serde_json::to_string(&snapshot).expect("a snapshot has only text keys"),
        });
        self.snapshot = Some(Arc::clone(&message));
        message
    }
}

#[cfg(test)]
mod tests;
