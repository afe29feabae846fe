//! Several detectors side by side.

use super::model::Report;
use super::{millis, model::FaultReport};

/// A table: its heads, a row for each fault, and one for false alarms.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    pub heads: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Time to detect, fault by detector, and the false alarms of each detector; `None` unless there are several detectors.
pub(super) fn comparison(report: &Report) -> Option<Comparison> {
    let detectors = report.detectors();
    if detectors.len() < 2 {
        return None;
    }
    let heads = detectors
        .iter()
        .flat_map(|name| [format!("{name} med/p95/max"), "missed".to_owned()]);
    let row = |with_each: &[FaultReport]| {
        let name = with_each.first().map(|fault| fault.fault.clone()).unwrap_or_default();
        let cells = with_each.iter().flat_map(|fault| {
            [
                millis(fault.ttd_ms),
                format!("{}/{}", fault.trials.saturating_sub(fault.detected), fault.trials),
            ]
        });
        std::iter::once(name).chain(cells).collect()
    };
    let mut rows: Vec<Vec<String>> = report.faults.chunks(detectors.len()).map(row).collect();
    let alarms = detectors.iter().flat_map(|name| {
        let of = report.false_alarms.iter().filter(|alarm| alarm.detector == *name);
        [of.count().to_string(), String::new()]
    });
    rows.push(std::iter::once("(false alarms)".to_owned()).chain(alarms).collect());
    Some(Comparison {
        heads: std::iter::once("TTD ms".to_owned()).chain(heads).collect(),
        rows,
    })
}
