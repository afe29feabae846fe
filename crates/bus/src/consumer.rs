//! Reading records from a position of one's own.
//!
//! No group is joined and nothing is committed: whoever reads stores the position beside what it made of
//! the records, and starts from there. So two replicas read the same records, and a restart can neither
//! skip one nor apply one twice.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;
use tracing::debug;

use crate::link::{Context, Link};
use crate::topics::bounds;
use crate::{BusConfig, BusError, Result};

/// A log whose reader gets nothing for this long, although its end is not reached, is stalled.
const STALL: Duration = Duration::from_secs(15);
/// Records that [`read_all`] takes at a time.
const CHUNK: usize = 4096;

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its partition.
    pub partition: u16,
    /// Its offset, counted from 0 in its partition.
    pub offset: u64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its bytes; empty for a tombstone.
    pub payload: Vec<u8>,
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record.
    Beginning,
    /// With the first record that is written after [`Consumer::new`] was called.
    End,
    /// With these offsets, per partition; partitions that are not named begin with offset 0.
    At(BTreeMap<u16, u64>),
    /// With so many records before the end of each partition, or with its oldest record if there are fewer.
    Newest(u64),
}

/// Reads all partitions of one topic.
pub struct Consumer {
    topic: String,
    link: Arc<Link>,
    inner: Arc<StreamConsumer<Context>>,
    next: BTreeMap<u16, u64>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("topic", &self.topic)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// Opens `topic` at `start`. Waits for a starting broker, up to 30 s.
    ///
    /// # Errors
    /// When no broker answers in time, the topic does not exist, or [`Start::At`] names an offset beyond
    /// the end of the log ([`BusError::NoSuchPosition`]) or before its beginning ([`BusError::Deleted`]).
    pub async fn new(config: &BusConfig, topic: &str, start: Start) -> Result<Self> {
        let begin = |partition: u16, low: u64, end: u64| match &start {
            Start::Beginning => low,
            Start::End => end,
            Start::At(positions) => positions.get(&partition).copied().unwrap_or(0),
            Start::Newest(count) => end.saturating_sub(*count).max(low),
        };
        let begin = |partition, low, end| Some(begin(partition, low, end));
        Ok(Self::open(config, topic, begin).await?.0)
    }

    /// The consumer, and the offset after each partition's last record when it was opened. `begin` says where
    /// to start in a partition with this first offset and this end; none: it is not read.
    async fn open(
        config: &BusConfig,
        topic: &str,
        begin: impl Fn(u16, u64, u64) -> Option<u64>,
    ) -> Result<(Self, BTreeMap<u16, u64>)> {
        let link = Link::new(config, format!("{} {topic}", config.client_id));
        let inner = config.consumer().create_with_context(Context(Arc::clone(&link)));
        let inner: Arc<StreamConsumer<Context>> = Arc::new(inner.map_err(BusError::Config)?);
        let bounds = bounds(config, &inner, topic).await?;
        link.set_up();

        let mut next = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for (&partition, &(low, end)) in &bounds {
            let Some(position) = begin(partition, low, end) else {
                continue;
            };
            if position < low {
                return Err(BusError::Deleted {
                    topic: topic.to_owned(),
                    partition,
                    position,
                    beginning: low,
                });
            }
            if position > end {
                return Err(BusError::NoSuchPosition {
                    topic: topic.to_owned(),
                    partition,
                    position,
                    end,
                });
            }
            next.insert(partition, position);
            let offset = Offset::Offset(i64::try_from(position).unwrap_or(i64::MAX));
            assignment
                .add_partition_offset(topic, i32::from(partition), offset)
                .map_err(BusError::Config)?;
        }
        inner.assign(&assignment).map_err(BusError::Config)?;
        let consumer = Self {
            topic: topic.to_owned(),
            link,
            inner,
            next,
        };
        Ok((
            consumer,
            bounds
                .into_iter()
                .map(|(partition, (_, end))| (partition, end))
                .collect(),
        ))
    }

    /// Waits for a record and returns it with those that are there at once after it, `max` in all (at
    /// least one). Records of a partition come in order, each once. A lost broker is waited for.
    ///
    /// May be cancelled: no record is lost by it.
    ///
    /// # Errors
    /// [`BusError::Unreadable`] when waiting does not help: the log no longer has this position, or this
    /// client may not read it.
    pub async fn recv_batch(&mut self, max: usize) -> Result<Vec<Message>> {
        let mut batch = Vec::new();
        let mut stream = self.inner.stream();
        while batch.len() < max.max(1) {
            // Only an empty batch waits, so whoever drops this future drops no record.
            let item = if batch.is_empty() {
                stream.next().await
            } else {
                stream.next().now_or_never().flatten()
            };
            match item {
                Some(Ok(message)) => batch.extend(accept(&mut self.next, &message)),
                Some(Err(cause)) if is_final(&cause) => {
                    let topic = self.topic.clone();
                    return Err(BusError::Unreadable { topic, cause });
                }
                // librdkafka retries and has told the link; the next item comes when it succeeds.
                Some(Err(error)) => debug!(topic = self.topic, %error, "reading is interrupted"),
                None => break,
            }
        }
        Ok(batch)
    }

    /// The offset of the next record of each partition.
    #[must_use]
    pub fn position(&self) -> &BTreeMap<u16, u64> {
        &self.next
    }

    /// Whether a broker is connected, as far as is known: a loss is seen at once, a return within a second
    /// (while [`recv_batch`](Self::recv_batch) is being awaited).
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.is_up()
    }
}

/// The message, unless it is before the position: brokers answer with whole batches of records.
fn accept(next: &mut BTreeMap<u16, u64>, message: &BorrowedMessage<'_>) -> Option<Message> {
    let partition = u16::try_from(message.partition()).ok()?;
    let offset = u64::try_from(message.offset()).ok()?;
    let next = next.get_mut(&partition)?;
    if offset < *next {
        return None;
    }
    *next = offset + 1;
    Some(Message {
        partition,
        offset,
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().unwrap_or_default().to_vec(),
    })
}

fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::Fatal
        )
    )
}

/// All records of `topic`, from its beginning to its end as it is now, in order of partition and offset.
///
/// # Errors
/// As [`Consumer::new`], and [`BusError::Stalled`] when the broker delivers nothing for 15 s.
pub async fn read_all(config: &BusConfig, topic: &str) -> Result<Vec<Message>> {
    let (mut consumer, ends) = Consumer::open(config, topic, |_, low, _| Some(low)).await?;
    let mut records = Vec::new();
    // Progress is what comes closer to the ends: other partitions may grow for ever.
    let missing = |next: &BTreeMap<u16, u64>| -> u64 {
        let left = |(partition, end): (&u16, &u64)| end.saturating_sub(next.get(partition).copied().unwrap_or(*end));
        ends.iter().map(left).sum()
    };
    let (mut left, mut until) = (missing(&consumer.next), Instant::now() + STALL);
    while left > 0 {
        let batch = tokio::time::timeout_at(until, consumer.recv_batch(CHUNK)).await;
        let batch = batch.map_err(|_| stalled(topic, records.len(), ends.values().sum()))??;
        let wanted = |record: &Message| ends.get(&record.partition).is_some_and(|end| record.offset < *end);
        records.extend(batch.into_iter().filter(wanted));
        let now_left = missing(&consumer.next);
        if now_left < left {
            (left, until) = (now_left, Instant::now() + STALL);
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// The record at one offset in each of these partitions of `topic`.
///
/// # Errors
/// As [`Consumer::new`] with [`Start::At`], and [`BusError::Stalled`] when the broker delivers nothing for 15 s.
pub async fn records_at(
    config: &BusConfig,
    topic: &str,
    offsets: &BTreeMap<u16, u64>,
) -> Result<BTreeMap<u16, Message>> {
    let mut found = BTreeMap::new();
    if offsets.is_empty() {
        return Ok(found);
    }
    let begin = |partition: u16, _, _| offsets.get(&partition).copied();
    let (mut consumer, ends) = Consumer::open(config, topic, begin).await?;
    for (&partition, &position) in offsets {
        let end = ends.get(&partition).copied().unwrap_or(0);
        if position >= end {
            let topic = topic.to_owned();
            return Err(BusError::NoSuchPosition {
                topic,
                partition,
                position,
                end,
            });
        }
    }
    let mut until = Instant::now() + STALL;
    while found.len() < offsets.len() {
        let batch = tokio::time::timeout_at(until, consumer.recv_batch(CHUNK)).await;
        for message in batch.map_err(|_| stalled(topic, found.len(), offsets.len() as u64))?? {
            if let Entry::Vacant(place) = found.entry(message.partition) {
                place.insert(message);
                until = Instant::now() + STALL;
            }
        }
    }
    Ok(found)
}

fn stalled(topic: &str, got: usize, wanted: u64) -> BusError {
    BusError::Stalled {
        topic: topic.to_owned(),
        got,
        wanted,
    }
}
