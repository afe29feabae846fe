//! `GET PUT POST DELETE /fault`. What is refused changes nothing.
//!
//! `PUT` replaces all that is active, by one fault or by `{"faults":[…]}`; `POST` adds one.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tolerancia_wire::fault::{FaultSpec, FaultState};

use super::FaultSwitch;
use crate::extract::ApiJson;
use crate::problem::ApiProblem;

pub(super) fn routes(switch: FaultSwitch) -> Router {
    Router::new()
        .route("/fault", get(show).put(put).post(add).delete(clear))
        .layer(middleware::from_fn_with_state(switch.clone(), guard))
        .with_state(switch)
}

pub(super) async fn guard(State(switch): State<FaultSwitch>, request: Request, next: Next) -> Response {
    match switch.refusal(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

pub(super) fn unknown() -> Response {
    let detail = "faults cannot be injected here: start the service with FAULT_INJECTION=on";
    ApiProblem::not_found(detail).into_response()
}

pub(super) fn unauthorized() -> Response {
    let detail = "the token is missing or wrong: send Authorization: Bearer with the service's FAULT_TOKEN";
    let mut response = ApiProblem::unauthorized(detail).into_response();
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    response
}

async fn show(State(switch): State<FaultSwitch>) -> Json<FaultState> {
    Json(switch.current())
}

async fn put(State(switch): State<FaultSwitch>, ApiJson(body): ApiJson<Value>) -> Result<Json<FaultState>, ApiProblem> {
    switch.put(read_all(body)?).map(Json).map_err(ApiProblem::unprocessable)
}

async fn add(State(switch): State<FaultSwitch>, ApiJson(body): ApiJson<Value>) -> Result<Json<FaultState>, ApiProblem> {
    if body.get(LIST).is_some() {
        let detail = "POST adds one fault: send it without the list, or send the list with PUT";
        return Err(ApiProblem::bad_request(detail));
    }
    switch.add(read(body)?).map(Json).map_err(ApiProblem::unprocessable)
}

async fn clear(State(switch): State<FaultSwitch>) -> Json<FaultState> {
    Json(switch.clear())
}

/// The field of a [`FaultList`](tolerancia_wire::fault::FaultList).
const LIST: &str = "faults";

/// Reads one fault, or a list of them.
fn read_all(mut body: Value) -> Result<Vec<FaultSpec>, ApiProblem> {
    let Some(list) = body.get_mut(LIST).map(Value::take) else {
        return Ok(vec![read(body)?]);
    };
    let Value::Array(list) = list else {
        let detail = "\"faults\" is not a list: send for example {\"faults\":[{\"fault\":\"stale\"}]}";
        return Err(ApiProblem::bad_request(detail));
    };
    if let Some(other) = body
        .as_object()
        .and_then(|fields| fields.keys().find(|name| *name != LIST))
    {
        return Err(ApiProblem::bad_request(format!(
            "there is {other:?} beside \"faults\": put it into the fault that it belongs to, or leave it out"
        )));
    }
    list.into_iter().map(read).collect()
}

/// Reads a fault out of a request's body. Serde ignores unknown fields of a tagged variant without fields, so they are
/// looked for here: every field must be one that the fault would be written with. Values may be out of range still.
///
/// # Errors
/// 400, with what is wrong.
pub fn read(body: Value) -> Result<FaultSpec, ApiProblem> {
    let not_a_fault = |error: serde_json::Error| {
        ApiProblem::bad_request(format!(
            "this is not a fault: {error}; send for example {{\"fault\":\"latency\",\"latency_ms\":1200}}"
        ))
    };
    let spec: FaultSpec = serde_json::from_value(body.clone()).map_err(not_a_fault)?;
    let known = serde_json::to_value(&spec).map_err(not_a_fault)?;
    let unknown = body
        .as_object()
        .and_then(|fields| fields.keys().find(|name| known.get(name.as_str()).is_none()));
    match unknown {
        Some(name) => Err(ApiProblem::bad_request(format!(
            "{} has no parameter {name:?}: leave it out",
            spec.fault
        ))),
        None => Ok(spec),
    }
}
