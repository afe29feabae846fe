//! What a detector's threshold costs: sooner verdicts against more false alarms.

use serde::Serialize;
use tolerancia_core::detector::{DetectorConfig, DetectorKind};
use tolerancia_core::fault::FaultSpec;

use super::healthy::{enough_days, healthy};
use super::model::Model;
use super::trials::{name, simulate};

/// One threshold of one detector, against one fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Point {
    pub detector: &'static str,
    /// In the detector's unit.
    pub threshold: f64,
    pub unit: &'static str,
    pub fault: String,
    pub trials: usize,
    /// Over all trials; null if the rank falls among those that were missed.
    pub ttd_median_ms: Option<f64>,
    pub ttd_p99_ms: Option<f64>,
    /// Share of the trials, 0 to 1.
    pub missed: f64,
    /// Per instance-day of health; 0 where none was seen.
    pub false_alarms_per_day: f64,
    /// With 95 % confidence it is not more.
    pub false_alarms_per_day_upper95: f64,
}

/// The thresholds that are compared.
pub(crate) const fn thresholds(kind: DetectorKind) -> &'static [f64] {
    match kind {
        DetectorKind::Consecutive => &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        DetectorKind::Accrual => &[2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0],
        DetectorKind::Phi => &[1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0],
        DetectorKind::Window => &[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
    }
}

/// The same detector with another threshold.
pub(crate) fn at(mut config: DetectorConfig, threshold: f64) -> DetectorConfig {
    match config.kind {
        DetectorKind::Consecutive => config.misses = threshold as u32,
        DetectorKind::Accrual => config.accrual.threshold = threshold,
        DetectorKind::Phi => config.phi.threshold = threshold,
        DetectorKind::Window => config.window.share = threshold,
    }
    config
}

/// What the sweep needs besides the model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sweep {
    pub trials: usize,
    pub seed: u64,
    /// Instance-days of health per threshold; none: as many as tell something.
    pub days: Option<f64>,
}

/// All thresholds of `config`'s detector against each fault. `healthy_model` says how good health is, `each` is told
/// which threshold comes next.
pub(crate) fn sweep(
    model: &Model,
    healthy_model: &Model,
    config: DetectorConfig,
    faults: &[FaultSpec],
    what: Sweep,
    mut each: impl FnMut(f64),
) -> Vec<Point> {
    let mut points = Vec::new();
    let days = what.days.unwrap_or_else(|| enough_days(healthy_model));
    for &threshold in thresholds(config.kind) {
        each(threshold);
        let config = at(config, threshold);
        let alarms = healthy(healthy_model, &config, days, what.seed);
        let detector = config.build();
        for spec in faults {
            let faults = std::slice::from_ref(spec);
            let times = simulate(model, config, faults, what.trials, what.seed, |_| {});
            let ttd = times.ttd();
            points.push(Point {
                detector: detector.name(),
                threshold,
                unit: detector.unit(),
                fault: name(faults),
                trials: what.trials,
                ttd_median_ms: ttd.median,
                ttd_p99_ms: ttd.p99,
                missed: times.missed_share(),
                false_alarms_per_day: alarms.rate(),
                false_alarms_per_day_upper95: alarms.upper95(),
            });
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use tolerancia_core::fault::{Fault, Scope};

    use super::*;

    #[test]
    fn every_threshold_is_one_that_the_detector_takes() {
        for kind in DetectorKind::ALL {
            let config = DetectorConfig::default().of(kind);
            for &threshold in thresholds(kind) {
                let config = at(config, threshold);
                assert_eq!(config.check(), Ok(()), "{kind} {threshold}");
                assert_eq!(config.build().limit(), threshold, "{kind}");
            }
        }
    }

    #[test]
    fn a_higher_threshold_is_slower_and_alarms_less() {
        let model = Model::default();
        let noisy = Model {
            healthy_miss: 0.01,
            ..Model::default()
        };
        let faults = [FaultSpec {
            fault: Fault::Freeze,
            scope: Scope::All,
        }];
        let what = Sweep {
            trials: 10,
            seed: 1,
            days: Some(0.02),
        };
        for kind in [DetectorKind::Consecutive, DetectorKind::Accrual] {
            let config = DetectorConfig::default().of(kind);
            let points = sweep(&model, &noisy, config, &faults, what, |_| {});
            assert_eq!(points.len(), thresholds(kind).len());
            assert!(
                points.is_sorted_by(|a, b| a.ttd_median_ms <= b.ttd_median_ms),
                "{points:?}"
            );
            assert!(
                points.is_sorted_by(|a, b| a.false_alarms_per_day >= b.false_alarms_per_day),
                "{points:?}"
            );
            assert!(points[0].false_alarms_per_day > 0.0);
        }
    }
}
