//! `tolerancia experiment`: the laboratory's experiment, on the system that is up or on one of its own.

use std::fs::File;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tolerancia_lab::console;
use tolerancia_lab::experiment::{self, ExperimentOutcome, Target};
use tolerancia_service::config::{Ports, name};
use tolerancia_wire::core::ReplicaId;
use tolerancia_wire::health::Health;
use tolerancia_wire::status::SystemStatus;

use crate::http;
use crate::outcome::{DONE, Failure, INTERRUPTED, NO, Outcome};
use crate::signals::{self, Signals};
use crate::supervisor::log::Log;
use crate::supervisor::{Start, Supervisor, spec};
use crate::up::{Backends, NAME_WIDTH, Place};

/// How long an own system may take to become ready.
const READY: Duration = Duration::from_secs(120);
/// How long a service that is up may take to say so.
const LOOK: Duration = Duration::from_secs(1);
/// Where the own system's log goes, in the out directory.
const LOG: &str = "system.log";

/// Arguments of `tolerancia experiment`.
#[derive(Debug, clap::Args)]
pub struct ExperimentCommand {
    #[command(flatten)]
    lab: experiment::ExperimentArgs,

    #[command(flatten)]
    place: Place,

    /// The token that the replicas of a running system, and its monitor, ask for.
    #[arg(long, env = "FAULT_TOKEN", hide_env_values = true)]
    fault_token: Option<String>,

    #[command(flatten)]
    backends: Backends,
}

/// Carries the experiment out. A system that is up on the ports is used and left running; otherwise one is
/// started in a temporary directory and stopped at the end.
pub async fn run(mut args: ExperimentCommand) -> Outcome {
    let signals = signals::watch()?;
    // A mistake in the scenario is told before anything is started.
    args.lab.check().map_err(|error| Failure::cannot(error.to_string()))?;
    let mut ports = args.place.ports();
    let announced = target(&args, ports)?;
    experiment::announce(&mut args.lab, &announced, None).map_err(|error| Failure::cannot(error.to_string()))?;
    match running(ports).await? {
        Some((replicas, detector)) => {
            ports.replicas = replicas;
            let token = args.fault_token.is_some();
            console::err(format_args!(
                "using the system that is up on port {} and following",
                ports.base
            ));
            let outcome = measure(args, ports, &signals).await;
            if signals.kill.is_cancelled() {
                console::err("a fault may still be active: `tolerancia inject clear --instance N` ends it");
                let monitor = format!("http://127.0.0.1:{}", ports.monitor());
                let status = get::<SystemStatus>(&http::client(), &format!("{monitor}/status")).await;
                let now = status.map(|status| status.detector);
                if let Some(message) = left_switched(&monitor, &detector, now.as_deref(), token) {
                    console::err(message);
                }
            }
            outcome
        }
        None => {
            let mut lab = args.lab.clone();
            let mut begun = false;
            let outcome = on_own_system(args, ports, &signals, &mut begun).await;
            // From then on the experiment reports for itself.
            if let (Err(failure), false) = (&outcome, begun) {
                let told = experiment::announce(&mut lab, &announced, Some(failure.message.clone()));
                told.map_err(|error| Failure::cannot(format!("{}; {error}", failure.message)))?;
            }
            outcome
        }
    }
}

/// What to tell of a detector that was not put in force again: `before` was so before the experiment, `now` is, if the
/// monitor says so. None if it is the same.
fn left_switched(monitor: &str, before: &str, now: Option<&str>, token: bool) -> Option<String> {
    let now = match now {
        Some(now) if now == before => return None,
        Some(now) => format!("the monitor judges by the detector {now} now, before it was {before}"),
        None => format!("the monitor may judge by another detector than {before}, which it was before"),
    };
    let token = if token {
        "-H \"Authorization: Bearer $FAULT_TOKEN\" "
    } else {
        ""
    };
    Some(format!(
        "{now}: PUT /detector changes it back, as in `curl -X PUT {token}-H 'Content-Type: application/json' \
         -d '{{\"detector\":\"{before}\"}}' {monitor}/detector`"
    ))
}

/// The number of replicas, and the detector, of the system that is up on these ports. None where nothing, or not all of a system,
/// answers: starting one then tells which ports are taken.
async fn running(ports: Ports) -> Result<Option<(u8, String)>, Failure> {
    let http = http::client();
    for (port, service) in [
        (ports.monitor(), name::MONITOR),
        (ports.voter(), name::VOTER),
        (ports.orders(), name::ORDERS),
    ] {
        let answer = get::<Health>(&http, &format!("http://127.0.0.1:{port}/health")).await;
        if answer.is_none_or(|health| health.service != service) {
            return Ok(None);
        }
    }
    let status = get::<SystemStatus>(&http, &format!("http://127.0.0.1:{}/status", ports.monitor())).await;
    Ok(status.and_then(|status| Some((u8::try_from(status.replicas).ok()?, status.detector))))
}

async fn get<T: serde::de::DeserializeOwned>(http: &reqwest::Client, url: &str) -> Option<T> {
    http.get(url).timeout(LOOK).send().await.ok()?.json().await.ok()
}

/// Starts a system, measures it and stops it. `begun` tells whether there was one to measure.
async fn on_own_system(args: ExperimentCommand, ports: Ports, signals: &Signals, begun: &mut bool) -> Outcome {
    // Of a system that is up, the experiment finds out by itself.
    let fits = args.lab.fits(ports.replicas.into());
    fits.map_err(|error| Failure::cannot(error.to_string()))?;
    let out = args.lab.out.clone();
    let log_file = out.join(LOG);
    let unusable =
        |error: std::io::Error| Failure::cannot(format!("{} cannot be written ({error})", log_file.display()));
    let (log, writer) = Log::to(File::create(&log_file).map_err(unusable)?, false, NAME_WIDTH);
    let dir = tempfile::Builder::new()
        .prefix("tolerancia-")
        .tempdir()
        .map_err(|error| {
            Failure::cannot(format!(
                "no temporary directory ({error}): set TMPDIR to a writable one"
            ))
        })?;

    let mut system = args.backends.system(dir.path().to_owned(), ports)?;
    system.fault_token.clone_from(&args.fault_token);
    console::err(format_args!(
        "starting a system on port {} and following; its log is {}",
        ports.base,
        log_file.display()
    ));
    let outcome = match start(system, log.clone(), signals).await {
        Ok(Start::Ready(supervisor)) => {
            *begun = true;
            let outcome = measure(args, ports, signals).await;
            supervisor.stop().await;
            outcome
        }
        Ok(Start::Interrupted) if signals.stop.is_cancelled() => Ok(INTERRUPTED),
        Ok(Start::Interrupted) => Err(Failure::cannot(format!(
            "the system was not ready within {} s: {} says why",
            READY.as_secs(),
            log_file.display()
        ))),
        Err(failure) => Err(failure),
    };
    drop(log);
    writer.finish();
    outcome
}

/// Starts the system, and gives up when it takes too long.
async fn start(system: spec::System, log: Log, signals: &Signals) -> Result<Start, Failure> {
    let limited = Signals {
        stop: signals.stop.child_token(),
        kill: signals.kill.clone(),
    };
    let mut starting = std::pin::pin!(Supervisor::start(system, log, &limited));
    tokio::select! {
        started = &mut starting => started,
        () = tokio::time::sleep(READY) => {
            limited.stop.cancel();
            starting.await
        }
    }
}

async fn measure(args: ExperimentCommand, ports: Ports, signals: &Signals) -> Outcome {
    let mut target = target(&args, ports)?;
    // The system knows; this environment may be another than the one that it was started in.
    let monitor = get::<Health>(&http::client(), &format!("{}/health", target.monitor_url)).await;
    if let Some(database) = monitor.and_then(|health| health.database) {
        target.database = database;
    }
    let shutdown: CancellationToken = signals.stop.clone();
    let outcome = tokio::select! {
        outcome = experiment::run(args.lab, target, shutdown) => outcome,
        () = signals.kill.cancelled() => return Ok(INTERRUPTED),
    };
    match outcome {
        Ok(ExperimentOutcome::Pass) => Ok(DONE),
        Ok(ExperimentOutcome::Missed) => Ok(NO),
        Ok(ExperimentOutcome::Aborted) => Ok(INTERRUPTED),
        Err(error) => Err(Failure::cannot(error.to_string())),
    }
}

fn target(args: &ExperimentCommand, ports: Ports) -> Result<Target, Failure> {
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let kafka = args.backends.kafka();
    Ok(Target {
        voter_url: at(ports.voter()),
        orders_url: at(ports.orders()),
        monitor_url: at(ports.monitor()),
        inventory_urls: ReplicaId::all(ports.replicas)
            .map(|id| at(ports.inventory(id)))
            .collect(),
        bus: spec::bus(kafka, ports)?,
        fault_token: args.fault_token.clone(),
        kafka: if kafka.is_some() { "external" } else { "embedded" },
        database: if args.backends.postgres().is_some() {
            "postgres".to_owned()
        } else {
            "sqlite".to_owned()
        },
        replicas: ports.replicas.into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_detector_that_was_left_switched_is_named_with_the_way_back() {
        let left = |now, token| left_switched("http://m", "accrual", now, token);
        assert_eq!(left(Some("accrual"), false), None);
        let told = left(Some("phi"), false).unwrap();
        assert!(
            told.contains("detector phi now") && told.contains("PUT /detector"),
            "{told}"
        );
        assert!(
            told.contains(r#"-d '{"detector":"accrual"}' http://m/detector"#),
            "{told}"
        );
        assert!(!told.contains("Bearer"), "{told}");
        assert!(left(None, true).unwrap().contains("Bearer $FAULT_TOKEN"));
    }
}
