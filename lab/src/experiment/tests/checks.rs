//! The steady state is checked before and after every trial, and what does not fit the system is told.

use super::*;

fn checks(report: &Report) -> Vec<(&str, Option<usize>, bool)> {
    let checks = report.steady.iter();
    checks
        .map(|check| (check.when.as_str(), check.trial, check.missing.is_none()))
        .collect()
}

#[tokio::test]
async fn the_steady_state_is_checked_before_a_trial() {
    let dir = tempfile::tempdir().unwrap();
    let (paper, args) = (Paper::default(), args(dir.path()));
    interrupted(&paper, &args).await;
    assert_eq!(
        checks(&report(&args)),
        [("baseline", None, true), ("before", Some(1), true)]
    );
}

#[tokio::test]
async fn a_fault_of_somebody_else_ends_the_trials_before_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let paper = Paper {
        // The experiment looks twice before it begins.
        active_from: Some(2),
        ..Paper::default()
    };
    let (args, shutdown) = (args(dir.path()), CancellationToken::new());
    let target = paper.serve().await;
    let interrupt = async {
        paper.seen.notified().await;
        // There is no log to be read afterwards.
        tokio::time::sleep(Duration::from_millis(300)).await;
        shutdown.cancel();
    };
    let (outcome, ()) = tokio::join!(carry_out(args.clone(), target, shutdown.clone()), interrupt);
    assert_eq!(outcome.unwrap(), ExperimentOutcome::Aborted);
    let report = report(&args);
    assert_eq!(checks(&report), [("baseline", None, true), ("before", Some(1), false)]);
    let told = report.notes.iter().any(|note| {
        note.contains("stopped before trial 1 of 1: freeze") && note.contains("the fault crash is active in instance 1")
    });
    assert!(told, "{:?}", report.notes);
    assert!(paper.asked().is_empty(), "{:?}", paper.asked());
}

#[tokio::test]
async fn a_product_that_there_is_not_is_told_before_any_fault_is_injected() {
    let dir = tempfile::tempdir().unwrap();
    let args = args(dir.path());
    let text = "name = 'short'\nbaseline_s = 1.0\nfaults = [{ fault = 'freeze' }]\n[load]\nproducts = ['PROD-007']";
    std::fs::write(args.scenario.as_ref().unwrap(), text).unwrap();
    let paper = Paper::default();
    let target = paper.serve().await;
    let error = carry_out(args, target, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ExperimentError::Load(_)), "{error}");
    let told = error.to_string();
    assert!(told.contains("PROD-007") && told.contains("has 1: PROD-001"), "{told}");
    assert!(paper.asked().is_empty());
}

/// The monitor of paper never turns anything OFF; without a duration that would be waited for for 10 s.
#[tokio::test]
async fn a_fault_with_a_duration_ends_whether_it_is_detected_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let (paper, args, shutdown) = (Paper::default(), args(dir.path()), CancellationToken::new());
    let text = "name = 'short'\nbaseline_s = 1.0\nfaults = [{ fault = 'freeze', instance = 2, duration_ms = 400 }]";
    std::fs::write(args.scenario.as_ref().unwrap(), text).unwrap();
    let target = paper.serve().await;
    let interrupt = async {
        paper.injected.notified().await;
        let begun = std::time::Instant::now();
        while paper.asked().len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(8), "the fault was not ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The request to end it comes a moment before its answer.
        assert!(begun.elapsed() >= Duration::from_millis(390), "{:?}", begun.elapsed());
        assert_eq!(paper.asked(), ["delete 2", "put"]);
        shutdown.cancel();
    };
    let (outcome, ()) = tokio::join!(carry_out(args.clone(), target, shutdown.clone()), interrupt);
    assert_eq!(outcome.unwrap(), ExperimentOutcome::Aborted);
}
