//! What is missed, what fails, and what must not happen.

use super::*;

#[test]
fn a_missed_trial_where_none_was_is_a_regression() {
    let mut missed = around(50.0, 10);
    missed[3] = None;
    let (good, bad) = (one(around(50.0, 10)), one(missed));
    let comparison = compared(&good, &bad);
    let undetected = row(&comparison, Some("intermittent"), Measure::Undetected);
    assert_eq!((undetected.outcome, undetected.b), (Outcome::Regression, Some(0.1)));
    // Its time is longer than any, but the median is not.
    assert!(ttd(&comparison).b.is_some());
    assert_eq!(row(&comparison, Some("intermittent"), Measure::TtdP95Ms).b, None);
    assert!(render(&comparison).contains("0/10 → 1/10 **regression**"));
    // One fewer is no proof of anything, and one more where there were some already is not, either.
    assert_eq!(compared(&bad, &good).conclusion, Conclusion::NoDifference);
    let mut two = around(50.0, 10);
    (two[3], two[4]) = (None, None);
    assert_eq!(compared(&bad, &one(two)).conclusion, Conclusion::NoDifference);
    // Even a few trials can be missed.
    assert_eq!(
        compared(&one(around(50.0, 3)), &one(vec![Some(50.0), None, Some(51.0)])).conclusion,
        Conclusion::Regression
    );
}

#[test]
fn a_detector_that_misses_half_differs_in_everything_that_can_be_told() {
    let mut half = around(50.0, 12);
    half.iter_mut().take(8).for_each(|ttd| *ttd = None);
    let comparison = compared(&one(around(50.0, 12)), &one(half));
    let ttd = ttd(&comparison);
    assert_eq!((ttd.b, ttd.difference), (None, None));
    assert_eq!(ttd.outcome, Outcome::Regression, "{ttd:?}");
    let undetected = row(&comparison, Some("intermittent"), Measure::Undetected);
    assert!(undetected.p_holm.unwrap() < 0.05, "{undetected:?}");
    assert!(render(&comparison).contains("time to detect, median ms 66.5 → –, 12 and 12 trials"));
}

#[test]
fn failed_requests_are_compared_trial_by_trial() {
    let good = one(around(50.0, 10));
    let mut bad = good.clone();
    for trial in &mut bad.faults[0].trials_detail {
        // The bucket before the activation, and those after the end of the fault, are not about the fault.
        trial.timeline.as_mut().unwrap().failed = vec![0, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    }
    let comparison = compared(&good, &bad);
    let failed = row(&comparison, Some("intermittent"), Measure::FailedShare);
    assert!(
        failed.a == Some(0.0) && (failed.b.unwrap() - 0.04).abs() < 1e-9,
        "{failed:?}"
    );
    assert_eq!(failed.outcome, Outcome::Regression);
    assert!(render(&comparison).contains("0.00 % → 4.00 %"));
    // An older report has no timelines.
    for trial in &mut bad.faults[0].trials_detail {
        trial.timeline = None;
    }
    let comparison = compared(&good, &bad);
    let failed = row(&comparison, Some("intermittent"), Measure::FailedShare);
    assert_eq!((failed.b, failed.outcome), (None, Outcome::TooFewTrials));
}

#[test]
fn what_must_not_happen_is_a_regression_at_once() {
    let good = one(around(50.0, 10));
    for (measure, spoil) in [
        (
            Measure::WrongAnswers,
            (|report| report.oracle.wrong_answers = 1) as fn(&mut Report),
        ),
        (Measure::OrdersLost, |report| report.oracle.orders_lost = 1),
        (Measure::OrdersDoubled, |report| report.oracle.orders_doubled = 2),
        (Measure::ReplicasUnequal, |report| report.oracle.replicas_equal = false),
        (Measure::WrongAnswers, |report| report.oracle.complete = false),
        (Measure::FalseAlarms, |report| {
            let alarm = json!({ "instance": "2", "at": "t", "reason": "none" });
            report.false_alarms = vec![serde_json::from_value(alarm).unwrap()];
        }),
    ] {
        let mut bad = good.clone();
        spoil(&mut bad);
        let comparison = compared(&good, &bad);
        assert_eq!(
            row(&comparison, None, measure).outcome,
            Outcome::Regression,
            "{measure:?}"
        );
        assert_eq!(comparison.conclusion, Conclusion::Regression);
        assert_ne!(compared(&bad, &good).conclusion, Conclusion::Regression, "{measure:?}");
        assert_eq!(compared(&bad, &bad).conclusion, Conclusion::NoDifference);
    }
    // A scenario may allow some.
    let mut bad = good.clone();
    let alarm = json!({ "instance": "2", "at": "t", "reason": "none" });
    bad.false_alarms = vec![serde_json::from_value(alarm).unwrap()];
    let objective = json!({ "name": "false_alarms", "fault": null, "limit": 2.0, "value": 1.0, "met": true });
    bad.objectives = vec![serde_json::from_value(objective).unwrap()];
    assert_eq!(
        row(&compared(&good, &bad), None, Measure::FalseAlarms).outcome,
        Outcome::Worse
    );
}
