//! `GET PUT POST DELETE /fault`. What is refused changes nothing.
//!
//! `PUT` replaces all that is active, by one fault or by `{"faults":[…]}`; `POST` adds one.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tolerancia_wire::denial::Why;
use tolerancia_wire::fault::{FaultSpec, FaultState};

use super::{FaultSwitch, describe};
use crate::extract::ApiJson;
use crate::openapi::Api;
use crate::problem::ApiProblem;

const PATH: &str = "/fault";

pub(super) fn routes(switch: &FaultSwitch) -> Api {
    Api::new()
        .get(PATH, show, describe::show())
        .put(PATH, put, describe::put())
        .post(PATH, add, describe::add())
        .delete(PATH, clear, describe::clear())
        .with_state(switch.clone())
        .guarded(switch)
}

pub(super) async fn guard(State(switch): State<FaultSwitch>, request: Request, next: Next) -> Response {
    let refusal = match switch.why_not(&request) {
        // Only where nothing else keeps it out, so that a page learns no more than anybody.
        None if is_page(request.headers()) => Some(switch.refuse(&request, Why::Browser)),
        why => why.map(|why| switch.refuse(&request, why)),
    };
    match refusal {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Whether a page in a browser asks. Any page may: one of another site makes its own name resolve to this address, and is
/// of the same origin then. No page of ours asks here, the dashboard asks for them; who is no browser says neither.
fn is_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != "none")
}

/// The answer to who was refused.
pub(super) fn refused(why: Why) -> Response {
    match why {
        Why::InjectionOff => {
            let detail = "faults cannot be injected here: start the service with FAULT_INJECTION=on";
            ApiProblem::not_found(detail).into_response()
        }
        // One answer to both: it is the same mistake for who made it.
        Why::NoToken | Why::WrongToken => {
            let detail = "the token is missing or wrong: send Authorization: Bearer with the service's FAULT_TOKEN";
            let mut response = ApiProblem::unauthorized(detail).into_response();
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            response
        }
        Why::Browser => {
            let detail = "a page in a browser may not ask here: use the dashboard, or no browser";
            ApiProblem::new(StatusCode::FORBIDDEN, detail).into_response()
        }
    }
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

/// The field with a fault's name.
const NAME: &str = "fault";

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
    // Serde takes the number of a variant for its name, too.
    if body.get(NAME).is_some_and(|name| !name.is_string()) {
        return Err(ApiProblem::bad_request(
            "\"fault\" is no name: send for example {\"fault\":\"latency\",\"latency_ms\":1200}",
        ));
    }
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
