//! Everything that is judged by, gathered: clients and listeners while the faults act, the log and the replicas at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tolerancia_bus::{BusError, Producer, end_offsets, read_all};
use tolerancia_client::http;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::health::Health;
use tolerancia_wire::inventory::{ReplicaInventory, VotedInventory};
use tolerancia_wire::status::{StatusBody, StatusRecord, Transition};
use tolerancia_wire::time::mono_ns;
use tolerancia_wire::topic::{INSTANCE_STATUS, ORDER_EVENTS};

use super::System;
use super::action::Window;
use super::clients::http::Http;
use super::clients::{Clients, Load};
use super::evidence::{Change, Evidence, Final};
use super::history::{Answer, Entry, History, Request};
use super::model::Model;
use super::stall::StallMeter;
use crate::experiment::watch::Watch;
use crate::oracle::Truth;

/// How long anything of the system may take to be there, at the beginning and at the end: faults have ended by then.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// One answer of a replica.
const ANSWER: Duration = Duration::from_secs(2);
/// How long Kafka has to acknowledge a record of the torture's own.
const DELIVERY: Duration = Duration::from_secs(2);
/// Orders that are asked about at the end, at most.
const SHOWN: usize = 1000;
/// Of these at a time.
const AT_A_TIME: usize = 8;
/// The client that asks at the end.
const LAST_CLIENT: u16 = u16::MAX;

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The system does not answer at the beginning.
    #[error("the system does not answer: {0}; look at the logs of its processes, or give it more time")]
    NoAnswer(String),
    /// The monitor's events cannot be read.
    #[error("{0}")]
    NoEvents(String),
    /// The log cannot be read.
    #[error("the log cannot be read: {0}; without it nothing can be judged")]
    Log(#[from] BusError),
}

/// Clients at work, and who listens meanwhile.
#[derive(Debug)]
pub struct Observer {
    system: System,
    http: Http,
    clients: Clients,
    watch: Watch,
    stalls: StallMeter,
    /// Ends the watch when it is dropped.
    stop: DropGuard,
    began_ns: u64,
}

impl Observer {
    /// Starts the clients on a healthy system.
    ///
    /// # Errors
    /// When the voter, the monitor or Kafka does not answer within a minute.
    pub async fn start(system: &System, load: Load) -> Result<Self, GatherError> {
        let products = products(&system.voter_url).await.map_err(GatherError::NoAnswer)?;
        let partitions = end_offsets(&system.bus, ORDER_EVENTS).await?.len();
        let partitions = u16::try_from(partitions).unwrap_or(u16::MAX);
        let stop = CancellationToken::new();
        let watch = Watch::open(&system.monitor_url, stop.clone())
            .await
            .map_err(|error| GatherError::NoEvents(error.to_string()))?;
        let http = Http::new(&system.voter_url, &system.orders_url);
        let producer = Producer::new(&system.bus, DELIVERY)?;
        let clients = Clients::start(http.clone(), products, partitions, load);
        clients.repeat_records(producer, load.seed);
        Ok(Self {
            system: system.clone(),
            clients,
            http,
            watch,
            stalls: StallMeter::start(),
            stop: stop.drop_guard(),
            began_ns: mono_ns(),
        })
    }

    /// How many answers clients have got so far.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.clients.answers()
    }

    /// How often the monitor has turned a replica OFF or ON so far, and the steps between.
    #[must_use]
    pub fn verdicts(&self) -> usize {
        self.watch.all().len()
    }

    /// Stops the clients, waits until the replicas have applied the whole log, and gathers everything. `windows` is what
    /// was done to the system; it must be over.
    ///
    /// # Errors
    /// When the log cannot be read. A replica that does not come to the end of the log within a minute is no error, but a
    /// finding.
    pub async fn finish(self, windows: Vec<Window>) -> Result<Evidence, GatherError> {
        let mut history = self.clients.finish().await;
        let ended_ns = mono_ns();
        let (stalls, busy) = self.stalls.finish();
        let (finals, log, ends) = settled(&self.system).await?;
        show(&self.http, &mut history).await;
        let partitions = u16::try_from(ends.len()).unwrap_or(u16::MAX);
        let (model, records) = Model::replay(&log, partitions);
        let digest = digest(&log);
        let statuses = read_all(&self.system.bus, INSTANCE_STATUS).await?;
        let statuses = statuses.into_iter().map(|message| message.payload);
        let (verdicts, deaf) = (verdicts(&self.watch.all(), statuses, self.began_ns), self.watch.deaf());
        drop(self.stop);
        Ok(Evidence {
            replicas: self.system.replicas(),
            began_ns: self.began_ns,
            ended_ns,
            history,
            log: records,
            model,
            digest,
            finals,
            verdicts,
            deaf,
            windows,
            stalls,
            busy,
        })
    }
}

/// The digest by the ledger's own code, which the replicas use, too: whether that code is right the model tells. It stops
/// where it is broken in such a way that units are made or lost, which the model finds as well.
fn digest(log: &[tolerancia_bus::Message]) -> Option<String> {
    std::panic::catch_unwind(|| Truth::replay(log).digest()).ok()
}

async fn products(voter_url: &str) -> Result<Vec<ProductId>, String> {
    let client = http::client(ANSWER);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = http::get_json::<VotedInventory>(&client, &format!("{voter_url}/inventory")).await;
        let products = told.map(|told| {
            told.products
                .into_iter()
                .map(|voted| voted.product_id)
                .collect::<Vec<_>>()
        });
        match products {
            Ok(products) if !products.is_empty() => return Ok(products),
            Ok(_) if Instant::now() >= deadline => return Err("the voter lists no products".to_owned()),
            Err(why) if Instant::now() >= deadline => return Err(why),
            _ => sleep(PAUSE).await,
        }
    }
}

type Settled = (
    Vec<Result<Final, String>>,
    Vec<tolerancia_bus::Message>,
    BTreeMap<u16, u64>,
);

/// The log once it is at rest, and the replicas at its end.
async fn settled(system: &System) -> Result<Settled, GatherError> {
    let client = http::client(ANSWER);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ends = end_offsets(&system.bus, ORDER_EVENTS).await;
        let ends = match ends {
            Err(_) if Instant::now() < deadline => {
                sleep(PAUSE).await;
                continue;
            }
            ends => ends?,
        };
        let asked = system.inventory_urls.iter().map(|url| last(&client, url, &ends));
        let finals = join_all(asked).await;
        let log = read_all(&system.bus, ORDER_EVENTS).await?;
        // What orders had still to undo, or librdkafka still to send.
        let moved = end_offsets(&system.bus, ORDER_EVENTS).await? != ends;
        if (moved || finals.iter().any(Result::is_err)) && Instant::now() < deadline {
            sleep(PAUSE).await;
            continue;
        }
        return Ok((finals, log, ends));
    }
}

/// A replica, once it has applied the log up to `ends`.
async fn last(client: &reqwest::Client, url: &str, ends: &BTreeMap<u16, u64>) -> Result<Final, String> {
    let health = async || http::get_json::<Health>(client, &format!("{url}/health")).await;
    let before = health().await?;
    let inventory: ReplicaInventory = http::get_json(client, &format!("{url}/inventory")).await?;
    let is_there = |health: &Health| {
        let applied = |partition| health.applied.get(partition).copied().unwrap_or(0);
        ends.iter().all(|(partition, end)| applied(partition) == *end)
    };
    if !is_there(&before) {
        return Err(format!("has applied {:?} of {ends:?}", before.applied));
    }
    let digest = before.digest.ok_or("tells no digest")?;
    Ok(Final {
        instance: inventory.instance,
        digest,
        products: inventory
            .products
            .into_iter()
            .map(|product| (product.product_id, product.versions))
            .collect(),
    })
}

/// Asks about orders that clients know, the newest first, and about all products.
async fn show(http: &Http, history: &mut History) {
    let known = |entry: &Entry| match entry.request {
        Request::Order { .. } => entry.answer.order(),
        _ => None,
    };
    let mut orders: Vec<OrderId> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for order in history.entries.iter().rev().filter_map(known) {
        if orders.len() < SHOWN && seen.insert(order) {
            orders.push(order);
        }
    }
    let asked = stream::iter(orders).map(async |order| {
        let sent_ns = mono_ns();
        let answer = http.show(order).await;
        entry(sent_ns, Request::Show { order }, answer)
    });
    let shown: Vec<Entry> = asked.buffer_unordered(AT_A_TIME).collect().await;
    history.entries.extend(shown);
}

fn entry(sent_ns: u64, request: Request, answer: Answer) -> Entry {
    Entry {
        client: LAST_CLIENT,
        sent_ns,
        ended_ns: mono_ns(),
        request,
        answer,
    }
}

/// The monitor's verdicts since `began_ns`, by time: as they were heard, and as they are kept in Kafka, in case one of
/// both lost some. That one comes twice does no harm.
fn verdicts(heard: &[Transition], kept: impl Iterator<Item = Vec<u8>>, began_ns: u64) -> Vec<Change> {
    let heard = heard.iter().map(|transition| Change {
        at_ns: transition.stamp.mono_ns,
        instance: transition.instance,
        verdict: transition.to,
        phase: transition.phase,
        reason: transition.reason.kind,
        text: transition.reason.text.clone(),
    });
    let kept = kept.filter_map(|payload| {
        let StatusBody::Status(status) = StatusRecord::from_bytes(&payload).ok()?.body;
        Some(Change {
            at_ns: status.since.mono_ns,
            instance: status.instance,
            verdict: status.status,
            phase: status.phase,
            reason: status.reason.kind,
            text: status.reason.text,
        })
    });
    let mut all: Vec<Change> = heard.chain(kept).filter(|change| change.at_ns >= began_ns).collect();
    all.sort_by_key(|change| (change.at_ns, change.instance));
    all.dedup_by(|one, other| {
        one.at_ns == other.at_ns && one.instance == other.instance && one.verdict == other.verdict
    });
    all
}

#[cfg(test)]
mod tests;
