#![allow(clippy::unwrap_used)]

mod misses;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A report of faults: name, detector, and the times to detect of the trials, of which some may be missed.
fn report(faults: &[(&str, &str, Vec<Option<f64>>)]) -> Report {
    let faults: Vec<Value> = faults
        .iter()
        .map(|(name, detector, ttd)| fault(name, detector, ttd))
        .collect();
    let json = json!({
        "schema": 1, "verdict": "pass", "started_at": "2026-01-01T00:00:00Z", "duration_s": 60.0, "seed": 7,
        "scenario": "classic", "repeat": "tolerancia experiment --seed 7",
        "environment": {
            "kafka": "embedded", "database": "sqlite", "replicas": 3, "cores": 2, "detector": "accrual",
            "version": "0.1.0"
        },
        "baseline": phase(), "faults": faults, "objectives": [],
        "oracle": {
            "complete": true, "answers_checked": 100, "wrong_answers": 0, "orders_acknowledged": 100, "orders_lost": 0,
            "orders_doubled": 0, "replicas_equal": true, "records": 300, "unreadable_records": 0, "findings": []
        },
        "false_alarms": [], "notes": []
    });
    serde_json::from_value(json).unwrap()
}

fn phase() -> Value {
    json!({
        "requests": 100, "success_rate": 1.0, "p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 4.0, "max_ms": 5.0,
        "quorum_rate": 1.0, "failed": {}, "false_alarms": 0
    })
}

/// Each trial is cleared after 500 ms, and ON 300 ms later.
fn fault(name: &str, detector: &str, ttd: &[Option<f64>]) -> Value {
    let trials: Vec<Value> = ttd
        .iter()
        .map(|ttd| {
            json!({
                "instance": "1", "activated_at": "t", "detected_at": ttd.map(|_| "t"), "cleared_at": "t",
                "recovered_at": ttd.map(|_| "t"), "reason": null, "ttd_ms": ttd, "ttr_ms": ttd.map(|ms| ms + 800.0),
                "repair_ms": ttd.map(|_| 300.0),
                "timeline": {
                    "start_s": 1.0, "from_ms": -100.0, "to_ms": 900.0, "bucket_ms": 100.0,
                    "requests": [10, 10, 10, 10, 10, 10, 10, 10, 10, 10], "failed": [9, 0, 0, 0, 0, 0, 9, 9, 9, 9],
                    "p95_ms": [], "states": [],
                    "marks": [
                        { "at_ms": 0.0, "instance": "1", "what": "inject" },
                        { "at_ms": 500.0, "instance": "1", "what": "clear" }
                    ]
                }
            })
        })
        .collect();
    let detected = ttd.iter().flatten().count();
    json!({
        "fault": name, "detector": detector, "parameters": { "fault": name }, "trials": ttd.len(),
        "detected": detected, "recovered": detected, "ttd_ms": null, "ttr_ms": null, "repair_ms": null,
        "during": phase(), "wrong_answers": 0, "trials_detail": trials
    })
}

/// So many times around `ms`, no two the same.
fn around(ms: f64, trials: usize) -> Vec<Option<f64>> {
    (0..trials)
        .map(|trial| Some(ms + (trial * 7 % trials) as f64 * 3.0))
        .collect()
}

fn one(ttd: Vec<Option<f64>>) -> Report {
    report(&[("intermittent", "accrual", ttd)])
}

fn compared(a: &Report, b: &Report) -> Comparison {
    let options = Options {
        names: ["results/a".to_owned(), "results/b".to_owned()],
        tolerance: 10.0,
        seed: 1,
    };
    compare(a, b, &options).unwrap()
}

fn row<'a>(comparison: &'a Comparison, fault: Option<&str>, measure: Measure) -> &'a Row {
    let mut rows = comparison.rows.iter();
    rows.find(|row| row.fault.as_deref() == fault && row.measure == measure)
        .unwrap()
}

fn ttd(comparison: &Comparison) -> &Row {
    row(comparison, Some("intermittent"), Measure::TtdMedianMs)
}

#[test]
fn a_report_does_not_differ_from_itself() {
    let report = one(around(50.0, 10));
    let comparison = compared(&report, &report);
    assert_eq!(comparison.conclusion, Conclusion::NoDifference);
    let ttd = ttd(&comparison);
    assert_eq!((ttd.difference, ttd.p_holm, ttd.n), (Some(0.0), Some(1.0), [10, 10]));
    assert_eq!(ttd.outcome, Outcome::NoDifference);
    // Repair times, missed trials and failed requests are all the same: there is nothing to test.
    assert_eq!(comparison.tests, 2);
    assert!(render(&comparison).starts_with("## Comparison: no difference found\n"));
}

#[test]
fn slower_is_a_regression_and_faster_is_better() {
    let (fast, slow) = (one(around(50.0, 10)), one(around(110.0, 10)));
    let worse = compared(&fast, &slow);
    assert_eq!(worse.conclusion, Conclusion::Regression);
    let row = ttd(&worse);
    assert_eq!((row.outcome, row.difference), (Outcome::Regression, Some(60.0)));
    assert!(
        row.p_holm.unwrap() < 0.001 && row.ci95.unwrap()[0].unwrap() > 30.0,
        "{row:?}"
    );
    let better = compared(&slow, &fast);
    assert_eq!(better.conclusion, Conclusion::Difference);
    assert_eq!(
        (ttd(&better).outcome, ttd(&better).difference),
        (Outcome::Better, Some(-60.0))
    );

    let text = render(&worse);
    assert!(
        text.starts_with("## Comparison: regression (B is worse by more than 10 %)"),
        "{text}"
    );
    assert!(
        text.contains("**Regressions**\n\n- intermittent: time to detect, median ms 63.5 → 123.5 (+60.0, +"),
        "{text}"
    );
    assert!(render(&better).contains("**Better**"));
}

#[test]
fn what_is_tolerated_and_what_is_too_small_is_no_regression() {
    // From 1013.5 ms to 1063.5 ms: certain, and 5 %.
    let tolerated = compared(&one(around(1000.0, 10)), &one(around(1050.0, 10)));
    assert_eq!(ttd(&tolerated).outcome, Outcome::Worse);
    assert_eq!(tolerated.conclusion, Conclusion::Difference);
    // From 9 ms to 13 ms: certain, and more than 10 %, but what the host does.
    let near = |ms: f64| one((0..10).map(|trial| Some(ms + f64::from(trial) * 0.01)).collect());
    let small = compared(&near(9.0), &near(13.0));
    assert!(ttd(&small).p_holm.unwrap() < 0.05);
    assert_eq!(ttd(&small).outcome, Outcome::NoDifference);
    // Widely spread times that overlap.
    let spread = |shift: f64| one((0..10).map(|trial| Some(shift + f64::from(trial) * 60.0)).collect());
    let uncertain = compared(&spread(50.0), &spread(100.0));
    assert_eq!(
        (ttd(&uncertain).outcome, ttd(&uncertain).difference),
        (Outcome::NoDifference, Some(50.0))
    );
}

#[test]
fn with_few_trials_nothing_is_concluded() {
    let comparison = compared(&one(around(50.0, 4)), &one(around(500.0, 4)));
    assert_eq!(comparison.conclusion, Conclusion::TooFewTrials);
    let few = ttd(&comparison);
    assert_eq!((few.outcome, few.p, few.ci95), (Outcome::TooFewTrials, None, None));
    assert_eq!(few.difference, Some(450.0));
    assert!(
        comparison
            .notes
            .iter()
            .any(|note| note.contains("nothing can be concluded")),
        "{:?}",
        comparison.notes
    );
    assert!(render(&comparison).contains("too few trials to conclude anything"));

    // Enough for a test of the medians, too few for one of the tails.
    let comparison = compared(&one(around(50.0, 10)), &one(around(500.0, 10)));
    let tail = row(&comparison, Some("intermittent"), Measure::TtdP95Ms);
    assert_eq!((tail.outcome, tail.p), (Outcome::TooFewTrials, None));
    let comparison = compared(&one(around(50.0, 25)), &one(around(500.0, 25)));
    let tail = row(&comparison, Some("intermittent"), Measure::TtdP95Ms);
    assert_eq!(tail.outcome, Outcome::Regression);
}

#[test]
fn what_is_the_same_measurement_is_tested_once() {
    let crash = |ms: f64| {
        let mut report = one(around(ms, 25));
        for trial in &mut report.faults[0].trials_detail {
            trial.repair_ms = trial.ttr_ms;
        }
        report
    };
    let comparison = compared(&crash(50.0), &crash(900.0));
    assert_eq!(comparison.tests, 2);
    let [ttr, repair] =
        [Measure::TtrP95Ms, Measure::RepairP95Ms].map(|measure| row(&comparison, Some("intermittent"), measure));
    assert_eq!((ttr.p_holm, ttr.outcome), (repair.p_holm, Outcome::Regression));
    assert_eq!(repair.outcome, Outcome::Regression);
}

#[test]
fn five_trials_of_many_faults_cannot_show_anything_and_that_is_said() {
    let names = ["a", "b", "c", "d", "e"];
    let all = |ms: f64| report(&names.map(|name| (name, "accrual", around(ms, 5))));
    let comparison = compared(&all(50.0), &all(500.0));
    assert_eq!(comparison.conclusion, Conclusion::NoDifference);
    assert_eq!(comparison.tests, 10);
    let told = comparison
        .notes
        .iter()
        .any(|note| note.contains("(every fault) that no difference of times"));
    assert!(told, "{:?}", comparison.notes);
}

#[test]
fn faults_are_matched_by_name_and_detectors_only_where_there_are_several() {
    let accrual = report(&[
        ("crash", "accrual", around(9.0, 10)),
        ("stale", "accrual", around(600.0, 10)),
    ]);
    let consecutive = report(&[
        ("gray", "consecutive", around(9.0, 10)),
        ("crash", "consecutive", around(9.0, 10)),
    ]);
    let comparison = compared(&accrual, &consecutive);
    assert_eq!(
        row(&comparison, Some("crash"), Measure::TtdMedianMs).outcome,
        Outcome::NoDifference
    );
    assert!(
        comparison
            .notes
            .contains(&"Only in A, so not compared: stale.".to_owned()),
        "{:?}",
        comparison.notes
    );
    assert!(
        comparison
            .notes
            .contains(&"Only in B, so not compared: gray.".to_owned())
    );

    let both = report(&[
        ("crash", "accrual", around(9.0, 10)),
        ("crash", "consecutive", around(90.0, 10)),
    ]);
    let comparison = compared(&both, &accrual);
    let crash = row(&comparison, Some("crash, accrual"), Measure::TtdMedianMs);
    assert_eq!(crash.difference, Some(0.0));
    assert!(
        comparison
            .rows
            .iter()
            .all(|row| row.fault.as_deref() != Some("crash, consecutive"))
    );
}

#[test]
fn conditions_that_differ_are_told() {
    let a = one(around(50.0, 10));
    let mut b = a.clone();
    b.environment.detector = "consecutive".to_owned();
    b.environment.replicas = 5;
    b.faults[0].parameters = json!({ "fault": "intermittent", "probability": 0.9 });
    let notes = compared(&a, &b).notes;
    let told = "A and B differ in detector (accrual; consecutive), replicas (3; 5).".to_owned();
    assert!(notes.contains(&told), "{notes:?}");
    assert!(
        notes.iter().any(|note| note.contains("other parameters: intermittent")),
        "{notes:?}"
    );
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let options = Options {
        names: ["x".to_owned(), "y".to_owned()],
        tolerance: 10.0,
        seed: 1,
    };
    let good = one(around(50.0, 10));
    let mut partial = good.clone();
    partial.verdict = Verdict::Aborted;
    let error = compare(&good, &partial, &options).unwrap_err().to_string();
    assert!(error.starts_with("y: that experiment was interrupted"), "{error}");
    let other = report(&[("crash", "accrual", around(9.0, 10))]);
    let error = compare(&good, &other, &options).unwrap_err().to_string();
    assert!(error.contains("x has intermittent; y has crash"), "{error}");
    let many = one(vec![Some(1.0); MOST_TRIALS + 1]);
    assert!(matches!(
        compare(&many, &good, &options),
        Err(CompareError::TooManyTrials { .. })
    ));
    // Nothing was broken in either.
    assert_eq!(
        compared(&report(&[]), &report(&[])).conclusion,
        Conclusion::NoDifference
    );
}

#[test]
fn names_cannot_break_out_of_their_cells() {
    let name = "a|b\n<script>";
    let report = report(&[(name, "accrual", around(9.0, 10))]);
    let text = render(&compared(&report, &report));
    assert!(
        text.contains("a\\|b &lt;script>") && !text.contains("<script>"),
        "{text}"
    );
}

#[test]
fn json_has_every_row_and_null_for_what_is_not_known() {
    let comparison = compared(&one(around(50.0, 10)), &one(vec![None; 10]));
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!(
        (&json["schema"], &json["conclusion"]),
        (&json!(1), &json!("regression"))
    );
    assert_eq!(
        (&json["rows"][0]["measure"], &json["rows"][0]["b"]),
        (&json!("ttd_median_ms"), &Value::Null)
    );
    assert_eq!(json["rows"][0]["fault"], "intermittent");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn swapping_the_reports_turns_every_difference(
        a in prop::collection::vec(prop::option::weighted(0.9, 1u16..900), 1..8),
        b in prop::collection::vec(prop::option::weighted(0.9, 1u16..900), 1..8)
    ) {
        let [a, b] = [a, b].map(|ttd| one(ttd.into_iter().map(|ms| ms.map(f64::from)).collect()));
        let (there, back) = (compared(&a, &b), compared(&b, &a));
        prop_assert_eq!(there.tests, back.tests);
        for (one, other) in there.rows.iter().zip(&back.rows) {
            prop_assert_eq!((one.measure, one.a, one.b), (other.measure, other.b, other.a));
            prop_assert_eq!(one.difference.map(|difference| -difference + 0.0), other.difference.map(|ms| ms + 0.0));
            if let Some(p) = one.p {
                prop_assert!(p > 0.0 && p <= 1.0 && (p - other.p.unwrap()).abs() < 1e-9);
            }
        }
    }
}
