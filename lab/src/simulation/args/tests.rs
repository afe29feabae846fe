#![allow(clippy::unwrap_used)]
use clap::Parser as _;

use super::*;

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: SimulateArgs,
}

fn plan(args: &[&str]) -> Result<Plan, String> {
    let cli = Cli::try_parse_from([&["simulate"], args].concat()).map_err(|error| error.to_string())?;
    cli.args.plan()
}

fn names(plan: &Plan) -> (Vec<DetectorKind>, Vec<&'static str>) {
    let detectors = plan.detectors.iter().map(|config| config.kind);
    let faults = plan.faults.iter().map(|spec| spec.fault.name());
    (detectors.collect(), faults.collect())
}

#[test]
fn without_arguments_it_is_the_default_system_with_all_faults() {
    let plan = plan(&[]).unwrap();
    assert_eq!(plan.model, Model::default());
    let all = vec!["crash", "latency", "intermittent", "incorrect", "freeze", "stale"];
    assert_eq!(names(&plan), (vec![DetectorKind::default()], all));
    assert_eq!((plan.trials, plan.seed, plan.curve_trials), (10_000, 1, None));
}

#[test]
fn lists_name_each_once() {
    let plan = plan(&["--detector", "phi,all", "--fault", "crash,stale,crash", "--curve"]).unwrap();
    let (detectors, faults) = names(&plan);
    assert_eq!((detectors.len(), detectors[0]), (4, DetectorKind::Phi));
    assert_eq!(faults, ["crash", "stale"]);
    assert_eq!(plan.curve_trials, Some(500));
}

#[test]
fn parameters_reach_where_they_belong() {
    let args = "--fault latency --latency 90 --scope health --accrual-threshold 9 --misses 5 --window-share 0.5";
    let args: Vec<_> = args.split(' ').collect();
    let plan = plan(&args).unwrap();
    let fault = Fault::Latency { latency_ms: Some(90) };
    assert_eq!(
        plan.faults,
        [FaultSpec {
            fault,
            scope: Scope::Health
        }]
    );
    let config = plan.detectors[0];
    assert_eq!(
        (config.accrual.threshold, config.misses, config.window.share),
        (9.0, 5, 0.5)
    );
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    for (args, said) in [
        ("--detector magic", "`all` is all of them"),
        ("--fault fire", "not \"fire\""),
        ("--fault intermittent --probability 0", "probability must be above 0"),
        ("--fault intermittent --probability 1.5", "probability must be above 0"),
        ("--fault latency --latency 0", "latency must be 1 to 60000"),
        ("--rps -1", "a number from 0 to 100000"),
        ("--rps NaN", "a number from 0 to 100000"),
        ("--horizon 1e9", "a number from 0 to 3600"),
        ("--trials 0", "1..=10000000"),
        ("--healthy-days 0", "above 0"),
        ("--replicas 4", "3, 5 or 7"),
        (
            "--late-floor-ms 300",
            "--late-floor-ms (300) is above --late-cap-ms (200)",
        ),
        ("--late-cap-ms 2000", "is above --timeout-ms"),
        ("--accrual-p0 0.5", "p0 < p1"),
        ("--trace x --fault crash", "cannot be used with"),
        ("--trace x --curve", "cannot be used with"),
    ] {
        let error = plan(&args.split(' ').collect::<Vec<_>>()).unwrap_err();
        assert!(error.contains(said), "{args}: {error}");
    }
}
