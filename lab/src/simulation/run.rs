//! The command: what is simulated when, and where the results go.

use std::path::Path;

use serde::Serialize;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_core::fault::FaultSpec;

use super::args::{Plan, SimulateArgs};
use super::count::Alarms;
use super::curve::{Point, Sweep, sweep};
use super::healthy::{enough_days, healthy};
use super::model::Model;
use super::trace::{self, Agreement, Bootstrap, Health, Replay};
use super::trials::{Times, Ttd, simulate};
use super::{files, table};
use crate::console;
use crate::ui::Progress;

/// Trials of the model beside the live ones of a trace at most: their median is then known to a percent.
const MOST_COMPARED: usize = 2000;
/// The rate of false alarms for which `--trace` says a threshold of `accrual`: once in an instance-year.
const WANTED_PER_YEAR: f64 = 1.0;

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SimulateError(String);

impl From<String> for SimulateError {
    fn from(message: String) -> Self {
        Self(message)
    }
}

/// One detector and one fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Pair {
    pub detector: &'static str,
    pub fault: String,
    pub trials: usize,
    pub missed: usize,
    pub ttd_ms: Ttd,
    /// Per instance-day of health; 0 where none was seen.
    pub false_alarms_per_day: f64,
    /// With 95 % confidence it is not more.
    pub false_alarms_per_day_upper95: f64,
}

/// A pair with all its times.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub pair: Pair,
    pub times: Times,
}

/// What a trace said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Findings {
    pub trace: String,
    pub agreement: Vec<Agreement>,
    pub health: Health,
    pub replay: Vec<Replay>,
    /// Instance-years that were asked for.
    pub years: f64,
    pub bootstrap: Vec<Bootstrap>,
}

/// Simulates what `args` ask for and prints it.
///
/// # Errors
/// When arguments contradict one another, the trace cannot be used, or a file cannot be written.
pub fn run(args: &SimulateArgs) -> Result<(), SimulateError> {
    let plan = args.plan()?;
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).map_err(|error| format!("{} cannot be created ({error})", dir.display()))?;
    }
    let progress = Progress::start();
    let text = match &args.trace {
        Some(file) => {
            let findings = judge(&plan, file, args.years, &progress)?;
            if let Some(dir) = &args.out {
                files::json(&dir.join("trace.json"), &findings)?;
            }
            if args.json {
                json(&findings)?
            } else {
                table::findings(&findings)
            }
        }
        None => {
            let results = pairs(&plan, &progress);
            let points = curve(&plan, &progress);
            if let Some(dir) = &args.out {
                files::write(dir, &plan, &results, &points)?;
            }
            print(&plan, &results, &points, args)?
        }
    };
    progress.finish();
    console::out(text);
    if let Some(dir) = args.out.as_ref().filter(|_| !args.json) {
        console::out(format_args!("written to {}", dir.display()));
    }
    Ok(())
}

fn print(plan: &Plan, results: &[Measured], points: &[Point], args: &SimulateArgs) -> Result<String, String> {
    let pairs: Vec<&Pair> = results.iter().map(|result| &result.pair).collect();
    // A sweep that was not asked for in so many words is in its files only.
    let points = if args.curve { points } else { &[] };
    match (args.json, pairs.as_slice()) {
        (false, _) => Ok(table::pairs(plan, &pairs, points)),
        (true, _) if args.curve => json(&serde_json::json!({ "results": pairs, "curve": points })),
        (true, [pair]) => json(pair),
        (true, pairs) => json(&pairs),
    }
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| format!("the result cannot be written as JSON ({error})"))
}

/// Every detector with every fault.
fn pairs(plan: &Plan, progress: &Progress) -> Vec<Measured> {
    let days = plan.healthy_days.unwrap_or_else(|| enough_days(&plan.model));
    let mut results = Vec::new();
    for config in &plan.detectors {
        progress.live(format!("{}: health", config.kind));
        let alarms = healthy(&plan.model, config, days, plan.seed);
        for spec in &plan.faults {
            results.push(pair(plan, config, spec, alarms, progress));
        }
    }
    results
}

fn pair(plan: &Plan, config: &DetectorConfig, spec: &FaultSpec, alarms: Alarms, progress: &Progress) -> Measured {
    let faults = std::slice::from_ref(spec);
    let times = simulate(&plan.model, *config, faults, plan.trials, plan.seed, |done| {
        if done % 1000 == 0 {
            progress.live(format!(
                "{}, {}: trial {done} of {}",
                config.kind, spec.fault, plan.trials
            ));
        }
    });
    Measured {
        pair: Pair {
            detector: config.kind.name(),
            fault: spec.fault.name().to_owned(),
            trials: times.trials(),
            missed: times.missed,
            ttd_ms: times.ttd(),
            false_alarms_per_day: alarms.rate(),
            false_alarms_per_day_upper95: alarms.upper95(),
        },
        times,
    }
}

/// The sweep of thresholds, if it is asked for.
fn curve(plan: &Plan, progress: &Progress) -> Vec<Point> {
    let Some(trials) = plan.curve_trials else {
        return Vec::new();
    };
    let what = Sweep {
        trials,
        seed: plan.seed,
        days: plan.healthy_days,
    };
    let mut points = Vec::new();
    for config in &plan.detectors {
        let said = |threshold| progress.live(format!("{} at threshold {threshold}", config.kind));
        points.extend(sweep(&plan.model, &plan.noisy, *config, &plan.faults, what, said));
    }
    points
}

/// What the trace in `file` says.
fn judge(plan: &Plan, file: &Path, years: f64, progress: &Progress) -> Result<Findings, String> {
    progress.live(format!("reading {}", file.display()));
    let trace = trace::read(file)?;
    let spans = trace::healthy_spans(&trace);
    let config = plan.detectors.first().copied().unwrap_or_default();
    let health = trace::health(&trace, &spans, &config.accrual, WANTED_PER_YEAR);
    let model = trace::fit(plan.model.clone(), &trace, &spans, &health);
    let trials = plan.trials.min(MOST_COMPARED);
    let agreement = trace::compare(&trace, &model, rhythm(config, &model), trials, plan.seed, |fault| {
        progress.live(format!("{fault}: {trials} trials of the fitted model"));
    });
    let (mut replayed, mut resampled) = (Vec::new(), Vec::new());
    for config in &plan.detectors {
        progress.live(format!(
            "{}: the recorded health, and {years} instance-years of it",
            config.kind
        ));
        let panel = model.panel(rhythm(*config, &model));
        replayed.push(trace::replay(&trace, &spans, panel));
        resampled.extend(trace::bootstrap(&trace, &spans, panel, years, plan.seed));
    }
    Ok(Findings {
        trace: file.display().to_string(),
        agreement,
        health,
        replay: replayed,
        years,
        bootstrap: resampled,
    })
}

/// A detector of silence knows how often the monitor of the trace checks.
fn rhythm(mut config: DetectorConfig, model: &Model) -> DetectorConfig {
    config.phi.interval_ns = model.checks.interval_ns;
    config
}
