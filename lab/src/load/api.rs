//! The requests that clients send, and what an answer means.
//!
//! A valid answer is one that a client can act upon: a value, a confirmation, a rejection. Everything else is
//! a failure with a kind. A failure is never retried here: a retry would hide it from the measurement.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tolerancia_client::http;
use tolerancia_core::ledger::Refusal;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::inventory::{VotedInventory, VotedProduct};
use tolerancia_wire::order::OrderRequest;

/// A request without an answer for so long has failed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a request has no valid answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No answer within 5 s.
    Timeout,
    /// No connection.
    Connect,
    /// The connection broke before the answer was complete.
    Lost,
    /// Not what the interface promises.
    Malformed,
    /// An order that no quorum decided in time (202).
    Pending,
    /// Not sent: too many requests were on their way.
    Dropped,
    /// Another HTTP status.
    Status(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("timeout"),
            Self::Connect => f.write_str("connect"),
            Self::Lost => f.write_str("connection lost"),
            Self::Malformed => f.write_str("malformed answer"),
            Self::Pending => f.write_str("pending"),
            Self::Dropped => f.write_str("dropped by the generator"),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ordered {
    /// 201.
    Confirmed { order: OrderId, version: Option<u64> },
    /// 409: a valid answer.
    Rejected { reason: String },
    /// 202: in the log, undecided.
    Pending { order: OrderId },
}

/// What became of a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// 200.
    Done { version: Option<u64> },
    /// 409: a valid answer.
    Refused(Refusal),
}

/// What the answers about orders have in common.
#[derive(Deserialize)]
struct OrderBody {
    order_id: Option<OrderId>,
    version: Option<u64>,
    reason: Option<String>,
}

/// A cancel that was refused.
#[derive(Deserialize)]
struct RefusedBody {
    reason: Refusal,
}

/// The system as its clients see it.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    voter: Arc<str>,
    orders: Arc<str>,
}

impl Api {
    pub(crate) fn new(voter_url: &str, orders_url: &str) -> Self {
        Self {
            http: http::client(TIMEOUT),
            voter: voter_url.into(),
            orders: orders_url.into(),
        }
    }

    /// The names of all products.
    pub(crate) async fn products(&self) -> Result<Vec<ProductId>, String> {
        let url = format!("{}/inventory", self.voter);
        let inventory: VotedInventory = http::get_json(&self.http, &url).await?;
        let products: Vec<_> = inventory.products.into_iter().map(|voted| voted.product_id).collect();
        if products.is_empty() {
            return Err(format!("{url} lists no products"));
        }
        Ok(products)
    }

    /// A voted query.
    pub(crate) async fn query(&self, product: &ProductId) -> Result<VotedProduct, Failure> {
        let url = format!("{}/inventory/{product}", self.voter);
        match send(self.http.get(url)).await? {
            (StatusCode::OK, body) => read(&body),
            (status, _) => Err(Failure::Status(status.as_u16())),
        }
    }

    /// An order.
    pub(crate) async fn order(&self, order: &OrderRequest, key: Option<&str>) -> Result<Ordered, Failure> {
        let mut request = self.http.post(format!("{}/orders", self.orders)).json(order);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let (status, body) = send(request).await?;
        let read = || read::<OrderBody>(&body);
        let named = |body: OrderBody| {
            body.order_id
                .map(|order| (order, body.version))
                .ok_or(Failure::Malformed)
        };
        match status {
            StatusCode::CREATED => read()
                .and_then(named)
                .map(|(order, version)| Ordered::Confirmed { order, version }),
            StatusCode::ACCEPTED => read().and_then(named).map(|(order, _)| Ordered::Pending { order }),
            StatusCode::CONFLICT => read().map(|body| Ordered::Rejected {
                reason: body.reason.unwrap_or_else(|| "no reason given".to_owned()),
            }),
            status => Err(Failure::Status(status.as_u16())),
        }
    }

    /// A cancel.
    pub(crate) async fn cancel(&self, order: OrderId) -> Result<Cancelled, Failure> {
        let (status, body) = send(self.http.post(format!("{}/orders/{order}/cancel", self.orders))).await?;
        match status {
            StatusCode::OK => read(&body).map(|OrderBody { version, .. }| Cancelled::Done { version }),
            StatusCode::CONFLICT => read(&body).map(|RefusedBody { reason }| Cancelled::Refused(reason)),
            StatusCode::ACCEPTED => Err(Failure::Pending),
            status => Err(Failure::Status(status.as_u16())),
        }
    }
}

async fn send(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Failure> {
    let response = request.send().await.map_err(|error| kind(&error))?;
    let status = response.status();
    let body = response.bytes().await.map_err(|error| kind(&error))?;
    Ok((status, body.into()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| Failure::Malformed)
}

fn kind(error: &reqwest::Error) -> Failure {
    // A connection that could not be opened in time was never there.
    if error.is_connect() {
        Failure::Connect
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Lost
    }
}

/// Allows this process as many open connections as it may have: each request on its way needs one.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
