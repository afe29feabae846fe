//! How good the health of real replicas is.

use serde::Serialize;
use tolerancia_core::detector::{AccrualConfig, Bursts, Seen, calibrate};

use super::{Evidence, Span, Trace, seconds};
use crate::simulation::count::upper95;

/// What healthy replicas did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Health {
    /// All instances together.
    pub instance_hours: f64,
    pub answers: u64,
    /// Weighed as the panel does: misses with one cause are one.
    pub misses: f64,
    /// Misses per answer.
    pub miss_rate: f64,
    /// With 95 % confidence it is not more.
    pub miss_rate_upper95: f64,
    /// Answers per second of one instance.
    pub answers_per_s: f64,
    /// How often the monitor itself stood still.
    pub monitor_stalls: usize,
    /// The threshold of `accrual` for the wanted rate of false alarms, in nats, if misses are as frequent as the upper
    /// bound; null where there is none.
    pub accrual_threshold: Option<f64>,
    /// The wanted rate, per instance-year.
    pub wanted_per_year: f64,
}

/// The health within `spans`. `accrual` has the probabilities for which a threshold is computed.
pub(crate) fn health(trace: &Trace, spans: &[Span], accrual: &AccrualConfig, wanted_per_year: f64) -> Health {
    let mut bursts = Bursts::new();
    let (mut answers, mut misses) = (0_u64, 0.0);
    for span in spans {
        for entry in super::replay::within(&trace.entries, *span) {
            let mut late = |at_ns| bursts.weigh(at_ns, entry.instance, Seen::Late);
            match entry.evidence {
                Evidence::Check { seen: Seen::Late, .. } => {
                    answers += 1;
                    misses += late(entry.at_ns);
                }
                Evidence::Check { seen, .. } => {
                    answers += 1;
                    misses += f64::from(u8::from(seen.is_miss()));
                }
                Evidence::Report {
                    good, late: n, failed, ..
                } => {
                    answers += u64::from(good) + u64::from(n) + u64::from(failed);
                    misses += f64::from(failed);
                    if n > 0 {
                        misses += late(entry.at_ns);
                    }
                }
            }
        }
    }
    let instance_s = seconds(spans) * f64::from(trace.begin.replicas);
    let per_answer = |misses: f64| {
        if answers == 0 {
            1.0
        } else {
            (misses / answers as f64).min(1.0)
        }
    };
    let miss_rate_upper95 = per_answer(upper95(misses.ceil() as u64));
    let answers_per_s = if instance_s > 0.0 {
        answers as f64 / instance_s
    } else {
        0.0
    };
    let target = calibrate::Target {
        miss_rate: miss_rate_upper95,
        answers_per_s,
        false_alarms_per_year: wanted_per_year,
    };
    Health {
        instance_hours: instance_s / 3600.0,
        answers,
        misses,
        miss_rate: if answers == 0 { 0.0 } else { per_answer(misses) },
        miss_rate_upper95,
        answers_per_s,
        monitor_stalls: trace.stalls.len(),
        accrual_threshold: calibrate::threshold(accrual.p0, accrual.p1, target).ok(),
        wanted_per_year,
    }
}

#[cfg(test)]
mod tests {
    use super::super::healthy_spans;
    use super::super::tests::{check, healthy, report};
    use super::*;

    fn of(trace: &Trace) -> Health {
        health(trace, &healthy_spans(trace), &AccrualConfig::default(), 1.0)
    }

    #[test]
    fn perfect_health_has_a_rate_of_nought_with_a_bound() {
        let health = of(&healthy(100, Vec::new()));
        assert_eq!(
            (health.answers, health.misses, health.miss_rate),
            (100 * 3 * 75, 0.0, 0.0)
        );
        assert!((health.miss_rate_upper95 - 3.0 / 22_500.0).abs() < 1e-6);
        assert!((74.0..76.0).contains(&health.answers_per_s));
    }

    #[test]
    fn what_has_one_cause_is_one_miss() {
        let late = [1, 2, 3].map(|n| check(50_010, n, Seen::Late));
        let more = [
            check(50_020, 1, Seen::Late),
            report(50_021, 1, [5, 4, 0]),
            report(60_000, 2, [5, 0, 2]),
        ];
        let health = of(&healthy(100, [late, more].concat()));
        let expected = 1.0 + 0.5 + 1.0 / 3.0 + 2.0;
        assert!((health.misses - expected).abs() < 1e-9, "{}", health.misses);
        assert_eq!(health.answers, 22_500 + 3 + 1 + 9 + 7);
    }
}
