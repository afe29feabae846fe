//! What the page asks for.

use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, post};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::oneshot;
use tolerancia_service::extract::ApiJson;
use tolerancia_service::problem::ApiProblem;

use super::conductor::{Answer, Command};
use super::{ExperimentState, Experiments, scenarios};

/// Trials per fault, as `tolerancia experiment` takes them.
const TRIALS: std::ops::RangeInclusive<i64> = 1..=1000;

/// The body of `POST /api/experiments`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// One of those that are offered.
    scenario: String,
    #[serde(default)]
    quick: bool,
    /// Per fault; absent: as the scenario says.
    trials: Option<i64>,
    /// Absent: a random one.
    seed: Option<u64>,
}

/// An experiment that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Its scenario's name.
    pub scenario: String,
    /// The scenario's file; none: it is built in.
    pub file: Option<PathBuf>,
    pub quick: bool,
    pub trials: Option<i64>,
    pub seed: Option<u64>,
}

impl Wish {
    /// Checks it. Only a scenario that is offered is known: its name is compared and never becomes a path. Blocks.
    fn plan(self, scenarios_dir: &Path) -> Result<Plan, ApiProblem> {
        if let Some(trials) = self.trials.filter(|trials| !TRIALS.contains(trials)) {
            return Err(ApiProblem::unprocessable(format!(
                "`trials` is {trials}: choose from {} to {}, or leave it out",
                TRIALS.start(),
                TRIALS.end()
            )));
        }
        let offered = scenarios::list(scenarios_dir);
        let Some(chosen) = offered.iter().find(|offered| offered.about.name == self.scenario) else {
            let names: Vec<&str> = offered.iter().map(|offered| offered.about.name.as_str()).collect();
            return Err(ApiProblem::unprocessable(format!(
                "`scenario` is none that is known: choose {}",
                names.join(", ")
            )));
        };
        Ok(Plan {
            file: chosen.file.clone(),
            scenario: self.scenario,
            quick: self.quick,
            trials: self.trials,
            seed: self.seed,
        })
    }
}

pub(super) fn routes(experiments: Experiments) -> Router {
    Router::new()
        .route("/api/experiments", post(start))
        .route("/api/experiments/current", delete(stop))
        .with_state(experiments)
}

async fn start(
    State(experiments): State<Experiments>,
    ApiJson(wish): ApiJson<Wish>,
) -> Result<(StatusCode, Json<ExperimentState>), ApiProblem> {
    let settings = &experiments.0.settings;
    if !settings.enabled {
        return Err(ApiProblem::not_found(
            "experiments are not started from here: start the dashboard on the host of the system with EXPERIMENTS=on, and \
             without MONITOR_URL, VOTER_URL, ORDERS_URL and INVENTORY_URLS, or use `tolerancia experiment` there",
        ));
    }
    let dir = settings.scenarios_dir.clone();
    let plan = tokio::task::spawn_blocking(move || wish.plan(&dir)).await;
    let plan = plan.map_err(|error| ApiProblem::internal(error.to_string()))??;
    let (reply, answer) = oneshot::channel();
    ask(&experiments, Command::Start(plan, reply), answer).await
}

async fn stop(State(experiments): State<Experiments>) -> Result<(StatusCode, Json<ExperimentState>), ApiProblem> {
    let (reply, answer) = oneshot::channel();
    ask(&experiments, Command::Stop(reply), answer).await
}

/// Hands a command to the conductor and waits for its answer.
async fn ask(
    experiments: &Experiments,
    command: Command,
    answer: oneshot::Receiver<Answer>,
) -> Result<(StatusCode, Json<ExperimentState>), ApiProblem> {
    let busy = || ApiProblem::unavailable("too many requests at a time, or the dashboard is stopping: try again");
    experiments.0.commands.try_send(command).map_err(|_| busy())?;
    let state = answer.await.map_err(|_| busy())??;
    Ok((StatusCode::ACCEPTED, Json(state)))
}
