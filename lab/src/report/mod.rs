//! The report: `report.json` (schema 1) for machines; `report.md`, `report.html` and a table for people.
//!
//! All four say the same, because the last three are drawn from the first alone.

mod build;
mod compare;
mod faults;
mod html;
mod markdown;
mod model;
mod objectives;
mod reasons;
mod table;
mod times;

use std::io;
use std::path::Path;

pub(crate) use build::{Facts, build};
pub use model::{
    Baseline, Environment, FalseAlarm, FaultReport, HitReport, Objective, OracleReport, Phase, Report, TrialReport,
    Verdict,
};
pub(crate) use table::table;
pub use times::Times;

/// What the figures of a phase are about.
const CLIENTS: &str = "From the activation of a fault to its end, which for a crash is the instance being ON again; \
     latencies count from the intended start of a request.";

/// The report as `report.json` has it.
#[must_use]
pub fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("the report has only text keys")
}

/// The files of a report.
const FILES: [&str; 3] = ["report.json", "report.md", "report.html"];

/// Writes the three files into an existing directory, each in place of an older one at a stroke.
///
/// # Errors
/// When the directory cannot be written.
pub fn write(dir: &Path, report: &Report) -> io::Result<()> {
    let texts = [json(report) + "\n", markdown::render(report), html::render(report)];
    for (name, text) in FILES.into_iter().zip(texts) {
        let part = dir.join(format!(".{name}.part"));
        std::fs::write(&part, text)?;
        std::fs::rename(&part, dir.join(name))?;
    }
    Ok(())
}

/// Takes the files of an older report away, and the one named `other` that goes with them.
///
/// # Errors
/// When there are such files and they stay.
pub(crate) fn remove(dir: &Path, other: &str) -> io::Result<()> {
    for name in FILES.into_iter().chain([other]) {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A number of milliseconds, or a dash.
fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1}"))
}

/// Median, 95th percentile and maximum in whole milliseconds, or dashes.
fn millis(times: Option<Times>) -> String {
    times.map_or_else(
        || "–".to_owned(),
        |Times { median, p95, max, .. }| format!("{} / {} / {}", whole(median), whole(p95), whole(max)),
    )
}

/// A number of whole milliseconds, or a dash.
fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0}"))
}

/// A share in percent, or a dash.
fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", share * 100.0))
}

/// A number as short as it is exact enough to read.
fn short(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) if value < 10.0 => format!("{value:.4}"),
        Some(value) => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests;
