//! Appending to `order-events`.
//!
//! Kafka's answer is one of three: the event is in the log, it is not, or nobody knows. The third must not
//! leave units reserved for an order that its client was told does not exist, so such an order is released
//! as soon as Kafka answers again ([`Undo`]): the release follows the reserve in the same partition, and
//! if the reserve never arrived it is refused and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusError, Producer};
use tolerancia_core::OrderId;
use tolerancia_core::ledger::Event;
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::topic;

/// Orders that wait to be undone in a partition at most. Beyond it they are counted and given up.
const MOST_UNDOS: usize = 4096;
/// Between two attempts to undo an order.
const UNDO_PAUSE: Duration = Duration::from_millis(500);

/// Why an event has no offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAppended {
    /// It is not in the log.
    Never,
    /// Kafka did not acknowledge it: it may be in the log.
    Unknown,
}

/// The log as the desk sees it.
pub trait Log: Send + Sync + 'static {
    /// Appends an event to a partition and returns its offset once Kafka acknowledged it.
    fn append(&self, partition: u16, key: &str, event: Event) -> impl Future<Output = Result<u64, NotAppended>> + Send;

    /// What the name of a new order is made of: never the same twice. A log that is simulated has its own.
    fn nonce(&self) -> [u8; 14] {
        rand::random()
    }
}

/// `order-events` in Kafka.
#[derive(Debug, Clone)]
pub struct KafkaLog {
    producer: Producer,
    source: String,
}

impl KafkaLog {
    /// Appends in the name of `source`.
    pub const fn new(producer: Producer, source: String) -> Self {
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

/// Takes orders that must not exist: a queue for each partition, so that one without a leader holds up no other.
#[derive(Debug, Clone)]
pub struct Undo(Arc<[mpsc::Sender<OrderId>]>);

impl Undo {
    /// The queues of so many partitions, and their other ends for [`undo`].
    pub fn channel(partitions: u16) -> (Self, Vec<mpsc::Receiver<OrderId>>) {
        let (senders, receivers): (Vec<_>, _) = (0..partitions).map(|_| mpsc::channel(MOST_UNDOS)).unzip();
        (Self(senders.into()), receivers)
    }

    /// Orders that wait, in all partitions.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.iter().map(|queue| queue.max_capacity() - queue.capacity()).sum()
    }

    /// Orders that may wait, in all partitions.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.len() * MOST_UNDOS
    }

    /// Releases the order when its partition takes records again.
    pub fn push(&self, order: OrderId) {
        let queue = self.0.get(usize::from(order.partition()));
        if queue.is_none_or(|queue| queue.try_send(order).is_err()) {
            metrics::counter!("orders_undo_dropped_total").increment(1);
            tracing::warn!(%order, "not acknowledged, and too many like it: if it is in the log it stays reserved, cancel it by hand");
        }
    }
}

/// Releases, in each partition one order after the other, until `shutdown`.
pub async fn undo<L: Log + Clone>(log: L, queues: Vec<mpsc::Receiver<OrderId>>, shutdown: CancellationToken) {
    let partitions = queues.into_iter();
    let mut partitions: JoinSet<usize> = partitions
        .map(|orders| undo_in_partition(log.clone(), orders, shutdown.clone()))
        .collect();
    let mut left = 0;
    while let Some(ended) = partitions.join_next().await {
        left += ended.unwrap_or(0);
    }
    if left > 0 {
        tracing::warn!(
            orders = left,
            "stopped before orders that Kafka had not acknowledged could be released"
        );
    }
}

/// Returns how many were left when `shutdown` came.
async fn undo_in_partition(log: impl Log, mut orders: mpsc::Receiver<OrderId>, shutdown: CancellationToken) -> usize {
    let mut undone = 0;
    while let Some(Some(order)) = shutdown.run_until_cancelled(orders.recv()).await {
        let (partition, key) = (order.partition(), order.to_string());
        let release = async {
            let event = || Event::Release { order_id: order };
            while log.append(partition, &key, event()).await.is_err() {
                tokio::time::sleep(UNDO_PAUSE).await;
            }
        };
        if shutdown.run_until_cancelled(release).await.is_none() {
            return orders.len() + 1;
        }
        metrics::counter!("orders_undone_total").increment(1);
        tracing::debug!(%order, "Kafka had not acknowledged this order in time, so it was released");
        undone += 1;
        if orders.is_empty() {
            tracing::info!(
                partition,
                orders = undone,
                "what Kafka had not acknowledged in time is released"
            );
            undone = 0;
        }
    }
    orders.len()
}
