#![allow(clippy::unwrap_used)]

use clap::Parser as _;
use tolerancia_core::detector::DetectorKind;
use tolerancia_core::detector::calibrate::{self, Target};

use super::*;

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn parse(args: &[&str]) -> Result<Args, clap::Error> {
    Cli::try_parse_from([&["monitor-svc"], args].concat()).map(|cli| cli.args)
}

fn panel(args: &[&str]) -> Result<PanelConfig> {
    parse(args)?.panel()
}

fn detector(args: &[&str]) -> DetectorConfig {
    panel(args).unwrap().detector
}

#[test]
fn history_is_kept_for_a_day_or_as_long_as_is_said() {
    let keep = |args: &[&str]| parse(args).map(|args| args.retention());
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    assert_eq!(keep(&[]).unwrap(), hours(24));
    assert_eq!(keep(&["--metrics-retention-hours", "1"]).unwrap(), hours(1));
    assert_eq!(keep(&["--metrics-retention-hours", "0"]).unwrap(), None);
    assert!(keep(&["--metrics-retention-hours", "-1"]).is_err());
}

#[test]
fn without_arguments_all_is_as_the_rules_have_it() {
    let panel = panel(&[]).unwrap();
    assert_eq!(panel.detector, DetectorConfig::default());
    assert_eq!(panel.lifecycle, LifecycleConfig::default());
    assert_eq!(
        (panel.lag_budget_ns, panel.idle_budget_ns),
        (1000 * NS_PER_MS, 500 * NS_PER_MS)
    );
    assert_eq!(parse(&[]).unwrap().checks().unwrap(), ChecksConfig::default());
}

#[test]
fn every_detector_is_chosen_by_its_name() {
    for kind in DetectorKind::ALL {
        assert_eq!(detector(&["--detector", kind.name()]).kind, kind);
    }
    let error = parse(&["--detector", "guess"]).unwrap_err().to_string();
    for kind in DetectorKind::ALL {
        assert!(error.contains(kind.name()), "{error}");
    }
}

#[test]
fn every_parameter_reaches_its_detector() {
    let config = detector(&[
        "--consecutive-failures=5",
        "--accrual-p0=0.01",
        "--accrual-p1=0.5",
        "--accrual-threshold=9.5",
        "--phi-threshold=3",
        "--phi-window=50",
        "--phi-min-std-ms=7",
        "--window-ms=2000",
        "--window-min-volume=9",
        "--window-failure-share=0.6",
        "--health-check-interval-ms=100",
    ]);
    assert_eq!(config.misses, 5);
    let accrual = config.accrual;
    assert_eq!((accrual.p0, accrual.p1, accrual.threshold), (0.01, 0.5, 9.5));
    let phi = config.phi;
    assert_eq!(
        (phi.threshold, phi.samples, phi.min_deviation_ns),
        (3.0, 50, 7 * NS_PER_MS)
    );
    assert_eq!(phi.interval_ns, 100 * NS_PER_MS, "as often as it is checked");
    let window = config.window;
    assert_eq!(
        (window.span_ns, window.volume, window.share),
        (2000 * NS_PER_MS, 9, 0.6)
    );
}

#[test]
fn the_way_back_and_the_budgets_can_be_set() {
    let panel = panel(&[
        "--probation-clean-ms=100",
        "--probation-clean-max-ms=200",
        "--idle-budget-ms=900",
    ])
    .unwrap();
    let lifecycle = panel.lifecycle;
    assert_eq!(
        (lifecycle.clean_min_ns, lifecycle.clean_max_ns),
        (100 * NS_PER_MS, 200 * NS_PER_MS)
    );
    assert_eq!(panel.idle_budget_ns, 900 * NS_PER_MS);
}

#[test]
fn without_a_threshold_it_follows_from_the_wanted_false_alarms() {
    let target = Target {
        miss_rate: 1e-3,
        answers_per_s: 10.0,
        false_alarms_per_year: 0.1,
    };
    let args = [
        "--accrual-miss-rate=0.001",
        "--accrual-answers-per-s=10",
        "--accrual-false-alarms-per-year=0.1",
    ];
    let calibrated = detector(&args).accrual;
    assert_eq!(
        calibrated.threshold,
        calibrate::threshold(calibrated.p0, calibrated.p1, target).unwrap()
    );
    let set = detector(&[&args[..], &["--accrual-threshold=5"]].concat()).accrual;
    assert_eq!(set.threshold, 5.0, "what was set counts");
}

#[test]
fn contradictions_name_what_to_change() {
    for (args, names) in [
        (&["--accrual-p0=0.5"][..], &["ACCRUAL_P0", "ACCRUAL_P1"][..]),
        (
            &["--accrual-p0=0.5", "--accrual-threshold=9"],
            &["ACCRUAL_P0", "ACCRUAL_P1"],
        ),
        (&["--accrual-threshold=0"], &["ACCRUAL_THRESHOLD"]),
        (&["--accrual-miss-rate=0.4"], &["ACCRUAL_MISS_RATE", "ACCRUAL_P1"]),
        (
            &["--accrual-false-alarms-per-year=0"],
            &["ACCRUAL_FALSE_ALARMS_PER_YEAR"],
        ),
        (&["--accrual-miss-rate=NaN"], &["ACCRUAL_MISS_RATE"]),
        (&["--phi-threshold=0"], &["PHI_THRESHOLD"]),
        (&["--phi-window=1"], &["PHI_WINDOW"]),
        (&["--window-failure-share=1.5"], &["WINDOW_FAILURE_SHARE"]),
        (
            &["--quarantine-min-ms=900", "--quarantine-max-ms=800"],
            &["QUARANTINE_MIN_MS", "QUARANTINE_MAX_MS"],
        ),
        (
            &["--probation-clean-ms=900", "--probation-clean-max-ms=800"],
            &["PROBATION_CLEAN_MS", "PROBATION_CLEAN_MAX_MS"],
        ),
    ] {
        let error = format!("{:#}", panel(args).unwrap_err());
        for name in names {
            assert!(error.contains(name), "{args:?}: {error}");
        }
    }
    for (args, names) in [
        (&["--late-floor-ms=300"][..], ["LATE_FLOOR_MS", "LATE_CAP_MS"]),
        (
            &["--health-check-timeout-ms=40"],
            ["LATE_FLOOR_MS", "HEALTH_CHECK_TIMEOUT_MS"],
        ),
        (&["--late-cap-ms=2000"], ["LATE_CAP_MS", "HEALTH_CHECK_TIMEOUT_MS"]),
    ] {
        let error = parse(args).unwrap().checks().unwrap_err().to_string();
        assert!(names.iter().all(|name| error.contains(name)), "{args:?}: {error}");
    }
}

#[test]
fn the_cap_of_the_late_bound_gives_way_to_a_shorter_timeout() {
    let cap = |args: &[&str]| parse(args).unwrap().checks().unwrap().late_cap_ns / NS_PER_MS;
    assert_eq!(cap(&[]), 200);
    assert_eq!(cap(&["--health-check-timeout-ms=150"]), 150);
    assert_eq!(cap(&["--health-check-timeout-ms=150", "--late-cap-ms=120"]), 120);
}

#[test]
fn the_log_tells_the_detector_and_its_parameters() {
    let told = |args: &[&str]| {
        let args = parse(args).unwrap();
        let config = args.panel().unwrap().detector;
        args.describe_detector(&config)
    };
    let calibrated = told(&[]);
    assert!(
        calibrated.starts_with("accrual: p0 0.001, p1 0.3, threshold "),
        "{calibrated}"
    );
    assert!(
        calibrated.contains("false alarms per instance and year"),
        "{calibrated}"
    );
    assert!(told(&["--accrual-threshold=9.5"]).ends_with("threshold 9.5 nats, as set"));
    assert_eq!(told(&["--detector=consecutive"]), "consecutive: 3 misses in a row");
    assert_eq!(
        told(&["--detector=window"]),
        "window: 0.3 of at least 10 answers within 1000 ms"
    );
    assert!(told(&["--detector=phi"]).starts_with("phi: threshold 8, 100 intervals"));
}
