//! Live times to detect beside simulated ones.

use serde::Serialize;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_core::fault::FaultSpec;

use super::{Trace, Trial};
use crate::simulation::model::Model;
use crate::simulation::trials::{Times, Ttd, name, simulate};

/// One fault and detector: what the live system took, and what the model takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Agreement {
    pub detector: String,
    pub fault: String,
    pub live: Side,
    pub model: Side,
    /// The model's median by the live one; null where one of them is missing.
    pub agreement: Option<f64>,
}

/// Some trials of one fault.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Side {
    pub trials: usize,
    pub missed: usize,
    pub ttd_ms: Ttd,
}

impl From<&Times> for Side {
    fn from(times: &Times) -> Self {
        Self {
            trials: times.trials(),
            missed: times.missed,
            ttd_ms: times.ttd(),
        }
    }
}

/// Compares every fault of `trace` with `trials` trials of `model`; `each` is told which fault comes next.
pub(crate) fn compare(
    trace: &Trace,
    model: &Model,
    detector: DetectorConfig,
    trials: usize,
    seed: u64,
    mut each: impl FnMut(&str),
) -> Vec<Agreement> {
    let mut all = Vec::new();
    let mut left: Vec<&Trial> = trace.faults.iter().collect();
    while let Some(&first) = left.first() {
        let (same, others): (Vec<&Trial>, _) = left.into_iter().partition(|trial| is_same(trial, first));
        left = others;
        let named = name(&first.faults);
        each(&named);
        let detector = detector.of(first.detector);
        let live = live(&same);
        let simulated = simulate(model, detector, &first.faults, trials, seed, |_| {});
        let (live, model) = (Side::from(&live), Side::from(&simulated));
        all.push(Agreement {
            detector: first.detector.to_string(),
            fault: named,
            agreement: live
                .ttd_ms
                .median
                .zip(model.ttd_ms.median)
                .filter(|(live, _)| *live > 0.0)
                .map(|(live, model)| (model / live * 1e3).round() / 1e3),
            live,
            model,
        });
    }
    all
}

/// Whether two trials are of the same kind. Which instance and which product it was makes no difference.
fn is_same(one: &Trial, other: &Trial) -> bool {
    use tolerancia_core::fault::Fault;
    let alike = |a: &FaultSpec, b: &FaultSpec| match (&a.fault, &b.fault) {
        (Fault::Incorrect { .. }, Fault::Incorrect { .. }) => a.scope == b.scope,
        _ => a == b,
    };
    one.detector == other.detector
        && one.faults.len() == other.faults.len()
        && one.faults.iter().zip(&other.faults).all(|(a, b)| alike(a, b))
}

fn live(trials: &[&Trial]) -> Times {
    let ttd_ms: Vec<f64> = trials
        .iter()
        .filter_map(|trial| Some(trial.detected_ns?.saturating_sub(trial.activated_ns) as f64 / 1e6))
        .collect();
    let missed = trials.len() - ttd_ms.len();
    Times::new(ttd_ms, missed, 0)
}

#[cfg(test)]
mod tests {
    use tolerancia_core::detector::DetectorKind;
    use tolerancia_core::fault::{Fault, Scope};

    use super::super::tests::{MS, empty, id};
    use super::*;

    fn trial(fault: Fault, kind: DetectorKind, ttd_ms: Option<u64>) -> Trial {
        Trial {
            activated_ns: 1000 * MS,
            cleared_ns: None,
            detected_ns: ttd_ms.map(|ms| (1000 + ms) * MS),
            instance: id(1),
            faults: vec![FaultSpec {
                fault,
                scope: Scope::All,
            }],
            detector: kind,
        }
    }

    fn incorrect(product: &str) -> Fault {
        Fault::Incorrect {
            product: product.parse().expect("valid"),
        }
    }

    #[test]
    fn trials_of_a_kind_are_compared_together() {
        let mut trace = empty();
        trace.faults = vec![
            trial(Fault::Crash, DetectorKind::Accrual, Some(8)),
            trial(incorrect("A"), DetectorKind::Accrual, Some(30)),
            trial(Fault::Crash, DetectorKind::Accrual, Some(10)),
            trial(incorrect("B"), DetectorKind::Accrual, None),
            trial(Fault::Crash, DetectorKind::Consecutive, None),
        ];
        let all = compare(&trace, &Model::default(), DetectorConfig::default(), 10, 1, |_| {});
        let sizes: Vec<_> = all
            .iter()
            .map(|one| {
                (
                    one.fault.as_str(),
                    one.detector.as_str(),
                    one.live.trials,
                    one.live.missed,
                )
            })
            .collect();
        assert_eq!(
            sizes,
            [
                ("crash", "accrual", 2, 0),
                ("incorrect", "accrual", 2, 1),
                ("crash", "consecutive", 1, 1)
            ]
        );
        assert_eq!(all[0].live.ttd_ms.median, Some(9.0));
        let ratio = all[0].agreement.expect("both have a median");
        assert!((0.3..3.0).contains(&ratio), "{ratio}");
        assert_eq!(all[2].agreement, None);
    }
}
