//! Routes, each with its description.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, Route, on};
use tower::{Layer, Service};

use super::answer::Answer;
use super::operation::Operation;
use crate::fault::FaultSwitch;

/// Paths, and the methods of each.
pub(super) type Described = BTreeMap<String, Vec<Entry>>;

/// A method of a path.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// In lower case.
    pub method: &'static str,
    pub operation: Operation,
    /// Before the name of the operation that this is an alias of.
    pub prefix: Option<String>,
}

/// Routes that are described. There is no way to add one without its description.
#[derive(Debug, Clone)]
#[must_use]
pub struct Api<S = ()> {
    router: Router<S>,
    described: Described,
}

impl<S: Clone + Send + Sync + 'static> Default for Api<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Api<S> {
    /// None yet.
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            described: Described::new(),
        }
    }

    /// Adds `GET` of a path.
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H, operation: Operation) -> Self {
        self.on(("get", MethodFilter::GET), path, handler, operation)
    }

    /// Adds `POST` of a path.
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H, operation: Operation) -> Self {
        self.on(("post", MethodFilter::POST), path, handler, operation)
    }

    /// Adds `PUT` of a path.
    pub fn put<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H, operation: Operation) -> Self {
        self.on(("put", MethodFilter::PUT), path, handler, operation)
    }

    /// Adds `DELETE` of a path.
    pub fn delete<H: Handler<T, S>, T: 'static>(self, path: &str, handler: H, operation: Operation) -> Self {
        self.on(("delete", MethodFilter::DELETE), path, handler, operation)
    }

    fn on<H: Handler<T, S>, T: 'static>(
        mut self,
        (method, filter): (&'static str, MethodFilter),
        path: &str,
        handler: H,
        operation: Operation,
    ) -> Self {
        let entry = Entry {
            method,
            operation,
            prefix: None,
        };
        self.described.entry(path.to_owned()).or_default().push(entry);
        self.router = self.router.route(path, on(filter, handler));
        self
    }

    /// Adds all of another's.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        for (path, entries) in other.described {
            self.described.entry(path).or_default().extend(entries);
        }
        self
    }

    /// Everything under this path too.
    pub fn also_under(mut self, prefix: &'static str) -> Self {
        self.router = self.router.clone().merge(Router::new().nest(prefix, self.router));
        let name = format!("{}_", prefix.trim_start_matches('/'));
        let aliases = self.described.iter().map(|(path, entries)| {
            let alias = |entry: &Entry| Entry {
                prefix: Some(name.clone()),
                ..entry.clone()
            };
            (format!("{prefix}{path}"), entries.iter().map(alias).collect())
        });
        let aliases: Described = aliases.collect();
        self.described.extend(aliases);
        self
    }

    /// With the state of its handlers.
    pub fn with_state<S2>(self, state: S) -> Api<S2> {
        Api {
            router: self.router.with_state(state),
            described: self.described,
        }
    }

    /// With a layer around each route.
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self {
            router: self.router.layer(layer),
            described: self.described,
        }
    }

    /// Says of every operation that this may be its answer.
    pub fn answering(mut self, answer: &Answer) -> Self {
        for entry in self.described.values_mut().flatten() {
            entry.operation.answers.push(answer.clone());
        }
        self
    }

    /// Says of every operation what [`FaultSwitch::refusal`] answers. Where faults cannot be injected it always answers
    /// 404: there is nothing to describe then.
    pub fn behind(mut self, switch: &FaultSwitch) -> Self {
        if !switch.is_enabled() {
            self.described.clear();
        }
        if switch.asks_for_token() {
            let refusal = Answer::problem(401, "The token is missing or wrong.");
            let text = serde_json::json!({ "type": "string" });
            self = self.answering(&refusal.header("WWW-Authenticate", "The scheme of the token.", &text));
            for entry in self.described.values_mut().flatten() {
                entry.operation.token = true;
            }
        }
        self
    }

    /// The routes, and what is said of them.
    pub(super) fn into_parts(self) -> (Router<S>, Described) {
        (self.router, self.described)
    }

    /// The paths of all routes that are described.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> {
        self.described.keys().cloned()
    }

    /// Only the routes.
    pub fn into_router(self) -> Router<S> {
        self.router
    }
}

impl Api {
    /// Refuses and describes as [`FaultSwitch`] does.
    pub fn guarded(self, switch: &FaultSwitch) -> Self {
        let guarded = Self {
            router: switch.guarded(self.router),
            described: self.described,
        };
        guarded
            .behind(switch)
            .answering(&Answer::problem(403, "A page in a browser asks."))
    }
}

/// Routes of a test.
#[cfg(test)]
impl From<Router> for Api {
    fn from(router: Router) -> Self {
        Self {
            router,
            described: Described::new(),
        }
    }
}
