//! The result folder: all that a reader needs to check a report, or to draw it again.
//!
//! | file | what |
//! | --- | --- |
//! | `report.json`, `.md`, `.html` | the report |
//! | `scenario.toml` | the scenario as it was run; the command in its first lines repeats it |
//! | `events.jsonl` | what the monitor told: a line for each transition, as `GET /events` has it |
//! | `answers.jsonl.zst` | every request of the load and what the client was told |
//! | `log.jsonl.zst` | the records of `order-events` |
//!
//! An experiment that was cut short has no `log.jsonl.zst`, since nobody has read the log: its folder is partial.
//! [`verify`] runs the oracle again, from these files alone.

mod answers;
mod events;
mod lines;
mod log;
mod verify;

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tolerancia_wire::Stamp;
use tolerancia_wire::status::Transition;

pub(crate) use log::Log;
pub use verify::{Checked, Contradiction, Verification, verify};

use crate::experiment::record::Observation;
use crate::scenario::Scenario;

/// The scenario as it was run.
pub const SCENARIO: &str = "scenario.toml";
/// The monitor's transitions.
pub const EVENTS: &str = "events.jsonl";
/// The requests and their answers.
pub const ANSWERS: &str = "answers.jsonl.zst";
/// The log.
pub const LOG: &str = "log.jsonl.zst";

/// All of them.
const NAMES: [&str; 4] = [SCENARIO, EVENTS, ANSWERS, LOG];

/// How much is in the files beside the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Requests in `answers.jsonl.zst`.
    pub answers: u64,
    /// Transitions in `events.jsonl`.
    pub events: u64,
    /// Records in `log.jsonl.zst`; null: the log was not read, and the folder is partial.
    pub records: Option<u64>,
}

/// What goes into the files.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    /// The scenario as it was run, with what the arguments changed in it.
    pub scenario: &'a Scenario,
    /// The command that repeats the experiment.
    pub repeat: &'a str,
    pub transitions: &'a [Transition],
    pub observations: &'a [Observation],
    /// None where it was not read.
    pub log: Option<&'a Log>,
}

/// Writes the files into an existing directory, each in place of an older one at a stroke.
///
/// # Errors
/// When the directory cannot be written.
pub(crate) fn write(dir: &Path, contents: &Contents<'_>) -> io::Result<Files> {
    // What is not written now must not seem to belong to what is.
    remove(dir, None)?;
    let written = write_all(dir, contents);
    if written.is_err() {
        NAMES.into_iter().for_each(|name| lines::give_up(dir, name));
    }
    written
}

fn write_all(dir: &Path, contents: &Contents<'_>) -> io::Result<Files> {
    let files = Files {
        answers: contents.observations.len() as u64,
        events: contents.transitions.len() as u64,
        records: contents.log.map(|log| log.records.len() as u64),
    };
    lines::put(dir, SCENARIO, scenario(contents).as_bytes())?;
    events::write(dir, contents.transitions)?;
    answers::write(dir, contents.observations, files.events, Stamp::now())?;
    if let Some(log) = contents.log {
        log::write(dir, log)?;
    }
    Ok(files)
}

/// The scenario as a file, with the command that repeats the experiment above it.
fn scenario(contents: &Contents<'_>) -> String {
    let command = contents.repeat.lines().map(|line| format!("#     {line}\n"));
    let command: String = command.collect();
    format!(
        "# As it was run. This repeats it:\n{command}\n{}",
        contents.scenario.to_toml()
    )
}

/// Takes the files of an older experiment away; all but one that is still needed, which the new one may have for its
/// scenario.
///
/// # Errors
/// When there are such files and they stay.
pub(crate) fn remove(dir: &Path, but: Option<&Path>) -> io::Result<()> {
    let but = but.and_then(|but| but.canonicalize().ok());
    let is_needed = |name: &&str| but.is_some() && dir.join(name).canonicalize().ok() == but;
    NAMES
        .into_iter()
        .filter(|name| !is_needed(name))
        .try_for_each(|name| lines::remove(dir, name))
}

/// Why a folder cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The report cannot be read.
    #[error("{0}")]
    Report(String),
    /// The experiment was cut short.
    #[error(
        "the folder {dir} is partial ({why}), so that nothing in it can be verified: repeat the experiment with \
         `{repeat}`"
    )]
    Partial {
        /// The folder.
        dir: String,
        /// What is known of it.
        why: String,
        /// The command that repeats it.
        repeat: String,
    },
    /// A file is not there.
    #[error("{path} is missing: copy the whole folder again from where the experiment wrote it")]
    Missing {
        /// The file.
        path: String,
    },
    /// A file cannot be read to its end.
    #[error("{path} cannot be read ({cause}): if it is damaged, copy it again from where the experiment wrote it")]
    Unreadable {
        /// The file.
        path: String,
        /// What is in the way.
        cause: String,
    },
    /// A file was written by another version of this program.
    #[error("{path} has version {found}, this program reads {known}: use the version that the report names")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
        /// The version that can be read.
        known: u32,
    },
    /// A line is not what it should be.
    #[error("{path}:{line}: {message}: copy the file again from where the experiment wrote it")]
    Garbage {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl ArchiveError {
    fn unreadable(path: &Path, error: &io::Error) -> Self {
        let path = path.display().to_string();
        if error.kind() == io::ErrorKind::NotFound {
            return Self::Missing { path };
        }
        let cause = error.to_string();
        Self::Unreadable { path, cause }
    }
}

#[cfg(test)]
mod tests;
