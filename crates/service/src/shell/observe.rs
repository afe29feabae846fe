//! Counts every answer, and turns error answers that are plain text into problems: axum's own rejections are.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use metrics::{Counter, Histogram};

use crate::problem::ApiProblem;

/// The longest plain text that is taken over as a detail, in bytes.
const DETAIL_LIMIT: usize = 4096;

struct Series {
    path: MatchedPath,
    status: StatusCode,
    count: Counter,
    seconds: Histogram,
}

/// The series in use. A service has a few dozen at most, so a search is cheaper than building labels.
#[derive(Clone, Default)]
pub(super) struct Observer(Arc<RwLock<Vec<Series>>>);

impl Observer {
    fn record(&self, path: Option<MatchedPath>, status: StatusCode, seconds: f64) {
        let Some(path) = path else {
            // No route, so no bound on the paths.
            metrics::counter!("http_requests_total", "route" => "unmatched", "status" => status.as_u16().to_string())
                .increment(1);
            return;
        };
        let find = |all: &[Series]| {
            all.iter()
                .find(|one| one.status == status && one.path.as_str() == path.as_str())
                .map(|one| {
                    one.count.increment(1);
                    one.seconds.record(seconds);
                })
        };
        if find(&self.0.read().unwrap_or_else(PoisonError::into_inner)).is_some() {
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if find(&all).is_some() {
            return;
        }
        let labels = [
            ("route", path.as_str().to_owned()),
            ("status", status.as_u16().to_string()),
        ];
        let count = metrics::counter!("http_requests_total", &labels);
        let seconds_series = metrics::histogram!("http_request_seconds", &labels);
        count.increment(1);
        seconds_series.record(seconds);
        all.push(Series {
            path,
            status,
            count,
            seconds: seconds_series,
        });
    }
}

pub(super) async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let status = response.status();
    let response = if status.is_client_error() || status.is_server_error() {
        as_problem(response).await
    } else {
        response
    };
    observer.record(path, status, started.elapsed().as_secs_f64());
    response
}

async fn as_problem(response: Response) -> Response {
    let media_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if media_type.is_some_and(|media_type| !media_type.starts_with("text/plain")) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let detail = to_bytes(body, DETAIL_LIMIT).await.unwrap_or_default();
    let detail = String::from_utf8_lossy(&detail);
    let detail = if detail.is_empty() {
        "the request cannot be served as it is"
    } else {
        detail.as_ref()
    };
    let mut response = ApiProblem::new(parts.status, detail).into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
