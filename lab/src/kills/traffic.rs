//! Clients that order and cancel all the time, and remember what they were told.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tolerancia_core::OrderId;
use tolerancia_core::ledger::OrderState;
use tolerancia_wire::order::OrderView;

use super::Shared;
use super::place::Place;
use super::truth::Truth;

/// Clients at a time. Each waits for its answer, and then for a moment.
const CLIENTS: u64 = 12;
const PAUSE: Duration = Duration::from_millis(50);
/// One of so many orders is cancelled.
const CANCELS: u64 = 5;

/// What clients were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub confirmed: Vec<OrderView>,
    pub cancelled: Vec<OrderId>,
    /// Accepted, without an outcome in time.
    pub pending: usize,
}

impl Told {
    /// Everything that was acknowledged is in the log.
    pub(super) fn are_in(&self, truth: &Truth) -> Result<()> {
        for told in &self.confirmed {
            let found = truth.order(told.order_id).with_context(|| format!("lost: {told:?}"))?;
            let version = match found.state {
                OrderState::Confirmed(version) | OrderState::Cancelled(version) => Some(version),
                OrderState::Rejected(_) => None,
            };
            let same = told.product_id.as_ref() == Some(&found.product) && told.quantity == Some(found.quantity);
            ensure!(
                same && told.version == version,
                "confirmed as {told:?}, in the log as {found:?}"
            );
        }
        for id in &self.cancelled {
            let found = truth.order(*id).with_context(|| format!("lost: {id}"))?;
            ensure!(
                matches!(found.state, OrderState::Cancelled(_)),
                "cancelled was {id}, in the log is {found:?}"
            );
        }
        Ok(())
    }
}

/// Running clients.
pub(super) struct Clients {
    stop: CancellationToken,
    tasks: JoinSet<Told>,
}

impl Clients {
    /// Stops them and gathers what they were told.
    pub(super) async fn stop(mut self) -> Result<Told> {
        self.stop.cancel();
        let mut all = Told::default();
        while let Some(told) = self.tasks.join_next().await {
            let told = told.context("a client failed")?;
            all.confirmed.extend(told.confirmed);
            all.cancelled.extend(told.cancelled);
            all.pending += told.pending;
        }
        Ok(all)
    }
}

pub(super) fn start(shared: &Arc<Shared>, place: &Place, stop: &CancellationToken) -> Clients {
    let stop = stop.child_token();
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        tasks.spawn(client(number, shared.http.clone(), place.orders_url(), stop.clone()));
    }
    Clients { stop, tasks }
}

async fn client(number: u64, http: reqwest::Client, orders: String, stop: CancellationToken) -> Told {
    let mut told = Told::default();
    let mut turn = number;
    while !stop.is_cancelled() {
        turn += 1;
        if let Some(order) = order(&http, &orders, turn, &mut told).await
            && turn.is_multiple_of(CANCELS)
        {
            cancel(&http, &orders, order, &mut told).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    told
}

/// Orders. The order, if it was confirmed.
async fn order(http: &reqwest::Client, orders: &str, turn: u64, told: &mut Told) -> Option<OrderId> {
    let body = json!({"product_id": format!("PROD-{:03}", turn % 3 + 1), "quantity": turn % 7 + 1});
    let answer = http.post(format!("{orders}/orders")).json(&body).send().await.ok()?;
    match answer.status() {
        StatusCode::CREATED => {
            // Cut off in the middle, it is no acknowledgement.
            let view: OrderView = answer.json().await.ok()?;
            let id = view.order_id;
            told.confirmed.push(view);
            Some(id)
        }
        StatusCode::ACCEPTED => {
            told.pending += 1;
            None
        }
        _ => None,
    }
}

async fn cancel(http: &reqwest::Client, orders: &str, order: OrderId, told: &mut Told) {
    let answer = http.post(format!("{orders}/orders/{order}/cancel")).send().await;
    if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
        told.cancelled.push(order);
    }
}
