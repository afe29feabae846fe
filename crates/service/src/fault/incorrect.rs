//! The stock of one product, or of several, is reported wrong.
//!
//! All listed versions are falsified, each by the same amount: a vote may decide on an older version than
//! the newest, and a replica that lies about one of them must not be saved by the others. The lie is the
//! same in every answer of one activation, as it would be if the replica's memory were wrong.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tolerancia_core::ProductId;
use tolerancia_core::fault::falsify;
use tolerancia_wire::inventory::{ReplicaInventory, ReplicaProduct};

use crate::problem::ApiProblem;

/// The answer with the stock of these products falsified, each by its chance; any other answer as it is.
pub(super) async fn rewrite(response: Response, lies: &[(ProductId, f64)]) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(truth) = to_bytes(body, usize::MAX).await else {
        return ApiProblem::internal("the request could not be served").into_response();
    };
    let Some(lie) = lie(&truth, lies) else {
        return Response::from_parts(parts, Body::from(truth));
    };
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(lie.len()));
    Response::from_parts(parts, Body::from(lie))
}

fn lie(truth: &[u8], lies: &[(ProductId, f64)]) -> Option<Vec<u8>> {
    if let Ok(mut one) = serde_json::from_slice::<ReplicaProduct>(truth) {
        return bend(&mut one, lies).then(|| to_vec(&one));
    }
    let mut all = serde_json::from_slice::<ReplicaInventory>(truth).ok()?;
    let bent = all
        .products
        .iter_mut()
        .filter_map(|one| bend(one, lies).then_some(()))
        .count();
    (bent > 0).then(|| to_vec(&all))
}

fn bend(answer: &mut ReplicaProduct, lies: &[(ProductId, f64)]) -> bool {
    let lie = lies.iter().find(|(product, _)| *product == answer.product_id);
    let Some((_, chance)) = lie else { return false };
    for version in &mut answer.versions {
        version.stock = falsify(version.stock, *chance);
    }
    !answer.versions.is_empty()
}

fn to_vec(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("it was read from JSON just now")
}
