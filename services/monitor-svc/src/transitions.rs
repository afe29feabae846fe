//! Transitions as server-sent events: what `GET /events` consists of and `GET /live` contains.

use axum::response::sse::Event;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;
use tolerancia_service::streams;
use tolerancia_wire::status::Transition;

use crate::state::Shared;

/// All transitions after number `last`, or from here on: each exactly once and in order, however slow the listener
/// is, as long as memory holds what it missed ([`MOST_TRANSITIONS`](crate::state::MOST_TRANSITIONS)). It listens from
/// this call on, not only once it is polled.
pub(crate) fn follow(shared: &Shared, last: Option<u64>) -> impl Stream<Item = Transition> + Send + use<> {
    let now = shared.newest();
    // Who does not resume, or resumes from the future, starts from here.
    let last = last.map_or(now, |last| last.min(now));
    let (missed, live) = shared.subscribe(Some(last));
    let newest = missed.last().map_or(last, |transition| transition.seq);
    let shared = shared.clone();
    // A listener that fell behind reads what it missed from memory instead of losing it.
    let live = stream::unfold((live, newest, shared), |(mut live, newest, shared)| async move {
        let batch = loop {
            match live.recv().await {
                Ok(transition) if transition.seq <= newest => {}
                Ok(transition) => break vec![transition],
                Err(RecvError::Lagged(_)) => {
                    let (missed, again) = shared.subscribe(Some(newest));
                    live = again;
                    break missed;
                }
                Err(RecvError::Closed) => return None,
            }
        };
        let newest = batch.last().map_or(newest, |transition| transition.seq);
        Some((stream::iter(batch), (live, newest, shared)))
    });
    stream::iter(missed).chain(live.flatten())
}

/// The event of a transition; its id is the number from which [`follow`] goes on.
pub(crate) fn to_event(transition: &Transition) -> Event {
    streams::event("transition", transition).id(transition.seq.to_string())
}

#[cfg(test)]
mod tests;
