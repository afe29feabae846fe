//! `tolerancia simulate`: the laboratory's simulation on the command line. It starts nothing and touches no system.

use tolerancia_lab::simulation::{self, SimulateArgs};

use crate::outcome::{DONE, Failure, Outcome};

/// Simulates; Ctrl-C ends it like any program that computes.
pub async fn run(args: SimulateArgs) -> Outcome {
    let simulated = tokio::task::spawn_blocking(move || simulation::run(&args)).await;
    match simulated {
        Ok(Ok(())) => Ok(DONE),
        Ok(Err(error)) => Err(Failure::cannot(error.to_string())),
        Err(error) => Err(Failure::cannot(format!("the simulation broke off ({error})"))),
    }
}
