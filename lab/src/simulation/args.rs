//! What `tolerancia simulate` can be told.

use std::path::PathBuf;

use tolerancia_core::detector::{AccrualConfig, DetectorConfig, DetectorKind};
use tolerancia_core::fault::{Fault, FaultSpec, Scope};

use super::dice::Delay;
use super::model::{MOST_PRODUCTS, Model};

const MS: f64 = 1e6;

/// Arguments of `tolerancia simulate`.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// Detectors, separated by commas, or `all`: accrual, consecutive, phi, window.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "accrual")]
    detector: Vec<String>,

    /// Faults, separated by commas, or `all`: crash, latency, intermittent, incorrect, freeze, stale.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "all")]
    fault: Vec<String>,

    /// `intermittent`: probability of an error, above 0 and at most 1.
    #[arg(long, value_name = "P", default_value_t = 0.5, allow_negative_numbers = true)]
    probability: f64,

    /// `latency`: mean delay in milliseconds, 1 to 60000, spread by 20 %; without it, 500 to 1500 ms.
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    latency: Option<u64>,

    /// Which answers `latency` and `intermittent` touch; less than all is a gray failure.
    #[arg(long, value_enum, default_value_t = Answers::All)]
    scope: Answers,

    /// Client queries per second, 0 to 100000.
    #[arg(long, value_name = "N", default_value_t = 50.0, allow_negative_numbers = true, value_parser = number::<0, 100_000>)]
    rps: f64,

    /// Trials per detector and fault, 1 to 10 million.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    trials: u64,

    /// The same seed gives the same output.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// A fault that is not detected within this many seconds is missed, 0 to 3600.
    #[arg(long, value_name = "S", default_value_t = 10.0, allow_negative_numbers = true, value_parser = number::<0, 3600>)]
    horizon: f64,

    /// Instance-days of health in which false alarms are counted; without it, as many as have some 300,000 misses.
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true, value_parser = positive)]
    healthy_days: Option<f64>,

    /// Probability that a healthy replica's answer is an error [default: 0.0001; 0.001 for curves].
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = number::<0, 1>)]
    healthy_miss: Option<f64>,

    /// How often an hour a healthy replica stands still [default: 0; 60 for curves].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number::<0, 36_000>)]
    stalls_per_hour: Option<f64>,

    /// For how long, in milliseconds on average.
    #[arg(long, value_name = "MS", default_value_t = 60.0, allow_negative_numbers = true, value_parser = number::<0, 60_000>)]
    stall_ms: f64,

    /// Sweep each detector's threshold: time to detect against false alarms. `--out` does so too, into files only.
    #[arg(long, conflicts_with = "trace")]
    pub(crate) curve: bool,

    /// Trials per threshold of a sweep, 1 to 1 million.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    curve_trials: u64,

    /// Write simulation.json, ttd.csv, ttd.svg, curve.csv, curve.json and curve.svg into this directory; with
    /// `--trace`, trace.json.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,

    /// Compare the model with a trace of the live system (`tolerancia experiment --record` writes trace.ndjson), and
    /// judge the recorded health by each detector. Faults, load and settings are those of the trace.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fault", "probability", "latency", "scope", "rps", "healthy_miss", "stalls_per_hour", "healthy_days"])]
    pub(crate) trace: Option<PathBuf>,

    /// With `--trace`: instance-years to resample the recorded health to.
    #[arg(long, value_name = "YEARS", default_value_t = 100.0, allow_negative_numbers = true, value_parser = positive)]
    pub(crate) years: f64,

    #[command(flatten)]
    parameters: Parameters,

    #[command(flatten)]
    system: System,
}

/// The detectors' parameters.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Parameters of the detectors")]
struct Parameters {
    /// `consecutive`: misses in a row, from 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    misses: Option<u32>,
    /// `accrual`: probability that a healthy instance's answer is a miss.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    accrual_p0: Option<f64>,
    /// `accrual`: probability that a faulty instance's answer is a miss.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    accrual_p1: Option<f64>,
    /// `accrual`: the sum that trips, in nats.
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    accrual_threshold: Option<f64>,
    /// `phi`: the suspicion that trips.
    #[arg(long, value_name = "PHI", allow_negative_numbers = true)]
    phi_threshold: Option<f64>,
    /// `window`: the share of misses that trips, above 0 and at most 1.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    window_share: Option<f64>,
}

/// The modelled system.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The modelled system")]
struct System {
    /// Replicas: 3, 5 or 7.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = replicas)]
    replicas: u8,
    /// Products that clients ask for, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=MOST_PRODUCTS as u64))]
    products: u64,
    /// Products per second that the voter votes on without a client, 0 to 1000.
    #[arg(long, value_name = "N", default_value_t = 50.0, allow_negative_numbers = true, value_parser = number::<0, 1000>)]
    scrub_rate: f64,
    /// Milliseconds between two health checks of an instance.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    interval_ms: u64,
    /// Milliseconds after which a health check is abandoned.
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    timeout_ms: u64,
    /// Lowest value of the adaptive late bound, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    late_floor_ms: u64,
    /// Highest value of that bound, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    late_cap_ms: u64,
    /// Median time of a replica's answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1.0, allow_negative_numbers = true, value_parser = positive)]
    service_ms: f64,
    /// Standard deviation of that time's logarithm, 0 to 5.
    #[arg(long, value_name = "SIGMA", default_value_t = 0.5, allow_negative_numbers = true, value_parser = number::<0, 5>)]
    service_sigma: f64,
    /// Median time of a report on its way to the monitor, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 6.0, allow_negative_numbers = true, value_parser = positive)]
    report_ms: f64,
    /// Standard deviation of that time's logarithm, 0 to 5.
    #[arg(long, value_name = "SIGMA", default_value_t = 0.3, allow_negative_numbers = true, value_parser = number::<0, 5>)]
    report_sigma: f64,
    /// From the death of a process to the loss of its connections, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 3.0, allow_negative_numbers = true, value_parser = number::<0, 60_000>)]
    teardown_ms: f64,
}

/// [`Scope`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Answers {
    /// Queries and health checks.
    All,
    /// Queries only: health looks fine.
    Queries,
    /// Health checks only: queries are fine.
    Health,
}

/// What is to be simulated, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub model: Model,
    /// Health for the sweep of thresholds: worse, so that even quiet detectors have something to be wrong about.
    pub noisy: Model,
    pub detectors: Vec<DetectorConfig>,
    pub faults: Vec<FaultSpec>,
    pub trials: usize,
    pub seed: u64,
    pub healthy_days: Option<f64>,
    /// Trials per threshold, if thresholds are swept.
    pub curve_trials: Option<usize>,
}

impl SimulateArgs {
    /// Checks what the single arguments cannot tell.
    ///
    /// # Errors
    /// A message for the operator.
    pub(crate) fn plan(&self) -> Result<Plan, String> {
        let model = self.model()?;
        let noisy = Model {
            healthy_miss: self.healthy_miss.unwrap_or(1e-3),
            stalls_per_hour: self.stalls_per_hour.unwrap_or(60.0),
            ..model.clone()
        };
        let mut config = self.parameters.detector();
        config.phi.interval_ns = model.checks.interval_ns;
        let detectors: Vec<DetectorConfig> = self.detectors()?.into_iter().map(|kind| config.of(kind)).collect();
        detectors.iter().try_for_each(DetectorConfig::check)?;
        let curve = self.trace.is_none() && (self.curve || self.out.is_some());
        Ok(Plan {
            model,
            noisy,
            detectors,
            faults: self.faults()?,
            trials: usize::try_from(self.trials).unwrap_or(usize::MAX),
            seed: self.seed,
            healthy_days: self.healthy_days,
            curve_trials: curve.then_some(usize::try_from(self.curve_trials).unwrap_or(usize::MAX)),
        })
    }

    fn model(&self) -> Result<Model, String> {
        let system = &self.system;
        if system.late_floor_ms > system.late_cap_ms {
            return Err(format!(
                "--late-floor-ms ({}) is above --late-cap-ms ({})",
                system.late_floor_ms, system.late_cap_ms
            ));
        }
        if system.late_cap_ms > system.timeout_ms {
            return Err(format!(
                "--late-cap-ms ({}) is above --timeout-ms ({})",
                system.late_cap_ms, system.timeout_ms
            ));
        }
        let defaults = Model::default();
        let ns = |ms: u64| ms * 1_000_000;
        Ok(Model {
            replicas: system.replicas,
            checks: tolerancia_core::checks::ChecksConfig {
                interval_ns: ns(system.interval_ms),
                timeout_ns: ns(system.timeout_ms),
                late_floor_ns: ns(system.late_floor_ms),
                late_cap_ns: ns(system.late_cap_ms),
            },
            queries_rps: self.rps,
            products: usize::try_from(system.products).unwrap_or(MOST_PRODUCTS),
            scrub_rate: system.scrub_rate,
            vote_timeout_ns: defaults.vote_timeout_ns.max(ns(system.late_cap_ms)),
            service: Delay::LogNormal {
                median_ns: system.service_ms * MS,
                sigma: system.service_sigma,
            },
            report: Delay::LogNormal {
                median_ns: system.report_ms * MS,
                sigma: system.report_sigma,
            },
            teardown_ns: (system.teardown_ms * MS) as u64,
            healthy_miss: self.healthy_miss.unwrap_or(defaults.healthy_miss),
            stalls_per_hour: self.stalls_per_hour.unwrap_or(defaults.stalls_per_hour),
            stall_mean_ns: self.stall_ms * MS,
            horizon_ns: (self.horizon * 1e9) as u64,
            ..defaults
        })
    }

    fn detectors(&self) -> Result<Vec<DetectorKind>, String> {
        let mut kinds = Vec::new();
        for name in &self.detector {
            match name.as_str() {
                "all" => kinds.extend(DetectorKind::ALL),
                name => kinds.push(
                    name.parse::<DetectorKind>()
                        .map_err(|error| format!("{error}; `all` is all of them"))?,
                ),
            }
        }
        Ok(once(kinds))
    }

    fn faults(&self) -> Result<Vec<FaultSpec>, String> {
        const ALL: [&str; 6] = ["crash", "latency", "intermittent", "incorrect", "freeze", "stale"];
        let mut faults = Vec::new();
        for name in &self.fault {
            match name.as_str() {
                "all" => ALL
                    .iter()
                    .try_for_each(|name| self.fault(name).map(|fault| faults.push(fault)))?,
                name => faults.push(self.fault(name)?),
            }
        }
        Ok(once(faults))
    }

    fn fault(&self, name: &str) -> Result<FaultSpec, String> {
        let scope = match self.scope {
            Answers::All => Scope::All,
            Answers::Queries => Scope::Queries,
            Answers::Health => Scope::Health,
        };
        let (fault, scope) = match name {
            "crash" => (Fault::Crash, Scope::All),
            "latency" => (
                Fault::Latency {
                    latency_ms: self.latency,
                },
                scope,
            ),
            "intermittent" => (
                Fault::Intermittent {
                    probability: self.probability,
                },
                scope,
            ),
            "incorrect" => {
                let product = "PROD-001".parse().map_err(|error| format!("{error}"))?;
                (Fault::Incorrect { product }, Scope::All)
            }
            "freeze" => (Fault::Freeze, Scope::All),
            "stale" => (Fault::Stale, Scope::All),
            other => {
                return Err(format!(
                    "the faults are crash, latency, intermittent, incorrect, freeze and stale, or `all`, not {other:?}"
                ));
            }
        };
        fault.check()?;
        Ok(FaultSpec { fault, scope })
    }
}

impl Parameters {
    fn detector(&self) -> DetectorConfig {
        let mut config = DetectorConfig::default();
        let AccrualConfig { p0, p1, threshold } = config.accrual;
        config.accrual = AccrualConfig {
            p0: self.accrual_p0.unwrap_or(p0),
            p1: self.accrual_p1.unwrap_or(p1),
            threshold: self.accrual_threshold.unwrap_or(threshold),
        };
        config.misses = self.misses.unwrap_or(config.misses);
        config.phi.threshold = self.phi_threshold.unwrap_or(config.phi.threshold);
        config.window.share = self.window_share.unwrap_or(config.window.share);
        config
    }
}

/// Each of them once, in the order in which they were named first.
fn once<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

/// A number from `LOW` to `HIGH`.
fn number<const LOW: u32, const HIGH: u32>(text: &str) -> Result<f64, String> {
    let (low, high) = (f64::from(LOW), f64::from(HIGH));
    text.parse()
        .ok()
        .filter(|number| (low..=high).contains(number))
        .ok_or_else(|| format!("a number from {LOW} to {HIGH} is needed"))
}

/// A number above 0 and at most a million.
fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0.0 && *number <= 1e6)
        .ok_or_else(|| "a number above 0 and at most 1000000 is needed".to_owned())
}

fn replicas(text: &str) -> Result<u8, String> {
    match text {
        "3" => Ok(3),
        "5" => Ok(5),
        "7" => Ok(7),
        _ => Err("a system has 3, 5 or 7 replicas".to_owned()),
    }
}

#[cfg(test)]
mod tests;
