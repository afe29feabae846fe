//! What the page asks for.

use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;
use tolerancia_service::extract::ApiJson;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::problem::ApiProblem;

use super::conductor::{self, Command};
use super::{ExperimentState, Experiments, scenarios};

/// Trials per fault, as `tolerancia experiment` takes them.
const TRIALS: std::ops::RangeInclusive<i64> = 1..=1000;

/// The body of `POST /api/experiments`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// One of those that are offered.
    scenario: String,
    #[serde(default)]
    quick: bool,
    /// Per fault; absent: as the scenario says.
    #[serde(default, deserialize_with = "tolerancia_core::whole::option")]
    #[schemars(range(min = 1, max = 1000))]
    trials: Option<i64>,
    /// Absent: a random one.
    #[serde(default, deserialize_with = "tolerancia_core::whole::option")]
    #[schemars(range(max = u64::MAX))]
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

pub(super) fn routes(experiments: Experiments) -> Api {
    Api::new()
        .post("/api/experiments", start, describe_start())
        .delete("/api/experiments/current", stop, describe_stop())
        .with_state(experiments)
}

fn describe_start() -> Operation {
    Operation::new("startExperiment", "Starts an experiment on this system")
        .body::<Wish>("quick", &json!({ "scenario": "classic", "quick": true, "seed": 1 }))
        .answer(Answer::json::<ExperimentState>(202, "It has been started."))
        .problem(404, "Experiments are not started from here.")
        .problem(409, "One runs already.")
        .problem(422, "There is no such scenario, or a value is out of range.")
        .problem(500, "Its process or its folder cannot be made.")
        .problem(503, "Too many requests at a time, or the dashboard is stopping.")
}

fn describe_stop() -> Operation {
    Operation::new("stopExperiment", "Interrupts the experiment that runs")
        .answer(Answer::json::<ExperimentState>(202, "It has been asked to end."))
        .problem(404, "None runs.")
        .problem(503, "Too many requests at a time, or the dashboard is stopping.")
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
    answer: oneshot::Receiver<conductor::Answer>,
) -> Result<(StatusCode, Json<ExperimentState>), ApiProblem> {
    let busy = || ApiProblem::unavailable("too many requests at a time, or the dashboard is stopping: try again");
    experiments.0.commands.try_send(command).map_err(|_| busy())?;
    let state = answer.await.map_err(|_| busy())??;
    Ok((StatusCode::ACCEPTED, Json(state)))
}
