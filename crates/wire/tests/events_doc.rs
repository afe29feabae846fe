//! `docs/events.md` against the types: every example reads and writes as its type, every variant and every field is
//! there.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tolerancia_wire::Record;
use tolerancia_wire::core::detector::Seen;
use tolerancia_wire::core::ledger::{Event, Outcome, Refusal, Rejection};
use tolerancia_wire::denial::Why;
use tolerancia_wire::evidence::{Dissent, ErrorBody};
use tolerancia_wire::metrics::MetricsBody;
use tolerancia_wire::record::ResultBody;
use tolerancia_wire::status::{Phase, ReasonKind, StatusBody, Verdict};
use tolerancia_wire::topic::{self, ALL};

const DOC: &str = include_str!("../../../docs/events.md");

/// A function that names a value's variant and a list of all those names. The match has no wildcard, so a new variant
/// does not compile until it is in the list, and then the page lacks it.
macro_rules! variants {
    ($name:ident, $all:ident, $type:ty, $($pattern:pat => $text:literal),+ $(,)?) => {
        const $all: &[&str] = &[$($text),+];
        fn $name(value: &$type) -> &'static str {
            match value {
                $($pattern => $text),+
            }
        }
    };
}

variants!(event, EVENTS, Event,
    Event::Reserve { .. } => "reserve",
    Event::Release { .. } => "release",
    Event::Restock { .. } => "restock",
);
variants!(outcome, OUTCOMES, Outcome,
    Outcome::Reserved { .. } => "reserved",
    Outcome::Rejected { .. } => "rejected",
    Outcome::Conflict => "conflict",
    Outcome::Released { .. } => "released",
    Outcome::Refused { .. } => "refused",
    Outcome::Restocked { .. } => "restocked",
);
variants!(error, ERRORS, ErrorBody,
    ErrorBody::Evidence { .. } => "evidence",
    ErrorBody::BadRecord { .. } => "bad_record",
    ErrorBody::Denied(_) => "denied",
);
variants!(dissent, DISSENTS, Dissent,
    Dissent::Stock { .. } => "stock",
    Dissent::Outcome { .. } => "outcome",
);
variants!(status, STATUSES, StatusBody,
    StatusBody::Status(_) => "status",
);
variants!(metrics, METRICS, MetricsBody,
    MetricsBody::RequestMetrics { .. } => "request_metrics",
);
// Values of fields: no example for each, but a word.
variants!(rejection, REJECTIONS, Rejection,
    Rejection::InsufficientStock => "insufficient_stock",
    Rejection::UnknownProduct => "unknown_product",
    Rejection::ZeroQuantity => "zero_quantity",
    Rejection::Overflow => "overflow",
);
variants!(refusal, REFUSALS, Refusal,
    Refusal::UnknownOrder => "unknown_order",
    Refusal::AlreadyReleased => "already_released",
    Refusal::NeverConfirmed => "never_confirmed",
);
variants!(why, WHYS, Why,
    Why::InjectionOff => "injection_off",
    Why::NoToken => "no_token",
    Why::WrongToken => "wrong_token",
    Why::Browser => "browser",
);
variants!(verdict, VERDICTS, Verdict,
    Verdict::On => "ON",
    Verdict::Off => "OFF",
);
variants!(phase, PHASES, Phase,
    Phase::On => "on",
    Phase::Quarantine => "quarantine",
    Phase::Probation => "probation",
);
variants!(reason, REASONS, ReasonKind,
    ReasonKind::Unreachable => "unreachable",
    ReasonKind::Late => "late",
    ReasonKind::Errors => "errors",
    ReasonKind::Dissent => "dissent",
    ReasonKind::Stale => "stale",
    ReasonKind::QuarantineOver => "quarantine_over",
    ReasonKind::Recovered => "recovered",
    ReasonKind::Initial => "initial",
);
variants!(seen, SEEN, Seen,
    Seen::Good => "good",
    Seen::Unreachable => "unreachable",
    Seen::Late => "late",
    Seen::Error => "error",
    Seen::Stale => "stale",
);

/// The text of the examples of one topic: the blocks that open with "```json TOPIC".
fn examples(topic: &str) -> Vec<&'static str> {
    let opening = format!("```json {topic}\n");
    DOC.split(opening.as_str())
        .skip(1)
        .map(|rest| rest.split_once("\n```").expect("the block is closed").0)
        .collect()
}

/// Reads the examples of `topic` as its records, checks that they are written as they were read, and gives their bodies.
fn bodies<T: Serialize + DeserializeOwned>(topic: &str) -> Vec<T> {
    let bodies: Vec<T> = examples(topic)
        .into_iter()
        .map(|text| {
            let record = Record::<T>::from_bytes(text.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{text}"));
            let written: Value = serde_json::from_slice(&record.to_bytes()).unwrap();
            assert_eq!(written, serde_json::from_str::<Value>(text).unwrap(), "{text}");
            record.body
        })
        .collect();
    assert!(!bodies.is_empty(), "no example of {topic}");
    bodies
}

/// The page's section about a topic.
fn section(topic: &str) -> &'static str {
    let heading = format!("\n## `{topic}`\n");
    let (_, rest) = DOC
        .split_once(heading.as_str())
        .unwrap_or_else(|| panic!("no section about {topic}"));
    rest.split("\n## ").next().unwrap()
}

#[track_caller]
fn covers<'a, T: 'a>(all: &[&str], name: fn(&T) -> &'static str, seen: impl IntoIterator<Item = &'a T>) {
    let seen: BTreeSet<_> = seen.into_iter().map(name).collect();
    let missing: Vec<_> = all.iter().filter(|variant| !seen.contains(*variant)).collect();
    assert!(missing.is_empty(), "docs/events.md has no example of {missing:?}");
}

#[test]
fn every_type_of_record_has_an_example_that_reads_and_writes_as_it_is() {
    covers(EVENTS, event, &bodies(topic::ORDER_EVENTS));

    let results = bodies::<ResultBody>(topic::INVENTORY_RESULTS);
    // Its only variant.
    let outcomes = results.iter().map(|ResultBody::Result { outcome, .. }| outcome);
    covers(OUTCOMES, outcome, outcomes);

    let errors = bodies::<ErrorBody>(topic::ERROR_QUEUE);
    covers(ERRORS, error, &errors);
    let dissents = errors.iter().flat_map(|body| match body {
        ErrorBody::Evidence { batches } => batches.as_slice(),
        ErrorBody::BadRecord { .. } | ErrorBody::Denied(_) => &[],
    });
    covers(
        DISSENTS,
        dissent,
        dissents.flat_map(|batch| &batch.dissents).map(|lie| &lie.dissent),
    );

    let statuses = bodies::<StatusBody>(topic::INSTANCE_STATUS);
    covers(STATUSES, status, &statuses);
    assert!(
        statuses
            .iter()
            .any(|StatusBody::Status(status)| !status.reason.evidence.is_empty()),
        "no example with evidence"
    );
    covers(
        PHASES,
        phase,
        statuses.iter().map(|StatusBody::Status(status)| &status.phase),
    );

    covers(METRICS, metrics, &bodies(topic::REQUEST_METRICS));
}

#[test]
fn every_json_block_names_a_topic_and_every_topic_has_a_section() {
    for topic in ALL.map(|spec| spec.name) {
        let link = format!("| [`{topic}`](#{topic}) |");
        assert!(DOC.contains(&link), "no row about {topic}");
        let here = format!("```json {topic}\n");
        assert_eq!(
            section(topic).matches(&here).count(),
            examples(topic).len(),
            "an example of {topic} is in another section"
        );
    }
    let known: usize = ALL.iter().map(|spec| examples(spec.name).len()).sum();
    assert_eq!(
        DOC.matches("```json").count(),
        known,
        "a block with no topic, or an unknown one"
    );
}

/// All names of fields in `value`, however deep.
fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                into.insert(name.clone());
                fields(value, into);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, into)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_examples_is_in_a_table_of_its_section() {
    let (_, rest) = DOC.split_once("\n## The envelope\n").unwrap();
    let envelope = rest.split("\n## ").next().unwrap();
    for topic in ALL.map(|spec| spec.name) {
        let mut names = BTreeSet::new();
        for text in examples(topic) {
            fields(&serde_json::from_str(text).unwrap(), &mut names);
        }
        // Dissent about an outcome refers to the section on outcomes.
        let results = if topic == topic::ERROR_QUEUE {
            section(topic::INVENTORY_RESULTS)
        } else {
            ""
        };
        for name in names {
            let row = format!("\n| `{name}` |");
            assert!(
                [envelope, section(topic), results]
                    .iter()
                    .any(|text| text.contains(&row)),
                "{topic}: no row about the field {name}"
            );
        }
    }
}

#[test]
fn every_value_of_the_named_fields_is_explained() {
    let expected = [
        (topic::INVENTORY_RESULTS, [OUTCOMES, REJECTIONS, REFUSALS].concat()),
        (topic::INSTANCE_STATUS, [VERDICTS, PHASES, REASONS, SEEN].concat()),
        (topic::ERROR_QUEUE, [ERRORS, DISSENTS].concat()),
        (topic::ORDER_EVENTS, EVENTS.to_vec()),
        (topic::REQUEST_METRICS, METRICS.to_vec()),
    ];
    for (topic, values) in expected {
        for value in values {
            assert!(
                section(topic).contains(&format!("`{value}`")),
                "{topic}: no word about {value}"
            );
        }
    }
}

/// What serde calls a value.
fn spelt(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// The names in the lists above are the ones on the wire.
#[test]
fn the_names_are_those_on_the_wire() {
    fn check<T: Serialize + DeserializeOwned>(all: &[&str], name: fn(&T) -> &'static str) {
        for text in all {
            let value: T = serde_json::from_value((*text).into()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((name(&value), spelt(&value)), (*text, (*text).into()));
        }
    }
    check(REJECTIONS, rejection);
    check(REFUSALS, refusal);
    check(WHYS, why);
    check(VERDICTS, verdict);
    check(PHASES, phase);
    check(REASONS, reason);
    check(SEEN, seen);
    for body in bodies::<Event>(topic::ORDER_EVENTS) {
        assert_eq!(spelt(&body)["type"], event(&body));
    }
    for ResultBody::Result { outcome: body, .. } in bodies(topic::INVENTORY_RESULTS) {
        assert_eq!(spelt(&body)["outcome"], outcome(&body));
    }
    for body in bodies::<ErrorBody>(topic::ERROR_QUEUE) {
        assert_eq!(spelt(&body)["type"], error(&body));
    }
    for body in bodies::<MetricsBody>(topic::REQUEST_METRICS) {
        assert_eq!(spelt(&body)["type"], metrics(&body));
    }
    for body in bodies::<StatusBody>(topic::INSTANCE_STATUS) {
        assert_eq!(spelt(&body)["type"], status(&body));
    }
}
