//! What the document says of `/fault`.

use schemars::JsonSchema;
use serde_json::json;
use tolerancia_wire::fault::{FaultList, FaultSpec, FaultState};

use crate::openapi::{Answer, Operation};

/// What `PUT` takes.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)]
enum OneOrMore {
    /// One fault.
    One(FaultSpec),
    /// Several.
    More(FaultList),
}

const OUT_OF_RANGE: &str = "These faults cannot be there at a time, a value is out of range, or the scope has no \
                            meaning for the fault; nothing was changed.";

pub(super) fn show() -> Operation {
    Operation::new("showFaults", "Which faults are active").answer(state("All that are active."))
}

pub(super) fn put() -> Operation {
    Operation::new(
        "putFaults",
        "Injects one fault or several in the place of whatever is active",
    )
    .about(
        "`crash` kills the process and `freeze` stops it, a few milliseconds after the answer. While `intermittent` is \
             active, queries are answered with 500 as often as asked for, and no document says so of them.",
    )
    .body::<OneOrMore>(
        "one",
        &json!({ "fault": "latency", "latency_ms": 20, "scope": "queries" }),
    )
    .example(
        "several",
        &json!({ "faults": [{ "fault": "stale" }, { "fault": "intermittent", "probability": 0.25 }] }),
    )
    .answer(state("What is active now, and what has ended."))
    .problem(422, OUT_OF_RANGE)
}

pub(super) fn add() -> Operation {
    Operation::new("addFault", "Injects one fault more")
        .body::<FaultSpec>("lie", &json!({ "fault": "incorrect", "product": "PROD-001" }))
        .answer(state(
            "What is active now, and what has ended: the same kind of fault makes room for it.",
        ))
        .problem(422, OUT_OF_RANGE)
}

pub(super) fn clear() -> Operation {
    Operation::new("clearFaults", "Ends all that are active").answer(state("What has ended, and when."))
}

fn state(description: &str) -> Answer {
    Answer::json::<FaultState>(200, description)
}
