//! The stream of one listener.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tolerancia_service::problem::ApiProblem;
use tolerancia_wire::live::{Hello, MonitorEvent};
use tolerancia_wire::status::Transition;

use super::{Live, Told};
use crate::http::KEEP_ALIVE;
use crate::state::Shared;
use crate::transitions;

/// Listeners at a time. One that takes nothing keeps its place until its connection is gone, and costs no more than
/// the kernel and the server hold for one connection.
pub(super) const MOST_LISTENERS: usize = 32;
/// Seconds after which one who found no place may ask again.
const RETRY_AFTER_S: u32 = 5;

/// What the handler needs.
#[derive(Clone)]
struct App {
    live: Live,
    shared: Shared,
    hello: Hello,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// The route, at the root and under `/monitor`.
pub(crate) fn routes(live: Live, shared: Shared, hello: Hello, shutdown: CancellationToken) -> Router {
    let app = App {
        live,
        shared,
        hello,
        places: Arc::new(Semaphore::new(MOST_LISTENERS)),
        shutdown,
    };
    Router::new()
        .route("/live", get(live_stream))
        .route("/monitor/live", get(live_stream))
        .with_state(app)
}

/// Server-sent events until shutdown, or until the listener has fallen behind. `Last-Event-ID` resumes the transitions
/// after that one.
async fn live_stream(State(app): State<App>, headers: HeaderMap) -> Response {
    let Ok(place) = Arc::clone(&app.places).try_acquire_owned() else {
        let problem = ApiProblem::unavailable(format!(
            "{MOST_LISTENERS} listeners follow the live events already: end one of them, or ask the dashboard, which \
             shares one"
        ));
        return ([(header::RETRY_AFTER, RETRY_AFTER_S.to_string())], problem).into_response();
    };
    let events = app.events(transitions::last_seen(&headers), place);
    Sse::new(
        events
            .map(Ok::<_, Infallible>)
            .take_until(app.shutdown.cancelled_owned()),
    )
    .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
    .into_response()
}

impl App {
    fn events(&self, last: Option<u64>, place: OwnedSemaphorePermit) -> impl Stream<Item = Event> + Send + use<> {
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
    _place: OwnedSemaphorePermit,
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

fn named(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("an event has only text keys");
    Event::default().event(name).data(data)
}
