//! Some answers are errors.

use axum::response::{IntoResponse as _, Response};
use rand::Rng as _;

use crate::problem::ApiProblem;

/// An error in the place of this answer, with the given probability. It looks like any defect.
pub(super) fn failure(probability: f64) -> Option<Response> {
    let fails = rand::rng().random::<f64>() < probability;
    fails.then(|| ApiProblem::internal("the request could not be served").into_response())
}
