//! `tolerancia experiment`: the laboratory's experiment, on the system that is up or on one of its own.

pub mod turn;

use std::fs::File;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tolerancia_lab::console;
use tolerancia_lab::experiment::{self, ExperimentOutcome, Target};
use tolerancia_lab::scenario::Scenario;
use tolerancia_service::config::{Ports, name};
use tolerancia_wire::core::ReplicaId;
use tolerancia_wire::health::Health;
use tolerancia_wire::status::SystemStatus;

use crate::outcome::{DONE, Failure, INTERRUPTED, NO, Outcome};
use crate::signals::{self, Signals};
use crate::supervisor::log::Log;
use crate::supervisor::{own, spec};
use crate::up::{Backends, DEFAULT_REPLICAS, NAME_WIDTH, Place};
use crate::{guard, http};
use turn::Turn;

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

    /// Measure the system that is up, or nothing: start none.
    #[arg(long)]
    running: bool,

    /// Stop at the end of standard input as at Ctrl-C, for a program that starts this one: should it die, the faults are
    /// cleared all the same.
    #[arg(long)]
    stop_with_stdin: bool,
}

/// Carries the experiment out. A system that is up on the ports is used and left running; otherwise one is
/// started in a temporary directory and stopped at the end.
pub async fn run(mut args: ExperimentCommand) -> Outcome {
    let signals = signals::watch()?;
    if args.stop_with_stdin {
        guard::stop_at_end_of_stdin(signals.stop.clone());
    }
    // A mistake in the scenario is told before anything is started.
    let plan = args.lab.plan().map_err(|error| Failure::cannot(error.to_string()))?;
    let given = args.place.ports();
    // Before anything is written: the folder may be that of the experiment which runs.
    let _turn = Turn::take(given.base, args.stop_with_stdin).await?;
    args.lab.check().map_err(|error| Failure::cannot(error.to_string()))?;
    let mut ports = Ports {
        replicas: replicas(given.replicas, plan.replicas)?,
        ..given
    };
    let announced = target(&args, ports)?;
    experiment::announce(&mut args.lab, &announced, None).map_err(|error| Failure::cannot(error.to_string()))?;
    let tell = |lab: &mut experiment::ExperimentArgs, failure: &Failure| {
        let told = experiment::announce(lab, &announced, Some(failure.message.clone()));
        told.map_err(|error| Failure::cannot(format!("{}; {error}", failure.message)))
    };
    let up = match running(ports).await? {
        // Its ports depend on its replicas: one that the scenario is not about is to be found too, and told.
        None if ports.replicas != given.replicas => running(given).await?,
        up => up,
    };
    match up {
        Some((replicas, detector)) => {
            if let Err(failure) = can_be_used(&plan, replicas, ports) {
                tell(&mut args.lab, &failure)?;
                return Err(failure);
            }
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
        None if args.running => {
            let failure = Failure::cannot(format!(
                "no system is up on port {} and following, or not all of it answers: `tolerancia up` starts one, its log \
                 says what is missing",
                given.base
            ));
            tell(&mut args.lab, &failure)?;
            Err(failure)
        }
        None => {
            let mut lab = args.lab.clone();
            let mut begun = false;
            let outcome = on_own_system(args, ports, parameters(plan), &signals, &mut begun).await;
            // From then on the experiment reports for itself.
            if let (Err(failure), false) = (&outcome, begun) {
                tell(&mut lab, failure)?;
            }
            outcome
        }
    }
}

/// How many replicas an own system gets: as many as the scenario says, or else `given`.
fn replicas(given: u8, wanted: Option<u8>) -> Result<u8, Failure> {
    match wanted {
        // The default says nothing.
        Some(wanted) if given != wanted && given != DEFAULT_REPLICAS => Err(Failure::cannot(format!(
            "the scenario is about {wanted} replicas, --replicas (or REPLICAS) says {given}: leave one of them out"
        ))),
        Some(wanted) => Ok(wanted),
        None => Ok(given),
    }
}

/// Checks that the scenario can be carried out on a system that is up already.
fn can_be_used(plan: &Scenario, replicas: u8, ports: Ports) -> Result<(), Failure> {
    plan.fits(replicas.into())
        .map_err(|error| Failure::cannot(error.to_string()))?;
    if plan.parameters.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = plan.parameters.keys().copied().collect();
    Err(Failure::cannot(format!(
        "the scenario sets {}, and the system that is up on port {} and following cannot be changed: stop it, so that \
         the experiment starts one of its own, choose other ports with --base-port, or take [parameters] out of the \
         scenario",
        names.join(", "),
        ports.base
    )))
}

/// The variables of the services that the scenario sets.
fn parameters(plan: Scenario) -> Vec<(&'static str, String)> {
    plan.parameters.into_iter().collect()
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

/// Starts a system with these variables, measures it and stops it. `begun` tells whether there was one to measure.
async fn on_own_system(
    args: ExperimentCommand,
    ports: Ports,
    parameters: Vec<(&'static str, String)>,
    signals: &Signals,
    begun: &mut bool,
) -> Outcome {
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
    system.parameters = parameters;
    let outcome = match own::start(system, log.clone(), &log_file, signals).await {
        Ok(Some(supervisor)) => {
            *begun = true;
            let outcome = measure(args, ports, signals).await;
            supervisor.stop().await;
            outcome
        }
        Ok(None) => Ok(INTERRUPTED),
        Err(failure) => Err(failure),
    };
    drop(log);
    writer.finish();
    outcome
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
    // A child of the system has the embedded broker's address in its environment.
    let embedded = spec::bus(None, ports)?.bootstrap;
    let kafka = args.backends.kafka().filter(|kafka| *kafka != embedded);
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
    fn a_scenario_says_how_many_replicas_there_are() {
        assert_eq!(replicas(5, None).unwrap(), 5);
        assert_eq!(replicas(DEFAULT_REPLICAS, Some(7)).unwrap(), 7);
        assert_eq!(replicas(5, Some(5)).unwrap(), 5);
        let refusal = replicas(5, Some(7)).unwrap_err();
        assert_eq!(refusal.code, 2);
        assert!(refusal.message.contains("--replicas"), "{}", refusal.message);
    }

    #[test]
    fn a_system_that_is_up_is_not_measured_with_other_parameters() {
        let ports = Ports {
            base: 7001,
            replicas: 3,
        };
        let mut plan = Scenario::classic();
        can_be_used(&plan, 3, ports).unwrap();
        plan.parameters.insert("DETECTOR", "phi".to_owned());
        let refusal = can_be_used(&plan, 3, ports).unwrap_err();
        let told = &refusal.message;
        assert_eq!(refusal.code, 2);
        assert!(
            told.contains("DETECTOR") && told.contains("7001") && told.contains("--base-port"),
            "{told}"
        );
        plan.parameters.clear();
        plan.replicas = Some(5);
        let refusal = can_be_used(&plan, 3, ports).unwrap_err();
        assert!(
            refusal.message.contains("5 replicas, the system has 3"),
            "{}",
            refusal.message
        );
    }

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
