//! Refuses a request before anything is done for it.
//!
//! In an overload most requests are refused, and every microsecond that a refusal takes is missing where the accepted
//! ones are served. So it is decided before the router is asked, and the answer is prepared. Whatever gets past this is
//! decided upon again once its route is known ([`Intake::open`]).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;

use super::admission::Coming;
use super::hold::{Hold, Holds, MOST_HELD};
use super::intake::{self, Intake};
use super::observe::{Observer, Series, UNMATCHED};
use crate::queues;

/// A service's routes, and who refuses requests to them.
#[derive(Debug, Clone)]
pub struct App {
    pub(super) router: Router,
    pub(super) gate: Option<Arc<Gate>>,
}

/// Routes whose requests are refused by themselves only.
impl From<Router> for App {
    fn from(router: Router) -> Self {
        Self { router, gate: None }
    }
}

#[derive(Debug)]
pub(super) struct Gate {
    intake: Intake,
    holds: Holds,
    observer: Observer,
    routes: matchit::Router<Route>,
    unmatched: Route,
    headers: HeaderMap,
}

#[derive(Debug)]
struct Route {
    path: String,
    /// Where its refusals are counted.
    refused: OnceLock<Arc<Series>>,
}

impl Route {
    fn new(path: String) -> Self {
        Self {
            path,
            refused: OnceLock::new(),
        }
    }
}

impl Gate {
    /// For these routes.
    pub(super) fn new(intake: Intake, observer: Observer, paths: impl Iterator<Item = String>) -> Self {
        let mut routes = matchit::Router::new();
        for path in paths {
            // One that this cannot tell apart is counted as unmatched when it is refused.
            let _ = routes.insert(path.clone(), Route::new(path));
        }
        let holds = Holds::default();
        let held = holds.clone();
        queues::watch("http_refusals", MOST_HELD, move || held.len());
        Self {
            headers: intake.refusal().headers().clone(),
            intake,
            holds,
            observer,
            routes,
            unmatched: Route::new(UNMATCHED.to_owned()),
        }
    }

    /// Holds back a refusal over HTTP/2, unless too many are.
    pub(super) fn hold(&self) -> Option<Hold> {
        self.holds.one(rand::random)
    }

    /// Lets in a request for this path. Some need no permission.
    ///
    /// # Errors
    /// Its refusal, if it is to be refused now. It is counted.
    #[allow(clippy::result_large_err)]
    pub(super) fn pass(&self, path: &str) -> Result<Option<Coming>, Response<Full<Bytes>>> {
        if intake::is_free(path) {
            return Ok(None);
        }
        match self.intake.let_in() {
            Some(coming) => Ok(Some(coming)),
            None => Err(self.refuse(path)),
        }
    }

    fn refuse(&self, path: &str) -> Response<Full<Bytes>> {
        let route = self.routes.at(path).map_or(&self.unmatched, |found| found.value);
        let series = route
            .refused
            .get_or_init(|| self.observer.one(&route.path, StatusCode::SERVICE_UNAVAILABLE));
        self.observer.count(series, Duration::ZERO);
        self.intake.count_refusal();
        let mut response = Response::new(Full::new(self.intake.refusal_text()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        *response.headers_mut() = self.headers.clone();
        response
    }
}
