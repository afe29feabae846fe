//! Counts every answer, and turns error answers that are plain text into problems: axum's own rejections are.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::body::to_bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use metrics::{Counter, Histogram};

use super::intake::Intake;
use crate::problem::ApiProblem;
use crate::requests::{self, Recorder};

/// The longest plain text that is taken over as a detail, in bytes.
const DETAIL_LIMIT: usize = 4096;

/// The route of requests without one: their paths are not bounded.
pub(super) const UNMATCHED: &str = "unmatched";
/// Routes that begin so are not reported: the monitor reads the reports, and nothing that detects may see who was
/// told to break.
const SECRET: [&str; 2] = ["/fault", "/monitor/fault"];

/// The answers of a route with one status.
pub(super) struct Series {
    route: String,
    status: StatusCode,
    count: Counter,
    seconds: Histogram,
    report: Option<requests::Series>,
}

impl Series {
    fn is_of(&self, route: &str, status: StatusCode) -> bool {
        self.status == status && self.route == route
    }
}

/// The series in use. A service has a few dozen at most, so a search is cheaper than building labels.
#[derive(Clone, Default)]
pub(super) struct Observer {
    series: Arc<RwLock<Vec<Arc<Series>>>>,
    recorder: Option<Recorder>,
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Series")
            .field("route", &self.route)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Observer {
    /// One that counts for the reports of `recorder` too.
    pub(super) fn reporting(recorder: Recorder) -> Self {
        Self {
            series: Arc::default(),
            recorder: Some(recorder),
        }
    }

    fn record(&self, path: Option<&MatchedPath>, status: StatusCode, elapsed: Duration) {
        let route = path.map_or(UNMATCHED, MatchedPath::as_str);
        let find = |all: &[Arc<Series>]| {
            let one = all.iter().find(|one| one.is_of(route, status));
            one.map(|one| self.count(one, elapsed))
        };
        if find(&self.series.read().unwrap_or_else(PoisonError::into_inner)).is_none() {
            self.count(&self.one(route, status), elapsed);
        }
    }

    /// The series of this route and status. There is one only: of two with the same name, one would not be reported.
    pub(super) fn one(&self, route: &str, status: StatusCode) -> Arc<Series> {
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.iter().find(|one| one.is_of(route, status)) {
            return Arc::clone(one);
        }
        let series = Arc::new(self.series(route, status));
        all.push(Arc::clone(&series));
        series
    }

    /// Counts an answer that took `elapsed`.
    pub(super) fn count(&self, series: &Series, elapsed: Duration) {
        series.count.increment(1);
        series.seconds.record(elapsed.as_secs_f64());
        if let (Some(recorder), Some(report)) = (&self.recorder, series.report) {
            recorder.record(report, elapsed);
        }
    }

    fn series(&self, route: &str, status: StatusCode) -> Series {
        let labels = [("route", route.to_owned()), ("status", status.as_u16().to_string())];
        let recorder = self
            .recorder
            .as_ref()
            .filter(|_| !SECRET.iter().any(|secret| route.starts_with(secret)));
        Series {
            route: route.to_owned(),
            status,
            count: metrics::counter!("http_requests_total", &labels),
            seconds: metrics::histogram!("http_request_seconds", &labels),
            report: recorder.and_then(|recorder| recorder.series(route, status.as_u16())),
        }
    }
}

/// The outermost layer: what is refused here is counted too.
pub(super) async fn observe(
    State((observer, intake)): State<(Observer, Intake)>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = match intake.open(&request) {
        Ok(_open) => match intake.read(request).await {
            Ok(request) => next.run(request).await,
            Err(answer) => answer,
        },
        Err(refusal) => intake.turn_away(request, refusal).await,
    };
    let status = response.status();
    let response = if status.is_client_error() || status.is_server_error() {
        as_problem(response).await
    } else {
        response
    };
    observer.record(path.as_ref(), status, started.elapsed());
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
