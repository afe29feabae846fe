//! The trials as timelines.

use super::parts::{folded, panels, paragraph};
use crate::report::chart::canvas::Told;
use crate::report::chart::trial::draw;
use crate::report::model::{FaultReport, Report, TrialReport};
use crate::report::whole;

/// Timelines that are drawn of a fault; more would not be looked at.
const MOST: usize = 12;

/// Nothing where there is no trial, or an older version has not written its timeline.
pub(super) fn timelines(report: &Report) -> String {
    let faults = report.faults.iter().enumerate();
    let drawn: String = faults
        .filter_map(|(n, fault)| timelines_of(fault, &report.label(fault), n))
        .collect();
    if drawn.is_empty() {
        return drawn;
    }
    let told = "From a second before the activation to a second after the recovery. Above: requests per second, failed ones \
                in front. In the middle: the 95th percentile of their latency. Below: how the monitor judged the instance.";
    paragraph("soft", told) + &drawn
}

fn timelines_of(fault: &FaultReport, label: &str, number: usize) -> Option<String> {
    let chosen = chosen(fault);
    if chosen.is_empty() {
        return None;
    }
    let title = match (chosen.len(), fault.trials_detail.len()) {
        (few, all) if few < all => {
            format!(
                "{label}: {few} of {all} trials, those not detected or not recovered first, then the slowest to detect"
            )
        }
        (1, _) => format!("{label}: 1 trial"),
        (all, _) => format!("{label}: all {all} trials"),
    };
    let charts = chosen.into_iter().filter_map(|(n, trial)| {
        let caption = caption(n, trial);
        let told = Told {
            title: format!("{label}, trial {}", n + 1),
            numbers: caption.clone(),
        };
        let chart = draw(trial.timeline.as_ref()?, &told, &format!("trial-{number}-{n}"));
        Some((chart, Some(caption)))
    });
    Some(folded(&title, &panels(charts)))
}

/// The trials that say most, with their places, in their order.
fn chosen(fault: &FaultReport) -> Vec<(usize, &TrialReport)> {
    let with_timeline = |(_, trial): &(usize, &TrialReport)| trial.timeline.is_some();
    let mut all: Vec<(usize, &TrialReport)> = fault.trials_detail.iter().enumerate().filter(with_timeline).collect();
    let late = |trial: &TrialReport| match (trial.ttd_ms, trial.ttr_ms) {
        (Some(ttd_ms), Some(_)) => ttd_ms,
        _ => f64::INFINITY,
    };
    all.sort_by(|(_, a), (_, b)| late(b).total_cmp(&late(a)));
    all.truncate(MOST);
    all.sort_by_key(|(n, _)| *n);
    all
}

fn caption(number: usize, trial: &TrialReport) -> String {
    let after = |what: &str, never: &str, ms: Option<f64>| match ms {
        Some(_) => format!("{what} after {} ms", whole(ms)),
        None => never.to_owned(),
    };
    format!(
        "Trial {}, {}: {}, {}.",
        number + 1,
        trial.named(),
        after("detected", "not detected", trial.ttd_ms),
        after("ON again", "not ON again", trial.ttr_ms)
    )
}
