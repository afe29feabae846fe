//! The HTTP server around a service's routes: health, metrics, and an answer to everything that goes wrong.
//!
//! A service says what it does; the shell sees to it that every error is a problem (RFC 9457), whoever made
//! it: a handler, an extractor of axum, an unknown route or a panic.

mod observe;
mod serve;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use tolerancia_wire::health::Health;
use tower_http::catch_panic::CatchPanicLayer;

use observe::Observer;
pub use serve::serve;
#[cfg(test)]
pub(crate) use serve::serve_on;

use crate::fault::FaultSwitch;
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
    routes: Router,
    faults: Option<FaultSwitch>,
    metrics: bool,
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
            routes: Router::new(),
            faults: None,
            metrics: true,
            observer: Observer::default(),
        }
    }

    /// Leaves `GET /metrics` to the service.
    pub fn without_metrics(mut self) -> Self {
        self.metrics = false;
        self
    }

    /// Adds routes, their state provided.
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
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

    /// The finished router.
    pub fn into_router(self) -> Router {
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
        let mut router = self.routes.route("/health", get(answer));
        if let Some(faults) = self.faults {
            router = router.layer(faults.layer()).merge(faults.routes());
        }
        if self.metrics {
            let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
            router = router.route("/metrics", get(move || std::future::ready((text, prometheus.render()))));
        }
        router
            .fallback(unknown_route)
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(axum::middleware::from_fn_with_state(self.observer, observe::observe))
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
mod tests;
