//! Fetch: waits for records, then answers at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use rama::{Context, Service};
use tansu_sans_io::fetch_request::FetchTopic;
use tansu_sans_io::fetch_response::{FetchableTopicResponse, PartitionData};
use tansu_sans_io::record::deflated::Frame;
use tansu_sans_io::{ErrorCode, FetchRequest, FetchResponse};
use tansu_storage::{Error, Result};
use tokio::time::{Instant, timeout_at};

use crate::log::{Log, Partition};

/// Bytes of one answer, whatever the client would take: it comes again for more.
const ANSWER: usize = 1024 * 1024;
/// The longest wait, whatever the client would like.
const PATIENCE: Duration = Duration::from_secs(30);

/// The fetch service.
pub(crate) struct Fetch(pub(crate) Arc<Log>);

/// A partition that was asked for.
struct Asked {
    index: i32,
    offset: i64,
    budget: usize,
    partition: Result<Arc<Partition>, ErrorCode>,
}

impl Asked {
    /// Whether there is something to answer: records or an error.
    fn is_ready(&self) -> bool {
        match &self.partition {
            Ok(partition) => self.offset != partition.end(),
            Err(_) => true,
        }
    }
}

impl Service<(), FetchRequest> for Fetch {
    type Response = FetchResponse;
    type Error = Error;

    async fn serve(&self, _: Context<()>, request: FetchRequest) -> Result<FetchResponse> {
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(PATIENCE);
        let deadline = Instant::now() + wait;
        let mut asked = Vec::new();
        for topic in request.topics.unwrap_or_default() {
            let partitions = self.resolve(&topic).await?;
            asked.push((topic, partitions));
        }
        wait_for_any(asked.iter().flat_map(|(_, partitions)| partitions), deadline).await;

        let mut left = request
            .max_bytes
            .and_then(|max| usize::try_from(max).ok())
            .map_or(ANSWER, |max| max.min(ANSWER));
        let mut responses = Vec::new();
        for (topic, asked) in asked {
            let mut partitions = Vec::new();
            for one in asked {
                partitions.push(self.answer(one, &mut left).await?);
            }
            responses.push(
                FetchableTopicResponse::default()
                    .topic(topic.topic)
                    .topic_id(topic.topic_id)
                    .partitions(Some(partitions)),
            );
        }
        Ok(FetchResponse::default()
            .throttle_time_ms(Some(0))
            .error_code(Some(ErrorCode::None.into()))
            .session_id(Some(0))
            .node_endpoints(Some(Vec::new()))
            .responses(Some(responses)))
    }
}

/// Returns when one of the partitions has something to answer, or at the deadline.
async fn wait_for_any<'a>(asked: impl Iterator<Item = &'a Asked>, deadline: Instant) {
    let mut waits = Vec::new();
    for one in asked {
        // Subscribed first: an end that moves after the look at it ends the wait.
        let watch = one.partition.as_ref().ok().map(|partition| partition.watch());
        if one.is_ready() {
            return;
        }
        waits.extend(watch.map(|mut watch| {
            let offset = one.offset;
            Box::pin(async move { watch.wait_for(|end| *end != offset).await.map(|_| ()) })
        }));
    }
    if !waits.is_empty() {
        let _ = timeout_at(deadline, select_all(waits)).await;
    }
}

impl Fetch {
    async fn resolve(&self, topic: &FetchTopic) -> Result<Vec<Asked>> {
        // From version 13 on clients send the topic's id in place of its name.
        let (name, missing) = match (&topic.topic, topic.topic_id) {
            (Some(name), _) => (Some(name.clone()), ErrorCode::UnknownTopicOrPartition),
            (None, Some(id)) => (self.0.topic_name(id).await?, ErrorCode::UnknownTopicId),
            (None, None) => (None, ErrorCode::InvalidRequest),
        };
        let mut asked = Vec::new();
        for partition in topic.partitions.iter().flatten() {
            asked.push(Asked {
                index: partition.partition,
                offset: partition.fetch_offset,
                budget: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
                partition: match &name {
                    Some(name) => self.0.partition(name, partition.partition).await?,
                    None => Err(missing),
                },
            });
        }
        Ok(asked)
    }

    async fn answer(&self, asked: Asked, left: &mut usize) -> Result<PartitionData> {
        let partition = match asked.partition {
            Ok(partition) => partition,
            Err(error) => return Ok(data(asked.index, error, -1, -1)),
        };
        let end = partition.end();
        if asked.offset == end || *left == 0 {
            return Ok(data(asked.index, ErrorCode::None, 0, end));
        }
        if asked.offset < 0 || asked.offset > end {
            return Ok(data(asked.index, ErrorCode::OffsetOutOfRange, 0, end));
        }
        let batches = self.0.read(&partition, asked.offset, asked.budget.min(*left)).await?;
        if batches.is_empty() {
            // All that was left from there on has been deleted.
            return Ok(data(asked.index, ErrorCode::OffsetOutOfRange, end, end));
        }
        let bytes: usize = batches.iter().map(|batch| batch.record_data.len()).sum();
        *left = left.saturating_sub(bytes);
        Ok(data(asked.index, ErrorCode::None, 0, end).records(Some(Frame { batches })))
    }
}

fn data(index: i32, error: ErrorCode, start: i64, end: i64) -> PartitionData {
    PartitionData::default()
        .partition_index(index)
        .error_code(error.into())
        .high_watermark(end)
        .last_stable_offset(Some(end))
        .log_start_offset(Some(start))
        .aborted_transactions(Some(Vec::new()))
        .preferred_read_replica(Some(-1))
}
