//! What the trace says of trials that are cut short.

use super::*;

fn lines(args: &ExperimentArgs) -> Vec<Value> {
    let trace = std::fs::read_to_string(args.out.join("trace.ndjson")).unwrap();
    trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn types(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_fault_is_in_the_trace_from_its_beginning_and_completed_once() {
    let dir = tempfile::tempdir().unwrap();
    let (paper, shutdown) = (Paper::default(), CancellationToken::new());
    let args = ExperimentArgs {
        record: true,
        ..args(dir.path())
    };
    let target = paper.serve().await;
    let interrupt = async {
        paper.injected.notified().await;
        // The answer of the replica is on its way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Whatever ends this process now, the trace knows of the fault.
        let begun = lines(&args);
        assert_eq!(types(&begun), ["begin", "load", "fault"]);
        assert!(begun[2]["cleared_ns"].is_null() && begun[2]["detected_ns"].is_null());
        shutdown.cancel();
    };
    let (outcome, ()) = tokio::join!(carry_out(args.clone(), target, shutdown.clone()), interrupt);
    assert_eq!(outcome.unwrap(), ExperimentOutcome::Aborted);
    let all = lines(&args);
    assert_eq!(types(&all), ["begin", "load", "fault", "fault"]);
    for line in &all[2..] {
        assert_eq!(line["activated_ns"], all[2]["activated_ns"]);
        assert_eq!(
            (&line["detector"], &line["faults"][0]["fault"]),
            (&"accrual".into(), &"freeze".into())
        );
    }
}

#[tokio::test]
async fn of_several_instances_the_one_that_was_hit_is_named_with_its_own_fault() {
    let dir = tempfile::tempdir().unwrap();
    let args = ExperimentArgs {
        record: true,
        ..args(dir.path())
    };
    let text = "name = 'short'\nbaseline_s = 1.0\n\
                faults = [{ fault = 'incorrect', products = ['PROD-001', 'PROD-002'] }]";
    std::fs::write(args.scenario.as_ref().unwrap(), text).unwrap();
    let paper = Paper {
        stubborn: Some("PROD-001"),
        ..Paper::default()
    };
    let target = paper.serve().await;
    let error = carry_out(args.clone(), target, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, ExperimentError::Inject(_)), "{error}");
    let all = lines(&args);
    assert_eq!(types(&all), ["begin", "load", "fault", "fault"]);
    for line in &all[2..] {
        assert_eq!(line["faults"][0]["product"], "PROD-002", "{line}");
    }
}
