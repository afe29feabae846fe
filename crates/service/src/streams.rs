//! Answers that go on until the service stops: how many there may be, where a listener resumes, and how server-sent events
//! (HTML standard, section 9.2) are written.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::problem::ApiProblem;
use crate::queues;

/// A comment is sent after so much silence, so that a cut connection shows.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Seconds after which one who found no place may ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Places for listeners. One that takes nothing loses its place with its connection, which the server ends after 10 s, and
/// costs no more than the kernel and the server hold for one connection.
#[derive(Debug, Clone)]
pub struct Places(Arc<Semaphore>);

/// A place, given back when it is dropped.
pub type Place = OwnedSemaphorePermit;

impl Places {
    /// So many places.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }

    /// So many places, shown in the metrics as the queue `name`.
    #[must_use]
    pub fn shown_as(name: &'static str, most: usize) -> Self {
        let places = Self::new(most);
        let taken = places.clone();
        queues::watch(name, most, move || most.saturating_sub(taken.0.available_permits()));
        places
    }

    /// Takes a place.
    ///
    /// # Errors
    /// When all are taken: the answer, 503 with `Retry-After`; `detail` tells the client what to do.
    // The answer is what the caller returns.
    #[allow(clippy::result_large_err)]
    pub fn take(&self, detail: impl FnOnce() -> String) -> Result<Place, Response> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let mut full = ApiProblem::unavailable(detail()).into_response();
            full.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            full
        })
    }
}

/// The `id` of the last event that a listener has seen, as it says when it connects again; none if it says nothing that
/// can be one.
#[must_use]
pub fn last_event_id<T: FromStr>(headers: &HeaderMap) -> Option<T> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// An event with this name and this content, JSON.
///
/// # Panics
/// When `data` has keys that are no text.
pub fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("an event has only text keys");
    Event::default().event(name).data(data)
}

/// The answer that consists of these events, until they end or `shutdown`.
pub fn answer(events: impl Stream<Item = Event> + Send + 'static, shutdown: CancellationToken) -> Response {
    let events = events.map(Ok::<_, Infallible>).take_until(shutdown.cancelled_owned());
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::StatusCode;
    use futures_util::stream;

    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(2);
        let one = places.take(String::new).unwrap();
        let _other = places.clone().take(String::new).unwrap();
        let full = places.take(|| "close one".to_owned()).unwrap_err();
        assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(full.headers()[header::RETRY_AFTER], "5");
        drop(one);
        assert!(places.take(String::new).is_ok());
    }

    #[test]
    fn what_is_no_id_is_none() {
        let seen = |id: &'static str| {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static("last-event-id"),
                HeaderValue::from_static(id),
            )]);
            last_event_id::<u64>(&headers)
        };
        assert_eq!(
            [seen("7"), seen("-7"), seen("x"), seen("")],
            [Some(7), None, None, None]
        );
        assert_eq!(last_event_id::<u64>(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn an_answer_ends_at_shutdown() {
        let shutdown = CancellationToken::new();
        let first = stream::iter([event("seen", &7).id("1")]);
        let answer = answer(first.chain(stream::pending()), shutdown.clone());
        let mut body = answer.into_body().into_data_stream();
        let text = body.next().await.unwrap().unwrap();
        for line in ["event: seen\n", "data: 7\n", "id: 1\n"] {
            assert!(String::from_utf8_lossy(&text).contains(line), "{text:?}");
        }
        shutdown.cancel();
        assert!(body.next().await.is_none());
    }
}
