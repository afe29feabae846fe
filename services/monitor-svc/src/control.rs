//! `GET` and `PUT /detector`: which detector judges, changed while the monitor runs, so that detectors can be
//! compared within one run.
//!
//! The judge makes the change, between two pieces of evidence, for all instances at once; the answer waits for it.

use axum::Json;
use axum::extract::State;
use tokio::sync::{mpsc, oneshot};
use tolerancia_core::detector::DetectorKind;
use tolerancia_service::extract::ApiJson;
use tolerancia_service::fault::FaultSwitch;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::problem::ApiProblem;
use tolerancia_service::queues;
use tolerancia_wire::status::DetectorChoice;

use crate::state::Shared;

/// Changes that wait for the judge at most.
const QUEUE: usize = 4;

/// What the judge is told to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Judge by this detector from now on.
    Detector {
        kind: DetectorKind,
        /// Told when it is done.
        done: oneshot::Sender<()>,
    },
}

/// What the handlers need.
#[derive(Clone)]
struct Control {
    shared: Shared,
    out: mpsc::Sender<Command>,
}

/// The routes, at the root and under `/monitor`, and where the judge hears of what they ask for. Everybody may see
/// which detector judges; who changes it needs what `/fault` asks for.
pub(crate) fn routes(faults: &FaultSwitch, shared: Shared) -> (Api, mpsc::Receiver<Command>) {
    let (out, commands) = mpsc::channel(QUEUE);
    queues::watch_channel("detector_changes", &out);
    let control = Control { shared, out };
    let seeing = Api::new()
        .get("/detector", show, describe_show())
        .also_under("/monitor")
        .with_state(control.clone());
    let changing = Api::new()
        .put("/detector", change, describe_change())
        .also_under("/monitor")
        .with_state(control);
    (seeing.merge(changing.guarded(faults)), commands)
}

fn describe_show() -> Operation {
    Operation::new("showDetector", "Which detector judges")
        .answer(Answer::json::<DetectorChoice>(200, "The detector of all instances."))
}

fn describe_change() -> Operation {
    let choice = DetectorChoice {
        detector: DetectorKind::Accrual,
    };
    Operation::new("changeDetector", "Judges by another detector from now on")
        .about("Evidence so far is forgotten, also if that detector judged already.")
        .body::<DetectorChoice>("default", &choice)
        .answer(Answer::json::<DetectorChoice>(200, "It is done."))
        .problem(503, "The monitor is stopping.")
}

async fn show(State(control): State<Control>) -> Json<DetectorChoice> {
    Json(DetectorChoice {
        detector: control.shared.detector(),
    })
}

/// 200 when it is done, also if that detector judged already: evidence so far is forgotten either way.
async fn change(
    State(control): State<Control>,
    ApiJson(choice): ApiJson<DetectorChoice>,
) -> Result<Json<DetectorChoice>, ApiProblem> {
    let (done, told) = oneshot::channel();
    let kind = choice.detector;
    let stopping = || ApiProblem::unavailable("the monitor is stopping: ask the next one");
    // A bounded queue, and the judge is quick: at worst the caller waits a moment.
    control
        .out
        .send(Command::Detector { kind, done })
        .await
        .map_err(|_| stopping())?;
    told.await.map_err(|_| stopping())?;
    Ok(Json(choice))
}

#[cfg(test)]
mod tests;
