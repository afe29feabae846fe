//! SQLite through libsql: one file that the services of one host share.
//!
//! libsql runs SQLite on the calling thread, and SQLite may wait seconds for another process's lock, so
//! every call runs on a blocking thread. There are two connections, opened when first needed: one writes,
//! one reads, and in WAL mode neither waits for the other. A connection that failed is closed, and the next
//! call opens a new one; that is all there is to coming back from an outage.

mod error;
mod hold;
mod migrate;
mod open;
mod prune;
mod read;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use libsql::Connection;
use tokio::runtime::Handle;
use tolerancia_wire::core::{OrderId, ReplicaId};
use tolerancia_wire::denial::DenialEntry;
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::InstanceStatus;

use crate::error::{Result, StoreError};
use crate::rows::{AuditRow, OrderRow, RequestMetricsRow, VotingEvent};
use crate::store::{Store, Write};
use error::Fault;
pub use hold::{SqliteHold, hold_sqlite};

/// Opens the database file at `path`, makes it and its directory if they are missing, and brings its schema
/// up to date. Any number of processes may do so at once.
///
/// # Errors
/// `Unavailable`, naming the file and what to do, when it cannot be opened or written, is no database, or
/// was made by a newer version.
pub async fn open_sqlite(path: &Path) -> Result<Arc<dyn Store>> {
    let store = lazy_sqlite(path);
    store.ping().await?;
    Ok(store)
}

/// The same without opening it: that happens when it is first used, and again after every failure.
#[must_use]
pub fn lazy_sqlite(path: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite {
        file: Arc::new(File {
            path: path.to_owned(),
            writer: Mutex::new(None),
            reader: Mutex::new(None),
        }),
    })
}

struct Sqlite {
    file: Arc<File>,
}

struct File {
    path: PathBuf,
    writer: Mutex<Option<Connection>>,
    reader: Mutex<Option<Connection>>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlite").field(&self.file.path).finish()
    }
}

impl File {
    /// Runs `work` on the connection in `slot`, which it opens if need be. Blocks.
    fn run<T>(
        &self,
        slot: &Mutex<Option<Connection>>,
        runtime: &Handle,
        work: impl AsyncFnOnce(&Connection) -> std::result::Result<T, Fault>,
    ) -> Result<T> {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match slot.take() {
            Some(connection) => connection,
            None => runtime.block_on(open::open(&self.path))?,
        };
        let outcome = runtime
            .block_on(work(&connection))
            .map_err(|fault| fault.at(&self.path));
        // A transaction that could not be rolled back must not swallow what is written next.
        if connection.is_autocommit() && !matches!(outcome, Err(StoreError::Unavailable(_))) {
            *slot = Some(connection);
        }
        outcome
    }
}

impl Sqlite {
    async fn read<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&Connection) -> std::result::Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |file, runtime| file.run(&file.reader, runtime, work))
            .await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&Connection) -> std::result::Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |file, runtime| file.run(&file.writer, runtime, work))
            .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&File, &Handle) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (file, runtime) = (Arc::clone(&self.file), Handle::current());
        tokio::task::spawn_blocking(move || work(&file, &runtime))
            .await
            .unwrap_or_else(|error| Err(StoreError::Unavailable(format!("a database call was cut off: {error}"))))
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn apply(&self, writes: &[Write]) -> Result<()> {
        let writes = writes.to_vec();
        self.write(async move |connection| write::apply(connection, &writes).await)
            .await
    }

    async fn ping(&self) -> Result<()> {
        self.read(async |connection| migrate::check(connection).await).await
    }

    async fn statuses(&self) -> Result<Vec<InstanceStatus>> {
        self.read(async |connection| read::statuses(connection).await).await
    }

    async fn transitions(&self, instance: Option<ReplicaId>, limit: usize) -> Result<Vec<AuditRow>> {
        self.read(async move |connection| read::transitions(connection, instance, limit).await)
            .await
    }

    async fn request_metrics(&self, since: i64, until: i64) -> Result<Vec<RequestMetricsRow>> {
        self.read(async move |connection| read::request_metrics(connection, since, until).await)
            .await
    }

    async fn voting_events(&self, limit: usize) -> Result<Vec<VotingEvent>> {
        self.read(async move |connection| read::voting_events(connection, limit).await)
            .await
    }

    async fn denials(&self, limit: usize) -> Result<Vec<DenialEntry>> {
        self.read(async move |connection| read::denials(connection, limit).await)
            .await
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderRow>> {
        self.read(async move |connection| read::order(connection, id).await)
            .await
    }

    async fn orders(&self, status: Option<OrderStatus>, limit: usize) -> Result<Vec<OrderRow>> {
        self.read(async move |connection| read::orders(connection, status, limit).await)
            .await
    }

    async fn order_by_key(&self, key_part: u128) -> Result<Option<OrderRow>> {
        self.read(async move |connection| read::order_by_key(connection, key_part).await)
            .await
    }

    async fn prune(&self, metrics_before: i64, voting_before: Timestamp) -> Result<u64> {
        self.write(async move |connection| prune::prune(connection, metrics_before, voting_before).await)
            .await
    }
}
