//! The requests, and what their answers mean to a client that trusts nobody.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tolerancia_client::http;
use tolerancia_core::ledger::{Refusal, Rejection};
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::inventory::{VotedInventory, VotedProduct};
use tolerancia_wire::order::{OrderRequest, OrderView};

use crate::load::api::Failure;
use crate::torture::history::Answer;

/// A client waits a little longer than orders do for a quorum (2 s): what comes later is as good as lost.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Of a body that cannot be read, so many characters are kept.
const KEPT: usize = 200;

/// The system as its clients see it.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    voter: String,
    orders: String,
}

#[derive(Deserialize)]
struct Ordered {
    order_id: OrderId,
    version: Option<u64>,
}

#[derive(Deserialize)]
struct Rejected {
    order_id: Option<OrderId>,
    reason: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Cancelled {
    version: Option<u64>,
}

#[derive(Deserialize)]
struct Refused {
    reason: Refusal,
}

/// A status and a body, or why there are none.
type Response = Result<(StatusCode, Vec<u8>), Failure>;

impl Http {
    pub(crate) fn new(voter_url: &str, orders_url: &str) -> Self {
        Self {
            client: http::client(TIMEOUT),
            voter: voter_url.to_owned(),
            orders: orders_url.to_owned(),
        }
    }

    /// Sends an order; gives up after `patience`.
    pub(crate) async fn order(&self, order: &OrderRequest, key: &str, patience: Duration) -> Answer {
        let request = self.client.post(format!("{}/orders", self.orders)).json(order);
        let response = send(request.header("Idempotency-Key", key), patience).await;
        told(response, |status, body| match status {
            StatusCode::CREATED => read::<Ordered>(status, body, |told| Answer::Confirmed {
                order: told.order_id,
                version: told.version,
            }),
            StatusCode::ACCEPTED => read::<Ordered>(status, body, |told| Answer::Pending { order: told.order_id }),
            StatusCode::CONFLICT => read::<Rejected>(status, body, |told| Answer::Rejected {
                order: told.order_id,
                reason: told
                    .reason
                    .and_then(|reason| serde_json::from_value::<Rejection>(reason).ok()),
            }),
            StatusCode::UNPROCESSABLE_ENTITY => Answer::KeyTaken,
            status => failed(status),
        })
    }

    /// Cancels an order.
    pub(crate) async fn cancel(&self, order: OrderId, patience: Duration) -> Answer {
        let request = self.client.post(format!("{}/orders/{order}/cancel", self.orders));
        told(send(request, patience).await, |status, body| match status {
            StatusCode::OK => read::<Cancelled>(status, body, |told| Answer::Cancelled { version: told.version }),
            StatusCode::ACCEPTED => Answer::CancelPending,
            StatusCode::CONFLICT => read::<Refused>(status, body, |told| Answer::Refused { reason: told.reason }),
            StatusCode::NOT_FOUND => Answer::UnknownOrder,
            status => failed(status),
        })
    }

    /// Asks the voter about a product.
    pub(crate) async fn product(&self, product: &ProductId, patience: Duration) -> Answer {
        let request = self.client.get(format!("{}/inventory/{product}", self.voter));
        told(send(request, patience).await, |status, body| match status {
            StatusCode::OK => read::<VotedProduct>(status, body, stock),
            StatusCode::NOT_FOUND => Answer::NoProduct,
            status => failed(status),
        })
    }

    /// Asks the voter about all products: one answer for each that was decided. An error is the one answer of all.
    pub(crate) async fn all(&self, patience: Duration) -> Result<Vec<Answer>, Answer> {
        let request = self.client.get(format!("{}/inventory", self.voter));
        match send(request, patience).await {
            Ok((StatusCode::OK, body)) => match serde_json::from_slice::<VotedInventory>(&body) {
                Ok(told) => Ok(told.products.into_iter().map(stock).collect()),
                Err(_) => Err(malformed(StatusCode::OK, &body)),
            },
            Ok((status, _)) => Err(failed(status)),
            Err(why) => Err(Answer::Failed { why }),
        }
    }

    /// Asks orders about an order.
    pub(crate) async fn show(&self, order: OrderId) -> Answer {
        let request = self.client.get(format!("{}/orders/{order}", self.orders));
        told(send(request, TIMEOUT).await, |status, body| match status {
            StatusCode::OK => read::<OrderView>(status, body, |told| Answer::Shown {
                order: told.order_id,
                status: told.status,
                product: told.product_id,
                quantity: told.quantity,
                version: told.version,
            }),
            StatusCode::NOT_FOUND => Answer::UnknownOrder,
            status => failed(status),
        })
    }
}

/// The time-out of a client that does not give up.
pub(crate) const PATIENT: Duration = TIMEOUT;

fn stock(told: VotedProduct) -> Answer {
    Answer::Stock {
        product: told.product_id,
        version: told.version,
        stock: told.stock,
        fresh: told.fresh,
        votes: told.votes,
    }
}

fn told(response: Response, answer: impl FnOnce(StatusCode, &[u8]) -> Answer) -> Answer {
    match response {
        Ok((status, body)) => answer(status, &body),
        Err(why) => Answer::Failed { why },
    }
}

fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8], answer: impl FnOnce(T) -> Answer) -> Answer {
    serde_json::from_slice(body).map_or_else(|_| malformed(status, body), answer)
}

fn malformed(status: StatusCode, body: &[u8]) -> Answer {
    Answer::Malformed {
        status: status.as_u16(),
        body: String::from_utf8_lossy(body).chars().take(KEPT).collect(),
    }
}

const fn failed(status: StatusCode) -> Answer {
    Answer::Failed {
        why: Failure::Status(status.as_u16()),
    }
}

/// Who gives up closes the connection: the request may have been served or not.
async fn send(request: RequestBuilder, patience: Duration) -> Response {
    let whole = async {
        let response = request.send().await.map_err(|error| kind(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| kind(&error))?;
        Ok((status, body.into()))
    };
    tokio::time::timeout(patience, whole)
        .await
        .unwrap_or(Err(if patience < TIMEOUT {
            Failure::Dropped
        } else {
            Failure::Timeout
        }))
}

fn kind(error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        Failure::Connect
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Lost
    }
}
