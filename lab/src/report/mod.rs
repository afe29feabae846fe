//! The report: `report.json` (schema 1) for machines; `report.md`, `report.html` and a table for people.
//!
//! All four say the same, because the last three are drawn from the first alone.

mod build;
mod chart;
mod compare;
mod faults;
mod few;
mod host;
mod html;
mod json;
pub mod junit;
mod markdown;
mod model;
mod objectives;
mod read;
mod reasons;
mod seen;
mod series;
mod steady;
pub mod summary;
mod table;
mod timeline;
mod times;

use std::io;
use std::path::Path;

pub(crate) use build::{Facts, build};
pub use json::json;
pub use model::{
    Baseline, Environment, Event, FalseAlarm, FaultReport, HitReport, Host, Interval, Mark, Objective, OracleReport,
    Phase, Phases, Report, Series, States, SteadyReport, Timeline, TrialReport, Verdict,
};
pub use read::{ReadError, read};
pub(crate) use table::table;
pub use times::Times;

/// What the figures of a phase are about.
const CLIENTS: &str = "From the activation of a fault to its end, which for a crash is the instance being ON again; \
     latencies count from the intended start of a request.";

/// The files of a report.
const FILES: [&str; 3] = ["report.json", "report.md", "report.html"];

/// Writes the three files into an existing directory, each in place of an older one at a stroke.
///
/// # Errors
/// When the directory cannot be written.
pub fn write(dir: &Path, report: &Report) -> io::Result<()> {
    replace(dir, FILES[0], &(json(report) + "\n"))?;
    redraw(dir, report)
}

/// Writes those two of the files that are for people, as [`write`] does.
///
/// # Errors
/// When the directory cannot be written.
pub fn redraw(dir: &Path, report: &Report) -> io::Result<()> {
    replace(dir, FILES[1], &markdown::render(report))?;
    replace(dir, FILES[2], &html::render(report))
}

fn replace(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let part = dir.join(format!(".{name}.part"));
    std::fs::write(&part, text)?;
    std::fs::rename(&part, dir.join(name))
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

/// To so many decimals: as short as what is meaningful, so that it is read as it was written.
fn rounded(value: f64, decimals: i32) -> f64 {
    let units = 10_f64.powi(decimals);
    (value * units).round() / units
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

/// A range between two shares, in percent; nothing where there is none.
fn between(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[low, high]| {
        format!(" ({:.2}–{:.2})", low * 100.0, high * 100.0)
    })
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
        Some(value) if value < 10.0 => {
            let text = format!("{value:.4}");
            let text = text.trim_end_matches('0');
            // Almost 1 is not 1.
            if text.ends_with('.') {
                format!("{text}0")
            } else {
                text.to_owned()
            }
        }
        Some(value) => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests;
