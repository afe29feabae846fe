//! The stream of one listener.

use std::pin::Pin;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::streams::{self, Place, Places, event as named};
use tolerancia_wire::live::{Hello, MonitorEvent};
use tolerancia_wire::status::Transition;

use super::{Live, Told};
use crate::state::Shared;
use crate::transitions;

/// Listeners at a time.
pub(super) const MOST_LISTENERS: usize = 32;

/// What the handler needs.
#[derive(Clone)]
struct App {
    live: Live,
    shared: Shared,
    hello: Hello,
    places: Places,
    shutdown: CancellationToken,
}

/// The route, at the root and under `/monitor`.
pub(crate) fn routes(live: Live, shared: Shared, hello: Hello, shutdown: CancellationToken) -> Api {
    let app = App {
        live,
        shared,
        hello,
        places: Places::shown_as("live_listeners", MOST_LISTENERS),
        shutdown,
    };
    Api::new()
        .get("/live", live_stream, describe())
        .also_under("/monitor")
        .with_state(app)
}

fn describe() -> Operation {
    Operation::new("live", "What the monitor sees, as it happens")
        .about(
            "Server-sent events until the service stops: `hello` and `status` first, then what is known, then what happens. \
             `docs/events.md` describes them.",
        )
        .header::<u64>("Last-Event-ID", "The transition after which to go on.")
        .answer(Answer::events("The events."))
        .answer(Answer::busy("All places are taken."))
}

/// Server-sent events until shutdown, or until the listener has fallen behind. `Last-Event-ID` resumes the transitions
/// after that one.
async fn live_stream(State(app): State<App>, headers: HeaderMap) -> Response {
    let full = || {
        format!(
            "{MOST_LISTENERS} listeners follow the live events already: end one of them, or ask the dashboard, which \
             shares one"
        )
    };
    match app.places.take(full) {
        Ok(place) => streams::answer(app.events(streams::last_event_id(&headers), place), app.shutdown),
        Err(full) => full,
    }
}

impl App {
    fn events(&self, last: Option<u64>, place: Place) -> impl Stream<Item = Event> + Send + use<> {
        // In this order: what is told meanwhile is told twice, in the status and as an event, rather than never.
        let transitions = Box::pin(transitions::follow(&self.shared, last));
        let (told, known) = self.live.begin();
        let begin = [MonitorEvent::Hello(self.hello.clone()), status(&self.shared)];
        let begin: Vec<Event> = begin.iter().chain(&known).map(to_event).collect();
        let listener = Listener {
            transitions,
            told,
            shared: self.shared.clone(),
            _place: place,
        };
        let events = stream::unfold(listener, |mut listener| async move {
            let event = listener.next().await?;
            Some((event, listener))
        });
        stream::iter(begin).chain(events)
    }
}

struct Listener {
    transitions: Pin<Box<dyn Stream<Item = Transition> + Send>>,
    told: broadcast::Receiver<Told>,
    shared: Shared,
    _place: Place,
}

impl Listener {
    /// The next event; none at the end: it fell behind, or nobody is left who could tell anything.
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            // First, so that the times of a transition come after it.
            biased;
            transition = self.transitions.next() => Some(transitions::to_event(&transition?)),
            told = self.told.recv() => match told.ok()? {
                Told::Event(event) => Some(to_event(&event)),
                // As it is now, not as it was when that was said: no transition that has been told is missing in it.
                Told::Status => Some(to_event(&status(&self.shared))),
            }
        }
    }
}

fn status(shared: &Shared) -> MonitorEvent {
    MonitorEvent::Status(shared.read(|view| view.status.clone()))
}

/// An event on the wire: its name and its content, as its type says.
pub(super) fn to_event(event: &MonitorEvent) -> Event {
    match event {
        MonitorEvent::Hello(hello) => named("hello", hello),
        MonitorEvent::Status(status) => named("status", status),
        MonitorEvent::Transition(transition) => transitions::to_event(transition),
        MonitorEvent::Times(times) => named("times", times),
        MonitorEvent::Suspicion(suspicion) => named("suspicion", suspicion),
        MonitorEvent::Replicas(replicas) => named("replicas", replicas),
        MonitorEvent::Requests(rows) => named("requests", rows),
        MonitorEvent::Fault(fault) => named("fault", fault),
    }
}
