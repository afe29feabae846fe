//! What a replica answers.

mod describe;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tolerancia_core::ProductId;
use tolerancia_service::openapi::Api;
use tolerancia_service::problem::ApiProblem;

use crate::view::View;

/// `GET /inventory` and `GET /inventory/{product}`.
pub(crate) fn routes(view: Arc<View>) -> Api {
    Api::new()
        .get("/inventory", inventory, describe::inventory())
        .get("/inventory/{product}", product, describe::product())
        .with_state(view)
}

async fn product(State(view): State<Arc<View>>, Path(product): Path<String>) -> Result<Response, ApiProblem> {
    let id: ProductId = product
        .parse()
        .map_err(|error| ApiProblem::bad_request(format!("{error}")))?;
    check_ready(&view)?;
    let (known, body) = view.product(&id);
    // The body is a replica's answer all the same: a quorum can agree that there is no such product.
    Ok(json(if known { StatusCode::OK } else { StatusCode::NOT_FOUND }, body))
}

async fn inventory(State(view): State<Arc<View>>) -> Result<Response, ApiProblem> {
    check_ready(&view)?;
    Ok(json(StatusCode::OK, view.inventory()))
}

/// A replica that has not caught up would be stale at best.
fn check_ready(view: &View) -> Result<(), ApiProblem> {
    if view.is_ready() {
        return Ok(());
    }
    Err(ApiProblem::unavailable(
        "this replica is catching up with the log: ask again in a moment, or ask the voter",
    ))
}

fn json(status: StatusCode, body: Bytes) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
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
