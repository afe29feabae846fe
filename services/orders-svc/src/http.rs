//! The orders API.

mod describe;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tolerancia_core::OrderId;
use tolerancia_core::ledger::Refusal;
use tolerancia_service::extract::ApiJson;
use tolerancia_service::openapi::Api;
use tolerancia_service::problem::ApiProblem;
use tolerancia_wire::order::{MAX_QUANTITY, OrderList, OrderRequest, OrderStatus, OrderView};

use crate::book::word;
use crate::desk::{Cancelled, Desk, Placed};
use crate::log::Log;

/// Orders that `GET /orders` lists unless it is told otherwise.
const LIMIT: usize = 100;
/// Orders that it lists at most.
const MAX_LIMIT: usize = 1000;
/// The longest idempotency key, in characters.
const MAX_KEY: usize = 200;
/// Seconds after which a client that got 503 may try again.
const RETRY_AFTER: &str = "1";

/// The routes.
pub(crate) fn routes<L: Log>(desk: Arc<Desk<L>>) -> Api {
    Api::new()
        .post("/orders", create, describe::create())
        .get("/orders", list, describe::list())
        .get("/orders/{id}", show, describe::show())
        .post("/orders/{id}/cancel", cancel, describe::cancel())
        .with_state(desk)
}

async fn create<L: Log>(
    State(desk): State<Arc<Desk<L>>>,
    headers: HeaderMap,
    ApiJson(request): ApiJson<OrderRequest>,
) -> Result<Response, ApiProblem> {
    let key = idempotency_key(&headers)?;
    if request.quantity == 0 || request.quantity > MAX_QUANTITY {
        return Err(ApiProblem::bad_request(format!(
            "quantity: an order is for 1 to {MAX_QUANTITY} units, not {}",
            request.quantity
        )));
    }
    match desk.place(key, request).await {
        Placed::Stands(order) => Ok(stands(order)),
        Placed::KeyTaken => Err(ApiProblem::unprocessable(
            "this Idempotency-Key stands for an order of another product or quantity: send a new key with a new order",
        )),
        Placed::Busy => Ok(unavailable(
            "too many orders are under way, or Kafka is out of reach (GET /health says so); nothing was done: try again later",
        )),
        Placed::NotAccepted => Ok(unavailable(
            "Kafka did not acknowledge the order, so nothing was accepted: try again, best with an Idempotency-Key",
        )),
    }
}

/// Where an order stands, as the answer to who placed it.
fn stands(order: OrderView) -> Response {
    let status = match order.status {
        // Of one that was cancelled since, the first answer is repeated: it was created.
        OrderStatus::Confirmed | OrderStatus::Cancelled => StatusCode::CREATED,
        OrderStatus::Pending => StatusCode::ACCEPTED,
        OrderStatus::Rejected => {
            let reason = order.reason.as_deref().unwrap_or("unknown");
            return ApiProblem::conflict(format!("the order was rejected: {}", reason.replace('_', " ")))
                .with("order_id", order.order_id)
                .with("order_status", order.status)
                .with("reason", reason)
                .into_response();
        }
    };
    (status, location(&order), Json(order)).into_response()
}

async fn cancel<L: Log>(
    State(desk): State<Arc<Desk<L>>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiProblem> {
    let id = order_id(id)?;
    let conflict = |reason: Refusal, what: &str| {
        let problem = ApiProblem::conflict(format!("order {id} cannot be cancelled: {what}"));
        problem.with("order_id", id).with("reason", word(reason))
    };
    match desk.cancel(id).await {
        Cancelled::Stands(order) if order.status == OrderStatus::Cancelled => Ok(Json(order).into_response()),
        Cancelled::Stands(order) => Ok((StatusCode::ACCEPTED, location(&order), Json(order)).into_response()),
        Cancelled::Unknown | Cancelled::Refused(Refusal::UnknownOrder) => Err(unknown(id)),
        Cancelled::Refused(reason @ Refusal::AlreadyReleased) => Err(conflict(reason, "it was cancelled before")),
        Cancelled::Refused(reason @ Refusal::NeverConfirmed) => Err(conflict(reason, "it was never confirmed")),
        Cancelled::Busy => Ok(unavailable(
            "too many requests are under way, or Kafka is out of reach (GET /health says so); nothing was done: try again later",
        )),
        Cancelled::NotAccepted => Ok(unavailable(
            "Kafka did not acknowledge the cancel: try again; 409 then means that this one came through",
        )),
    }
}

async fn show<L: Log>(
    State(desk): State<Arc<Desk<L>>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<OrderView>, ApiProblem> {
    let id = order_id(id)?;
    desk.find(id).await.map(Json).ok_or_else(|| unknown(id))
}

/// Text, so that a bad value gets a problem that says what is allowed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    status: Option<String>,
    limit: Option<String>,
}

async fn list<L: Log>(
    State(desk): State<Arc<Desk<L>>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<OrderList>, ApiProblem> {
    let Query(filter) = filter.map_err(|rejection| {
        ApiProblem::bad_request(format!(
            "the query has status and limit and nothing else: {}",
            rejection.body_text()
        ))
    })?;
    let status = filter.status.as_deref().map(order_status).transpose()?;
    let limit = match filter.limit.as_deref().map(str::parse) {
        None => LIMIT,
        Some(Ok(limit @ 1..=MAX_LIMIT)) => limit,
        Some(_) => {
            return Err(ApiProblem::bad_request(format!(
                "limit: a number from 1 to {MAX_LIMIT}"
            )));
        }
    };
    let orders = desk.list(status, limit).await;
    Ok(Json(OrderList { orders }))
}

fn order_status(text: &str) -> Result<OrderStatus, ApiProblem> {
    match text {
        "PENDING" => Ok(OrderStatus::Pending),
        "CONFIRMED" => Ok(OrderStatus::Confirmed),
        "REJECTED" => Ok(OrderStatus::Rejected),
        "CANCELLED" => Ok(OrderStatus::Cancelled),
        _ => Err(ApiProblem::bad_request(
            "status: one of PENDING, CONFIRMED, REJECTED, CANCELLED",
        )),
    }
}

fn order_id(id: Result<Path<String>, PathRejection>) -> Result<OrderId, ApiProblem> {
    let Path(text) = id.map_err(|rejection| ApiProblem::bad_request(rejection.body_text()))?;
    text.parse()
        .map_err(|error| ApiProblem::bad_request(format!("{error}")))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiProblem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return match headers.contains_key("idempotency-key") {
            true => Err(ApiProblem::bad_request("Idempotency-Key: send it once")),
            false => Ok(None),
        };
    };
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
            Ok(Some(key))
        }
        _ => Err(ApiProblem::bad_request(format!(
            "Idempotency-Key: 1 to {MAX_KEY} printable ASCII characters"
        ))),
    }
}

fn location(order: &OrderView) -> [(header::HeaderName, String); 1] {
    [(header::LOCATION, format!("/orders/{}", order.order_id))]
}

fn unknown(id: OrderId) -> ApiProblem {
    ApiProblem::not_found(format!(
        "there is no order {id}: check the id that POST /orders returned"
    ))
}

fn unavailable(detail: &str) -> Response {
    let retry = [(header::RETRY_AFTER, RETRY_AFTER)];
    (retry, ApiProblem::unavailable(detail)).into_response()
}

#[cfg(test)]
#[path = "../../../crates/service/src/openapi/check.rs"]
mod check;
#[cfg(test)]
mod document_tests;
#[cfg(test)]
#[path = "../../../crates/service/src/openapi/fuzz.rs"]
mod fuzz;
#[cfg(test)]
mod tests;
