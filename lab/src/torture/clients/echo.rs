//! The same reserve in the log again: what a producer does whose acknowledgement was lost.
//!
//! orders does so itself, but only where an outage of Kafka or of a quorum happens to fall between a request and its
//! repetition. Whether replicas apply an order once must be seen in every run; so now and then a record like those of orders
//! is appended about an order that was confirmed a moment ago. By the contract that changes nothing.

use std::sync::Arc;
use std::time::Duration;

use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::Producer;
use tolerancia_core::ledger::Event;
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::topic::ORDER_EVENTS;

use super::Shared;
use crate::torture::history::{Answer, Entry, Request};

/// Between two repetitions.
const PAUSE: Duration = Duration::from_secs(2);
/// One of the newest so many answers is repeated.
const NEWEST: usize = 200;

/// Repeats until `stop`.
pub(super) async fn repeat(shared: Arc<Shared>, producer: Producer, mut rng: ChaCha8Rng, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        let event = {
            let entries = shared.entries();
            let newest = &entries[entries.len().saturating_sub(NEWEST)..];
            let confirmed: Vec<Event> = newest.iter().filter_map(reserve).collect();
            confirmed.choose(&mut rng).cloned()
        };
        let Some(Event::Reserve {
            order_id, product_id, ..
        }) = &event
        else {
            continue;
        };
        let (partition, key) = (order_id.partition(), product_id.to_string());
        let payload = event
            .map(|event| OrderEvent::new("torture", event).to_bytes())
            .unwrap_or_default();
        // Kafka may be away: then nothing is repeated.
        let sent = producer.send(ORDER_EVENTS, Some(partition), Some(key.as_bytes()), payload);
        let _ = stop.run_until_cancelled(sent).await;
    }
}

/// The record that a confirmed order has in the log.
fn reserve(entry: &Entry) -> Option<Event> {
    match (&entry.request, &entry.answer) {
        (Request::Order { product, quantity, .. }, Answer::Confirmed { order, .. }) => Some(Event::Reserve {
            order_id: *order,
            product_id: product.clone(),
            quantity: *quantity,
        }),
        _ => None,
    }
}
