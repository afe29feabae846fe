//! Writing records.
//!
//! The producer is idempotent: within one life of it librdkafka's retries neither double nor reorder a
//! record, also across a restart of the broker. When a broker contradicts its sequence numbers librdkafka
//! declares the producer dead for good; then it is replaced. Records that the dead one had not got
//! acknowledged fail with [`BusError::NotAcknowledged`] and are not sent again from here: whether they are
//! in the log is unknown, and only the caller knows whether a second copy does harm.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use crate::link::{Context, Link};
use crate::{BusConfig, BusError, Result};

type Inner = ThreadedProducer<Callbacks>;
/// Partition and offset.
type Delivered = Result<(u16, u64), KafkaError>;
/// Who waits for a record's acknowledgement, if anybody does.
type Waiter = Option<oneshot::Sender<Delivered>>;

/// The broker says that it has the record but not where. A recent repeat gets its first offset, so this is
/// most likely another record: somebody else has this producer's number, as after the loss of a log.
const REPEATED: RDKafkaErrorCode = RDKafkaErrorCode::DuplicateSequenceNumber;

/// Writes records; clones share one connection and one queue.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

struct Shared {
    config: BusConfig,
    delivery_timeout: Duration,
    link: Arc<Link>,
    lost: Arc<Lost>,
    inner: RwLock<Arc<Inner>>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("link", &self.shared.link)
            .finish_non_exhaustive()
    }
}

impl Producer {
    /// A producer that gives up on a record `delivery_timeout` after it was sent (at least 1 ms;
    /// librdkafka looks once a second, so the error comes up to a second later). It connects in the
    /// background; no broker need run yet.
    ///
    /// # Errors
    /// [`BusError::Config`] when librdkafka does not accept the configuration.
    pub fn new(config: &BusConfig, delivery_timeout: Duration) -> Result<Self> {
        let link = Link::new(config, config.client_id.clone());
        let lost = Arc::new(Lost::new());
        let inner = connect(config, delivery_timeout, &link, &lost).map_err(BusError::Config)?;
        Ok(Self {
            shared: Arc::new(Shared {
                config: config.clone(),
                delivery_timeout,
                link,
                lost,
                inner: RwLock::new(Arc::new(inner)),
            }),
        })
    }

    /// Writes one record and returns its partition and offset once all in-sync brokers have it. Without
    /// a partition the key decides, without a key chance does.
    ///
    /// A call that is dropped does not take the record back.
    ///
    /// # Errors
    /// [`BusError::QueueFull`] at once when too many records wait, [`BusError::NotSent`] when the record
    /// could not be queued (neither is in the log), [`BusError::NotAcknowledged`] when the brokers did not
    /// confirm it in time.
    pub async fn send(
        &self,
        topic: &str,
        partition: Option<u16>,
        key: Option<&[u8]>,
        payload: Vec<u8>,
    ) -> Result<(u16, u64)> {
        let (sender, receiver) = oneshot::channel();
        let inner = self.enqueue(topic, partition, key, &payload, Some(sender))?;
        // The waiter lives in the producer, which `inner` keeps alive.
        let delivered = receiver.await.unwrap_or(Err(KafkaError::Canceled));
        delivered.map_err(|error| {
            self.replace_if_dead(&inner, &error);
            BusError::NotAcknowledged(error)
        })
    }

    /// Queues one record and returns. If it does not arrive that is counted
    /// (`bus_delivery_failures_total`) and logged.
    ///
    /// # Errors
    /// [`BusError::QueueFull`] or [`BusError::NotSent`], as [`send`](Self::send); such a record is
    /// counted too.
    pub fn send_forget(&self, topic: &str, partition: Option<u16>, key: Option<&[u8]>, payload: Vec<u8>) -> Result<()> {
        let queued = self.enqueue(topic, partition, key, &payload, None);
        queued
            .map(|_| ())
            .inspect_err(|error| self.shared.lost.one(topic, error))
    }

    /// Waits until the queue is empty, at most `timeout`.
    pub async fn flush(&self, timeout: Duration) {
        let inner = self.shared.current();
        let flushed = tokio::task::spawn_blocking(move || inner.flush(timeout)).await;
        if let Ok(Err(error)) = flushed {
            warn!(%error, "records were still unconfirmed when the time for flushing was over");
        }
    }

    /// Whether a broker is connected, as far as is known: a loss is seen at once, a return within a second.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.link.is_up()
    }

    /// Records that wait to be sent or acknowledged; at most [`MOST_QUEUED`](crate::MOST_QUEUED).
    #[must_use]
    pub fn queued(&self) -> usize {
        usize::try_from(self.shared.current().in_flight_count()).unwrap_or(0)
    }

    fn enqueue(
        &self,
        topic: &str,
        partition: Option<u16>,
        key: Option<&[u8]>,
        payload: &[u8],
        waiter: Waiter,
    ) -> Result<Arc<Inner>> {
        let mut record = BaseRecord::with_opaque_to(topic, Box::new(waiter)).payload(payload);
        record.partition = partition.map(i32::from);
        record.key = key;
        let inner = self.shared.current();
        match inner.send(record) {
            Ok(()) => Ok(inner),
            Err((error, record)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                // Nothing was sent, so the record may go to the successor; once, not for ever.
                self.replace_if_dead(&inner, &error);
                let inner = self.shared.current();
                inner.send(record).map_err(|(error, _)| refused(error))?;
                Ok(inner)
            }
            Err((error, _)) => Err(refused(error)),
        }
    }

    fn replace_if_dead(&self, inner: &Arc<Inner>, error: &KafkaError) {
        if let Some((code, reason)) = inner.client().fatal_error() {
            self.shared.replace(inner, code, &reason);
        } else if error.rdkafka_error_code() == Some(REPEATED) {
            self.shared
                .replace(inner, REPEATED, "the broker takes new records for old ones");
        }
    }
}

fn refused(error: KafkaError) -> BusError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => BusError::QueueFull,
        _ => BusError::NotSent(error),
    }
}

fn connect(config: &BusConfig, timeout: Duration, link: &Arc<Link>, lost: &Arc<Lost>) -> Result<Inner, KafkaError> {
    config.producer(timeout).create_with_context(Callbacks {
        context: Context(Arc::clone(link)),
        lost: Arc::clone(lost),
    })
}

impl Shared {
    fn current(&self) -> Arc<Inner> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new producer in the place of `dead`, unless somebody else just did.
    fn replace(&self, dead: &Arc<Inner>, code: RDKafkaErrorCode, reason: &str) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&inner, dead) {
            return;
        }
        match connect(&self.config, self.delivery_timeout, &self.link, &self.lost) {
            Ok(new) => {
                *inner = Arc::new(new);
                drop(inner);
                metrics::counter!("bus_producer_replaced_total").increment(1);
                warn!(%code, reason, "the Kafka producer failed for good and was replaced");
            }
            // The same configuration was accepted before; the next send tries again.
            Err(error) => warn!(%error, "the dead Kafka producer cannot be replaced yet"),
        }
    }
}

/// Records for which nobody waited and which did not arrive: counted, and told once a second at most.
struct Lost {
    started: Instant,
    count: AtomicU64,
    tell_after_ms: AtomicU64,
}

impl Lost {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            count: AtomicU64::new(0),
            tell_after_ms: AtomicU64::new(0),
        }
    }

    fn one(&self, topic: &str, error: &dyn std::fmt::Display) {
        metrics::counter!("bus_delivery_failures_total", "topic" => topic.to_owned()).increment(1);
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.tell_after_ms.load(Ordering::Relaxed);
        let next = now.saturating_add(1000);
        if now >= due
            && self
                .tell_after_ms
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            warn!(topic, %error, count, "records were not delivered");
        }
    }
}

struct Callbacks {
    context: Context,
    lost: Arc<Lost>,
}

impl ClientContext for Callbacks {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.context.log(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.context.stats_raw(statistics);
    }
}

impl ProducerContext for Callbacks {
    type DeliveryOpaque = Box<Waiter>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiter: Box<Waiter>) {
        let delivered = match result {
            Ok(message) => {
                self.context.0.set_up();
                let place = (u16::try_from(message.partition()), u64::try_from(message.offset()));
                match place {
                    (Ok(partition), Ok(offset)) => Ok((partition, offset)),
                    _ => Err((KafkaError::MessageProduction(REPEATED), message.topic())),
                }
            }
            Err((error, message)) => Err((error.clone(), message.topic())),
        };
        let delivered = delivered.map_err(|(error, topic)| {
            if waiter.is_none() {
                self.lost.one(topic, &error);
            }
            error
        });
        if let Some(waiter) = *waiter
            && waiter.send(delivered).is_err()
        {
            debug!("an acknowledgement came for a caller that had stopped waiting");
        }
    }
}
