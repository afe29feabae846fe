//! Which database a service has.

use std::path::Path;
use std::sync::Arc;

use crate::postgres::lazy_postgres;
use crate::sqlite::lazy_sqlite;
use crate::store::Store;

/// The PostgreSQL database at `postgres_url`, or where there is none the SQLite file `sqlite_file`. It is opened
/// when it is first used, and again after every failure.
#[must_use]
pub fn lazy_store(postgres_url: Option<&str>, sqlite_file: &Path) -> Arc<dyn Store> {
    match postgres_url {
        Some(url) => lazy_postgres(url),
        None => lazy_sqlite(sqlite_file),
    }
}
