//! What the document says of the routes that every service has.

use tolerancia_wire::health::Health;

use super::BODY_LIMIT;
use crate::openapi::{Answer, Operation};

pub(super) fn health() -> Operation {
    Operation::new("health", "How the service is")
        .answer(Answer::json::<Health>(
            200,
            "It can do its work: `UP`, or `DEGRADED` without something it can do without.",
        ))
        .answer(Answer::json::<Health>(
            503,
            "It cannot: `CATCHING_UP` or `DOWN`, and the details say why.",
        ))
}

pub(super) fn metrics() -> Operation {
    let text = "Prometheus text, version 0.0.4.";
    Operation::new("metrics", "Metrics").answer(Answer::text(200, "text/plain", text))
}

/// What any request may be answered with, by whoever reads it.
pub(super) fn everywhere() -> [Answer; 3] {
    [
        Answer::problem(400, "The body was cut off."),
        Answer::problem(408, "The body did not come in time."),
        Answer::problem(413, &format!("The body is larger than {} KiB.", BODY_LIMIT / 1024)),
    ]
}

/// The refusal of one too many.
pub(super) fn busy() -> Answer {
    Answer::busy("Too many requests are under way, so nothing was done.")
}
