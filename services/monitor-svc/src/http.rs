//! What the monitor answers: status, failures, metrics, and the stream of events.

mod describe;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tolerancia_core::ReplicaId;
use tolerancia_service::config::name::INVENTORY;
use tolerancia_service::metrics::PrometheusHandle;
use tolerancia_service::openapi::Api;
use tolerancia_service::problem::ApiProblem;
use tolerancia_service::streams;
use tolerancia_wire::activation::Audit;
use tolerancia_wire::denial;
use tolerancia_wire::status::{InstanceStatus, SystemStatus};

use crate::denials::Denials;
use crate::state::{MOST_LISTENERS, Shared};
use crate::transitions;

/// Characters of an unknown name that are said again at most.
const MOST_NAME: usize = 200;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub shared: Shared,
    pub denials: Denials,
    pub prometheus: PrometheusHandle,
    pub shutdown: CancellationToken,
}

/// The monitor's routes, at the root and under `/monitor`.
pub(crate) fn routes(app: App) -> Api {
    Api::new()
        .get("/status", status, describe::status())
        .get("/status/{service}/{instance}", one_status, describe::one_status())
        .get("/failures", failures, describe::failures())
        .get("/denials", denials, describe::denials())
        .get("/metrics", metrics, describe::metrics())
        .get("/events", events, describe::events())
        .also_under("/monitor")
        .with_state(app)
}

async fn status(State(app): State<App>) -> Json<SystemStatus> {
    Json(app.shared.read(|view| view.status.clone()))
}

async fn one_status(
    State(app): State<App>,
    Path((service, instance)): Path<(String, String)>,
) -> Result<Json<InstanceStatus>, ApiProblem> {
    if service != INVENTORY {
        let service: String = service.chars().take(MOST_NAME).collect();
        return Err(ApiProblem::not_found(format!(
            "the monitor watches {INVENTORY}, not {service:?}"
        )));
    }
    let instance = parse_instance(&instance)?;
    app.shared
        .read(|view| view.status.instances.get(instance.index()).cloned())
        .map(Json)
        .ok_or_else(|| ApiProblem::not_found(format!("there is no instance {instance}; GET /status lists them")))
}

/// Parameters of `GET /failures`.
#[derive(Debug, Deserialize)]
struct FailuresQuery {
    instance: Option<String>,
    limit: Option<String>,
}

async fn failures(State(app): State<App>, Query(query): Query<FailuresQuery>) -> Result<Json<Audit>, ApiProblem> {
    let instance = query.instance.as_deref().map(parse_instance).transpose()?;
    let limit = parse_limit(query.limit.as_deref())?;
    Ok(Json(Audit {
        failures: app.shared.read(|view| view.audit(instance, limit)),
    }))
}

/// Parameters of `GET /denials`.
#[derive(Debug, Deserialize)]
struct DenialsQuery {
    limit: Option<String>,
}

async fn denials(
    State(app): State<App>,
    Query(query): Query<DenialsQuery>,
) -> Result<Json<denial::Denials>, ApiProblem> {
    let limit = parse_limit(query.limit.as_deref())?;
    Ok(Json(denial::Denials {
        denials: app.denials.newest(limit),
    }))
}

/// JSON; Prometheus text when the Accept header asks for text.
async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("text/plain") || accept.contains("openmetrics") {
        return (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
            app.prometheus.render(),
        )
            .into_response();
    }
    Json(app.shared.metrics()).into_response()
}

/// Server-sent events, one `transition` per change. `Last-Event-ID` resumes after that one.
async fn events(State(app): State<App>, headers: HeaderMap) -> Response {
    let full = || format!("{MOST_LISTENERS} listeners follow the transitions already: end one of them");
    let place = match app.shared.listeners().take(full) {
        Ok(place) => place,
        Err(full) => return full,
    };
    // The first event leaves at once, so that a client knows that it is connected.
    let hello = stream::iter([Event::default().comment("connected")]);
    let transitions = transitions::follow(&app.shared, streams::last_event_id(&headers));
    let events = hello.chain(transitions.map(move |transition| {
        let _keeps = &place;
        transitions::to_event(&transition)
    }));
    streams::answer(events, app.shutdown)
}

fn parse_limit(limit: Option<&str>) -> Result<usize, ApiProblem> {
    match limit.map(str::parse::<usize>) {
        None => Ok(100),
        Some(Ok(limit @ 1..=1000)) => Ok(limit),
        Some(_) => Err(ApiProblem::bad_request("limit must be a number from 1 to 1000")),
    }
}

fn parse_instance(text: &str) -> Result<ReplicaId, ApiProblem> {
    text.parse()
        .map_err(|error| ApiProblem::bad_request(format!("{error}")))
}

#[cfg(test)]
#[path = "../../../crates/service/src/openapi/check.rs"]
mod check;
#[cfg(test)]
#[path = "../../../crates/service/src/openapi/fuzz.rs"]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
