//! What clients saw, as the reports have it. Requests that fail together are no independent trials, so no test is made of
//! these figures: the share that failed in a trial stands for them.

use super::judge::{Draft, Rule, Test};
use super::model::{Measure, Outcome, Row};
use super::pairs::Pair;
use crate::report::{FaultReport, Phase, Report};

/// Success, quorum, and the latency before and after detection.
pub(super) fn of_fault(pair: &Pair<'_>) -> Vec<Draft> {
    let of = |fault: &FaultReport| {
        let phases = &fault.phases;
        [
            (Measure::SuccessRate, fault.during.success_rate),
            (Measure::QuorumRate, fault.during.quorum_rate),
            (Measure::P95UndetectedMs, phases.undetected.p95_ms),
            (Measure::P95DetectedMs, phases.detected.p95_ms),
            (Measure::P95RecoveringMs, phases.recovering.p95_ms),
        ]
    };
    let both = of(pair.a).into_iter().zip(of(pair.b));
    both.filter_map(|((measure, a), (_, b))| shown(Some(&pair.label), measure, a, b))
        .collect()
}

/// The healthy system.
pub(super) fn of_baseline(a: &Report, b: &Report) -> Vec<Draft> {
    let of = |phase: &Phase| {
        [
            (Measure::SuccessRate, phase.success_rate),
            (Measure::QuorumRate, phase.quorum_rate),
            (Measure::P95Ms, phase.p95_ms),
        ]
    };
    let both = of(&a.baseline.phase).into_iter().zip(of(&b.baseline.phase));
    both.filter_map(|((measure, a), (_, b))| shown(None, measure, a, b))
        .collect()
}

/// `None` if neither has it.
fn shown(fault: Option<&str>, measure: Measure, a: Option<f64>, b: Option<f64>) -> Option<Draft> {
    a.or(b)?;
    Some(Draft {
        row: Row {
            fault: fault.map(str::to_owned),
            measure,
            a,
            b,
            n: [0, 0],
            difference: a.zip(b).map(|(a, b)| b - a),
            ci95: None,
            p: None,
            p_holm: None,
            outcome: Outcome::NotTested,
        },
        test: Test::None,
        rule: Rule::Settled,
        from: 0.0,
        difference: None,
        interval: None,
    })
}
