//! Appending to `order-events`.
//!
//! Kafka's answer is one of three: the event is in the log, it is not, or nobody knows. The third must not
//! leave units reserved for an order that its client was told does not exist, so such an order is released
//! as soon as Kafka answers again ([`Undo`]): the release follows the reserve in the same partition, and
//! if the reserve never arrived it is refused and changes nothing.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusError, Producer};
use tolerancia_core::OrderId;
use tolerancia_core::ledger::Event;
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::topic;

/// Orders that wait to be undone at most. Beyond it they are counted and given up.
const MOST_UNDOS: usize = 4096;
/// Between two attempts to undo an order.
const UNDO_PAUSE: Duration = Duration::from_millis(500);

/// Why an event has no offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAppended {
    /// It is not in the log.
    Never,
    /// Kafka did not acknowledge it: it may be in the log.
    Unknown,
}

/// The log as the desk sees it.
pub(crate) trait Log: Send + Sync + 'static {
    /// Appends an event to a partition and returns its offset once Kafka acknowledged it.
    fn append(&self, partition: u16, key: &str, event: Event) -> impl Future<Output = Result<u64, NotAppended>> + Send;
}

/// `order-events` in Kafka.
#[derive(Debug, Clone)]
pub(crate) struct KafkaLog {
    producer: Producer,
    source: String,
}

impl KafkaLog {
    /// Appends in the name of `source`.
    pub(crate) const fn new(producer: Producer, source: String) -> Self {
        Self { producer, source }
    }
}

impl Log for KafkaLog {
    async fn append(&self, partition: u16, key: &str, event: Event) -> Result<u64, NotAppended> {
        let record = OrderEvent::new(self.source.as_str(), event).to_bytes();
        let sent = self
            .producer
            .send(topic::ORDER_EVENTS, Some(partition), Some(key.as_bytes()), record);
        match sent.await {
            Ok((_, offset)) => Ok(offset),
            Err(error) => {
                metrics::counter!("orders_not_appended_total").increment(1);
                tracing::debug!(%error, "an event was not appended");
                Err(match error {
                    BusError::QueueFull | BusError::NotSent(_) => NotAppended::Never,
                    _ => NotAppended::Unknown,
                })
            }
        }
    }
}

/// Takes orders that must not exist.
#[derive(Debug, Clone)]
pub(crate) struct Undo(mpsc::Sender<OrderId>);

impl Undo {
    /// The queue, and its other end for [`undo`].
    pub(crate) fn channel() -> (Self, mpsc::Receiver<OrderId>) {
        let (sender, receiver) = mpsc::channel(MOST_UNDOS);
        (Self(sender), receiver)
    }

    /// Releases the order when Kafka answers again.
    pub(crate) fn push(&self, order: OrderId) {
        if self.0.try_send(order).is_err() {
            metrics::counter!("orders_undo_dropped_total").increment(1);
            tracing::warn!(%order, "not acknowledged, and too many like it: if it is in the log it stays reserved, cancel it by hand");
        }
    }
}

/// Releases one order after the other until `shutdown`.
pub(crate) async fn undo(log: impl Log, mut orders: mpsc::Receiver<OrderId>, shutdown: CancellationToken) {
    let work = async {
        let mut undone = 0;
        while let Some(order) = orders.recv().await {
            let (partition, key) = (order.partition(), order.to_string());
            while log
                .append(partition, &key, Event::Release { order_id: order })
                .await
                .is_err()
            {
                tokio::time::sleep(UNDO_PAUSE).await;
            }
            metrics::counter!("orders_undone_total").increment(1);
            tracing::debug!(%order, "Kafka had not acknowledged this order in time, so it was released");
            undone += 1;
            if orders.is_empty() {
                tracing::info!(orders = undone, "what Kafka had not acknowledged in time is released");
                undone = 0;
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
    if !orders.is_empty() {
        tracing::warn!(
            orders = orders.len(),
            "stopped before orders that Kafka had not acknowledged could be released"
        );
    }
}
