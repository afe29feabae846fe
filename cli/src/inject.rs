//! `tolerancia inject`: break one inventory replica, mend it, look at what happened.

mod audit;
mod show;
mod stopped;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use tolerancia_client::inject::{self, InjectError};
use tolerancia_wire::core::{ProductId, ReplicaId};
use tolerancia_wire::fault::{Fault, FaultSpec, Scope};

use crate::outcome::{DONE, Failure, Outcome};
use crate::up::Place;

/// What to do with a replica.
#[derive(Debug, Subcommand)]
pub enum InjectCommand {
    /// Kill the process at once (SIGKILL); the supervisor starts it again.
    Crash {
        #[command(flatten)]
        how: Injection,
    },
    /// Delay every answer.
    Latency {
        #[command(flatten)]
        how: Injection,
        /// Mean delay in milliseconds, 1 to 60000, spread by 20 %; without it, 500 to 1500 ms.
        #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = latency)]
        latency: Option<u64>,
        #[command(flatten)]
        scope: ScopeArg,
    },
    /// Answer with an error now and then.
    Intermittent {
        #[command(flatten)]
        how: Injection,
        /// Probability of an error, above 0 and at most 1.
        #[arg(long, value_name = "P", default_value = "0.5", allow_negative_numbers = true, value_parser = probability)]
        probability: f64,
        #[command(flatten)]
        scope: ScopeArg,
    },
    /// Report a wrong stock for one product.
    Incorrect {
        #[command(flatten)]
        how: Injection,
        /// The product that is lied about.
        #[arg(long, default_value = "PROD-001")]
        product: ProductId,
    },
    /// Stop the process (SIGSTOP): its sockets stay open, nothing answers.
    Freeze {
        #[command(flatten)]
        how: Injection,
    },
    /// Stop consuming the log, but keep answering.
    Stale {
        #[command(flatten)]
        how: Injection,
    },
    /// End all faults that are active.
    Clear {
        #[command(flatten)]
        target: Target,
    },
    /// Show which faults are active.
    Status {
        #[command(flatten)]
        target: Target,
    },
    /// Show what the monitor noticed, newest first.
    Failures {
        #[command(flatten)]
        target: Target,
    },
}

/// What every injection has.
#[derive(Debug, Args)]
pub struct Injection {
    #[command(flatten)]
    target: Target,

    /// Keep the faults that are there, but for the same kind with the same scope (without it, they end).
    #[arg(long)]
    add: bool,
}

/// Which replica, and how to reach it.
#[derive(Debug, Args)]
pub struct Target {
    /// The replica, counted from 1.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    instance: ReplicaId,

    #[command(flatten)]
    place: Place,

    /// The replica's own address, where it is not on this host (for `failures`, the monitor's).
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// The monitor's address, where it is not on this host: its audit is told of the fault.
    #[arg(long, value_name = "URL")]
    monitor_url: Option<String>,

    /// The system's data directory, where a stopped process is looked up if the monitor does not know it.
    #[arg(long, env = "DATA_DIR", default_value = ".tolerancia")]
    data_dir: PathBuf,

    /// The token that the replica and the monitor were started with.
    #[arg(long, env = "FAULT_TOKEN", hide_env_values = true)]
    fault_token: Option<String>,

    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Which answers a fault touches.
#[derive(Debug, Args)]
pub struct ScopeArg {
    /// Which answers it touches; less than all is a gray failure.
    #[arg(long, value_enum, default_value_t = Answers::All)]
    scope: Answers,
}

/// [`Scope`] on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Answers {
    /// Queries and health checks.
    All,
    /// Queries only: health looks fine.
    Queries,
    /// Health checks only: queries are fine.
    Health,
}

impl From<Answers> for Scope {
    fn from(answers: Answers) -> Self {
        match answers {
            Answers::All => Self::All,
            Answers::Queries => Self::Queries,
            Answers::Health => Self::Health,
        }
    }
}

fn latency(text: &str) -> Result<u64, String> {
    let ms = text
        .parse()
        .map_err(|_| "a whole number of milliseconds from 1 to 60000 is needed".to_owned())?;
    Fault::Latency { latency_ms: Some(ms) }.check().map(|()| ms)
}

fn probability(text: &str) -> Result<f64, String> {
    let probability = text
        .parse()
        .map_err(|_| "a number above 0 and at most 1 is needed".to_owned())?;
    Fault::Intermittent { probability }.check().map(|()| probability)
}

impl Target {
    /// The replica's address.
    fn url(&self) -> Result<String, Failure> {
        let count = self.place.ports().replicas;
        if self.instance.number() > count {
            return Err(Failure::cannot(format!(
                "there is no instance {}: the system has instances 1 to {count} (more with --replicas)",
                self.instance
            )));
        }
        let here = || format!("http://127.0.0.1:{}", self.place.ports().inventory(self.instance));
        Ok(self.url.clone().unwrap_or_else(here))
    }

    /// The monitor's address.
    fn monitor(&self) -> String {
        let here = || format!("http://127.0.0.1:{}", self.place.ports().monitor());
        self.monitor_url.clone().unwrap_or_else(here)
    }

    fn token(&self) -> Option<&str> {
        self.fault_token.as_deref().filter(|token| !token.is_empty())
    }
}

/// Does it.
pub async fn run(command: InjectCommand) -> Outcome {
    let (how, fault, scope) = match command {
        InjectCommand::Clear { target } => return clear(&target).await,
        InjectCommand::Status { target } => return status(&target).await,
        InjectCommand::Failures { target } => return failures(&target).await,
        InjectCommand::Crash { how } => (how, Fault::Crash, Scope::All),
        InjectCommand::Freeze { how } => (how, Fault::Freeze, Scope::All),
        InjectCommand::Stale { how } => (how, Fault::Stale, Scope::All),
        InjectCommand::Incorrect { how, product } => (how, Fault::Incorrect { product }, Scope::All),
        InjectCommand::Latency { how, latency, scope } => {
            (how, Fault::Latency { latency_ms: latency }, scope.scope.into())
        }
        InjectCommand::Intermittent {
            how,
            probability,
            scope,
        } => (how, Fault::Intermittent { probability }, scope.scope.into()),
    };
    inject(&how, FaultSpec { fault, scope }).await
}

async fn inject(Injection { target, add }: &Injection, spec: FaultSpec) -> Outcome {
    let (url, token) = (target.url()?, target.token());
    let crash = spec.fault == Fault::Crash;
    let state = match add {
        true => inject::add_fault(&url, token, spec).await?,
        false => inject::put_fault(&url, token, spec).await?,
    };
    let next = match (crash, state.faults.len()) {
        (true, 0..=1) => "its supervisor starts it again".to_owned(),
        (true, _) => "its supervisor starts it again, without any of them".to_owned(),
        (false, count) => {
            let them = if count > 1 { "them" } else { "it" };
            format!(
                "end {them} with `tolerancia inject clear --instance {}`",
                target.instance
            )
        }
    };
    let shown = show::state(&state, target.json, Some(&next));
    // The last is the one that this request injected.
    audit::tell(target, &state.instance, state.active.as_slice(), None).await;
    shown
}

async fn clear(target: &Target) -> Outcome {
    let url = target.url()?;
    let pid = stopped::find(target).await;
    let mut answer = inject::clear(&url, target.token(), pid).await;
    if matches!(answer, Err(InjectError::NoAnswer { .. })) && pid.is_some() {
        // A freeze comes a moment after its answer, so the process may have stopped after it was looked at.
        answer = inject::clear(&url, target.token(), pid).await;
    }
    match answer {
        Ok(state) => {
            let shown = show::state(&state, target.json, None);
            audit::tell(target, &state.instance, &state.ended, state.cleared_at).await;
            shown
        }
        Err(error @ InjectError::NoAnswer { .. }) if pid.is_none() => Err(Failure::refused(format!(
            "{error}. If its process is stopped on another host, continue it there: `kill -CONT PID` (in a container: `docker compose exec inventory-N bash -c 'kill -CONT -1'`), then clear again"
        ))),
        Err(error) => Err(error.into()),
    }
}

async fn status(target: &Target) -> Outcome {
    let instance = target.instance;
    match inject::status(&target.url()?, target.token()).await {
        Ok(state) => show::state(&state, target.json, None),
        Err(error) => match stopped::find(target)
            .await
            .filter(|&pid| inject::is_stopped_replica(pid))
        {
            Some(pid) => Err(Failure::refused(format!(
                "instance {instance} (process {pid}) is stopped and cannot answer; \
                 `tolerancia inject clear --instance {instance}` continues it"
            ))),
            None => Err(error.into()),
        },
    }
}

async fn failures(target: &Target) -> Outcome {
    target.url()?;
    let monitor = target.url.clone().unwrap_or_else(|| target.monitor());
    show::failures(&monitor, target.instance, target.json).await
}

impl From<InjectError> for Failure {
    fn from(error: InjectError) -> Self {
        match error {
            InjectError::Invalid(message) => Self::cannot(message),
            refused => Self::refused(refused.to_string()),
        }
    }
}

/// Prints a line.
fn say(line: &str) -> Outcome {
    use std::io::Write as _;
    // Whoever closed the pipe does not want to read it.
    let _ = writeln!(std::io::stdout(), "{line}");
    Ok(DONE)
}
