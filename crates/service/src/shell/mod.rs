//! The HTTP server around a service's routes: health, metrics, and an answer to everything that goes wrong.
//!
//! A service says what it does; the shell sees to it that every error is a problem (RFC 9457), whoever made
//! it: a handler, an extractor of axum, an unknown route or a panic.

mod admission;
mod conn;
mod connections;
mod describe;
mod discard;
mod drive;
mod gate;
mod hold;
mod intake;
mod io;
mod limits;
mod observe;
mod outbox;
mod peer;
mod serve;
mod taken;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use tolerancia_wire::health::Health;
use tower_http::catch_panic::CatchPanicLayer;

pub use gate::App;
use gate::Gate;
use intake::Intake;
pub use limits::{Limits, MAX_CONNECTIONS, MAX_IN_FLIGHT};
use observe::Observer;
pub use peer::Peer;
pub use serve::serve;
#[cfg(test)]
pub(crate) use serve::serve_on;

use crate::fault::FaultSwitch;
use crate::openapi::{Answer, Api, Document};
use crate::problem::ApiProblem;
use crate::requests::Requests;

/// The largest request body that is read, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Says how the service is. Asked for every `GET /health`, so it must be quick and never wait.
type HealthFn = dyn Fn() -> Health + Send + Sync;

/// A service's routes in the making.
#[must_use]
pub struct Shell {
    health: Arc<HealthFn>,
    routes: Api,
    document: Document,
    faults: Option<FaultSwitch>,
    metrics: bool,
    limits: Option<Limits>,
    observer: Observer,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

impl Shell {
    /// A shell with `GET /health` and `GET /metrics`. Starts recording metrics.
    pub fn new(health: impl Fn() -> Health + Send + Sync + 'static) -> Self {
        Self {
            health: Arc::new(health),
            routes: Api::new(),
            document: Document::default(),
            faults: None,
            metrics: true,
            limits: None,
            observer: Observer::default(),
        }
    }

    /// Leaves `GET /metrics` to the service.
    pub fn without_metrics(mut self) -> Self {
        self.metrics = false;
        self
    }

    /// Says in the service's OpenAPI document what it is called and what it is for.
    pub fn described(mut self, title: &str, description: &str) -> Self {
        title.clone_into(&mut self.document.title);
        description.clone_into(&mut self.document.description);
        self
    }

    /// Says there what any request may be answered with.
    pub fn everywhere(mut self, answer: Answer) -> Self {
        self.document.everywhere.push(answer);
        self
    }

    /// Adds routes, their state provided.
    pub fn routes(mut self, routes: impl Into<Api>) -> Self {
        self.routes = self.routes.merge(routes.into());
        self
    }

    /// Takes on no more than `limits` allow; without it, no more than by default.
    pub fn limits(mut self, limits: &Limits) -> Self {
        self.limits = Some(limits.clone());
        self
    }

    /// Lets faults be injected: into `GET /health` and the routes, through `/fault`.
    pub fn faults(mut self, faults: FaultSwitch) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Counts every answer for `requests` too.
    pub fn requests(mut self, requests: &Requests) -> Self {
        self.observer = Observer::reporting(requests.recorder());
        self
    }

    /// The finished router, on its own: a server of it refuses requests later than one of [`into_app`](Self::into_app).
    pub fn into_router(self) -> Router {
        self.into_app().router
    }

    /// All that is to be served.
    pub fn into_app(self) -> App {
        let prometheus = crate::metrics::install();
        let health = self.health;
        let answer = move || {
            let health = health();
            let status = if health.status.is_ok() {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            std::future::ready((status, Json(health)))
        };
        let intake = Intake::new(self.limits.unwrap_or_default());
        let gate = Gate::new(intake.clone(), self.observer.clone(), self.routes.paths());
        // Within the faults: an answer that sleeps is not worked on.
        let admitted = axum::middleware::from_fn_with_state(intake.clone(), intake::admit);
        let routes = self.routes.layer(admitted).answering(&describe::busy());
        let mut api = routes.get("/health", answer, describe::health());
        if let Some(faults) = self.faults {
            api = api.layer(faults.layer()).merge(faults.api());
        }
        if self.metrics {
            let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
            let render = move || std::future::ready((text, prometheus.render()));
            api = api.get("/metrics", render, describe::metrics());
        }
        let mut document = self.document;
        document.everywhere.extend(describe::everywhere());
        let router = document
            .serve(api)
            .fallback(unknown_route)
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(axum::middleware::from_fn_with_state(
                (self.observer, intake),
                observe::observe,
            ));
        App {
            router,
            gate: Some(Arc::new(gate)),
        }
    }
}

async fn unknown_route(uri: Uri) -> ApiProblem {
    let path: String = uri.path().chars().take(200).collect();
    ApiProblem::not_found(format!(
        "there is nothing at {path}: see the README for the endpoints of each service"
    ))
}

async fn wrong_method(method: Method) -> ApiProblem {
    let detail = format!("{method} is not possible here: the Allow header lists what is");
    ApiProblem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// The panic itself is on stderr already, with its place.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    ApiProblem::internal("a defect in the service: its log says where, please report it").into_response()
}

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;
