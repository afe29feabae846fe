//! What the document says of the monitor's answers.

use tolerancia_core::ReplicaId;
use tolerancia_service::config::name::INVENTORY;
use tolerancia_service::openapi::{Answer, Operation, Whole};
use tolerancia_wire::activation::Audit;
use tolerancia_wire::denial::Denials;
use tolerancia_wire::status::{InstanceStatus, SystemStatus};

use crate::state::MonitorMetrics;

pub(super) fn status() -> Operation {
    Operation::new("status", "All verdicts").answer(Answer::json::<SystemStatus>(200, "The verdicts."))
}

pub(super) fn one_status() -> Operation {
    Operation::new("instanceStatus", "The verdict on one instance")
        .path::<String>("service", "The service that is watched.", INVENTORY)
        .path::<ReplicaId>("instance", "Its number.", "1")
        .answer(Answer::json::<InstanceStatus>(200, "The verdict."))
        .problem(400, "That is no instance's number.")
        .problem(
            404,
            "The monitor watches no such service, or there is no such instance.",
        )
}

pub(super) fn failures() -> Operation {
    Operation::new("failures", "Changes of verdicts and phases, the newest first")
        .query::<ReplicaId>("instance", "Only those of this instance.")
        .query::<Whole<1, 1000>>("limit", "So many at most; 100 where it is left out.")
        .answer(Answer::json::<Audit>(
            200,
            "The changes, with the times of the fault where they are known.",
        ))
        .problem(400, "A parameter is out of range, or there is no such parameter.")
}

pub(super) fn denials() -> Operation {
    Operation::new(
        "denials",
        "Attempts to break something that were refused, the newest first",
    )
    .query::<Whole<1, 1000>>("limit", "So many at most; 100 where it is left out.")
    .answer(Answer::json::<Denials>(
        200,
        "Who tried what, counted by kind; never a token.",
    ))
    .problem(400, "The limit is out of range.")
}

pub(super) fn metrics() -> Operation {
    Operation::new("metrics", "Metrics")
        .about("Prometheus text where the Accept header asks for text, otherwise JSON.")
        .answer(Answer::json::<MonitorMetrics>(
            200,
            "What the checks of each instance showed.",
        ))
        .answer(Answer::text(200, "text/plain", "Prometheus text, version 0.0.4."))
}

pub(super) fn events() -> Operation {
    Operation::new("events", "Changes of verdicts and phases, as they happen")
        .about("Server-sent events until the service stops, one `transition` per change, with its number as id.")
        .header::<u64>("Last-Event-ID", "The transition after which to go on.")
        .answer(Answer::events("The events."))
}
