//! Reading `inventory-results` and telling the monitor what that showed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, Consumer, Message, Producer, Start};
use tolerancia_wire::evidence::{ErrorBody, ErrorRecord};
use tolerancia_wire::record::{InventoryResult, ResultBody};
use tolerancia_wire::time::mono_ns;
use tolerancia_wire::{Stamp, topic};

use crate::desk::Desk;
use crate::log::Log;
use crate::outcomes::Report;
use crate::witness::PRESSING_NS;

/// Records taken at a time.
const BATCH: usize = 1024;
/// Between two attempts to open a topic that could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Feeds the desk with what the replicas report.
pub(crate) struct Results<L> {
    /// Whom to feed.
    pub(crate) desk: Arc<Desk<L>>,
    /// Opened before the first order is taken.
    pub(crate) consumer: Consumer,
    /// Where the partitions ended at start: what comes before was judged by an earlier run.
    pub(crate) ends: BTreeMap<u16, u64>,
    /// To reopen the topic.
    pub(crate) bus: BusConfig,
    /// For evidence.
    pub(crate) producer: Producer,
    /// Who gives evidence.
    pub(crate) source: String,
}

impl<L: Log> Results<L> {
    /// Reads until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = interval(Duration::from_nanos(PRESSING_NS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {
                    self.desk.set_kafka(self.consumer.is_connected());
                    self.tell();
                }
                batch = self.consumer.recv_batch(BATCH) => match batch {
                    Ok(messages) => self.take(&messages),
                    Err(error) => {
                        tracing::error!(%error, "inventory-results cannot be read, orders stay pending until it can");
                        self.desk.set_kafka(false);
                        tokio::select! {
                            () = shutdown.cancelled() => return,
                            () = self.reopen() => {}
                        }
                    }
                }
            }
        }
    }

    /// Opens the topic again, at the oldest record that is left. What was read before comes again, and is
    /// old news.
    async fn reopen(&mut self) {
        self.ends = self.consumer.position().clone();
        loop {
            sleep(PAUSE).await;
            match Consumer::new(&self.bus, topic::INVENTORY_RESULTS, Start::Beginning).await {
                Ok(consumer) => {
                    self.consumer = consumer;
                    return;
                }
                Err(error) => tracing::warn!(%error, "inventory-results cannot be opened, trying again"),
            }
        }
    }

    fn take(&self, messages: &[Message]) {
        let results: Vec<_> = messages.iter().filter_map(|message| self.read(message)).collect();
        self.desk.hear(results);
    }

    fn read(&self, message: &Message) -> Option<(Stamp, Report)> {
        let fresh = self
            .ends
            .get(&message.partition)
            .is_none_or(|end| message.offset >= *end);
        match InventoryResult::from_bytes(&message.payload) {
            Ok(record) => {
                let at = record.stamp();
                let ResultBody::Result {
                    instance,
                    partition,
                    offset,
                    order_id,
                    outcome,
                    ..
                } = record.body;
                let report = Report {
                    partition,
                    offset,
                    order: order_id,
                    replica: instance,
                    outcome,
                    fresh,
                };
                Some((at, report))
            }
            Err(error) => {
                metrics::counter!("orders_unreadable_results_total").increment(1);
                if fresh {
                    self.send(ErrorBody::BadRecord {
                        topic: topic::INVENTORY_RESULTS.to_owned(),
                        partition: message.partition,
                        offset: message.offset,
                        error: error.to_string(),
                    });
                }
                None
            }
        }
    }

    fn tell(&self) {
        let batches = {
            let mut state = self.desk.state();
            let now_ns = mono_ns();
            state.outcomes.sweep(now_ns);
            state.witness.take(now_ns)
        };
        if let Some(batches) = batches {
            self.send(ErrorBody::Evidence { batches });
        }
    }

    fn send(&self, body: ErrorBody) {
        let record = ErrorRecord::new(self.source.as_str(), body).to_bytes();
        // A loss is counted and logged there; the monitor has its own checks besides.
        let _ = self
            .producer
            .send_forget(topic::ERROR_QUEUE, None, Some(self.source.as_bytes()), record);
    }
}
