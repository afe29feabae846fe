//! The report on a terminal.

use std::fmt::Write as _;
use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::compare::{Comparison, comparison};
use super::few::caveats;
use super::model::{FaultReport, Objective, Report, Verdict};
use super::{Times, millis, ms, percent, short};

/// A table is no wider than this many columns, if its words can be broken.
const WIDTH: u16 = 120;

/// The table, what was missed, the verdict, and where the rest is.
pub(crate) fn table(report: &Report, dir: &Path) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header([
        "fault",
        "trials",
        "detected",
        "recovered",
        "TTD ms med/p95/max",
        "TTR ms",
        "repair ms",
        "success",
        "p95 ms",
        "wrong",
    ]);
    table.add_row([
        "(baseline)".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        percent(report.baseline.phase.success_rate),
        ms(report.baseline.phase.p95_ms),
        String::new(),
    ]);
    // Detectors that were only compared have a table of their own.
    let detectors = report.detectors().len().max(1);
    for fault in report.faults.iter().step_by(detectors) {
        table.add_row(row(fault));
    }
    let mut text = to_text(table);
    if let Some(Comparison { heads, rows }) = comparison(report) {
        let mut table = Table::new();
        table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
        table.set_header(heads);
        table.add_rows(rows);
        let judged = &report.environment.detector;
        let _ = write!(
            text,
            "\nabove: {judged}, which is judged; side by side:\n{}",
            to_text(table)
        );
    }
    for caveat in caveats(report) {
        let _ = write!(text, "\n{caveat}");
    }
    let oracle = &report.oracle;
    let _ = write!(
        text,
        "\n{} answers and {} acknowledged orders checked: {} wrong, {} lost, {} doubled; replicas {}; {} false alarms\n",
        oracle.answers_checked,
        oracle.orders_acknowledged,
        oracle.wrong_answers,
        oracle.orders_lost,
        oracle.orders_doubled,
        match (oracle.complete, oracle.replicas_equal) {
            (false, _) => "not compared",
            (true, true) => "equal",
            (true, false) => "not equal",
        },
        report.false_alarms.len()
    );
    for objective in report.objectives.iter().filter(|objective| !objective.met) {
        let _ = writeln!(text, "missed: {}", sentence(objective));
    }
    for note in report.notes.iter().chain(&oracle.findings) {
        let _ = writeln!(text, "note: {note}");
    }
    for alarm in &report.false_alarms {
        let _ = writeln!(
            text,
            "false alarm: instance {} at {}: {}",
            alarm.instance, alarm.at, alarm.reason
        );
    }
    let _ = write!(
        text,
        "{} in {:.1} s (seed {}); report: {}",
        verdict(report.verdict),
        report.duration_s,
        report.seed,
        dir.join("report.html").display()
    );
    text
}

/// Numbers to the right.
fn to_text(mut table: Table) -> String {
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn row(fault: &FaultReport) -> [String; 10] {
    let median = |times: Option<Times>| ms(times.and_then(|times| times.median));
    [
        fault.fault.clone(),
        fault.trials.to_string(),
        fault.detected.to_string(),
        fault.recovered.to_string(),
        // Its interval would break the column where names are long; report.md and report.html have it.
        millis(fault.ttd_ms),
        median(fault.ttr_ms),
        median(fault.repair_ms),
        percent(fault.during.success_rate),
        ms(fault.during.p95_ms),
        fault.wrong_answers.to_string(),
    ]
}

/// An objective and what was measured.
pub(super) fn sentence(objective: &Objective) -> String {
    let about = objective
        .fault
        .as_ref()
        .map(|fault| format!(" ({fault})"))
        .unwrap_or_default();
    let (value, limit) = (short(objective.value), short(Some(objective.limit)));
    format!("{}{about}: {value}, limit {limit}", objective.name)
}

/// The verdict in capitals.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Aborted => "ABORTED",
        Verdict::Error => "ERROR",
    }
}
