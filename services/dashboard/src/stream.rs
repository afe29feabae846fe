//! `GET /api/live`: the stream of one browser.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream::{self, Stream, StreamExt as _};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::streams::{self, Place, Places};
use tolerancia_wire::Stamp;
use tolerancia_wire::time::rfc3339;

use crate::browser::System;
use crate::hub::{Hub, Message};

/// Browsers at a time.
pub(crate) const MOST_BROWSERS: usize = 32;
/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the page is told the time. Scripts do not see comments: this is how they see that the stream is alive.
const TICK: Duration = Duration::from_secs(1);

/// Says what the system is. Asked for each browser that comes, since scenarios may be written meanwhile; so it must be
/// quick and never wait.
type Describe = dyn Fn() -> System + Send + Sync;

#[derive(Clone)]
struct App {
    hub: Hub,
    describe: Arc<Describe>,
    places: Places,
    shutdown: CancellationToken,
}

/// `GET /api/live`: server-sent events until `shutdown`, about the system that `describe` describes.
pub(crate) fn routes(
    hub: Hub,
    describe: impl Fn() -> System + Send + Sync + 'static,
    shutdown: CancellationToken,
) -> Api {
    let app = App {
        hub,
        describe: Arc::new(describe),
        places: Places::shown_as("live_listeners", MOST_BROWSERS),
        shutdown,
    };
    let about = Operation::new("live", "All that the page shows, as it happens")
        .about("Server-sent events until the service stops: a `snapshot` first, then what changes.")
        .header::<String>("Last-Event-ID", "The event after which to go on.")
        .answer(Answer::events("The events."))
        .answer(Answer::busy("All places are taken."));
    Api::new().get("/api/live", live, about).with_state(app)
}

async fn live(State(app): State<App>, headers: HeaderMap) -> Response {
    let App { hub, shutdown, .. } = app;
    let place = match app.places.take(full) {
        Ok(place) => place,
        Err(full) => return full,
    };
    hub.describe((app.describe)());
    let last = streams::last_event_id::<String>(&headers).and_then(|id| hub.number(&id));
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let browser = Browser {
        changes: hub.newest(),
        hub,
        last,
        waiting: VecDeque::new(),
        tick,
        _place: place,
    };
    streams::answer(browser.events(), shutdown)
}

fn full() -> String {
    format!(
        "{MOST_BROWSERS} pages are open already, which is as many as there may be: close one, then load this one again"
    )
}

/// Who listens, and how far it has come.
struct Browser {
    hub: Hub,
    changes: watch::Receiver<u64>,
    /// The last event that it was handed, or is waiting for it.
    last: Option<u64>,
    waiting: VecDeque<Arc<Message>>,
    tick: Interval,
    /// Given back when the stream is dropped.
    _place: Place,
}

impl Browser {
    fn events(self) -> impl Stream<Item = Event> {
        let first = stream::iter([Event::default().retry(RETRY)]);
        first.chain(stream::unfold(self, |mut browser| async move {
            let event = browser.next().await?;
            Some((event, browser))
        }))
    }

    /// The next event; none at the end. Asked for only when the browser has taken the one before.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                let event = Event::default().event(message.name).data(&message.data);
                return Some(event.id(self.hub.id(message.number)));
            }
            self.waiting.extend(self.hub.after(self.last));
            if let Some(newest) = self.waiting.back() {
                self.last = Some(newest.number);
                continue;
            }
            tokio::select! {
                biased;
                _ = self.tick.tick() => {
                    let now = json!({ "at": rfc3339(Stamp::now().at) });
                    return Some(Event::default().event("tick").data(now.to_string()));
                }
                changed = self.changes.changed() => changed.ok()?,
            }
        }
    }
}
