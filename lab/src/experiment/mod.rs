//! `tolerancia experiment`: a scenario, carried out, measured and judged.
//!
//! 1. *Steady state*: every service healthy, every instance ON, a query and an order work.
//! 2. *Warm-up and baseline*: the load of the scenario on the healthy system, which must be in its steady state after it
//!    too. What happens while the load warms up is not measured.
//! 3. Trials, in blocks that have each fault with each detector once, in a random order (`order.rs` says why). A trial
//!    begins with a check of the steady state; then an instance (in a random order, so that each rests), or several at
//!    once; a random moment of the health-check cycle; inject, wait for the monitor's own event, hold, clear (a crash is
//!    repaired by whoever supervises the process), wait for ON, be steady again. The load runs throughout.
//! 4. *Clean-up*, always: on success, on an error, on an interruption, on a panic. It ends all faults and puts the
//!    detector in force that was so before. Where it fails, the experiment fails.
//! 5. *Oracle*: the log, replayed, against everything that clients were told, and against every replica.
//! 6. The report.
//!
//! What counts as time to detect of several instances is the last OFF, as recovery the last ON. Where fewer than a
//! quorum stay healthy, clients must get no answer rather than a false one: the monitor's alarm is asked for then, not
//! the clients' success. Two replicas that tell the same lie are beyond the faults that a system of three can mask:
//! where several lie, each makes its lie up on its own, or is told to lie about another product.
//!
//! Exit codes of the command: 0 when every objective was met, 1 when one was missed, 2 when the experiment
//! could not be carried out, 130 when it was interrupted (the report then says `aborted`).

mod cleanup;
mod course;
mod detectors;
mod hit;
mod log;
mod order;
pub(crate) mod record;
mod recorder;
mod remaining;
mod runner;
mod steady;
mod telling;
mod traffic;
mod trial;
mod turns;
pub(crate) mod verify;
pub(crate) mod watch;
mod written;

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use tolerancia_client::inject::InjectError;
use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::Stamp;

use crate::archive;
use crate::report;
use crate::scenario::{self, Scenario, ScenarioError, named_twice};

pub use crate::ui::ProgressForm;
pub use remaining::roughly;

/// Arguments of `tolerancia experiment`.
#[derive(Debug, Clone, clap::Args)]
// The command line may have a struct of the same name around this one.
#[group(skip)]
pub struct ExperimentArgs {
    /// Fewer and shorter trials, as the scenario says; of `classic`, one to two minutes in all.
    #[arg(long)]
    pub quick: bool,

    /// Trials per fault and detector, 1 to 1000; overrides the scenario.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub trials: Option<u16>,

    /// The scenario, a TOML file; without it `classic`: all six faults, one at a time.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,

    /// Detectors to compare, switched between trials: the first is judged; overrides the scenario. Without it, the
    /// one that the monitor uses.
    #[arg(long, value_name = "DETECTOR,…", value_delimiter = ',')]
    pub detectors: Vec<DetectorKind>,

    /// Seed of everything that is random; random if absent, and in the report.
    #[arg(long)]
    pub seed: Option<u64>,

    /// Where the report goes.
    #[arg(long, value_name = "DIR", default_value_os_t = default_out(), hide_default_value = true, help = "Where the report goes [default: results/<time>]")]
    pub out: PathBuf,

    /// Keep everything that the monitor saw, in `trace.ndjson` in the out directory (for `tolerancia simulate
    /// --trace`).
    #[arg(long)]
    pub record: bool,

    /// Write the result as JUnit XML too: a test case per objective, for CI servers.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Add a short summary in Markdown to a file, as GitHub Actions shows it from `$GITHUB_STEP_SUMMARY`.
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,

    /// Print `report.json` instead of the table.
    #[arg(long)]
    pub json: bool,

    /// How progress is told on standard error: as text for people, or as JSON lines for programs.
    #[arg(
        long,
        value_enum,
        value_name = "text|json",
        default_value_t,
        hide_possible_values = true
    )]
    pub progress: ProgressForm,
}

impl ExperimentArgs {
    /// Reads the scenario and tries the out directory, so that a mistake is told before anything is started. An
    /// older report there is removed: whatever happens now, it is not the result.
    ///
    /// # Errors
    /// When the scenario is not usable or the out directory cannot be written.
    pub fn check(&self) -> Result<(), ExperimentError> {
        self.usable()?;
        report::remove(&self.out, recorder::FILE)
            .and_then(|()| archive::remove(&self.out, self.scenario.as_deref()))
            .map_err(|error| self.unwritable(&error))
    }

    /// Checks that a system of so many replicas is one that the scenario is about.
    ///
    /// # Errors
    /// When the scenario is not usable, wants another number, or hits more instances at a time.
    pub fn fits(&self, replicas: usize) -> Result<(), ExperimentError> {
        Ok(self.plan()?.fits(replicas)?)
    }

    fn usable(&self) -> Result<(), ExperimentError> {
        self.plan()?;
        let unwritable = |error: std::io::Error| self.unwritable(&error);
        std::fs::create_dir_all(&self.out).map_err(unwritable)?;
        // The only way to know is to write.
        let probe = self.out.join(".writable");
        std::fs::write(&probe, b"").map_err(unwritable)?;
        std::fs::remove_file(&probe).map_err(unwritable)?;
        for (option, file) in [("--junit", &self.junit), ("--summary", &self.summary)] {
            let Some(file) = file else { continue };
            can_be_written(file).map_err(|error| ExperimentError::File {
                file: file.clone(),
                cause: error.to_string(),
                option,
            })?;
        }
        Ok(())
    }

    fn unwritable(&self, error: &std::io::Error) -> ExperimentError {
        ExperimentError::Out {
            dir: self.out.clone(),
            cause: error.to_string(),
        }
    }

    /// The seed, chosen now unless it was given.
    fn seed(&mut self) -> u64 {
        *self.seed.get_or_insert_with(|| u64::from(rand::random::<u32>()))
    }

    /// The scenario with what the arguments change in it.
    ///
    /// # Errors
    /// When the scenario is not usable.
    pub fn plan(&self) -> Result<Scenario, ExperimentError> {
        let mut scenario = match &self.scenario {
            Some(path) => scenario::load(path)?,
            None => Scenario::classic(),
        };
        if !self.detectors.is_empty() {
            if let Some(kind) = named_twice(&self.detectors) {
                return Err(ScenarioError::Detectors(kind).into());
            }
            scenario.detectors.clone_from(&self.detectors);
        }
        if let Some(trials) = self.trials {
            scenario.pace.trials = trials.into();
            scenario.quick.trials = trials.into();
        }
        scenario.is_bounded(self.quick)?;
        Ok(scenario)
    }
}

/// Tries to write a file, and leaves what is in it.
fn can_be_written(file: &Path) -> std::io::Result<()> {
    match std::fs::metadata(file) {
        // Opening a named pipe would wait for its other end.
        Ok(found) if !found.is_file() => Err(std::io::Error::other("it is not a file")),
        Ok(_) => File::options().append(true).open(file).map(drop),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            File::create_new(file)?;
            std::fs::remove_file(file)
        }
        Err(error) => Err(error),
    }
}

/// `results/` and the second, in UTC, so that a list of them is in order.
fn default_out() -> PathBuf {
    PathBuf::from("results").join(jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string())
}

/// The system under experiment.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the voter is: scheme, host and port, as all addresses here.
    pub voter_url: String,
    /// Where the orders service is.
    pub orders_url: String,
    /// Where the monitor is.
    pub monitor_url: String,
    /// Where the replicas are, from instance 1 on.
    pub inventory_urls: Vec<String>,
    /// Where the log is.
    pub bus: tolerancia_bus::BusConfig,
    /// The token that the replicas ask for.
    pub fault_token: Option<String>,
    /// `embedded` or `external`, for the report.
    pub kafka: &'static str,
    /// `sqlite` or `postgres`, for the report.
    pub database: String,
    /// Configured replicas.
    pub replicas: usize,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExperimentOutcome {
    /// Every objective was met.
    Pass,
    /// At least one objective was missed.
    Missed,
    /// It was interrupted; the report holds what was measured until then.
    Aborted,
}

impl ExperimentOutcome {
    /// Whether every objective was met.
    #[must_use]
    pub const fn passed(self) -> bool {
        matches!(self, Self::Pass)
    }
}

/// Why an experiment could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// The scenario is not usable.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The out directory cannot be written.
    #[error("{} cannot be written ({cause}): choose another directory with --out", .dir.display())]
    Out {
        /// The directory.
        dir: PathBuf,
        /// What is in the way.
        cause: String,
    },
    /// A further file cannot be written.
    #[error("{} cannot be written ({cause}): choose another file with {option}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is in the way.
        cause: String,
        /// The option that names it.
        option: &'static str,
    },
    /// The load of the scenario does not fit the system.
    #[error("the load of the scenario does not fit: {0}")]
    Load(String),
    /// The system was not healthy at the start.
    #[error("the system is not in a steady state: {0}")]
    NotSteady(String),
    /// A fault could not be injected or cleared.
    #[error(transparent)]
    Inject(#[from] InjectError),
    /// The monitor's events cannot be read.
    #[error("the monitor's events cannot be read ({0}): detection is measured from them alone")]
    NoEvents(String),
    /// The monitor's trace cannot be recorded.
    #[error("the trace cannot be recorded: {0}; leave --record out to do without")]
    NoTrace(String),
    /// The detector cannot be switched.
    #[error("the detector cannot be switched: {0}")]
    Detector(String),
    /// The log cannot be read.
    #[error("the log cannot be checked: {0}")]
    Bus(#[from] tolerancia_bus::BusError),
    /// The log is not the one that the replicas read.
    #[error(
        "{0}: set KAFKA_BOOTSTRAP_SERVERS to the Kafka of the system under experiment; without it, the embedded \
         broker of `tolerancia up` is meant"
    )]
    OtherLog(String),
    /// Faults may still be active, or another detector in force.
    #[error("clean-up failed: {0}")]
    Cleanup(String),
    /// A programming error; the faults were cleared all the same.
    #[error("the experiment stopped on an internal error: {0}")]
    Internal(String),
}

/// Writes the report of an experiment in which nothing was measured: with `failure`, because it could not be carried
/// out; without, because it was interrupted. It is to be written before anything is started, so that however
/// this process ends there is a report, and a true one. [`run`] replaces it.
///
/// # Errors
/// When the scenario is not usable or the out directory cannot be written.
pub fn announce(args: &mut ExperimentArgs, target: &Target, failure: Option<String>) -> Result<(), ExperimentError> {
    let (scenario, seed, now) = (args.plan()?, args.seed(), Stamp::now());
    let mut record = record::Record::default();
    if failure.is_none() {
        record.notes.push("ended before anything was measured".to_owned());
    }
    // Without a failure the result is still to come.
    let is_last = failure.is_some();
    let report = report::build(&report::Facts {
        args,
        pace: scenario.pace(args.quick),
        scenario: &scenario,
        seed,
        started: now,
        ended: now,
        target,
        record: &record,
        transitions: &[],
        observations: &[],
        verified: &verify::Verified::default(),
        aborted: true,
        failure,
    });
    written::write(args, &report, is_last)
}

/// Carries the experiment out on `target`, writes the report, prints the table (or, with `--json`, the report)
/// on standard output and progress on standard error, as [`ExperimentArgs::progress`] says. When `shutdown` is
/// cancelled, faults are cleared and the report is partial.
///
/// # Errors
/// When it could not be carried out, or its clean-up failed.
pub async fn run(
    args: ExperimentArgs,
    target: Target,
    shutdown: CancellationToken,
) -> Result<ExperimentOutcome, ExperimentError> {
    runner::run(args, target, shutdown, log::ends).await
}

#[cfg(test)]
mod tests;
