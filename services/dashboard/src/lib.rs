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
mod hub;
mod results;
mod state;
mod stream;
mod upstream;

use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_core::ReplicaId;
use tolerancia_service::config::ServiceArgs;
use tolerancia_service::shell::{Shell, serve};
use tolerancia_wire::health::{Health, HealthState};

pub use config::Args;

use crate::browser::System;
use crate::experiments::{ExperimentSettings, Experiments};
use crate::faults::Injector;
use crate::gate::Gate;
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

    let listed = experiments.clone();
    let system = system(&args);
    let describe = move || System {
        scenarios: listed.scenarios(),
        ..system.clone()
    };
    let mut routes = Router::new()
        .merge(assets::routes())
        .merge(stream::routes(hub.clone(), describe, shutdown.clone()))
        .merge(experiments::routes(experiments))
        .merge(results::routes(args.results_dir.clone()))
        // Whoever comes so far has the right one.
        .route("/api/token", post(async || StatusCode::NO_CONTENT));
    if service.fault_injection {
        let settings = faults::Settings {
            replicas: ReplicaId::all(service.replicas).map(|id| args.replica(id)).collect(),
            monitor: args.places().monitor,
            token: service.fault_token.clone(),
            data_dir: service.data_dir.clone(),
        };
        let injector = Injector::start(settings, hub.clone(), &tasks, &shutdown);
        routes = routes.merge(faults::routes(injector));
    }
    let gate = Gate::new(&args.hosts, service.faults());
    let of_service = service.clone();
    let router = Shell::new(move || health(&of_service, &hub))
        .routes(routes)
        .into_router()
        .layer(from_fn_with_state(gate, gate::guard));
    let served = serve(router, service.addr(), shutdown.clone()).await;

    shutdown.cancel();
    tasks.close();
    if tokio::time::timeout(GOODBYE, tasks.wait()).await.is_err() {
        tracing::warn!("not everything has ended within {} s", GOODBYE.as_secs());
    }
    served
}

/// What can be asked for here; which scenarios there are changes.
fn system(args: &Args) -> System {
    let service = &args.service;
    System {
        replicas: service.replicas,
        injection: service.fault_injection,
        token: service.fault_token.is_some(),
        experiments: args.starts_experiments(),
        scenarios: Vec::new(),
    }
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

/// The page works as long as it runs: who cannot be reached comes back, and a restart would not help. So it is DEGRADED,
/// never DOWN.
fn health(service: &ServiceArgs, hub: &Hub) -> Health {
    let mut health = service.health(HealthState::Up);
    health.details = hub.read(|state| {
        let missing = state.sources().iter().filter(|(_, source)| !source.up);
        let why = |error: &Option<String>| format!("not reached: {}", error.as_deref().unwrap_or("no reason is known"));
        missing
            .map(|(name, source)| (name.clone(), why(&source.error)))
            .collect()
    });
    if !health.details.is_empty() {
        health.status = HealthState::Degraded;
    }
    health
}
