//! `GET /live`: the streams of those who watch.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use tolerancia_service::config::name::VOTER;
use tolerancia_service::problem::ApiProblem;
use tolerancia_wire::live::{Hello, VoterEvent};

use super::{Live, MOST_STREAMS, Place};

/// A comment is sent after so much silence, so that a cut connection shows.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct App {
    live: Arc<Live>,
    shutdown: CancellationToken,
}

/// `GET /live` and `GET /voter/live`: server-sent events, each a [`VoterEvent`], until `shutdown`.
pub fn routes(live: Arc<Live>, shutdown: CancellationToken) -> Router {
    Router::new()
        .route("/live", get(watch))
        .route("/voter/live", get(watch))
        .with_state(App { live, shutdown })
}

async fn watch(State(App { live, shutdown }): State<App>, headers: HeaderMap) -> Response {
    let Some(permit) = live.stream() else {
        return full();
    };
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .and_then(|id| id.parse().ok());
    let events = events(live, last, permit).map(|event| Ok::<_, Infallible>(to_sse(&event)));
    Sse::new(events.take_until(shutdown.cancelled_owned()))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// Who watches, and how far it has come.
struct Watcher {
    live: Arc<Live>,
    place: Place,
    changes: watch::Receiver<()>,
    /// Given back when the stream is dropped.
    _permit: OwnedSemaphorePermit,
}

/// [`Hello`], what is kept after the second `last`, and then what is new. That is looked up only when the reader has
/// taken what was there before, so a slow one gets the newest state of what it missed.
fn events(live: Arc<Live>, last: Option<i64>, permit: OwnedSemaphorePermit) -> impl Stream<Item = VoterEvent> {
    // Before the first look: what changes after it shows.
    let changes = live.changes();
    let (kept, place) = live.kept(last);
    let watcher = Watcher {
        live,
        place,
        changes,
        _permit: permit,
    };
    let news = stream::unfold(watcher, |mut watcher| async move {
        loop {
            watcher.changes.changed().await.ok()?;
            let news = watcher.live.since(&mut watcher.place);
            if !news.is_empty() {
                return Some((stream::iter(news), watcher));
            }
        }
    });
    stream::iter([hello()]).chain(stream::iter(kept)).chain(news.flatten())
}

fn hello() -> VoterEvent {
    VoterEvent::Hello(Hello {
        service: VOTER.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
    })
}

fn to_sse(event: &VoterEvent) -> Event {
    match event {
        VoterEvent::Hello(hello) => named("hello", hello),
        VoterEvent::Votes(votes) => named("votes", votes).id(votes.second.to_string()),
        VoterEvent::Disagreement(disagreement) => named("disagreement", disagreement),
    }
}

fn named(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("an event has only text keys");
    Event::default().event(name).data(data)
}

fn full() -> Response {
    let text = format!(
        "{MOST_STREAMS} streams are open already, which is as many as there may be: close one, or watch through the \
         dashboard, which takes one for all its readers"
    );
    let mut response = ApiProblem::unavailable(text).into_response();
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, soon);
    response
}
