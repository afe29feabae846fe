//! Detectors are switched, and restored.

use rand::SeedableRng as _;

use super::*;

/// A seed with which the first trial is made with the first of these.
fn first(detectors: &[DetectorKind]) -> u64 {
    let spec = tolerancia_core::fault::FaultSpec {
        fault: tolerancia_core::fault::Fault::Freeze,
        scope: tolerancia_core::fault::Scope::All,
    };
    let cases = [spec.into()];
    let begins = |seed: &u64| {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(*seed);
        order::order(&cases, detectors, 1, 3, &mut rng)[0].detector == detectors[0]
    };
    (0..).find(begins).unwrap()
}

/// Interrupts an experiment that compares detectors in its first trial. Returns its report and what was asked for, in
/// order.
async fn interrupted(paper: &Paper) -> (Report, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let shutdown = CancellationToken::new();
    let detectors = vec![DetectorKind::Consecutive, DetectorKind::Accrual];
    let args = ExperimentArgs {
        seed: Some(first(&detectors)),
        detectors,
        ..args(dir.path())
    };
    let target = paper.serve().await;
    let interrupt = async {
        paper.injected.notified().await;
        // The answer of the replica is on its way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        shutdown.cancel();
    };
    let (outcome, ()) = tokio::join!(carry_out(args.clone(), target, shutdown.clone()), interrupt);
    assert_eq!(outcome.unwrap(), ExperimentOutcome::Aborted);
    let asked = paper.asked.lock().unwrap().clone();
    (report(&args), asked)
}

#[tokio::test]
async fn an_interruption_restores_the_detector() {
    let (report, asked) = interrupted(&Paper::default()).await;
    assert_eq!((asked[0].as_str(), asked[1].as_str()), ("detector consecutive", "put"));
    assert_eq!(asked.last().unwrap(), "detector accrual");
    assert_eq!(report.environment.detector, "consecutive");
    let noticed = report.notes.iter().any(|note| note.contains("judged by"));
    assert!(!noticed, "{:?}", report.notes);
    let entries: Vec<_> = report
        .faults
        .iter()
        .map(|fault| (fault.detector.as_str(), fault.trials))
        .collect();
    assert_eq!(entries, [("consecutive", 1), ("accrual", 0)]);
}

#[tokio::test]
async fn a_monitor_that_judges_by_another_detector_again_is_told_and_switched() {
    let paper = Paper {
        forgets: true,
        ..Paper::default()
    };
    let (report, asked) = interrupted(&paper).await;
    let before: Vec<_> = asked.iter().take_while(|asked| *asked != "put").collect();
    assert_eq!(before, ["detector consecutive", "detector consecutive"]);
    assert_eq!(asked.last().unwrap(), "detector accrual");
    let told = report
        .notes
        .iter()
        .any(|note| note.contains("by accrual instead of consecutive"));
    assert!(told, "{:?}", report.notes);
}

#[tokio::test]
async fn a_detector_that_is_not_restored_at_once_is_restored_all_the_same() {
    let paper = Paper::default();
    paper.stumbles.store(true, Ordering::Relaxed);
    let (_, asked) = interrupted(&paper).await;
    let last = asked
        .iter()
        .rev()
        .take_while(|asked| *asked == "detector accrual")
        .count();
    assert_eq!((last, paper.detector.lock().unwrap().as_deref()), (2, Some("accrual")));
}

#[tokio::test]
async fn a_detector_that_cannot_be_switched_is_told_before_any_fault_is_injected() {
    let dir = tempfile::tempdir().unwrap();
    let paper = Paper {
        fixed: true,
        ..Paper::default()
    };
    let target = paper.serve().await;
    let args = ExperimentArgs {
        detectors: vec![DetectorKind::Consecutive],
        ..args(dir.path())
    };
    let error = carry_out(args, target, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("FAULT_INJECTION=on"), "{error}");
    assert!(
        paper.asked().iter().all(|asked| asked.starts_with("detector")),
        "{:?}",
        paper.asked()
    );
}
