//! The log, replayed while it is written: the digest that every replica must have at any position.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, Consumer, Message, Start};
use tolerancia_core::ledger::{Ledger, Order, Product};
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::topic;

use super::{LIMIT, Shared};

/// Records that are replayed at a time.
const BATCH: usize = 1000;

/// One partition's part of the state, and its digest after each number of records. A product and its orders are in one
/// partition, and the digest of the whole is the exclusive or of its parts, so any positions can be put together.
#[derive(Debug, Default)]
struct Part {
    ledger: Ledger,
    digests: Vec<u128>,
}

/// What the log says so far.
#[derive(Debug, Default)]
pub(super) struct Truth {
    parts: Mutex<BTreeMap<u16, Part>>,
    more: Notify,
}

impl Truth {
    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<u16, Part>) -> T) -> T {
        look(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, batch: &[Message]) {
        self.with(|parts| {
            for message in batch {
                let part = parts.entry(message.partition).or_default();
                if let Ok(record) = OrderEvent::from_bytes(&message.payload) {
                    part.ledger.apply(message.partition, message.offset, &record.body);
                }
                part.digests.push(number(&part.ledger));
            }
        });
        self.more.notify_waiters();
    }

    /// The digest at these positions. Waits until the log is replayed up to there.
    pub(super) async fn digest(&self, positions: &BTreeMap<u16, u64>) -> Result<String> {
        let wait = async {
            loop {
                let more = self.more.notified();
                let mut more = std::pin::pin!(more);
                more.as_mut().enable();
                if let Some(digest) = self.digest_now(positions) {
                    return digest;
                }
                more.await;
            }
        };
        let found = tokio::time::timeout(LIMIT, wait).await;
        found.with_context(|| format!("the log has no records up to {positions:?}"))
    }

    fn digest_now(&self, positions: &BTreeMap<u16, u64>) -> Option<String> {
        self.with(|parts| {
            let mut whole = 0;
            for (partition, next) in positions.iter().filter(|(_, next)| **next > 0) {
                whole ^= parts.get(partition)?.digests.get(usize::try_from(next - 1).ok()?)?;
            }
            Some(format!("{whole:032x}"))
        })
    }

    /// An order as it is now.
    pub(super) fn order(&self, id: OrderId) -> Option<Order> {
        self.with(|parts| parts.get(&id.partition())?.ledger.order(id).cloned())
    }

    /// All products as they are now.
    pub(super) fn products(&self) -> BTreeMap<ProductId, Product> {
        self.with(|parts| {
            let all = parts.values().flat_map(|part| part.ledger.products());
            all.map(|(id, product)| (id.clone(), product.clone())).collect()
        })
    }
}

fn number(ledger: &Ledger) -> u128 {
    u128::from_str_radix(&ledger.digest().to_string(), 16).expect("a digest is 16 bytes in hexadecimal")
}

/// Replays the log until `stop`.
pub(super) async fn follow(shared: Arc<Shared>, bus: BusConfig, stop: CancellationToken) -> Result<()> {
    let mut consumer = Consumer::new(&bus, topic::ORDER_EVENTS, Start::Beginning).await?;
    while let Some(batch) = stop.run_until_cancelled(consumer.recv_batch(BATCH)).await {
        shared.truth.add(&batch?);
    }
    Ok(())
}
