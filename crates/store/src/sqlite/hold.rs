//! Keeping others from a file on purpose: what a laboratory calls an outage of a database that has no server.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use libsql::{Builder, Connection};
use tokio::runtime::Handle;

use super::error::{Fault, is_busy};
use crate::error::{Result, StoreError};

/// How long the lock is waited for: writers have it for milliseconds at a time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// A write transaction that does not end: as long as it is there, nobody else can write to the file.
pub struct SqliteHold(Option<Connection>);

impl fmt::Debug for SqliteHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteHold")
    }
}

/// Keeps everybody else from writing to the SQLite file at `path` until the hold is released or dropped. Reading goes on,
/// as the file is in WAL mode.
///
/// # Errors
/// `Unavailable` when the file is not there, is no database, or the lock cannot be had within 5 s.
pub async fn hold_sqlite(path: &Path) -> Result<SqliteHold> {
    if !path.exists() {
        return Err(StoreError::Unavailable(format!(
            "there is no database at {}",
            path.display()
        )));
    }
    let (path, runtime) = (path.to_owned(), Handle::current());
    let held = tokio::task::spawn_blocking(move || runtime.block_on(take(&path)).map_err(|fault| fault.at(&path)));
    held.await
        .unwrap_or_else(|error| Err(StoreError::Unavailable(format!("a database call was cut off: {error}"))))
}

async fn take(path: &Path) -> std::result::Result<SqliteHold, Fault> {
    let connection = Builder::new_local(path).build().await?.connect()?;
    let until = Instant::now() + PATIENCE;
    loop {
        match connection.execute("BEGIN EXCLUSIVE", ()).await {
            Ok(_) => return Ok(SqliteHold(Some(connection))),
            // SQLite's own waiting grows to a tenth of a second, which a busy writer always wins.
            Err(error) if is_busy(&error) && Instant::now() < until => std::thread::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
}

impl SqliteHold {
    /// Lets the others write again. Dropping it does the same, on the thread that drops it.
    pub async fn release(mut self) {
        if let Some(connection) = self.0.take() {
            // Closing the connection ends the transaction, which has written nothing.
            let _ = tokio::task::spawn_blocking(move || drop(connection)).await;
        }
    }
}
