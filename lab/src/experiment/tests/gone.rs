//! The system is gone, or about to be.

use super::*;

#[tokio::test]
async fn an_interruption_with_the_whole_system_gone_is_soon_over() {
    for detectors in [Vec::new(), vec![DetectorKind::Consecutive]] {
        let dir = tempfile::tempdir().unwrap();
        let (paper, shutdown) = (Paper::default(), CancellationToken::new());
        let args = ExperimentArgs {
            detectors: detectors.clone(),
            ..args(dir.path())
        };
        let target = paper.serve().await;
        let interrupt = async {
            paper.injected.notified().await;
            paper.leave();
            shutdown.cancel();
        };
        let course = async { tokio::join!(carry_out(args.clone(), target, shutdown.clone()), interrupt).0 };
        // Whoever may come back is waited for for longer.
        let outcome = tokio::time::timeout(cleanup::PATIENCE / 2, course).await;
        let outcome = outcome.expect("nobody is waited for");
        if detectors.is_empty() {
            assert_eq!(outcome.unwrap(), ExperimentOutcome::Aborted);
        } else {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("PUT /detector"), "{error}");
        }
    }
}
