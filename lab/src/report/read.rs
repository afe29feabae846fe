//! A report that was written before.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use super::model::Report;

/// A larger file is no report: one of 6000 trials has about 20 MiB.
const MAX_BYTES: u64 = 256 << 20;

/// Why there is no report to be read; each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such file, or it cannot be read.
    #[error("{file} cannot be read ({cause}): name a folder that `tolerancia experiment --out DIR` has written")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        cause: String,
    },
    /// It is too large.
    #[error("{file} is larger than 256 MiB: that is no report of an experiment; name the folder that one has written")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// It is damaged, or something else.
    #[error("{file} is no report of an experiment ({cause}): restore the file, or repeat the experiment")]
    Garbage {
        /// The file.
        file: String,
        /// Where and why.
        cause: String,
    },
    /// It is a report that this version does not know.
    #[error("{file} has schema {found}, and this version reads schema 1: use the version of tolerancia that wrote it")]
    Schema {
        /// The file.
        file: String,
        /// Its schema.
        found: u64,
    },
}

/// All that is common to the schemas that there may be.
#[derive(Deserialize)]
struct Schema {
    schema: u64,
}

/// Reads `report.json` in the folder of an experiment. What older versions did not write is empty.
///
/// # Errors
/// When there is no such regular file, when it has more than 256 MiB, when it is no report, or one of another schema.
pub fn read(dir: &Path) -> Result<Report, ReadError> {
    let path = dir.join("report.json");
    let file = path.display().to_string();
    let unreadable = |cause: String| ReadError::Unreadable {
        file: file.clone(),
        cause,
    };
    // Before it is opened: a pipe would keep the program waiting.
    let metadata = std::fs::metadata(&path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(ReadError::TooLarge { file });
    }
    let opened = std::fs::File::open(&path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = Vec::new();
    opened
        .take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    // It may have grown meanwhile.
    if text.len() as u64 > MAX_BYTES {
        return Err(ReadError::TooLarge { file });
    }
    let garbage = |error: serde_json::Error| ReadError::Garbage {
        file: file.clone(),
        cause: error.to_string(),
    };
    let Schema { schema } = serde_json::from_slice(&text).map_err(garbage)?;
    if schema != 1 {
        return Err(ReadError::Schema { file, found: schema });
    }
    serde_json::from_slice(&text).map_err(garbage)
}
