//! `GET /trace`: what the judge takes in and decides, line by line as it happens, for whoever records it.
//!
//! While nobody listens a line costs one atomic load and is never made. The backlog is bounded: a reader who is too
//! slow loses lines and is told how many ([`TraceLine::Lost`]). Nothing here can make the judge wait.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tolerancia_core::checks::ChecksConfig;
use tolerancia_core::panel::PanelConfig;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::queues;
use tolerancia_service::streams::Places;
use tolerancia_wire::Stamp;
use tolerancia_wire::trace::{SCHEMA, TraceLine};

use crate::state::Shared;

/// Lines that a reader may fall behind: some ten seconds of a system with a fault in it.
const BACKLOG: usize = 4096;

/// Readers at a time.
const MOST_READERS: usize = 4;

/// The media type of JSON by lines.
const NDJSON: &str = "application/x-ndjson";

/// Where the judge writes the trace; clones write the same one.
#[derive(Debug, Clone)]
pub(crate) struct Tracer {
    lines: broadcast::Sender<Bytes>,
}

impl Tracer {
    pub(crate) fn new() -> Self {
        let lines = broadcast::channel(BACKLOG).0;
        queues::watch_broadcast("trace_lines", BACKLOG, &lines);
        Self { lines }
    }

    /// Writes a line, which is made only if somebody reads.
    pub(crate) fn write(&self, line: impl FnOnce() -> TraceLine) {
        if self.lines.receiver_count() > 0 {
            // The last reader may leave just now.
            let _ = self.lines.send(bytes(&line()));
        }
    }
}

fn bytes(line: &TraceLine) -> Bytes {
    let mut text = serde_json::to_vec(line).expect("a line has only text keys");
    text.push(b'\n');
    text.into()
}

/// What the handler needs.
#[derive(Clone)]
struct App {
    tracer: Tracer,
    shared: Shared,
    panel: PanelConfig,
    checks: ChecksConfig,
    places: Places,
    shutdown: CancellationToken,
}

/// The route, at the root and under `/monitor`.
pub(crate) fn routes(
    tracer: Tracer,
    shared: Shared,
    panel: PanelConfig,
    checks: ChecksConfig,
    shutdown: CancellationToken,
) -> Api {
    let app = App {
        tracer,
        shared,
        panel,
        checks,
        places: Places::shown_as("trace_readers", MOST_READERS),
        shutdown,
    };
    Api::new()
        .get("/trace", trace, describe())
        .also_under("/monitor")
        .with_state(app)
}

fn describe() -> Operation {
    Operation::new("trace", "What the judge takes in and decides, as it happens")
        .about("JSON by lines until the service stops; `docs/events.md` describes them. A slow reader loses lines and is told how many.")
        .answer(Answer::text(200, NDJSON, "The lines."))
        .answer(Answer::busy("All places are taken."))
}

/// One [`TraceLine`] per line until shutdown; the first is [`TraceLine::Begin`].
async fn trace(State(app): State<App>) -> Response {
    let full =
        || format!("{MOST_READERS} readers follow the trace already: end one of them, or read what it has recorded");
    let place = match app.places.take(full) {
        Ok(place) => place,
        Err(full) => return full,
    };
    // Before the first line is made: nothing is missing after it.
    let lines = app.tracer.lines.subscribe();
    let first = stream::iter([bytes(&app.begin())]);
    let lines = stream::unfold((lines, place), |(mut lines, place)| async move {
        let line = match lines.recv().await {
            Ok(line) => line,
            Err(RecvError::Lagged(lost)) => bytes(&TraceLine::Lost { lines: lost }),
            Err(RecvError::Closed) => return None,
        };
        Some((line, (lines, place)))
    });
    let lines = first.chain(lines).take_until(app.shutdown.cancelled_owned());
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, NDJSON)], body).into_response()
}

impl App {
    fn begin(&self) -> TraceLine {
        let now = Stamp::now();
        let ms = |ns: u64| ns / 1_000_000;
        TraceLine::Begin {
            schema: SCHEMA,
            at: now.at,
            mono_ns: now.mono_ns,
            replicas: self.panel.replicas,
            detector: self.shared.detector(),
            interval_ms: ms(self.checks.interval_ns),
            timeout_ms: ms(self.checks.timeout_ns),
            late_floor_ms: ms(self.checks.late_floor_ns),
            late_cap_ms: ms(self.checks.late_cap_ns),
            lag_budget_ms: ms(self.panel.lag_budget_ns),
        }
    }
}

#[cfg(test)]
mod tests;
