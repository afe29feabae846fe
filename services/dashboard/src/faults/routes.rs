//! `POST DELETE /api/faults`, `DELETE /api/faults/{instance}`. Who may ask is the gate's affair.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tolerancia_client::inject::InjectError;
use tolerancia_core::ReplicaId;
use tolerancia_service::extract::ApiJson;
use tolerancia_service::fault::read_fault;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::problem::ApiProblem;
use tolerancia_wire::fault::FaultSpec;

use super::{Failed, Injector, Why};
use crate::browser::FaultWindow;

/// What an end was put to.
#[derive(Debug, Serialize, JsonSchema)]
struct Cleared {
    cleared: Vec<FaultWindow>,
}

/// The routes.
pub(crate) fn routes(injector: Injector) -> Api {
    Api::new()
        .post("/api/faults", inject, describe_inject())
        .delete("/api/faults", clear_all, describe_clear_all())
        .delete("/api/faults/{instance}", clear, describe_clear())
        .with_state(injector)
}

/// What is to be injected, and into which instance.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct Wanted {
    /// The replica.
    instance: ReplicaId,
    #[schemars(flatten)]
    fault: FaultSpec,
}

const UNREACHED: &str = "A replica did not answer, or said no.";

fn describe_inject() -> Operation {
    let slow = json!({ "instance": "1", "fault": "latency", "latency_ms": 20, "scope": "queries" });
    Operation::new("injectFault", "Injects a fault into an instance")
        .body::<Wanted>("slow", &slow)
        .answer(Answer::json::<FaultWindow>(200, "It is active."))
        .problem(422, "There is no such instance, or it cannot have this fault.")
        .problem(502, UNREACHED)
}

fn describe_clear_all() -> Operation {
    Operation::new("clearAllFaults", "Ends the faults of all instances")
        .answer(Answer::json::<Cleared>(200, "What has ended."))
        .problem(502, UNREACHED)
}

fn describe_clear() -> Operation {
    Operation::new("clearFaultsOf", "Ends the faults of one instance")
        .path::<ReplicaId>("instance", "Its number.", "1")
        .answer(Answer::json::<Cleared>(200, "What has ended."))
        .problem(404, "There is no such instance.")
        .problem(502, UNREACHED)
}

async fn inject(
    State(injector): State<Injector>,
    ApiJson(mut body): ApiJson<Value>,
) -> Result<Json<FaultWindow>, ApiProblem> {
    let named = body.as_object_mut().and_then(|fields| fields.remove("instance"));
    let Some(Value::String(named)) = named else {
        let detail = "which instance? send for example {\"instance\":\"1\",\"fault\":\"latency\",\"latency_ms\":1200}";
        return Err(ApiProblem::bad_request(detail));
    };
    let instance = injector.instance(&named).map_err(ApiProblem::unprocessable)?;
    Ok(Json(injector.inject(instance, read_fault(body)?).await?))
}

async fn clear(State(injector): State<Injector>, Path(named): Path<String>) -> Result<Json<Cleared>, ApiProblem> {
    let instance = injector.instance(&named).map_err(ApiProblem::not_found)?;
    let cleared = injector.clear(instance).await?;
    Ok(Json(Cleared { cleared }))
}

/// All are tried, and if one fails that is a problem which names it.
async fn clear_all(State(injector): State<Injector>) -> Result<Json<Cleared>, ApiProblem> {
    let (cleared, failed) = injector.clear_all().await;
    if failed.is_empty() {
        return Ok(Json(Cleared { cleared }));
    }
    let sentences: Vec<String> = failed.iter().map(Failed::sentence).collect();
    let named: Vec<Value> = failed
        .iter()
        .map(|failed| json!({ "instance": failed.instance, "detail": failed.why.to_string() }))
        .collect();
    let problem = ApiProblem::new(StatusCode::BAD_GATEWAY, sentences.join("; "));
    Err(problem.with("failed", named).with("cleared", cleared))
}

impl Injector {
    /// The instance of this name, or what to say.
    fn instance(&self, named: &str) -> Result<ReplicaId, String> {
        let instance = named.parse().ok().filter(|id| self.replica(*id).is_some());
        instance.ok_or_else(|| {
            let count = self.shared.replicas.len();
            format!("there is no instance {named:?}: the system has instances 1 to {count}")
        })
    }
}

impl Failed {
    fn sentence(&self) -> String {
        format!("instance {}: {}", self.instance, self.hint())
    }

    fn hint(&self) -> String {
        let Self { instance, why, .. } = self;
        match why {
            Why::Replica(InjectError::NoAnswer { .. }) => format!(
                "{why}. It may be about to be restarted: try again in a moment. If its process is stopped, `tolerancia \
                 inject clear --instance {instance}` continues it; on another host, continue it there: `kill -CONT PID` \
                 (in a container: `docker compose exec inventory-{instance} bash -c 'kill -CONT -1'`)"
            ),
            _ => why.to_string(),
        }
    }
}

/// A replica that says no is none of the browser's mistakes, except where it says no to the fault itself.
impl From<Failed> for ApiProblem {
    fn from(failed: Failed) -> Self {
        let status = match &failed.why {
            Why::Defect(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Why::Replica(InjectError::Invalid(_)) => StatusCode::UNPROCESSABLE_ENTITY,
            Why::Replica(InjectError::Refused { status: 400..=499, .. }) if failed.injects => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            // Never 401: the browser's own token was right.
            Why::Replica(_) => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, failed.sentence())
    }
}
