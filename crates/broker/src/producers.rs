//! Which producers the storage knows.
//!
//! An idempotent producer that gave up on records (the broker was away for longer than its delivery
//! timeout) continues under the next epoch of its id, without asking. Apache Kafka takes a batch from an id
//! or an epoch it has never seen, if it is the first in its sequence. The storage panics at it. So both are
//! entered into its tables first; it then starts them at sequence 0.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use libsql::{Builder, Connection, Error as SqlError, params};
use tansu_sans_io::record::deflated::Batch;
use tansu_storage::Result;
use tokio::time::sleep;
use tracing::debug;

use crate::log::lock;

/// Producers remembered as entered; beyond that they are looked up anew.
const REMEMBERED: usize = 10_000;
/// SQLite's code for a database that somebody else is writing to.
const BUSY: i32 = 5;

/// Producers that are known to be in the tables.
pub(crate) struct Producers {
    connection: Connection,
    cluster: &'static str,
    known: Mutex<HashSet<(i64, i16)>>,
}

impl Producers {
    pub(crate) async fn open(file: &Path, cluster: &'static str) -> Result<Self> {
        // No busy timeout: it would block the thread on which the other writer has to finish.
        let connection = Builder::new_local(file).build().await?.connect()?;
        Ok(Self {
            connection,
            cluster,
            known: Mutex::default(),
        })
    }

    /// Makes sure that the storage knows the producer of `batch`.
    pub(crate) async fn admit(&self, batch: &Batch) -> Result<()> {
        let producer = (batch.producer_id, batch.producer_epoch);
        if !batch.is_idempotent() || lock(&self.known).contains(&producer) {
            return Ok(());
        }
        while !self.enter(producer.0, producer.1).await? {
            sleep(Duration::from_millis(1)).await;
        }
        let mut known = lock(&self.known);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(producer);
        Ok(())
    }

    /// Enters what is missing; false when somebody else is writing.
    async fn enter(&self, id: i64, epoch: i16) -> Result<bool> {
        let producer = "insert or ignore into producer (id, cluster) select ?1, id from cluster where name = ?2";
        let with_epoch = "insert or ignore into producer_epoch (producer, epoch) values (?1, ?2)";
        let entered = async {
            self.connection.execute(producer, params![id, self.cluster]).await?;
            self.connection.execute(with_epoch, params![id, i64::from(epoch)]).await
        };
        match entered.await {
            Ok(rows) => {
                debug!(id, epoch, new = rows > 0, "a producer begins");
                Ok(true)
            }
            Err(SqlError::SqliteFailure(BUSY, _)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
