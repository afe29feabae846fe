//! The partitions as this process knows them: where each ends, its newest batches, and the way to the rest.
//!
//! The storage's worker ends for good when the task that waits for its answer goes away, so no call to the
//! storage may be raced against anything: no timeout, no `select!` around it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tansu_sans_io::ErrorCode;
use tansu_sans_io::record::deflated::Batch;
use tansu_storage::{Result, Storage, StorageContainer, TopicId, Topition};
use tokio::sync::watch;

use crate::producers::Producers;
use crate::reader::{self, Reader};
use crate::tail::Tail;

/// Bytes read from the storage at a time: a consumer that catches up comes back for more, and others get
/// their turn in between.
const OLD: usize = 256 * 1024;

/// One partition.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) id: i64,
    pub(crate) topition: Topition,
    end: watch::Sender<i64>,
    tail: Mutex<Tail>,
}

impl Partition {
    /// The offset that the next record will get.
    pub(crate) fn end(&self) -> i64 {
        *self.end.borrow()
    }

    /// Follows the end.
    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        self.end.subscribe()
    }

    /// Shows a committed batch to the readers.
    pub(crate) fn appended(&self, batch: Batch) {
        let end = batch.max_offset() + 1;
        lock(&self.tail).push(batch);
        self.end.send_if_modified(|old| {
            let grew = end > *old;
            *old = end.max(*old);
            grew
        });
    }
}

/// All partitions.
pub(crate) struct Log {
    pub(crate) storage: StorageContainer,
    pub(crate) reader: Reader,
    pub(crate) producers: Producers,
    partitions: Mutex<HashMap<Topition, Arc<Partition>>>,
    names: Mutex<HashMap<[u8; 16], String>>,
}

impl Log {
    pub(crate) async fn open(storage: StorageContainer, file: &Path, cluster: &'static str) -> Result<Self> {
        Ok(Self {
            storage,
            reader: Reader::open(file, cluster).await?,
            producers: Producers::open(file, cluster).await?,
            partitions: Mutex::default(),
            names: Mutex::default(),
        })
    }

    /// The partition, or why there is none. The storage panics when it is asked about one that does not
    /// exist, so every request comes through here first.
    pub(crate) async fn partition(&self, topic: &str, index: i32) -> Result<Result<Arc<Partition>, ErrorCode>> {
        let topition = Topition::new(topic, index);
        if let Some(partition) = lock(&self.partitions).get(&topition) {
            return Ok(Ok(Arc::clone(partition)));
        }
        let Some(id) = self.reader.partition(topic, index).await? else {
            return Ok(Err(ErrorCode::UnknownTopicOrPartition));
        };
        let end = self.storage.offset_stage(&topition).await?.high_watermark();
        let partition = Arc::new(Partition {
            id,
            topition: topition.clone(),
            end: watch::Sender::new(end),
            tail: Mutex::default(),
        });
        // Nothing is produced to a partition before it is in this map, so `end` is still right.
        Ok(Ok(Arc::clone(
            lock(&self.partitions).entry(topition).or_insert(partition),
        )))
    }

    /// The name of the topic with this id.
    pub(crate) async fn topic_name(&self, id: [u8; 16]) -> Result<Option<String>> {
        if let Some(name) = lock(&self.names).get(&id) {
            return Ok(Some(name.clone()));
        }
        let metadata = self.storage.metadata(Some(&[TopicId::from(id)])).await?;
        let name = metadata.topics().first().and_then(|topic| topic.name.clone());
        if let Some(name) = &name {
            lock(&self.names).insert(id, name.clone());
        }
        Ok(name)
    }

    /// The oldest offset of a partition; its end when nothing is left.
    pub(crate) async fn start(&self, partition: &Partition) -> Result<i64> {
        let end = partition.end();
        Ok(self.reader.first(partition.id).await?.unwrap_or(end))
    }

    /// Batches from the one that holds `offset` on, or from the next one where that was deleted; about
    /// `budget` bytes, empty at the end.
    pub(crate) async fn read(&self, partition: &Partition, offset: i64, budget: usize) -> Result<Vec<Batch>> {
        if let Some(batches) = lock(&partition.tail).read(offset, budget) {
            return Ok(batches);
        }
        let rows = self
            .reader
            .rows(partition.id, offset, partition.end(), budget.min(OLD))
            .await?;
        Ok(reader::batch(rows)?.into_iter().collect())
    }
}

/// The data is whole after every statement, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
