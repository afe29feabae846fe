//! Offsets and producer ids: `tansu`'s services with two corrections.

use std::sync::Arc;

use rama::{Context, Service};
use tansu_sans_io::{
    ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse,
};
use tansu_storage::{Error, InitProducerIdService, ListOffsetsService, Result};

use crate::log::Log;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// Where partitions begin and end. The storage derives both from the records that are left, and says 0 when
/// none is.
pub(crate) struct ListOffsets(pub(crate) Arc<Log>);

impl Service<(), ListOffsetsRequest> for ListOffsets {
    type Response = ListOffsetsResponse;
    type Error = Error;

    async fn serve(&self, _: Context<()>, request: ListOffsetsRequest) -> Result<ListOffsetsResponse> {
        let asked = request.topics.clone().unwrap_or_default();
        let storage = Context::with_state(self.0.storage.clone());
        let mut response = ListOffsetsService.serve(storage, request).await?;
        for topic in response.topics.iter_mut().flatten() {
            let asked = asked.iter().filter(|asked| asked.name == topic.name);
            let asked: Vec<_> = asked.flat_map(|asked| asked.partitions.iter().flatten()).collect();
            for answer in topic.partitions.iter_mut().flatten() {
                let partition = match self.0.partition(&topic.name, answer.partition_index).await? {
                    Ok(partition) => partition,
                    Err(error) => {
                        answer.error_code = error.into();
                        answer.offset = Some(-1);
                        continue;
                    }
                };
                let asked = asked
                    .iter()
                    .find(|asked| asked.partition_index == answer.partition_index);
                match asked.map(|asked| asked.timestamp) {
                    Some(LATEST) => answer.offset = Some(partition.end()),
                    Some(EARLIEST) => answer.offset = Some(self.0.start(&partition).await?),
                    _ => {}
                }
            }
        }
        Ok(response)
    }
}

/// A fresh id for every producer that asks, also for one that has one: the storage panics at those.
pub(crate) struct InitProducerId(pub(crate) Arc<Log>);

impl Service<(), InitProducerIdRequest> for InitProducerId {
    type Response = InitProducerIdResponse;
    type Error = Error;

    async fn serve(&self, _: Context<()>, request: InitProducerIdRequest) -> Result<InitProducerIdResponse> {
        if request.transactional_id.is_some() {
            let refused = ErrorCode::TransactionalIdAuthorizationFailed.into();
            return Ok(InitProducerIdResponse::default()
                .error_code(refused)
                .producer_id(-1)
                .producer_epoch(-1));
        }
        let request = request.producer_id(Some(-1)).producer_epoch(Some(-1));
        InitProducerIdService
            .serve(Context::with_state(self.0.storage.clone()), request)
            .await
    }
}
