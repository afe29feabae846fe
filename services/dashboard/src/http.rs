//! All routes together, behind the gate.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use tokio_util::sync::CancellationToken;
use tolerancia_service::config::ServiceArgs;
use tolerancia_service::fault::FaultSwitch;
use tolerancia_service::openapi::{Answer, Operation};
use tolerancia_service::shell::{Limits, Shell};
use tolerancia_wire::health::{Health, HealthState};

use crate::browser::System;
use crate::config::Args;
use crate::experiments::Experiments;
use crate::faults::Injector;
use crate::gate::Gate;
use crate::hub::Hub;
use crate::{assets, experiments, faults, gate, results, stream};

/// What is served. Without an injector nothing can be injected from here.
pub(crate) fn router(
    args: &Args,
    hub: Hub,
    experiments: Experiments,
    injector: Option<Injector>,
    switch: FaultSwitch,
    limits: &Limits,
    shutdown: &CancellationToken,
) -> Router {
    let listed = experiments.clone();
    let system = system(args);
    let describe = move || System {
        scenarios: listed.scenarios(),
        ..system.clone()
    };
    let live = stream::routes(hub.clone(), describe, shutdown.clone());
    let seeing = assets::routes().merge(results::routes(args.results_dir.clone()));
    // Whoever comes so far has the right one.
    let token = Operation::new("checkToken", "Whether the token is the right one").answer(Answer::empty(204, "It is."));
    let mut changing = experiments::routes(experiments).post("/api/token", async || StatusCode::NO_CONTENT, token);
    if let Some(injector) = injector {
        changing = changing.merge(faults::routes(injector));
    }
    // What the gate answers, which is around all of them.
    let changing = changing
        .answering(&Answer::problem(415, "A body is not said to be JSON."))
        .behind(&switch);
    let foreign = Answer::problem(403, "The request comes from another site's page.");
    let routes = seeing.merge(live.merge(changing).answering(&foreign));
    let gate = Gate::new(&args.hosts, switch);
    let of_service = args.service.clone();
    Shell::new(move || health(&of_service, &hub))
        .described("dashboard", "A live page for people, and what it asks for.")
        .everywhere(Answer::problem(421, "The host name is not known here."))
        .routes(routes)
        .limits(limits)
        .into_router()
        .layer(from_fn_with_state(gate, gate::guard))
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

#[cfg(test)]
#[path = "../../../crates/service/src/openapi/check.rs"]
mod check;
#[cfg(test)]
#[path = "../../../crates/service/src/openapi/fuzz.rs"]
mod fuzz;
#[cfg(test)]
mod tests;
