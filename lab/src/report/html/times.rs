//! The distributions of the times.

use super::parts::{panels, paragraph};
use crate::report::chart::ecdf::{Curve, Panel, draw};
use crate::report::chart::style;
use crate::report::model::{FaultReport, Report, TrialReport};
use crate::report::{Times, millis};

/// One of the times of a trial, and what it is called.
struct Measure {
    what: &'static str,
    id: &'static str,
    of: fn(&TrialReport) -> Option<f64>,
    summary: fn(&FaultReport) -> Option<Times>,
    /// The objective that limits it.
    objective: Option<&'static str>,
}

pub(super) fn detect(report: &Report) -> String {
    let measure = Measure {
        what: "time to detect",
        id: "ttd",
        of: |trial| trial.ttd_ms,
        summary: |fault| fault.ttd_ms,
        objective: Some("ttd_max_ms"),
    };
    let told = "The share of the trials that were detected within a time. A curve that does not reach 100 % has trials that \
                were not detected.";
    drawn(report, &measure, told)
}

pub(super) fn recover(report: &Report) -> String {
    let measure = Measure {
        what: "time to recovery",
        id: "ttr",
        of: |trial| trial.ttr_ms,
        summary: |fault| fault.ttr_ms,
        objective: None,
    };
    let told = "The share of the trials in which the instance was ON again within a time from the activation of the fault; \
                the time for which the fault was held is part of it.";
    drawn(report, &measure, told)
}

/// Nothing where nothing was measured.
fn drawn(report: &Report, measure: &Measure, told: &str) -> String {
    let mut panels_of: Vec<Panel<'_>> = Vec::new();
    for fault in report.faults.iter().filter(|fault| fault.trials > 0) {
        let curve = curve(report, fault, measure);
        match panels_of.iter_mut().find(|panel| panel.fault == fault.fault) {
            Some(panel) => panel.curves.push(curve),
            None => panels_of.push(Panel {
                fault: &fault.fault,
                curves: vec![curve],
                limit_ms: measure.objective.and_then(|name| limit(report, fault, name)),
            }),
        }
    }
    panels_of.retain(|panel| panel.curves.iter().any(|curve| !curve.values.is_empty()));
    if panels_of.is_empty() {
        return String::new();
    }
    let charts = draw(&panels_of, measure.what, measure.id);
    paragraph("soft", told) + &panels(charts.into_iter().map(|chart| (chart, None)))
}

fn curve(report: &Report, fault: &FaultReport, measure: &Measure) -> Curve {
    let values: Vec<f64> = fault.trials_detail.iter().filter_map(measure.of).collect();
    let all = fault.trials.max(values.len());
    let place = report.detectors().iter().position(|name| *name == fault.detector);
    Curve {
        said: format!(
            "{}: {} of {all} trials; median / 95th percentile / maximum {} ms.",
            report.label(fault),
            values.len(),
            millis((measure.summary)(fault))
        ),
        name: fault.detector.clone(),
        style: if report.detectors().len() > 1 {
            style(&fault.detector, place.unwrap_or(0))
        } else {
            0
        },
        missed: all - values.len(),
        values,
    }
}

fn limit(report: &Report, fault: &FaultReport, name: &str) -> Option<f64> {
    let about = |of: &Option<String>| of.as_deref() == Some(fault.fault.as_str());
    let mut all = report.objectives.iter();
    all.find(|objective| objective.name == name && about(&objective.fault))
        .map(|objective| objective.limit)
}
