//! `GET /live`: the streams of those who watch.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tolerancia_service::config::name::VOTER;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::streams::{self, Places, event as named};
use tolerancia_wire::live::{Hello, VoterEvent};

use super::{Live, MOST_STREAMS, Place};

#[derive(Clone)]
struct App {
    live: Arc<Live>,
    places: Places,
    shutdown: CancellationToken,
}

/// `GET /live` and `GET /voter/live`: server-sent events, each a [`VoterEvent`], until `shutdown`.
pub fn routes(live: Arc<Live>, shutdown: CancellationToken) -> Api {
    let app = App {
        live,
        places: Places::shown_as("live_listeners", MOST_STREAMS),
        shutdown,
    };
    Api::new()
        .get("/live", watch, describe())
        .also_under("/voter")
        .with_state(app)
}

fn describe() -> Operation {
    Operation::new("live", "What the voter sees, as it happens")
        .about(
            "Server-sent events until the service stops: `hello` first, then what is kept, then what is new. `votes` tells \
             how the votes of one second ended and has the second as its id; `disagreement` tells of a vote in which not \
             all replicas said the same.",
        )
        .header::<i64>("Last-Event-ID", "The second after which to go on.")
        .answer(Answer::events("The events."))
        .answer(Answer::busy("All places are taken."))
}

async fn watch(State(app): State<App>, headers: HeaderMap) -> Response {
    match app.places.take(full) {
        Ok(permit) => {
            let events = events(app.live, streams::last_event_id(&headers), permit);
            streams::answer(events.map(|event| to_sse(&event)), app.shutdown)
        }
        Err(full) => full,
    }
}

/// Who watches, and how far it has come.
struct Watcher {
    live: Arc<Live>,
    place: Place,
    changes: watch::Receiver<()>,
    /// Given back when the stream is dropped.
    _permit: streams::Place,
}

/// [`Hello`], what is kept after the second `last`, and then what is new. That is looked up only when the reader has
/// taken what was there before, so a slow one gets the newest state of what it missed.
fn events(live: Arc<Live>, last: Option<i64>, permit: streams::Place) -> impl Stream<Item = VoterEvent> {
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

fn full() -> String {
    format!(
        "{MOST_STREAMS} streams are open already, which is as many as there may be: close one, or watch through the \
         dashboard, which takes one for all its readers"
    )
}
