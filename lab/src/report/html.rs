//! `report.html`: one file, no script, fine in light and dark, on a phone and in print.
//!
//! The verdict and what it was judged by come first, the pictures next, what they are made of last.

use super::model::{Report, Verdict};
use super::table::verdict;
use parts::Section;
pub(super) use parts::escape;

mod about;
mod basis;
mod clients;
mod faults;
mod parts;
mod times;
mod trials;

const STYLE: &str = include_str!("html/style.css");

/// Draws the report.
pub(super) fn render(report: &Report) -> String {
    let class = if report.verdict == Verdict::Pass { "good" } else { "bad" };
    let (name, verdict) = (escape(&report.scenario), verdict(report.verdict));
    let sections = sections(report);
    let links: String = sections
        .iter()
        .map(|Section { id, title, .. }| format!("<li><a href=\"#{id}\">{title}</a></li>"))
        .collect();
    let bodies: String = sections
        .iter()
        .map(|Section { id, title, body }| format!("<section id=\"{id}\"><h2>{title}</h2>\n{body}</section>\n"))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{name}: {verdict}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>Experiment {name}: <span class=\"{class}\">{verdict}</span></h1>\n{}\
         <nav aria-label=\"Contents\"><ul>{links}</ul></nav>\n</header>\n<main>\n{bodies}</main>\n</body>\n</html>\n",
        about::summary(report)
    )
}

/// All that there is something to say about, in the order in which it is asked for.
fn sections(report: &Report) -> Vec<Section> {
    let section = |id, title, body| Section { id, title, body };
    let mut sections = vec![
        section("objectives", "Objectives", faults::objectives(report)),
        section("faults", "Faults", faults::summary(report)),
        section("detectors", "Detectors", faults::compared(report)),
        section("detect", "Time to detect", times::detect(report)),
        section("recover", "Time to recovery", times::recover(report)),
        section("time", "Latency over time", clients::over_time(report)),
        section("clients", "What clients saw", clients::phases(report)),
        section("trials", "Trials", trials::timelines(report)),
        section("reasons", "What each verdict was based on", basis::reasons(report)),
        section("alarms", "False alarms", basis::alarms(report)),
        section("steady", "Steady state", about::steady(report)),
        section("notes", "Notes", basis::notes(report)),
        section("log", "The log", about::log(report)),
        section("environment", "Environment", about::environment(report)),
        section("repeat", "How to repeat it", about::repeat(report)),
    ];
    sections.retain(|section| !section.body.is_empty());
    sections
}
