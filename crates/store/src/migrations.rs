//! What bringing a schema to this program's version is the same for in every database.

use crate::error::{Result, StoreError};

/// One step of a schema.
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// `version`, the schema's, if a program that knows `newest` may use it. `elsewhere` says how to use another
/// database.
pub(crate) fn supported(version: i64, newest: i64, elsewhere: &str) -> Result<i64> {
    if version > newest {
        return Err(StoreError::Unavailable(format!(
            "the database has schema version {version}, this program knows {newest}: use the newer program, or \
             another {elsewhere}"
        )));
    }
    Ok(version)
}
