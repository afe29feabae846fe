//! Clients that order and ask at a fixed rate, whatever the answers, and remember what they were told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tolerancia_wire::inventory::VotedProduct;
use tolerancia_wire::order::OrderView;

use super::System;

/// How often requests are sent: several at a time where the rate is higher.
const TICK: Duration = Duration::from_millis(20);

/// What clients were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Orders answered 201.
    pub confirmed: Vec<OrderView>,
    /// Orders answered 202: in the log, and without a quorum's outcome in time.
    pub pending: Vec<OrderView>,
    /// Queries answered 200.
    pub answers: Vec<VotedProduct>,
    /// Anything else, in words.
    pub others: Vec<String>,
}

/// Running clients.
pub struct Traffic {
    stop: CancellationToken,
    clients: tokio::task::JoinHandle<()>,
    told: Arc<Mutex<Told>>,
}

impl Traffic {
    /// Orders of one unit of PROD-001 and queries of it, each at a multiple of 50 per second.
    pub fn start(system: &System, orders: u32, queries: u32) -> Self {
        let stop = CancellationToken::new();
        let told = Arc::new(Mutex::new(Told::default()));
        let client = Client {
            http: system.http.clone(),
            orders: format!("{}/orders", system.orders()),
            query: format!("{}/inventory/PROD-001", system.voter()),
            told: Arc::clone(&told),
        };
        let clients = tokio::spawn(clients(client, orders / 50, queries / 50, stop.clone()));
        Self { stop, clients, told }
    }

    /// How many orders were confirmed so far.
    pub fn confirmed(&self) -> usize {
        self.told.lock().unwrap().confirmed.len()
    }

    /// How many queries were answered so far.
    pub fn answers(&self) -> usize {
        self.told.lock().unwrap().answers.len()
    }

    /// Waits until another `count` orders are confirmed.
    pub async fn goes_on(&self, count: usize) {
        let goal = self.confirmed() + count;
        super::eventually("orders are confirmed", async || {
            (self.confirmed() >= goal).then_some(())
        })
        .await;
    }

    /// Stops, waits for the last answers, and hands over what was told.
    pub async fn stop(self) -> Told {
        self.stop.cancel();
        self.clients.await.unwrap();
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

async fn clients(client: Client, orders: u32, queries: u32, stop: CancellationToken) {
    let mut requests = JoinSet::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => break,
        }
        for _ in 0..orders {
            requests.spawn(client.clone().order());
        }
        for _ in 0..queries {
            requests.spawn(client.clone().ask());
        }
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
}

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    orders: String,
    query: String,
    told: Arc<Mutex<Told>>,
}

impl Client {
    async fn order(self) {
        let body = json!({"product_id": "PROD-001", "quantity": 1});
        let answer = self.http.post(&self.orders).json(&body).send().await;
        match answer {
            // Cut off in the middle, it is no acknowledgement.
            Ok(answer) if answer.status() == StatusCode::CREATED => {
                if let Ok(order) = answer.json().await {
                    self.told.lock().unwrap().confirmed.push(order);
                }
            }
            Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                if let Ok(order) = answer.json().await {
                    self.told.lock().unwrap().pending.push(order);
                }
            }
            Ok(answer) => self.other("order", answer.status().as_u16()),
            Err(error) => self.other("order", error),
        }
    }

    async fn ask(self) {
        match self.http.get(&self.query).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => {
                if let Ok(voted) = answer.json().await {
                    self.told.lock().unwrap().answers.push(voted);
                }
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                let body = answer.text().await.unwrap_or_default();
                self.other("query", format_args!("{status} {body}"));
            }
            Err(error) => self.other("query", error),
        }
    }

    fn other(&self, what: &str, answer: impl std::fmt::Display) {
        self.told.lock().unwrap().others.push(format!("{what}: {answer}"));
    }
}
