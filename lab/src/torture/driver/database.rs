//! A database that does not do its work.

use std::path::PathBuf;

use tolerancia_store::{SqliteHold, hold_sqlite};

use super::Note;
use super::proxy::{Cut, Proxy};

/// The database, and what stands between it and the services.
#[derive(Debug)]
pub enum Database {
    /// A SQLite file: a write transaction that does not end keeps the services from writing.
    Sqlite(PathBuf),
    /// PostgreSQL behind a proxy, which lets nobody through.
    Postgres(Proxy),
}

/// As long as it lasts.
pub(super) enum Outage<'a> {
    Sqlite(SqliteHold),
    Postgres(Cut<'a>),
}

impl Database {
    /// From now on it does not work.
    pub(super) async fn begin(&self) -> Result<Outage<'_>, Note> {
        match self {
            Self::Sqlite(file) => hold_sqlite(file)
                .await
                .map(Outage::Sqlite)
                .map_err(|error| error.to_string()),
            Self::Postgres(proxy) => Ok(Outage::Postgres(proxy.cut())),
        }
    }
}

impl Outage<'_> {
    /// It works again.
    pub(super) async fn end(self) {
        match self {
            Self::Sqlite(hold) => hold.release().await,
            Self::Postgres(cut) => drop(cut),
        }
    }
}
