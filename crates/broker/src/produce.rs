//! Produce: commits, shows the batch to the readers, and only then acknowledges.
//!
//! A producer that lost the acknowledgement (the broker was killed between the commit and the answer) sends
//! the batch again with the same sequence number. The storage recognises it but no longer knows its offset,
//! and clients need it. The batch is still in the log, near the end, so it is looked for there.

use std::sync::Arc;

use rama::{Context, Service};
use tansu_sans_io::produce_request::{PartitionProduceData, TopicProduceData};
use tansu_sans_io::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use tansu_sans_io::record::deflated::Batch;
use tansu_sans_io::record::inflated;
use tansu_sans_io::{ErrorCode, ProduceRequest, ProduceResponse};
use tansu_storage::{Error, Result, Storage as _};
use tracing::{debug, error, warn};

use crate::log::{Log, Partition};
use crate::reader::Row;

/// How far from the end a repeated batch is looked for: more than all producers can have in flight.
const LOOK_BACK: i64 = 50_000;

/// The produce service.
pub(crate) struct Produce(pub(crate) Arc<Log>);

impl Service<(), ProduceRequest> for Produce {
    type Response = ProduceResponse;
    type Error = Error;

    async fn serve(&self, _: Context<()>, request: ProduceRequest) -> Result<ProduceResponse> {
        let transactional = request.transactional_id.is_some();
        let mut responses = Vec::new();
        for TopicProduceData {
            name, partition_data, ..
        } in request.topic_data.unwrap_or_default()
        {
            let mut partitions = Vec::new();
            for PartitionProduceData { index, records, .. } in partition_data.unwrap_or_default() {
                let batches = records.map(|frame| frame.batches).unwrap_or_default();
                let result = if transactional {
                    Err(ErrorCode::TransactionalIdAuthorizationFailed)
                } else {
                    self.append(&name, index, batches).await
                };
                partitions.push(answer(index, result));
            }
            responses.push(
                TopicProduceResponse::default()
                    .name(name)
                    .partition_responses(Some(partitions)),
            );
        }
        Ok(ProduceResponse::default()
            .responses(Some(responses))
            .throttle_time_ms(Some(0)))
    }
}

fn answer(index: i32, result: Result<i64, ErrorCode>) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .index(index)
        .error_code(result.err().unwrap_or(ErrorCode::None).into())
        .base_offset(result.unwrap_or(-1))
        .log_append_time_ms(Some(-1))
        .log_start_offset(Some(0))
        .record_errors(Some(Vec::new()))
}

impl Produce {
    /// Offset of the first record.
    async fn append(&self, topic: &str, index: i32, batches: Vec<Batch>) -> Result<i64, ErrorCode> {
        let partition = self
            .0
            .partition(topic, index)
            .await
            .map_err(|error| unknown(&error))??;
        let mut first = None;
        for batch in batches {
            self.0.producers.admit(&batch).await.map_err(|error| unknown(&error))?;
            let offset = match self.0.storage.produce(None, &partition.topition, batch.clone()).await {
                Ok(base_offset) => {
                    partition.appended(Batch { base_offset, ..batch });
                    base_offset
                }
                Err(Error::Api(ErrorCode::DuplicateSequenceNumber)) => {
                    let found = self.find(&partition, &batch).await.map_err(|error| unknown(&error))?;
                    debug!(topic, index, found, "a batch was sent again");
                    found.ok_or(ErrorCode::DuplicateSequenceNumber)?
                }
                Err(Error::Api(code)) => {
                    warn!(topic, index, ?code, producer = batch.producer_id, "a batch was refused");
                    return Err(code);
                }
                Err(error) => return Err(unknown(&error)),
            };
            first.get_or_insert(offset);
        }
        first.ok_or(ErrorCode::InvalidRecord)
    }

    /// Where a batch is in the log, the newest copy.
    async fn find(&self, partition: &Partition, batch: &Batch) -> Result<Option<i64>> {
        let wanted = inflated::Batch::try_from(batch.clone())?.records;
        let end = partition.end();
        let mut from = (end - LOOK_BACK).max(0);
        let mut rows: Vec<Row> = Vec::new();
        while from < end {
            let read = self.0.reader.rows(partition.id, from, end, usize::MAX).await?;
            let Some(last) = read.last() else { break };
            from = last.offset + 1;
            rows.extend(read);
        }
        let is_it = |rows: &[Row]| {
            let mut pairs = rows.iter().zip(&wanted);
            pairs.all(|(row, record)| row.key == record.key && row.value == record.value)
        };
        Ok(rows
            .windows(wanted.len().max(1))
            .rev()
            .find(|rows| is_it(rows))
            .map(|rows| rows[0].offset))
    }
}

fn unknown(error: &Error) -> ErrorCode {
    error!(%error, "the storage failed");
    ErrorCode::UnknownServerError
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tansu_sans_io::record::Record;
    use tansu_sans_io::record::deflated::Frame;
    use tansu_sans_io::{InitProducerIdRequest, create_topics_request::CreatableTopic};

    use super::*;
    use crate::offsets::InitProducerId;
    use crate::server;

    fn batch(producer_id: i64, base_sequence: i32, values: &[&'static str]) -> Batch {
        let mut batch = inflated::Batch::builder()
            .producer_id(producer_id)
            .base_sequence(base_sequence)
            .last_offset_delta(i32::try_from(values.len()).expect("few") - 1);
        for (delta, value) in (0..).zip(values) {
            let record = Record::builder()
                .offset_delta(delta)
                .value(Some(Bytes::from_static(value.as_bytes())));
            batch = batch.record(record);
        }
        batch.build().and_then(Batch::try_from).expect("a batch")
    }

    async fn produce(log: &Arc<Log>, partition: i32, batch: Batch) -> (i16, i64) {
        let data = PartitionProduceData::default()
            .index(partition)
            .records(Some(Frame { batches: vec![batch] }));
        let topic = TopicProduceData::default()
            .name("t".to_owned())
            .partition_data(Some(vec![data]));
        let request = ProduceRequest::default().topic_data(Some(vec![topic]));
        let response = Produce(Arc::clone(log))
            .serve(Context::default(), request)
            .await
            .expect("an answer");
        let topics = response.responses.expect("topics");
        let partition = &topics[0].partition_responses.as_ref().expect("partitions")[0];
        (partition.error_code, partition.base_offset)
    }

    #[tokio::test]
    async fn a_repeated_batch_gets_its_first_offset_also_after_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let address = ([127, 0, 0, 1], 9).into();
        let (name, lock) = crate::prepare(&directory.path().join("broker.db")).expect("writable");
        let log = server::open(address, &name).await.expect("opens");
        let topic = CreatableTopic::default()
            .name("t".to_owned())
            .num_partitions(1)
            .replication_factor(1);
        log.storage.create_topic(topic, false).await.expect("created");
        let ids = InitProducerId(Arc::clone(&log));
        let producer = ids
            .serve(Context::default(), InitProducerIdRequest::default())
            .await
            .expect("an id")
            .producer_id;
        // One that has an id gets another.
        let again = InitProducerIdRequest::default()
            .producer_id(Some(producer))
            .producer_epoch(Some(0));
        let again = ids.serve(Context::default(), again).await.expect("an id");
        assert!(again.error_code == 0 && again.producer_id != producer);

        assert_eq!(produce(&log, 0, batch(producer, 0, &["a", "b"])).await, (0, 0));
        assert_eq!(produce(&log, 0, batch(producer, 2, &["a"])).await, (0, 2));
        assert_eq!(produce(&log, 0, batch(producer, 3, &["c", "d"])).await, (0, 3));
        assert_eq!(produce(&log, 0, batch(producer, 0, &["a", "b"])).await, (0, 0));
        assert_eq!(produce(&log, 0, batch(producer, 3, &["c", "d"])).await, (0, 3));

        drop((ids, log));
        let log = server::open(address, &name).await.expect("opens again");
        assert_eq!(produce(&log, 0, batch(producer, 0, &["a", "b"])).await, (0, 0));
        assert_eq!(produce(&log, 0, batch(producer, 3, &["c", "d"])).await, (0, 3));
        assert_eq!(produce(&log, 0, batch(producer, 5, &["e"])).await, (0, 5));
        // A producer under its next epoch, and one that this broker did not name.
        let bumped = |base_sequence, values: &[&'static str]| {
            let batch = inflated::Batch::try_from(batch(producer, base_sequence, values))
                .expect("whole")
                .into_builder();
            batch
                .producer_epoch(1)
                .build()
                .and_then(Batch::try_from)
                .expect("a batch")
        };
        assert_eq!(produce(&log, 0, bumped(0, &["f"])).await, (0, 6));
        assert_eq!(produce(&log, 0, bumped(1, &["g"])).await, (0, 7));
        assert_eq!(produce(&log, 0, bumped(1, &["g"])).await, (0, 7));
        assert_eq!(produce(&log, 0, batch(998, 0, &["h"])).await, (0, 8));
        let fenced = produce(&log, 0, batch(producer, 6, &["x"])).await;
        assert_eq!(fenced, (ErrorCode::ProducerFenced.into(), -1));
        // A gap, an old number with other content, a stranger in mid-sequence, an unknown partition: nothing is added.
        let code = |code: ErrorCode| (i16::from(code), -1);
        let gap = produce(&log, 0, bumped(9, &["x"])).await;
        assert_eq!(gap, code(ErrorCode::OutOfOrderSequenceNumber));
        let other = produce(&log, 0, bumped(0, &["x"])).await;
        assert_eq!(other, code(ErrorCode::DuplicateSequenceNumber));
        let stranger = produce(&log, 0, batch(999, 1, &["x"])).await;
        assert_eq!(stranger, code(ErrorCode::OutOfOrderSequenceNumber));
        let nowhere = produce(&log, 7, batch(producer, 0, &["x"])).await;
        assert_eq!(nowhere, code(ErrorCode::UnknownTopicOrPartition));
        let partition = log.partition("t", 0).await.expect("storage").expect("there");
        assert_eq!(partition.end(), 9);
        drop(lock);
    }
}
