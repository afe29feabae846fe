//! What a request must pass before anything is done for it, and the answers to those that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use metrics::Counter;
use tokio::time::timeout;
use tolerancia_wire::problem::MEDIA_TYPE;

use super::BODY_LIMIT;
use super::admission::{Admission, BURST, Coming};
use super::conn::{Conn, Reading};
use super::discard::{discard, say_goodbye};
use super::limits::{Limits, MOST_REQUESTS};
use crate::problem::ApiProblem;
use crate::queues;

/// Last parts of the paths of requests that no load may crowd out: whoever watches must see an overload, not another fault,
/// and an operator must get in. Those that go on have places of their own.
const FREE: [&str; 7] = ["health", "metrics", "fault", "live", "events", "trace", "openapi.json"];
/// Seconds after which who was refused may ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The limits as the requests of one server meet them; clones share them.
#[derive(Clone)]
pub(super) struct Intake {
    admission: Admission,
    limits: Arc<Limits>,
    open: Arc<AtomicUsize>,
    refusal: Bytes,
    shed: Counter,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A request of this process that is open.
pub(super) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Intake {
    /// To be made when metrics are recorded already.
    pub(super) fn new(limits: Limits) -> Self {
        let text = "too many requests are under way here, so nothing was done for this one: try again in a second";
        let refusal = serde_json::to_vec(&ApiProblem::unavailable(text).0).expect("a problem has only text keys");
        let intake = Self {
            admission: Admission::new(limits.in_flight),
            limits: Arc::new(limits),
            open: Arc::default(),
            refusal: refusal.into(),
            shed: metrics::counter!("http_requests_shed_total"),
        };
        let (working, waiting, open) = (
            intake.admission.clone(),
            intake.admission.clone(),
            Arc::clone(&intake.open),
        );
        queues::watch("http_in_flight", intake.admission.limit(), move || working.working());
        queues::watch("http_waiting", BURST, move || waiting.waiting());
        queues::watch("http_requests", MOST_REQUESTS, move || open.load(Relaxed));
        intake
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// The refusal.
    #[allow(clippy::result_large_err)]
    pub(super) fn open(&self, request: &Request) -> Result<Open, Response> {
        let open = Open(Arc::clone(&self.open));
        let before = self.open.fetch_add(1, Relaxed);
        if is_free_route(request.extensions().get()) || (before < MOST_REQUESTS && !self.admission.is_full()) {
            Ok(open)
        } else {
            Err(self.refuse())
        }
    }

    /// Lets a request in that is about to be opened, unless it is one too many.
    pub(super) fn let_in(&self) -> Option<Coming> {
        if self.open.load(Relaxed) >= MOST_REQUESTS {
            return None;
        }
        self.admission.let_in()
    }

    /// Counts a refusal that somebody else gives.
    pub(super) fn count_refusal(&self) {
        self.shed.increment(1);
    }

    /// The body of a refusal.
    pub(super) fn refusal_text(&self) -> Bytes {
        self.refusal.clone()
    }

    fn refuse(&self) -> Response {
        self.count_refusal();
        self.refusal()
    }

    /// Gives a refusal to who is not let in.
    pub(super) async fn turn_away(&self, request: Request, refusal: Response) -> Response {
        let (parts, body) = request.into_parts();
        let answer = without_body(refusal, &parts, body).await;
        if let Some(conn) = parts.extensions.get::<Arc<Conn>>() {
            conn.hold(rand::random);
        }
        answer
    }

    /// The 503 of who is one too many.
    pub(super) fn refusal(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
            (header::RETRY_AFTER, RETRY_AFTER),
        ];
        (StatusCode::SERVICE_UNAVAILABLE, headers, self.refusal.clone()).into_response()
    }

    /// The same request with its body read: 413 when it is too large, 408 when it takes too long.
    ///
    /// # Errors
    /// The answer to a body that cannot be read.
    #[allow(clippy::result_large_err)]
    pub(super) async fn read(&self, request: Request) -> Result<Request, Response> {
        if request.body().is_end_stream() {
            return Ok(request);
        }
        let (parts, mut body) = request.into_parts();
        let _reading = parts.extensions.get::<Arc<Conn>>().map(Reading::new);
        if body.size_hint().lower() > BODY_LIMIT as u64 {
            return Err(without_body(too_large(), &parts, body).await);
        }
        let whole = timeout(self.limits.body, Limited::new(&mut body, BODY_LIMIT).collect()).await;
        match whole {
            Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body.to_bytes()))),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(without_body(too_large(), &parts, body).await),
            Ok(Err(_)) => Err(ApiProblem::bad_request("the body was cut off: send it again").into_response()),
            Err(_) => {
                let seconds = self.limits.body.as_secs();
                let text = format!("the body did not come within {seconds} s: send it faster");
                let answer = ApiProblem::new(StatusCode::REQUEST_TIMEOUT, text).into_response();
                Err(goodbye(answer, parts.version))
            }
        }
    }
}

/// The answer to a request whose body was not read to its end.
async fn without_body(answer: Response, parts: &Parts, body: Body) -> Response {
    if parts.version == Version::HTTP_2 || discard(body, &parts.headers).await {
        answer
    } else {
        goodbye(answer, parts.version)
    }
}

fn goodbye(mut answer: Response, version: Version) -> Response {
    if version != Version::HTTP_2 {
        say_goodbye(answer.headers_mut());
    }
    answer
}

fn too_large() -> Response {
    let text = format!("the body is larger than {} KiB: send less", BODY_LIMIT / 1024);
    ApiProblem::new(StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
}

/// Whether a request for this path may be free. Only its route tells for sure: a product may have such a name.
pub(super) fn is_free(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|last| FREE.contains(&last))
}

fn is_free_route(route: Option<&MatchedPath>) -> bool {
    route.is_some_and(|route| is_free(route.as_str()))
}

/// Laid around a service's own routes: a place among the requests that are worked on, and an answer in time.
pub(super) async fn admit(State(intake): State<Intake>, request: Request, next: Next) -> Response {
    if is_free_route(request.extensions().get()) {
        return next.run(request).await;
    }
    let Some(_place) = intake.admission.enter().await else {
        return intake.refuse();
    };
    match timeout(intake.limits.request, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let seconds = intake.limits.request.as_secs();
            let text = format!("there was no answer within {seconds} s: try again, GET /health tells more");
            ApiProblem::unavailable(text).into_response()
        }
    }
}
