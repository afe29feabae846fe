//! The report: `report.json` (schema 1) for machines; `report.md`, `report.html` and a table for people.
//!
//! All four say the same, because the last three are drawn from the first alone.

mod build;
mod html;
mod markdown;
mod model;
mod objectives;
mod table;

use std::io;
use std::path::Path;

pub(crate) use build::{Facts, build};
pub use model::{
    Baseline, Environment, FalseAlarm, FaultReport, Objective, OracleReport, Phase, Report, TrialReport, Verdict,
};
pub(crate) use table::table;

/// The report as `report.json` has it.
#[must_use]
pub fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("the report has only text keys")
}

/// Writes the three files into an existing directory.
///
/// # Errors
/// When the directory cannot be written.
pub fn write(dir: &Path, report: &Report) -> io::Result<()> {
    std::fs::write(dir.join("report.json"), json(report) + "\n")?;
    std::fs::write(dir.join("report.md"), markdown::render(report))?;
    std::fs::write(dir.join("report.html"), html::render(report))
}

/// A number of milliseconds, or a dash.
fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1}"))
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
