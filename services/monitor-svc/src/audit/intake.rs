//! `POST /faults`: where an injector tells the audit, after the fact, what it did.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use tokio::sync::mpsc;
use tolerancia_service::extract::ApiJson;
use tolerancia_service::fault::FaultSwitch;
use tolerancia_service::problem::ApiProblem;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::Activation;
use tower::ServiceExt as _;

use super::times::offset_ns;

/// A report about an instant further from now than this is a mistake.
const BELIEVABLE_NS: i128 = 3_600_000_000_000;

/// What the handler needs.
#[derive(Clone)]
struct Intake {
    replicas: u8,
    out: mpsc::Sender<Activation>,
}

/// The route, at the root and under `/monitor`. It exists only where faults may be injected, and asks for the
/// same token as `/fault`.
pub(super) fn routes(faults: &FaultSwitch, replicas: u8, out: mpsc::Sender<Activation>) -> Router {
    Router::new()
        .route("/faults", post(accept))
        .route("/monitor/faults", post(accept))
        .layer(middleware::from_fn_with_state(faults.routes(), guard))
        .with_state(Intake { replicas, out })
}

/// Whoever may not look at `/fault` may not report either. That route answers the question, so there is one rule
/// and one place where tokens are compared.
async fn guard(State(fault): State<Router>, request: Request, next: Next) -> Response {
    let mut look = Request::new(Body::empty());
    *look.uri_mut() = axum::http::Uri::from_static("/fault");
    if let Some(token) = request.headers().get(header::AUTHORIZATION) {
        look.headers_mut().insert(header::AUTHORIZATION, token.clone());
    }
    match fault.oneshot(look).await {
        Ok(answer) if !answer.status().is_success() => answer,
        Ok(_) => next.run(request).await,
        Err(never) => match never {},
    }
}

/// 202: the audit will see it. 422 for what cannot have happened.
async fn accept(
    State(intake): State<Intake>,
    ApiJson(report): ApiJson<Activation>,
) -> Result<(StatusCode, Json<Activation>), ApiProblem> {
    check(&report, intake.replicas, Stamp::now()).map_err(ApiProblem::unprocessable)?;
    // A bounded queue, and the audit is quick: at worst the injector waits a moment.
    if intake.out.send(report.clone()).await.is_err() {
        return Err(ApiProblem::unavailable("the monitor is stopping: report it again"));
    }
    Ok((StatusCode::ACCEPTED, Json(report)))
}

fn check(report: &Activation, replicas: u8, now: Stamp) -> Result<(), String> {
    let instance = report.instance;
    if instance.number() > replicas {
        return Err(format!(
            "there is no instance {instance}: the monitor watches instances 1 to {replicas}"
        ));
    }
    let times = [
        ("activated_at", Some(report.activated_at)),
        ("cleared_at", report.cleared_at),
    ];
    for (name, stamp) in times {
        let far = |stamp: Stamp| (stamp.at.as_nanosecond() - now.at.as_nanosecond()).abs() > BELIEVABLE_NS;
        if stamp.is_some_and(far) {
            return Err(format!(
                "{name} is more than an hour from now: send the instant that /fault answered with, and see that the \
                 clocks of the hosts agree"
            ));
        }
    }
    match report.cleared_at {
        Some(cleared) if offset_ns(report.activated_at, cleared) < 0 => {
            Err("cleared_at is before activated_at: send those of one fault".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
