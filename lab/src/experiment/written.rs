//! Where a report goes: into the out directory, and into the files that CI servers read.

use std::fs::File;
use std::io::Write as _;

use super::{ExperimentArgs, ExperimentError};
use crate::report::{self, Report};

/// Writes the report. The JUnit file is replaced at once, so that no older result is read in the place of one that never
/// came. The summary is added to what is there, as GitHub's own is meant to be, and so only once: by what `is_last`.
pub(super) fn write(args: &ExperimentArgs, report: &Report, is_last: bool) -> Result<(), ExperimentError> {
    report::write(&args.out, report).map_err(|error| args.unwritable(&error))?;
    if let Some(file) = &args.junit {
        std::fs::write(file, report::junit::render(report)).map_err(|error| ExperimentError::File {
            file: file.clone(),
            cause: error.to_string(),
            option: "--junit",
        })?;
    }
    let Some(file) = args.summary.as_ref().filter(|_| is_last) else {
        return Ok(());
    };
    let text = report::summary::render(report);
    let opened = File::options().append(true).create(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(|error| ExperimentError::File {
            file: file.clone(),
            cause: error.to_string(),
            option: "--summary",
        })
}
