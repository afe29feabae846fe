//! What was asked for, and what became of the faults.

use super::parts::{Table, folded, list, paragraph};
use crate::report::compare::{Comparison, comparison};
use crate::report::few::caveats;
use crate::report::markdown::parts;
use crate::report::model::{Objective, Report, Verdict};
use crate::report::table::sentence;
use crate::report::{ms, percent, short};

/// What had to hold, one line for each objective over all faults; then those that were missed; then, if asked for, all.
pub(super) fn objectives(report: &Report) -> String {
    let all = &report.objectives;
    let met = all.iter().filter(|objective| objective.met).count();
    let said = match report.verdict {
        Verdict::Aborted => "It was interrupted: nothing was judged.".to_owned(),
        Verdict::Error => "It could not be carried out: nothing was judged.".to_owned(),
        Verdict::Pass | Verdict::Fail => format!("{met} of {} met.", all.len()),
    };
    let mut names: Vec<&str> = Vec::new();
    for objective in all {
        if !names.contains(&objective.name.as_str()) {
            names.push(&objective.name);
        }
    }
    let mut table = Table::new("Objectives", &["objective", "!met", "#limit", "#values"]);
    for name in names {
        let own: Vec<&Objective> = all.iter().filter(|objective| objective.name == name).collect();
        let met = own.iter().filter(|objective| objective.met).count();
        let limits = range(own.iter().map(|objective| Some(objective.limit)));
        let values = range(own.iter().map(|objective| objective.value));
        let (class, met) = match (met, own.len()) {
            (met, all) if met < all => ("bad", format!("{met} of {all}")),
            (1, _) => ("good", "yes".to_owned()),
            (all, _) => ("good", format!("all {all}")),
        };
        table.marked(class, [name.to_owned(), met, limits, values]);
    }
    let (met, missed): (Vec<_>, Vec<_>) = all.iter().partition(|objective| objective.met);
    let missed = missed
        .into_iter()
        .map(|objective| format!("Missed: {}", sentence(objective)));
    let missed = list("bad", missed);
    let mut each = Table::new("Objectives that were met", &["objective", "fault", "#limit", "#value"]);
    for objective in met {
        each.row([
            objective.name.clone(),
            objective.fault.clone().unwrap_or_default(),
            short(Some(objective.limit)),
            short(objective.value),
        ]);
    }
    let each = each.finish();
    let each = if each.is_empty() {
        each
    } else {
        folded("Those that were met, one by one", &each)
    };
    paragraph("", &said) + &missed + &table.finish() + &each
}

/// From the least to the largest; a dash for what was not measured.
fn range(values: impl Iterator<Item = Option<f64>>) -> String {
    let values: Vec<Option<f64>> = values.collect();
    let known = || values.iter().copied().flatten();
    let (low, high) = (known().min_by(f64::total_cmp), known().max_by(f64::total_cmp));
    let text = if low == high {
        short(low)
    } else {
        format!("{} to {}", short(low), short(high))
    };
    if values.contains(&None) && low.is_some() {
        text + ", –"
    } else {
        text
    }
}

pub(super) fn summary(report: &Report) -> String {
    let columns = [
        "fault",
        "#trials",
        "#detected",
        "#recovered",
        "#wrong answers",
        "#success",
        "#p95 ms",
    ];
    let mut table = Table::new("Faults", &columns);
    for fault in &report.faults {
        table.row([
            report.label(fault),
            fault.trials.to_string(),
            fault.detected.to_string(),
            fault.recovered.to_string(),
            fault.wrong_answers.to_string(),
            percent(fault.during.success_rate),
            ms(fault.during.p95_ms),
        ]);
    }
    let table = table.finish();
    if table.is_empty() {
        return paragraph("", "Nothing was broken.");
    }
    let told = "Success and p95: what clients saw during the faults. TTD: from the activation of a fault to the monitor's OFF. TTR: from the activation to ON again. Repair: \
                from the end of the fault to ON. In brackets 95 % bootstrap intervals, where there are trials enough for \
                one. A dash: trials that were missed took longer than any.";
    let caveats: String = caveats(report).iter().map(|text| paragraph("", text)).collect();
    table + &times(report) + &caveats + &paragraph("soft", told)
}

/// Milliseconds, a line for each of the times.
fn times(report: &Report) -> String {
    let columns = ["fault", "time", "#median ms", "#p95 ms", "#max ms"];
    let mut table = Table::new("Times of the faults", &columns);
    for fault in &report.faults {
        let mut name = report.label(fault);
        let measured = [
            ("TTD", fault.ttd_ms),
            ("TTR", fault.ttr_ms),
            ("repair", fault.repair_ms),
        ];
        for (what, times) in measured {
            if let Some([median, p95, max]) = parts(times) {
                table.row([std::mem::take(&mut name), what.to_owned(), median, p95, max]);
            }
        }
    }
    table.finish()
}

pub(super) fn compared(report: &Report) -> String {
    let Some(Comparison { heads, rows }) = comparison(report) else {
        return String::new();
    };
    let heads: Vec<String> = heads
        .into_iter()
        .enumerate()
        .map(|(n, name)| if n == 0 { name } else { format!("#{name}") })
        .collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new("Detectors side by side", &heads);
    for row in rows {
        table.row(row);
    }
    table.finish()
}
