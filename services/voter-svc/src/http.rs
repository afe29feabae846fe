//! The voter's HTTP interface: `/inventory`, `/inventory/{product}`, `/voting-stats`, and the same under
//! `/voter`.

mod describe;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tolerancia_core::ProductId;
use tolerancia_service::openapi::Api;
use tolerancia_service::problem::ApiProblem;
use tolerancia_wire::inventory::{Said, VotingStats};

use crate::inventory::InventoryVote;
use crate::stats::Ending;
use crate::vote::Vote;
use crate::voter::{Purpose, Voter};

/// The routes.
pub fn routes(voter: Arc<Voter>) -> Api {
    Api::new()
        .get("/inventory", all, describe::all())
        .get("/inventory/{product}", one, describe::one())
        .get("/voting-stats", stats, describe::stats())
        .also_under("/voter")
        .with_state(voter)
}

async fn one(State(voter): State<Arc<Voter>>, Path(product): Path<String>) -> Response {
    let product: ProductId = match product.parse() {
        Ok(product) => product,
        Err(error) => return ApiProblem::bad_request(error.to_string()).into_response(),
    };
    let mut vote = Vote::on_product(&voter, product, Purpose::Client);
    let took = vote.decide().await;
    let subject = vote.subject();
    let (ending, response) = match subject.result() {
        Some(result) => {
            let ending = if subject.is_fresh() {
                Ending::Fresh
            } else {
                Ending::NotFresh
            };
            let response = match result {
                Some(voted) => json(&voted),
                None => {
                    let text = format!("there is no product {}; GET /inventory lists all", subject.product());
                    ApiProblem::not_found(text).into_response()
                }
            };
            (ending, response)
        }
        None => {
            let about = format!("the stock of {}", subject.product());
            (Ending::NoQuorum, no_quorum(&voter, &about, took, &vote.round().said()))
        }
    };
    voter.stats.ended(ending, 1, took);
    vote.collect();
    response
}

async fn all(State(voter): State<Arc<Voter>>) -> Response {
    let subject = InventoryVote::new(voter.replicas().len());
    let mut vote = Vote::begin(&voter, subject, "/inventory".into(), Purpose::Client);
    let took = vote.decide().await;
    let response = match vote.subject().result() {
        Some(inventory) => {
            let fresh = inventory.products.iter().filter(|product| product.fresh).count();
            let not_fresh = inventory.products.len() - fresh;
            let endings = [
                (Ending::Fresh, fresh),
                (Ending::NotFresh, not_fresh),
                (Ending::NoQuorum, inventory.undecided.len()),
            ];
            for (ending, votes) in endings {
                voter.stats.ended(ending, votes as u64, took);
            }
            json(&inventory)
        }
        None => {
            voter.stats.ended(Ending::NoQuorum, 1, took);
            no_quorum(&voter, "the inventory", took, &vote.round().said())
        }
    };
    vote.collect();
    response
}

async fn stats(State(voter): State<Arc<Voter>>) -> Json<VotingStats> {
    Json(voter.voting_stats())
}

fn json(body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("the body has only text keys");
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (StatusCode::OK, media_type, bytes).into_response()
}

/// No answer: what each replica said instead, and when to try again.
fn no_quorum(voter: &Voter, about: &str, took: Duration, said: &[Said]) -> Response {
    let (on, quorum) = voter.on_and_quorum();
    let all = said.len();
    let why = if on < quorum {
        format!("only {on} of {all} replicas are ON and it takes {quorum} to answer")
    } else {
        format!(
            "no {quorum} of {all} replicas agreed on {about} within {} ms",
            took.as_millis()
        )
    };
    let text =
        format!("{why}; nothing unverified is served: try again in a second, GET /status on the monitor tells more");
    let mut response = ApiProblem::unavailable(text).with("replies", said).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
