//! Missed trials, and what must not happen at all.

use super::TOO_FEW;
use super::judge::{Draft, Rule, Test};
use super::model::{Measure, Outcome, Row};
use super::pairs::Pair;
use crate::report::{FaultReport, Report, TrialReport};
use crate::statistics::{fisher_exact, share_difference};

/// The trials that were not detected, and those that did not recover.
pub(super) fn missed(pair: &Pair<'_>) -> Vec<Draft> {
    let both = |of: fn(&FaultReport) -> (u64, u64)| (of(pair.a), of(pair.b));
    [
        (Measure::Undetected, both(undetected)),
        (Measure::NotRecovered, both(not_recovered)),
    ]
    .into_iter()
    .filter_map(|(measure, (a, b))| share(pair, measure, a, b))
    .collect()
}

/// Missed trials, and all of them.
fn undetected(fault: &FaultReport) -> (u64, u64) {
    let missed = fault.trials_detail.iter().filter(|trial| !is_detected(trial)).count();
    (missed as u64, fault.trials_detail.len() as u64)
}

/// What was not detected was not turned ON again either, and counts once.
fn not_recovered(fault: &FaultReport) -> (u64, u64) {
    let detected = || fault.trials_detail.iter().filter(|trial| is_detected(trial));
    let left = detected().filter(|trial| trial.recovered_at.is_none()).count();
    (left as u64, detected().count() as u64)
}

fn is_detected(trial: &TrialReport) -> bool {
    trial.ttd_ms.is_some()
}

/// `None` where a side has no trials.
fn share(pair: &Pair<'_>, measure: Measure, a: (u64, u64), b: (u64, u64)) -> Option<Draft> {
    let interval = share_difference(a, b)?;
    let part = |(some, all): (u64, u64)| some as f64 / all as f64;
    let difference = part(b) - part(a);
    // Where all or none of the trials were missed, no test could find anything, and none is made: it need not be counted
    // among the tests either (Tarone, "A Modified Bonferroni Method for Discrete Data", Biometrics 46, 1990).
    let missed = a.0 + b.0;
    let is_open = missed > 0 && missed < a.1 + b.1;
    let enough = a.1.min(b.1) >= TOO_FEW as u64;
    let p = (is_open && enough).then(|| fisher_exact(a, b)).flatten();
    Some(Draft {
        row: Row {
            fault: Some(pair.label.clone()),
            measure,
            a: Some(part(a)),
            b: Some(part(b)),
            n: [a.1 as usize, b.1 as usize],
            difference: Some(difference),
            ci95: (enough && is_open).then(|| interval.map(Some)),
            p: None,
            p_holm: None,
            outcome: if enough {
                Outcome::NoDifference
            } else {
                Outcome::TooFewTrials
            },
        },
        test: Test::Own(p),
        rule: Rule::NoneBefore,
        from: part(a),
        difference: Some(difference),
        interval: Some(interval),
    })
}

/// What must be zero, or at most what the scenario of B allows.
pub(super) fn of_the_whole(a: &Report, b: &Report) -> Vec<Draft> {
    let known = |report: &Report, count: u64| report.oracle.complete.then_some(count as f64);
    let of = |report: &Report| {
        [
            (Measure::WrongAnswers, known(report, report.oracle.wrong_answers)),
            (Measure::OrdersLost, known(report, report.oracle.orders_lost)),
            (Measure::OrdersDoubled, known(report, report.oracle.orders_doubled)),
            (
                Measure::ReplicasUnequal,
                known(report, u64::from(!report.oracle.replicas_equal)),
            ),
            (Measure::FalseAlarms, Some(report.false_alarms.len() as f64)),
        ]
    };
    let both = of(a).into_iter().zip(of(b));
    both.map(|((measure, a), (_, of_b))| Draft {
        row: Row {
            fault: None,
            measure,
            a,
            b: of_b,
            n: [0, 0],
            difference: a.zip(of_b).map(|(a, b)| b - a),
            ci95: None,
            p: None,
            p_holm: None,
            outcome: count(a, of_b, allowed(b, measure)),
        },
        test: Test::None,
        rule: Rule::Settled,
        from: 0.0,
        difference: None,
        interval: None,
    })
    .collect()
}

fn count(a: Option<f64>, b: Option<f64>, allowed: f64) -> Outcome {
    match (a, b) {
        (None, _) => Outcome::NotTested,
        // What is no longer known is not zero.
        (Some(_), None) => Outcome::Regression,
        (Some(a), Some(b)) if b > a && b > allowed => Outcome::Regression,
        (Some(a), Some(b)) if b > a => Outcome::Worse,
        (Some(a), Some(b)) if b < a => Outcome::Better,
        _ => Outcome::NoDifference,
    }
}

/// What the objective of the same name allows.
fn allowed(report: &Report, measure: Measure) -> f64 {
    let name = match measure {
        Measure::WrongAnswers => "wrong_answers",
        Measure::FalseAlarms => "false_alarms",
        _ => return 0.0,
    };
    let of_the_whole = |objective: &&crate::report::Objective| objective.fault.is_none() && objective.name == name;
    report
        .objectives
        .iter()
        .find(of_the_whole)
        .map_or(0.0, |objective| objective.limit)
}
