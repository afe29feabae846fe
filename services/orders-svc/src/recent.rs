//! What the service knows again after a restart.
//!
//! The store may lack the last moments before a crash (it is written behind) or be dead; the log lacks
//! nothing. So the newest orders come from the store, those in the last stretch of `order-events` from the
//! log, and their outcomes from the same stretch of `inventory-results`, which is read again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use tokio::time::timeout;
use tolerancia_bus::{BusConfig, Consumer, Start, end_offsets};
use tolerancia_core::ledger::Event;
use tolerancia_wire::order::{OrderRequest, OrderStatus};
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::topic;

use crate::book::pending;
use crate::desk::Desk;
use crate::log::Log;

/// Results that are read again, over all partitions and per partition at most.
const RESULTS: u64 = 30_000;
const RESULTS_PER_PARTITION: u64 = 10_000;
/// Orders taken from the store. More than the events that are read again, so that one which was decided
/// long ago is not taken for pending.
const STORED: usize = 20_000;
/// A broker that delivers nothing for this long will not do so now.
const STALL: Duration = Duration::from_secs(5);

/// Opens `inventory-results` at its last stretch. Returns also where its partitions end.
///
/// # Errors
/// When Kafka cannot be reached.
pub(crate) async fn results(bus: &BusConfig) -> Result<(Consumer, BTreeMap<u16, u64>)> {
    let ends = end_offsets(bus, topic::INVENTORY_RESULTS).await?;
    let start = Start::Newest(per_partition(ends.len()));
    let consumer = Consumer::new(bus, topic::INVENTORY_RESULTS, start).await?;
    Ok((consumer, ends))
}

fn per_partition(partitions: usize) -> u64 {
    (RESULTS / (partitions as u64).max(1)).min(RESULTS_PER_PARTITION)
}

/// Fills the book from the store and from the last stretch of the log.
///
/// # Errors
/// When Kafka cannot be reached.
pub(crate) async fn orders<L: Log>(desk: &Desk<L>, bus: &BusConfig, replicas: u64) -> Result<()> {
    for status in [Some(OrderStatus::Pending), None] {
        let stored = desk.archive().newest(status, STORED).await;
        let mut state = desk.state();
        for order in stored {
            state.book.learn(order);
        }
    }
    let ends = end_offsets(bus, topic::ORDER_EVENTS).await?;
    // Each replica reports each event.
    let start = Start::Newest(per_partition(ends.len()) / replicas.max(1));
    let mut consumer = Consumer::new(bus, topic::ORDER_EVENTS, start).await?;
    while consumer
        .position()
        .iter()
        .any(|(partition, next)| ends.get(partition).is_some_and(|end| next < end))
    {
        let Ok(batch) = timeout(STALL, consumer.recv_batch(1024)).await else {
            tracing::warn!("the last orders could not be read from the log; those from the store are known");
            return Ok(());
        };
        let reserves: Vec<_> = batch?
            .iter()
            .filter_map(|message| {
                let record = OrderEvent::from_bytes(&message.payload).ok()?;
                let at = record.stamp();
                match record.body {
                    Event::Reserve {
                        order_id,
                        product_id,
                        quantity,
                    } => Some(pending(at, order_id, &OrderRequest { product_id, quantity })),
                    Event::Release { .. } | Event::Restock { .. } => None,
                }
            })
            .collect();
        let mut state = desk.state();
        for order in reserves {
            state.book.learn(order);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stretch_is_bounded_over_all_partitions() {
        assert_eq!(per_partition(2), RESULTS_PER_PARTITION);
        assert_eq!(per_partition(1), RESULTS_PER_PARTITION);
        assert_eq!(per_partition(1000), 30);
    }
}
