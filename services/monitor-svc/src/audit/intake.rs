//! `POST /faults`: where an injector tells the audit, after the fact, what it did.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::mpsc;
use tolerancia_core::ReplicaId;
use tolerancia_service::extract::ApiJson;
use tolerancia_service::fault::FaultSwitch;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::problem::ApiProblem;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::{Activation, FaultName};

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
pub(super) fn routes(faults: &FaultSwitch, replicas: u8, out: mpsc::Sender<Activation>) -> Api {
    Api::new()
        .post("/faults", accept, describe())
        .also_under("/monitor")
        .with_state(Intake { replicas, out })
        .guarded(faults)
}

fn describe() -> Operation {
    let now = Stamp::now();
    let report = Activation {
        instance: ReplicaId::all(1).next().expect("there is a first one"),
        fault: FaultName::Latency,
        activated_at: now,
        cleared_at: None,
    };
    Operation::new("reportFault", "Tells the audit of a fault that was injected")
        .about("It may be sent again with more in it: `activated_at` says which activation of the instance is meant.")
        .body::<Activation>("active", &report)
        .answer(Answer::json::<Activation>(202, "The audit will see it."))
        .problem(422, "That cannot have happened; the detail says why.")
        .problem(503, "The monitor is stopping.")
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
