//! Why the monitor turned an instance OFF, by one trial of each fault.

use tolerancia_core::detector::Seen;
use tolerancia_wire::status::Clue;

use super::model::Report;

/// The monitor's explanation of one OFF.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explained {
    /// The fault, and the detector where there are several.
    pub label: String,
    /// The instances.
    pub instances: String,
    /// In words.
    pub text: String,
    /// Piece by piece, oldest first.
    pub clues: Vec<String>,
}

/// The first trial of each fault that has a reason.
pub(super) fn reasons(report: &Report) -> Vec<Explained> {
    let explained = report.faults.iter().filter_map(|fault| {
        let trial = fault.trials_detail.iter().find(|trial| trial.reason.is_some())?;
        Some(Explained {
            label: report.label(fault),
            instances: trial.instances(),
            text: trial.reason.clone()?,
            clues: trial.evidence.iter().map(clue).collect(),
        })
    });
    explained.collect()
}

/// One piece of evidence as a line.
fn clue(clue: &Clue) -> String {
    let times = match clue.count {
        1 => String::new(),
        count => format!(" ×{count}"),
    };
    let weight = if clue.weight < 1.0 {
        format!(", weight {:.2}", clue.weight)
    } else {
        String::new()
    };
    format!(
        "{:.0} ms before: {}{times}, {}{weight}: {:+.2}",
        clue.ms_before,
        name(clue.what),
        clue.from,
        clue.likelihood
    )
}

const fn name(seen: Seen) -> &'static str {
    match seen {
        Seen::Good => "good",
        Seen::Unreachable => "unreachable",
        Seen::Late => "late",
        Seen::Error => "error",
        Seen::Stale => "stale",
    }
}
