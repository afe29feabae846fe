//! The picture of the times to detect.

use std::fmt::Write as _;

use super::super::model::Report;
use super::escape;

/// What a letter takes at most, on average.
const LETTER: f64 = 7.5;
const WIDTH: f64 = 560.0;
const ROW: f64 = 28.0;

/// Every time to detect as a dot, one row per fault, on a common scale from 0.
pub(super) fn draw(out: &mut String, report: &Report) -> std::fmt::Result {
    let faults = &report.faults;
    let letters = faults.iter().map(|fault| report.label(fault).chars().count()).max();
    let left = (LETTER * letters.unwrap_or(0) as f64).max(110.0);
    let all = left + WIDTH + 30.0;
    let longest = faults
        .iter()
        .flat_map(|fault| &fault.trials_detail)
        .filter_map(|trial| trial.ttd_ms)
        .fold(0.0, f64::max);
    if longest <= 0.0 {
        return Ok(());
    }
    let height = ROW * (faults.len() as f64 + 1.0);
    write!(
        out,
        "<svg viewBox=\"0 0 {all} {height}\" width=\"{all}\" role=\"img\" font-size=\"13\" fill=\"currentColor\">\
         <title>Time to detect of every trial, by fault, from 0 to {longest:.0} ms</title>"
    )?;
    for (row, fault) in faults.iter().enumerate() {
        let y = ROW * (row as f64 + 0.6);
        write!(
            out,
            "<text x=\"0\" y=\"{}\">{}</text><line x1=\"{left}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#8888\"/>",
            y + 4.0,
            escape(&report.label(fault)),
            left + WIDTH
        )?;
        for ttd in fault.trials_detail.iter().filter_map(|trial| trial.ttd_ms) {
            let x = left + WIDTH * (ttd / longest).max(0.0);
            write!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"5\" fill-opacity=\".6\"><title>{ttd:.0} ms</title></circle>"
            )?;
        }
    }
    let y = height - 4.0;
    write!(
        out,
        "<text x=\"{left}\" y=\"{y}\">0</text><text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{longest:.0} ms to detect</text></svg>",
        left + WIDTH
    )
}
