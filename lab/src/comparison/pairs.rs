//! Which fault of one report is which of the other.

use crate::report::{FaultReport, Report};

/// One fault in both reports.
pub(super) struct Pair<'a> {
    /// Its name, with the detector where a report has several.
    pub label: String,
    pub a: &'a FaultReport,
    pub b: &'a FaultReport,
}

/// The faults of two reports.
pub(super) struct Pairs<'a> {
    /// In the order of A.
    pub both: Vec<Pair<'a>>,
    pub only_a: Vec<String>,
    pub only_b: Vec<String>,
}

impl<'a> Pairs<'a> {
    /// Faults are the same if their names are. Where a report has trials with several detectors, these must be the same,
    /// too; where each has one, detectors may be what is compared.
    pub fn of(a: &'a Report, b: &'a Report) -> Self {
        let by_detector = has_several(a) || has_several(b);
        let label = |fault: &FaultReport| match by_detector {
            true => format!("{}, {}", fault.fault, fault.detector),
            false => fault.fault.clone(),
        };
        let mut left: Vec<&FaultReport> = b.faults.iter().collect();
        let (mut both, mut only_a) = (Vec::new(), Vec::new());
        for fault in &a.faults {
            let same = |other: &&FaultReport| label(other) == label(fault);
            match left.iter().position(same) {
                Some(place) => both.push(Pair {
                    label: label(fault),
                    a: fault,
                    b: left.remove(place),
                }),
                None => only_a.push(label(fault)),
            }
        }
        Self {
            both,
            only_a,
            only_b: left.into_iter().map(label).collect(),
        }
    }
}

fn has_several(report: &Report) -> bool {
    let mut detectors = report.faults.iter().map(|fault| &fault.detector);
    let first = detectors.next();
    detectors.any(|detector| Some(detector) != first)
}
