//! Opening a connection.

use std::path::Path;
use std::time::{Duration, Instant};

use libsql::{Builder, Connection};

use super::error::{Fault, WRITABLE, is_busy};
use super::migrate;
use crate::error::{Result, StoreError};

/// How long SQLite waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a file with the current schema. Blocks.
pub(super) async fn open(path: &Path) -> Result<Connection> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| {
            StoreError::Unavailable(format!(
                "the directory {} of the database cannot be made: {WRITABLE} ({error})",
                directory.display()
            ))
        })?;
    }
    connect(path).await.map_err(|fault| fault.at(path))
}

async fn connect(path: &Path) -> std::result::Result<Connection, Fault> {
    let connection = Builder::new_local(path).build().await?.connect()?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    use_wal(&connection).await?;
    // In WAL mode NORMAL loses no commit when a process dies, only the last ones when the power fails.
    connection.execute("PRAGMA synchronous = NORMAL", ()).await?;
    migrate::migrate(&connection).await?;
    Ok(connection)
}

/// SQLite does not wait for the lock when several connections change the mode at once: one of them gets
/// BUSY at once and has to ask again.
async fn use_wal(connection: &Connection) -> std::result::Result<(), Fault> {
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        // The pragma answers with a row, so it is a query.
        let answer = match connection.query("PRAGMA journal_mode = WAL", ()).await {
            Ok(mut rows) => rows.next().await,
            Err(error) => Err(error),
        };
        match answer {
            Err(error) if is_busy(&error) && Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}
