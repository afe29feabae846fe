//! dashboard: a live page for people.
//!
//! ```text
//! monitor-svc ─▶ upstream ─┐                       ┌─▶ browser
//! voter-svc ───▶ upstream ─┤                       ├─▶ browser
//! replicas ────▶ faults ───┼─▶ hub (state, ring) ──┼─▶ browser
//! child ───────▶ experiments                       └─▶ …
//! ```
//!
//! Events come in from the left, change what is known, and go out to all browsers. There is one connection to each
//! service however many look, so nobody there notices whether somebody looks here; and nothing here takes part in
//! detection or votes. What people ask for, faults and experiments, goes the way that the command line's requests go.

mod assets;
mod browser;
mod config;
mod experiments;
mod faults;
mod gate;
mod http;
mod hub;
mod results;
mod state;
mod stream;
mod upstream;

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_core::ReplicaId;
use tolerancia_service::fault::{self, DenialAudit};
use tolerancia_service::shell::{self, serve};

pub use config::Args;

use crate::experiments::{ExperimentSettings, Experiments};
use crate::faults::Injector;
use crate::hub::Hub;

/// How long tasks may take at the end: an experiment clears its faults, and the audit is told of the last ones.
const GOODBYE: Duration = Duration::from_secs(12);

/// Runs the dashboard until `shutdown`.
///
/// # Errors
/// When it cannot start: contradicting parameters, a port that cannot be listened on.
pub async fn run(args: Args, shutdown: CancellationToken) -> Result<()> {
    let args = args.prepared()?;
    let service = &args.service;
    let shutdown = shutdown.child_token();
    tolerancia_service::metrics::install();
    let (hub, tasks) = (Hub::new(), TaskTracker::new());

    let experiments = Experiments::new(settings(&args)?, hub.clone());
    tasks.spawn(experiments.clone().run(shutdown.clone()));
    upstream::watch(&hub, &args.places(), &tasks, &shutdown);

    let injector = service.fault_injection.then(|| {
        let settings = faults::Settings {
            replicas: ReplicaId::all(service.replicas).map(|id| args.replica(id)).collect(),
            monitor: args.places().monitor,
            token: service.fault_token.clone(),
            data_dir: service.data_dir.clone(),
        };
        Injector::start(settings, hub.clone(), &tasks, &shutdown)
    });
    let faults = service.faults();
    let denied = DenialAudit::start(&faults, fault::denials_to_log());
    let limits = service.limits(shell::MAX_IN_FLIGHT);
    let router = http::router(&args, hub, experiments, injector, faults, &limits, &shutdown);
    let served = serve(router, service.addr(), limits, shutdown.clone()).await;

    shutdown.cancel();
    denied.close().await;
    tasks.close();
    if tokio::time::timeout(GOODBYE, tasks.wait()).await.is_err() {
        tracing::warn!("not everything has ended within {} s", GOODBYE.as_secs());
    }
    served
}

fn settings(args: &Args) -> Result<ExperimentSettings> {
    let program = experiments::program().context("the path of this program is not known: experiments need it")?;
    Ok(ExperimentSettings {
        program,
        results_dir: args.results_dir.clone(),
        scenarios_dir: args.scenarios_dir.clone(),
        base_port: args.service.base_port,
        replicas: args.service.replicas,
        fault_token: args.service.fault_token.clone(),
        enabled: args.starts_experiments(),
    })
}
