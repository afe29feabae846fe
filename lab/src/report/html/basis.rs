//! Why the monitor said what it said.

use super::parts::{Table, escape, folded, list, paragraph};
use crate::report::model::{FaultReport, Report};
use crate::report::{ms, reasons};

/// Trials of a fault whose reasons are spelt out.
const MOST: usize = 200;

/// By fault: one trial as the monitor explains it, then all of them.
pub(super) fn reasons(report: &Report) -> String {
    let explained = reasons::reasons(report);
    let with_trials = report.faults.iter().filter(|fault| !fault.trials_detail.is_empty());
    let faults = with_trials.map(|fault| {
        let label = report.label(fault);
        let mut text = format!("<h3>{}</h3>\n", escape(&label));
        if let Some(reason) = explained.iter().find(|reason| reason.label == label) {
            text += &paragraph("", &format!("Instance {}: {}", reason.instances, reason.text));
            if !reason.clues.is_empty() {
                let clues = list("", reason.clues.iter().cloned());
                text += &folded("Its evidence piece by piece, oldest first", &clues);
            }
        }
        text + &all_of(fault, &label)
    });
    let faults: String = faults.collect();
    if faults.is_empty() {
        return faults;
    }
    paragraph(
        "soft",
        "One trial of each fault as the monitor explains it, and the reasons of all.",
    ) + &faults
}

fn all_of(fault: &FaultReport, label: &str) -> String {
    let columns = [
        "#trial",
        "instance",
        "activated",
        "#TTD ms",
        "#TTR ms",
        "#repair ms",
        "~reason",
    ];
    let table_label = format!("Trials of {label}");
    let mut table = Table::new(&table_label, &columns);
    for (n, trial) in fault.trials_detail.iter().enumerate().take(MOST) {
        table.row([
            (n + 1).to_string(),
            trial.instances(),
            trial.activated_at.clone(),
            ms(trial.ttd_ms),
            ms(trial.ttr_ms),
            ms(trial.repair_ms),
            trial.reason.clone().unwrap_or_else(|| "not detected".to_owned()),
        ]);
    }
    let all = fault.trials_detail.len();
    let title = if all > MOST {
        format!("The first {MOST} of {all} trials; the others are in report.json")
    } else {
        format!("All trials ({all})")
    };
    folded(&title, &table.finish())
}

pub(super) fn alarms(report: &Report) -> String {
    let columns = ["instance", "at", "detector", "~reason"];
    let mut table = Table::new("False alarms", &columns);
    for alarm in &report.false_alarms {
        table.row([
            alarm.instance.to_string(),
            alarm.at.clone(),
            alarm.detector.clone(),
            alarm.reason.clone(),
        ]);
    }
    let table = table.finish();
    if table.is_empty() {
        return paragraph(
            "",
            "None: the monitor turned no instance OFF in which no fault was active.",
        );
    }
    let told = "The monitor turned these OFF while no fault was active in them.";
    paragraph("soft", told) + &table
}

/// What a reader should know, and what the log contradicts.
pub(super) fn notes(report: &Report) -> String {
    list("bad", report.notes.iter().chain(&report.oracle.findings).cloned())
}
