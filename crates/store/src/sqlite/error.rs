//! SQLite's result codes, told apart by what helps.

use std::path::Path;

use crate::error::StoreError;
use crate::text::unreadable;

/// An error inside a call, before it is known which file it is about.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(libsql::Error),
    Store(StoreError),
}

impl From<libsql::Error> for Fault {
    fn from(error: libsql::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

// Primary result codes: https://www.sqlite.org/rescode.html
const PERM: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const TOOBIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const NOTADB: i32 = 26;

/// The primary result code, if SQLite itself failed.
fn code(error: &libsql::Error) -> Option<i32> {
    match error {
        // The upper bytes hold the extended code.
        libsql::Error::SqliteFailure(code, _) => Some(code & 0xff),
        _ => None,
    }
}

/// Whether another connection's lock was in the way.
pub(super) fn is_busy(error: &libsql::Error) -> bool {
    matches!(code(error), Some(BUSY | LOCKED))
}

impl Fault {
    /// The error for the caller, about the file `path`.
    pub(super) fn at(self, path: &Path) -> StoreError {
        let error = match self {
            Self::Store(error) => return error,
            Self::Sql(error) => error,
        };
        if matches!(error, libsql::Error::NullValue | libsql::Error::InvalidColumnType) {
            return unreadable(error);
        }
        let code = code(&error);
        if matches!(code, Some(CONSTRAINT | MISMATCH | TOOBIG)) {
            return StoreError::Rejected(format!("the database refuses a write: {error}"));
        }
        let help = match code {
            Some(BUSY | LOCKED) => "another process has kept it locked for too long; it is tried again",
            Some(FULL) => "the disk is full: free some space, then writing goes on",
            Some(CORRUPT | NOTADB) => {
                "it is damaged or no database: move it away, and a new one is made (orders are in Kafka, only history is lost)"
            }
            Some(PERM | READONLY | CANTOPEN) => WRITABLE,
            None if matches!(error, libsql::Error::ConnectionFailed(_)) => WRITABLE,
            _ => "it is tried again",
        };
        StoreError::Unavailable(format!(
            "the database {} cannot be used: {help} ({error})",
            path.display()
        ))
    }
}

/// What to do when a file cannot be made or written.
pub(super) const WRITABLE: &str =
    "make its directory writable for this user, or choose another one with --data-dir (DATA_DIR)";
