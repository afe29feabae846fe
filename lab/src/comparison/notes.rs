//! What a reader must know to trust a comparison.

use super::TOO_FEW;
use super::judge::can_show;
use super::model::{Measure, Outcome, Row};
use super::pairs::Pairs;
use crate::report::{Objective, Report, Verdict};
use crate::statistics::FEW;

/// In order of weight.
pub(super) fn notes(a: &Report, b: &Report, pairs: &Pairs<'_>, rows: &[Row], tests: usize) -> Vec<String> {
    let mut notes = Vec::new();
    for (only, which) in [(&pairs.only_a, "A"), (&pairs.only_b, "B")] {
        if !only.is_empty() {
            notes.push(format!("Only in {which}, so not compared: {}.", only.join("; ")));
        }
    }
    let other: Vec<&str> = pairs
        .both
        .iter()
        .filter(|pair| pair.a.parameters != pair.b.parameters)
        .map(|pair| pair.label.as_str())
        .collect();
    if !other.is_empty() {
        notes.push(format!(
            "The fault was injected with other parameters: {}.",
            other.join("; ")
        ));
    }
    let conditions = conditions(a, b);
    if !conditions.is_empty() {
        notes.push(format!("A and B differ in {}.", conditions.join(", ")));
    }
    let missed = newly_missed(a, b);
    if !missed.is_empty() {
        notes.push(format!("Objectives that A met and B missed: {}.", missed.join("; ")));
    }
    notes.extend(few(rows, tests));
    notes
}

/// What is not the same in both, with both values.
fn conditions(a: &Report, b: &Report) -> Vec<String> {
    let of = |report: &Report| {
        let environment = &report.environment;
        [
            ("scenario", report.scenario.clone()),
            ("detector", environment.detector.clone()),
            ("replicas", environment.replicas.to_string()),
            ("Kafka", environment.kafka.clone()),
            ("database", environment.database.clone()),
            ("version", environment.version.clone()),
            ("build", environment.build.clone()),
            ("processor", environment.host.cpu.clone().unwrap_or_default()),
            ("cores", environment.cores.to_string()),
        ]
    };
    let both = of(a).into_iter().zip(of(b));
    both.filter(|((_, a), (_, b))| a != b && !a.is_empty() && !b.is_empty())
        .map(|((what, a), (_, b))| format!("{what} ({a}; {b})"))
        .collect()
}

fn newly_missed(a: &Report, b: &Report) -> Vec<String> {
    if b.verdict == Verdict::Pass {
        return Vec::new();
    }
    let met_in_a = |missed: &&Objective| {
        let same = |objective: &&Objective| objective.name == missed.name && objective.fault == missed.fault;
        a.objectives.iter().find(same).is_some_and(|objective| objective.met)
    };
    let missed = b.objectives.iter().filter(|objective| !objective.met);
    missed
        .filter(met_in_a)
        .map(|objective| match &objective.fault {
            Some(fault) => format!("{} ({fault})", objective.name),
            None => objective.name.clone(),
        })
        .collect()
}

/// What so few trials cannot say.
fn few(rows: &[Row], tests: usize) -> Vec<String> {
    let times = || rows.iter().filter(|row| row.measure == Measure::TtdMedianMs);
    let about = |wanted: &dyn Fn(&Row) -> bool| {
        let labels: Vec<&str> = times()
            .filter(|row| wanted(row))
            .filter_map(|row| row.fault.as_deref())
            .collect();
        match labels.len() {
            0 => None,
            count if count == times().count() => Some("every fault".to_owned()),
            _ => Some(labels.join("; ")),
        }
    };
    let fewest = |row: &Row| row.n[0].min(row.n[1]);
    let nothing = about(&|row| row.outcome == Outcome::TooFewTrials).map(|which| {
        format!(
            "Fewer than {TOO_FEW} trials on a side ({which}): nothing can be concluded from their times. Repeat both with \
             `--trials 10` or more."
        )
    });
    let blind = about(&|row| fewest(row) >= TOO_FEW && !can_show(row.n, tests)).map(|which| {
        format!(
            "So few trials ({which}) that no difference of times, however large, could be certain among {tests} tests. \
             Repeat both with `--trials 10` or more."
        )
    });
    let tails = about(&|row| (TOO_FEW..FEW).contains(&fewest(row))).map(|which| {
        format!(
            "Fewer than {FEW} trials on a side ({which}): a 95th percentile says no more than the maximum, and nothing is concluded from it."
        )
    });
    [nothing, blind, tails].into_iter().flatten().collect()
}
