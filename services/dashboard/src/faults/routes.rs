//! `POST DELETE /api/faults`, `DELETE /api/faults/{instance}`. Who may ask is the gate's affair.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};
use tolerancia_client::inject::InjectError;
use tolerancia_core::ReplicaId;
use tolerancia_service::extract::ApiJson;
use tolerancia_service::fault::read_fault;
use tolerancia_service::problem::ApiProblem;

use super::{Failed, Injector, Why};
use crate::browser::FaultWindow;

/// What an end was put to.
#[derive(Debug, Serialize)]
struct Cleared {
    cleared: Vec<FaultWindow>,
}

/// The routes.
pub(crate) fn routes(injector: Injector) -> Router {
    Router::new()
        .route("/api/faults", post(inject).delete(clear_all))
        .route("/api/faults/{instance}", delete(clear))
        .with_state(injector)
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
