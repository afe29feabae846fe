//! Reads records straight from the storage's tables, on a connection of its own.
//!
//! The storage has one worker for everything, and reads by adding up the sizes of all records up to the
//! end of the log. A consumer that catches up would hold up every producer, longer the further it is
//! behind. Here a read costs what it returns, and readers do not wait for the writer.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use libsql::{Builder, Connection, params};
use tansu_sans_io::record::deflated::Batch;
use tansu_sans_io::record::{Header, Record, inflated};
use tansu_storage::{Error, Result};

/// Records that one read returns at most.
const ROWS: i64 = 4096;

/// One record.
pub(crate) struct Row {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    headers: Vec<(Option<Bytes>, Option<Bytes>)>,
}

/// The reading connection.
pub(crate) struct Reader {
    connection: Connection,
    cluster: &'static str,
}

impl Reader {
    pub(crate) async fn open(file: &Path, cluster: &'static str) -> Result<Self> {
        let connection = Builder::new_local(file).build().await?.connect()?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(Self { connection, cluster })
    }

    /// The storage's own number of a partition.
    pub(crate) async fn partition(&self, topic: &str, partition: i32) -> Result<Option<i64>> {
        let sql = "select tp.id from topition tp join topic t on t.id = tp.topic join cluster c on c.id = t.cluster \
                   where c.name = ?1 and t.name = ?2 and tp.partition = ?3";
        let mut rows = self
            .connection
            .query(sql, params![self.cluster, topic, partition])
            .await?;
        Ok(rows.next().await?.map(|row| row.get(0)).transpose()?)
    }

    /// The oldest offset that is still there.
    pub(crate) async fn first(&self, partition: i64) -> Result<Option<i64>> {
        let sql = "select min(offset_id) from record where topition = ?1";
        let mut rows = self.connection.query(sql, params![partition]).await?;
        Ok(rows
            .next()
            .await?
            .map(|row| row.get::<Option<i64>>(0))
            .transpose()?
            .flatten())
    }

    /// Records with `from <= offset < to`, up to `budget` bytes but at least one where there is one.
    pub(crate) async fn rows(&self, partition: i64, from: i64, to: i64, budget: usize) -> Result<Vec<Row>> {
        let sql = "select offset_id, timestamp, k, v from record \
                   where topition = ?1 and offset_id >= ?2 and offset_id < ?3 order by offset_id limit ?4";
        let mut rows = self.connection.query(sql, params![partition, from, to, ROWS]).await?;
        let mut found: Vec<Row> = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next().await? {
            let key = row.get::<Option<Vec<u8>>>(2)?.map(Bytes::from);
            let value = row.get::<Option<Vec<u8>>>(3)?.map(Bytes::from);
            bytes += key.as_ref().map_or(0, Bytes::len) + value.as_ref().map_or(0, Bytes::len);
            if bytes > budget && !found.is_empty() {
                break;
            }
            found.push(Row {
                offset: row.get(0)?,
                timestamp: row.get(1)?,
                key,
                value,
                headers: Vec::new(),
            });
        }
        self.add_headers(partition, &mut found).await?;
        Ok(found)
    }

    async fn add_headers(&self, partition: i64, found: &mut [Row]) -> Result<()> {
        let (Some(first), Some(last)) = (found.first(), found.last()) else {
            return Ok(());
        };
        let sql =
            "select offset_id, k, v from header where topition = ?1 and offset_id between ?2 and ?3 order by rowid";
        let mut rows = self
            .connection
            .query(sql, params![partition, first.offset, last.offset])
            .await?;
        while let Some(row) = rows.next().await? {
            let offset: i64 = row.get(0)?;
            if let Ok(at) = found.binary_search_by_key(&offset, |row| row.offset) {
                let key = row.get::<Option<Vec<u8>>>(1)?.map(Bytes::from);
                let value = row.get::<Option<Vec<u8>>>(2)?.map(Bytes::from);
                found[at].headers.push((key, value));
            }
        }
        Ok(())
    }
}

/// The rows as one batch; `None` without rows.
pub(crate) fn batch(rows: Vec<Row>) -> Result<Option<Batch>> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(None);
    };
    let (base_offset, base_timestamp) = (first.offset, first.timestamp);
    let last_offset_delta = i32::try_from(last.offset - base_offset)?;
    let max_timestamp = rows.iter().map(|row| row.timestamp).max().unwrap_or(base_timestamp);
    let mut batch = inflated::Batch::builder()
        .base_offset(base_offset)
        .base_timestamp(base_timestamp)
        .max_timestamp(max_timestamp)
        .last_offset_delta(last_offset_delta);
    for row in rows {
        let mut record = Record::builder()
            .offset_delta(i32::try_from(row.offset - base_offset)?)
            .timestamp_delta(row.timestamp - base_timestamp)
            .key(row.key)
            .value(row.value);
        for (key, value) in row.headers {
            let mut header = Header::builder();
            if let Some(key) = key {
                header = header.key(key);
            }
            if let Some(value) = value {
                header = header.value(value);
            }
            record = record.header(header);
        }
        batch = batch.record(record);
    }
    let batch = batch.build().and_then(Batch::try_from).map_err(Error::from)?;
    Ok(Some(batch))
}
