//! The model, fitted to a trace: the same simulation with the times of real replicas.

use super::{Evidence, Health, Span, Trace};
use crate::simulation::dice::Delay;
use crate::simulation::model::Model;
use crate::simulation::trace::replay::within;
use tolerancia_core::checks::ChecksConfig;
use tolerancia_core::detector::Seen;

const NS_PER_MS: u64 = 1_000_000;
/// Measured times that are kept of each kind; more of them tell no more.
const MOST_TIMES: usize = 100_000;

/// `model` with what the trace knows better: the settings of its monitor, its load, and how long answers and reports
/// took while all was well.
pub(crate) fn fit(model: Model, trace: &Trace, spans: &[Span], health: &Health) -> Model {
    let begin = trace.begin;
    let mut took_ns = Vec::new();
    for span in spans {
        took_ns.extend(
            within(&trace.entries, *span)
                .iter()
                .filter_map(|entry| match entry.evidence {
                    Evidence::Check {
                        seen: Seen::Good,
                        took_us: Some(us),
                    } => Some(u64::from(us) * 1000),
                    _ => None,
                }),
        );
    }
    Model {
        replicas: begin.replicas,
        checks: ChecksConfig {
            interval_ns: begin.interval_ms * NS_PER_MS,
            timeout_ns: begin.timeout_ms * NS_PER_MS,
            late_floor_ns: begin.late_floor_ms * NS_PER_MS,
            late_cap_ns: begin.late_cap_ms * NS_PER_MS,
        },
        lag_budget_ns: begin.lag_budget_ms * NS_PER_MS,
        queries_rps: trace.load.map_or(model.queries_rps, |[queries_rps, _]| queries_rps),
        service: measured(took_ns).unwrap_or(model.service),
        report: measured(trace.report_delays_ns.clone()).unwrap_or(model.report),
        healthy_miss: health.miss_rate,
        ..model
    }
}

/// The measured times, thinned evenly by rank if they are many.
fn measured(mut times: Vec<u64>) -> Option<Delay> {
    if times.is_empty() {
        return None;
    }
    if times.len() > MOST_TIMES {
        times.sort_unstable();
        let step = times.len() as f64 / MOST_TIMES as f64;
        times = (0..MOST_TIMES)
            .filter_map(|nth| times.get(((nth as f64 + 0.5) * step) as usize).copied())
            .collect();
    }
    Some(Delay::Measured(times))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::trace::tests::{MS, healthy};
    use crate::simulation::trace::{health, healthy_spans};
    use tolerancia_core::detector::AccrualConfig;

    #[test]
    fn the_model_takes_what_was_measured() {
        let mut trace = healthy(20, Vec::new());
        trace.begin.interval_ms = 100;
        trace.load = Some([70.0, 5.0]);
        let spans = healthy_spans(&trace);
        let health = health(&trace, &spans, &AccrualConfig::default(), 1.0);
        let model = fit(Model::default(), &trace, &spans, &health);
        assert_eq!((model.checks.interval_ns, model.queries_rps), (100 * MS, 70.0));
        assert_eq!(model.service.median_ns(), 900_000.0);
        assert_eq!(model.report, Model::default().report, "no report said when it was made");
        assert_eq!(model.healthy_miss, 0.0);
    }

    #[test]
    fn many_times_are_thinned_without_shifting_them() {
        let Some(Delay::Measured(times)) = measured((0..1_000_000).rev().collect()) else {
            panic!("measured")
        };
        assert_eq!(times.len(), MOST_TIMES);
        assert_eq!((times[0], times[MOST_TIMES - 1]), (5, 999_995));
        assert_eq!(measured(Vec::new()), None);
    }
}
