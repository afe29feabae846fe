//! The results as files: JSON and CSV for programs, SVG for people.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::args::Plan;
use super::curve::Point;
use super::dice::Delay;
use super::model::Model;
use super::plot;
use super::run::Measured;

/// Points of one empirical distribution that are written at most.
const MOST_STEPS: usize = 500;

/// Writes everything into `dir`.
///
/// # Errors
/// A message that names the file that cannot be written.
pub(super) fn write(dir: &Path, plan: &Plan, results: &[Measured], points: &[Point]) -> Result<(), String> {
    let pairs: Vec<_> = results.iter().map(|result| &result.pair).collect();
    json(
        &dir.join("simulation.json"),
        &json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "seed": plan.seed,
            "model": model(&plan.model),
            "results": pairs,
        }),
    )?;
    text(&dir.join("ttd.csv"), &ttd_csv(results))?;
    text(&dir.join("ttd.svg"), &plot::ttd(results)?)?;
    json(
        &dir.join("curve.json"),
        &json!({ "schema": 1, "seed": plan.seed, "health": model(&plan.noisy), "points": points }),
    )?;
    text(&dir.join("curve.csv"), &curve_csv(points))?;
    text(&dir.join("curve.svg"), &plot::curve(points)?)
}

/// Writes one value as JSON for programs and people.
pub(super) fn json(path: &Path, value: &impl Serialize) -> Result<(), String> {
    let pretty = serde_json::to_string_pretty(value);
    text(
        path,
        &(pretty.map_err(|error| format!("{} cannot be written ({error})", path.display()))? + "\n"),
    )
}

fn text(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{} cannot be written ({error})", path.display()))
}

fn model(model: &Model) -> serde_json::Value {
    let ms = |ns: u64| ns as f64 / 1e6;
    let delay = |delay: &Delay| match delay {
        Delay::LogNormal { median_ns, sigma } => json!({ "median": median_ns / 1e6, "sigma": sigma }),
        Delay::Measured(_) => json!({ "median": delay.median_ns() / 1e6 }),
    };
    json!({
        "replicas": model.replicas,
        "interval_ms": ms(model.checks.interval_ns),
        "timeout_ms": ms(model.checks.timeout_ns),
        "late_floor_ms": ms(model.checks.late_floor_ns),
        "late_cap_ms": ms(model.checks.late_cap_ns),
        "queries_rps": model.queries_rps,
        "products": model.products,
        "scrub_rate": model.scrub_rate,
        "service_ms": delay(&model.service),
        "report_ms": delay(&model.report),
        "teardown_ms": ms(model.teardown_ns),
        "healthy_miss": model.healthy_miss,
        "stalls_per_hour": model.stalls_per_hour,
        "stall_ms": model.stall_mean_ns / 1e6,
        "horizon_s": model.horizon_ns as f64 / 1e9,
    })
}

/// Steps of the empirical distribution of one pair: milliseconds, and the share of all trials that were detected by
/// then. The last step of a pair with missed trials is below 1.
pub(super) fn steps(result: &Measured) -> Vec<(f64, f64)> {
    let times = &result.times;
    let count = times.ttd_ms.len();
    let stride = count.div_ceil(MOST_STEPS).max(1);
    let last = count.saturating_sub(1);
    let kept = times
        .ttd_ms
        .iter()
        .enumerate()
        .filter(|(rank, _)| rank % stride == 0 || *rank == last);
    kept.map(|(rank, ms)| (*ms, (rank + 1) as f64 / times.trials() as f64))
        .collect()
}

fn ttd_csv(results: &[Measured]) -> String {
    let mut csv = "detector,fault,ttd_ms,share\n".to_owned();
    for result in results {
        for (ms, share) in steps(result) {
            let _ = writeln!(csv, "{},{},{ms:.3},{share:.6}", result.pair.detector, result.pair.fault);
        }
    }
    csv
}

fn curve_csv(points: &[Point]) -> String {
    let mut csv = "detector,threshold,unit,fault,trials,ttd_median_ms,ttd_p99_ms,missed,false_alarms_per_instance_day,\
                   false_alarms_per_instance_day_upper95\n"
        .to_owned();
    let cell = |ms: Option<f64>| ms.map(|ms| format!("{ms:.3}")).unwrap_or_default();
    for point in points {
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{},{},{},{},{}",
            point.detector,
            point.threshold,
            point.unit,
            point.fault,
            point.trials,
            cell(point.ttd_median_ms),
            cell(point.ttd_p99_ms),
            point.missed,
            point.false_alarms_per_day,
            point.false_alarms_per_day_upper95
        );
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::run::Pair;
    use crate::simulation::trials::Times;

    fn measured(count: usize, missed: usize) -> Measured {
        let times = Times::new((0..count).map(|ms| ms as f64).collect(), missed, 0);
        Measured {
            pair: Pair {
                detector: "accrual",
                fault: "crash".to_owned(),
                trials: times.trials(),
                missed,
                ttd_ms: times.ttd(),
                false_alarms_per_day: 0.0,
                false_alarms_per_day_upper95: 1.0,
            },
            times,
        }
    }

    #[test]
    fn a_distribution_is_thinned_and_ends_where_it_ends() {
        let steps = steps(&measured(2000, 0));
        assert!(steps.len() <= MOST_STEPS + 1);
        assert_eq!((steps[0], steps[steps.len() - 1]), ((0.0, 0.0005), (1999.0, 1.0)));
        assert!(steps.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
        assert_eq!(super::steps(&measured(1, 3)), [(0.0, 0.25)]);
        assert_eq!(super::steps(&measured(0, 3)), []);
    }

    #[test]
    fn all_files_are_written_and_say_what_they_are() {
        let dir = tempfile::tempdir().expect("a directory");
        let args = <Cli as clap::Parser>::parse_from(["simulate"]);
        let plan = args.args.plan().expect("valid");
        let point = |threshold, false_alarms_per_day| Point {
            detector: "accrual",
            threshold,
            unit: "nats",
            fault: "crash".to_owned(),
            trials: 3,
            ttd_median_ms: Some(8.0),
            ttd_p99_ms: None,
            missed: 0.25,
            false_alarms_per_day,
            false_alarms_per_day_upper95: 2.0,
        };
        let results = [measured(50, 1), measured(0, 2)];
        write(dir.path(), &plan, &results, &[point(2.0, 1.5), point(4.0, 0.0)]).expect("written");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect(name);
        assert_eq!(
            read("curve.csv").lines().nth(1),
            Some("accrual,2,nats,crash,3,8.000,,0.25,1.5,2")
        );
        assert!(read("curve.csv").contains("false_alarms_per_instance_day,"));
        assert_eq!(read("ttd.csv").lines().count(), 51);
        for name in ["simulation.json", "curve.json"] {
            assert!(serde_json::from_str::<serde_json::Value>(&read(name)).is_ok(), "{name}");
        }
        for name in ["ttd.svg", "curve.svg"] {
            let svg = read(name);
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
            assert!(
                svg.contains("accrual") && svg.contains("crash") && svg.contains("ms"),
                "{svg}"
            );
        }
        let missing = dir.path().join("no/where");
        assert!(
            write(&missing, &plan, &[], &[])
                .expect_err("no such directory")
                .contains("simulation.json")
        );
    }

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: super::super::SimulateArgs,
    }
}
