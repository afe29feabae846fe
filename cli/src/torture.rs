//! `tolerancia torture`: a system of its own, broken in every way that this host allows, and then judged.

mod clocks;
mod namespace;
mod place;

use std::fs::File;

use tolerancia_lab::torture::{self, Database, Hands, Proxy, TortureArgs, TortureOutcome};
use tolerancia_service::config::Ports;
use tolerancia_wire::core::ReplicaId;

use crate::outcome::{CANNOT, DONE, Failure, NO, Outcome};
use crate::signals::{self, Signals};
use crate::supervisor::log::Log;
use crate::supervisor::own;
use crate::supervisor::spec::{self, System};
use crate::up::{Backends, NAME_WIDTH, Place};
use place::Home;

/// Where the system's log goes, in its directory and in the out directory.
const LOG: &str = "system.log";

/// Arguments of `tolerancia torture`.
#[derive(Debug, clap::Args)]
pub struct TortureCommand {
    #[command(flatten)]
    lab: TortureArgs,

    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    backends: Backends,

    /// Keep the system's data directory and its log, and say where they are.
    #[arg(long)]
    keep: bool,
}

/// Starts a system, tortures it, stops it, and gives the verdict.
pub async fn run(args: TortureCommand) -> Outcome {
    let ports = args.place.ports();
    if args.lab.plan {
        args.lab.print_plan(ports.replicas);
        return Ok(DONE);
    }
    // Before anything is started: it is this very process that goes on in there.
    let inside = namespace::enter();
    let signals = signals::watch()?;
    if let Some(out) = &args.lab.out {
        std::fs::create_dir_all(out)
            .map_err(|error| Failure::cannot(format!("{} cannot be written ({error})", out.display())))?;
    }
    let home = Home::make(ports.replicas, inside)?;
    let log_file = args.lab.out.as_deref().unwrap_or(home.dir()).join(LOG);
    let file = match File::create(&log_file) {
        Ok(file) => file,
        Err(error) => {
            home.leave(false);
            return Err(Failure::cannot(format!(
                "{} cannot be written ({error})",
                log_file.display()
            )));
        }
    };
    let (log, writer) = Log::to(file, false, NAME_WIDTH);
    let outcome = on_own_system(&args, ports, &home, log, &log_file, &signals).await;
    writer.finish();
    home.leave(args.keep);
    outcome
}

async fn on_own_system(
    args: &TortureCommand,
    ports: Ports,
    home: &Home,
    log: Log,
    log_file: &std::path::Path,
    signals: &Signals,
) -> Outcome {
    let mut system = args.backends.system(home.data_dir(), ports)?;
    // The schedule lies about these.
    system.parameters = vec![("CATALOGUE", torture::catalogue())];
    let clocks = clocks::prepare(home, &mut system);
    let database = database(&mut system).await;
    let hands = Hands {
        database,
        disks: home.disks(ports.replicas),
        clocks,
    };
    let target = target(args, &system);
    let Some(supervisor) = own::start(system, log, log_file, signals).await? else {
        return Ok(CANNOT);
    };
    let outcome = tokio::select! {
        outcome = torture::run(&args.lab, target, hands, &signals.stop) => outcome,
        () = signals.kill.cancelled() => {
            supervisor.stop().await;
            return Ok(CANNOT);
        }
    };
    supervisor.stop().await;
    match outcome {
        Ok(TortureOutcome::Pass) => Ok(DONE),
        Ok(TortureOutcome::Violations) => Ok(NO),
        Ok(TortureOutcome::Aborted) => Ok(CANNOT),
        Err(error) => Err(Failure::cannot(format!("{error:#}"))),
    }
}

/// What can be done to the database. PostgreSQL gets a proxy in front of it, which the services are sent to.
async fn database(system: &mut System) -> Result<Database, String> {
    let Some(url) = &system.postgres else {
        return Ok(Database::Sqlite(system.data_dir.join(place::DATABASE)));
    };
    let (upstream, detour) = place::detour(url)?;
    let proxy = Proxy::start(upstream)
        .await
        .map_err(|error| format!("no port for a proxy before PostgreSQL ({error})"))?;
    system.postgres = Some(detour(proxy.address()));
    Ok(Database::Postgres(proxy))
}

fn target(args: &TortureCommand, system: &System) -> torture::System {
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let ports = system.ports;
    torture::System {
        voter_url: at(ports.voter()),
        orders_url: at(ports.orders()),
        monitor_url: at(ports.monitor()),
        inventory_urls: ReplicaId::all(ports.replicas)
            .map(|id| at(ports.inventory(id)))
            .collect(),
        bus: system.bus.clone(),
        kafka: if system.embedded { "embedded" } else { "external" },
        database: if args.backends.postgres().is_some() {
            "postgres"
        } else {
            "sqlite"
        },
        fault_token: None,
        data_dir: system.data_dir.clone(),
    }
}

/// The names of the processes, as the supervisor gives them.
fn processes(system: &System) -> Vec<String> {
    system.specs().into_iter().map(|spec: spec::Spec| spec.name).collect()
}
