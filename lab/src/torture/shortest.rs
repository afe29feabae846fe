//! The shortest history that shows a violation: of all requests, records, verdicts and faults the few that matter.

use serde::Serialize;
use tolerancia_core::ledger::Event;
use tolerancia_core::{OrderId, ProductId, ReplicaId};
use tolerancia_wire::status::Verdict;

use super::action::{Kind, Target, Window};
use super::evidence::{Change, Evidence};
use super::history::{Answer, Entry, Request};
use super::model::{Effect, LogRecord};

/// More lines show less.
pub const MOST_LINES: usize = 30;
/// Of these so many from the beginning.
const FIRST_LINES: usize = 20;
/// Answers about one version that are shown.
const MOST_ANSWERS: usize = 6;

/// One line of a story.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Line {
    /// When, `CLOCK_MONOTONIC` in nanoseconds; 0: at the end, when everything was at rest.
    pub at_ns: u64,
    /// What happened.
    pub text: String,
}

impl Line {
    fn new(at_ns: u64, text: impl Into<String>) -> Self {
        Self {
            at_ns,
            text: text.into(),
        }
    }
}

/// In their order, each once, and not too many.
#[must_use]
pub fn cut(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|one, other| {
        let at = |line: &Line| if line.at_ns == 0 { u64::MAX } else { line.at_ns };
        (at(one), &one.text).cmp(&(at(other), &other.text))
    });
    lines.dedup();
    if lines.len() > MOST_LINES {
        let last = MOST_LINES - FIRST_LINES - 1;
        let left_out = lines.len() - FIRST_LINES - last;
        let gap = Line::new(lines[FIRST_LINES].at_ns, format!("… {left_out} lines like these …"));
        lines.splice(FIRST_LINES..FIRST_LINES + left_out, [gap]);
    }
    lines
}

/// Everything about an order: what was asked and told, and its records in the log. Orders with the same key count as one.
#[must_use]
pub fn of_order(evidence: &Evidence, order: OrderId) -> Vec<Line> {
    of_key_part(evidence, order.key_part())
}

/// Everything about the orders with this idempotency key.
#[must_use]
pub fn of_key(evidence: &Evidence, key: u32) -> Vec<Line> {
    of_key_part(evidence, evidence.history.key_part(key))
}

fn of_key_part(evidence: &Evidence, part: u128) -> Vec<Line> {
    let is_meant = |order: &OrderId| order.key_part() == part;
    let entries = evidence.history.entries.iter().filter(|entry| match &entry.request {
        Request::Order { key, .. } => {
            evidence.history.key_part(*key) == part || entry.answer.order().as_ref().is_some_and(is_meant)
        }
        Request::Cancel { order, .. } | Request::Show { order } => is_meant(order),
        Request::Read { .. } => false,
    });
    let records = evidence.log.iter().filter(|record| match &record.event {
        Some(Event::Reserve { order_id, .. } | Event::Release { order_id }) => is_meant(order_id),
        _ => false,
    });
    let mut lines: Vec<Line> = entries.map(asked).chain(records.map(recorded)).collect();
    if !lines.iter().any(|line| line.text.starts_with("log")) {
        lines.push(Line::new(0, "log: no record of this order"));
    }
    cut(lines)
}

/// Everything about one version of a product: who was told what about it, the records that made it and the one before,
/// what the replicas have of it in the end, and who was lying then.
#[must_use]
pub fn of_version(evidence: &Evidence, product: &ProductId, version: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    let partition = evidence.model.partition_of(product);
    let made = evidence
        .model
        .products
        .get(product)
        .map(|product| product.versions.as_slice());
    let versions = made.unwrap_or_default();
    let before = versions.iter().rev().find(|made| made.version < version);
    let here = versions.iter().find(|made| made.version == version);
    for made in before.into_iter().chain(here) {
        let record = record_at(evidence, partition, made.version);
        lines.extend(record.map(recorded));
        lines.push(Line::new(
            record.map_or(0, |record| record.made_ns),
            format!("model: {product} at version {} is {}", made.version, made.stock),
        ));
    }
    if here.is_none() {
        lines.extend(record_at(evidence, partition, version).map(recorded));
        lines.push(Line::new(0, format!("model: {product} has no version {version}")));
    }
    let told = |entry: &&Entry| matches!(&entry.answer, Answer::Stock { product: about, version: at, .. } if about == product && *at == version);
    let answers: Vec<&Entry> = evidence.history.entries.iter().filter(told).collect();
    lines.extend(answers.iter().take(MOST_ANSWERS).map(|entry| asked(entry)));
    if answers.len() > MOST_ANSWERS {
        let more = answers.len() - MOST_ANSWERS;
        lines.push(Line::new(
            answers[MOST_ANSWERS].ended_ns,
            format!("and {more} more answers about this version"),
        ));
    }
    if let Some(first) = answers.first() {
        let lies = |window: &&Window| window.kind == Kind::Incorrect && during(window, first.sent_ns, first.ended_ns);
        lines.extend(evidence.windows.iter().filter(lies).map(done));
    }
    for last in evidence.finals.iter().flatten() {
        let (_, listed) = match last.products.iter().find(|(id, _)| id == product) {
            Some(found) => found,
            None => continue,
        };
        if let Some(at) = listed.iter().find(|at| at.version == version) {
            let text = format!("instance {} lists version {version}: {}", last.instance, at.stock);
            lines.push(Line::new(0, text));
        }
    }
    cut(lines)
}

/// A replica between two instants: what was done to it and to those on whom a verdict depends, and what the monitor said.
#[must_use]
pub fn of_replica(evidence: &Evidence, replica: ReplicaId, from_ns: u64, to_ns: u64) -> Vec<Line> {
    let matters = |target: Target| match target {
        Target::Replica(other) => other == replica,
        Target::Monitor | Target::Voter | Target::Broker => true,
        Target::Orders | Target::Database => false,
    };
    let windows = evidence.windows.iter();
    let windows = windows
        .filter(|window| matters(window.target) && during(window, from_ns, to_ns))
        .map(done);
    let verdicts = evidence.verdicts.iter();
    let verdicts = verdicts.filter(|change| change.instance == replica && (from_ns..=to_ns).contains(&change.at_ns));
    let stalls = evidence
        .stalls
        .iter()
        .filter(|stall| stall.from_ns <= to_ns && stall.to_ns >= from_ns);
    let stalls = stalls.map(|stall| {
        let ms = stall.to_ns.saturating_sub(stall.from_ns) / 1_000_000;
        Line::new(stall.from_ns, format!("this host stood still for {ms} ms"))
    });
    cut(windows.chain(verdicts.map(judged)).chain(stalls).collect())
}

/// Requests, as lines.
#[must_use]
pub fn of_entries<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Line> {
    entries.into_iter().map(asked).collect()
}

/// A sentence about the end.
#[must_use]
pub fn last(text: impl Into<String>) -> Line {
    Line::new(0, text)
}

/// The record at this place, and the line about it.
#[must_use]
pub fn of_record(evidence: &Evidence, partition: u16, offset: u64) -> Option<Line> {
    record_at(evidence, partition, offset).map(recorded)
}

fn record_at(evidence: &Evidence, partition: u16, offset: u64) -> Option<&LogRecord> {
    let place = |record: &LogRecord| (record.partition, record.offset);
    let found = evidence.log.binary_search_by_key(&(partition, offset), place);
    found.ok().map(|index| &evidence.log[index])
}

fn during(window: &Window, from_ns: u64, to_ns: u64) -> bool {
    window.applied && window.from_ns <= to_ns && window.to_ns >= from_ns
}

fn asked(entry: &Entry) -> Line {
    let Entry {
        client,
        sent_ns,
        ended_ns,
        ..
    } = entry;
    let who = if *client == u16::MAX {
        "at the end".to_owned()
    } else {
        format!("client {client}")
    };
    let what = match &entry.request {
        Request::Order {
            key,
            product,
            quantity,
            attempt,
        } => {
            let again = if *attempt > 0 {
                format!(", sent {} times before", attempt)
            } else {
                String::new()
            };
            format!("orders {quantity} of {product} with key {key}{again}")
        }
        Request::Cancel { order, .. } => format!("cancels order {order}"),
        Request::Read {
            product,
            known: Some(known),
            ..
        } => {
            format!("reads {product}, its own writes known at version {known}")
        }
        Request::Read { product, .. } => format!("reads {product}"),
        Request::Show { order } => format!("asks for order {order}"),
    };
    let ms = ended_ns.saturating_sub(*sent_ns) as f64 / 1e6;
    Line::new(*sent_ns, format!("{who} {what}: {} ({ms:.1} ms)", said(&entry.answer)))
}

fn said(answer: &Answer) -> String {
    let at = |version: &Option<u64>| version.map(|at| format!(" at version {at}")).unwrap_or_default();
    match answer {
        Answer::Confirmed { order, version } => format!("201, order {order} confirmed{}", at(version)),
        Answer::Rejected {
            reason: Some(reason), ..
        } => format!("409, rejected ({reason:?})"),
        Answer::Rejected { .. } => "409, rejected".to_owned(),
        Answer::Pending { order } => format!("202, order {order} pending"),
        Answer::KeyTaken => "422, the key stands for another order".to_owned(),
        Answer::Cancelled { version } => format!("200, cancelled{}", at(version)),
        Answer::CancelPending => "202, pending".to_owned(),
        Answer::Refused { reason } => format!("409, refused ({reason:?})"),
        Answer::UnknownOrder => "404, no such order".to_owned(),
        Answer::Stock {
            product,
            version,
            stock,
            fresh,
            votes,
        } => {
            let fresh = if *fresh { "fresh" } else { "not fresh" };
            let votes: Vec<String> = votes.iter().map(ToString::to_string).collect();
            format!(
                "200, {product} at version {version} {stock}, {fresh}, votes of {}",
                votes.join(", ")
            )
        }
        Answer::NoProduct => "404, no such product".to_owned(),
        Answer::Shown { status, version, .. } => format!("200, {status:?}{}", at(version)),
        Answer::Malformed { status, body } => format!("{status} with a body that cannot be read: {body}"),
        Answer::Failed { why } => format!("no answer that tells anything ({why})"),
    }
}

fn recorded(record: &LogRecord) -> Line {
    let what = match &record.event {
        None => "not readable".to_owned(),
        Some(Event::Restock { product_id, quantity }) => format!("restock {quantity} of {product_id}"),
        Some(Event::Release { order_id }) => format!("release order {order_id}"),
        Some(Event::Reserve {
            order_id,
            product_id,
            quantity,
        }) => format!("reserve {quantity} of {product_id} for order {order_id}"),
    };
    let effect = match record.effect {
        Effect::Rejected(why) => format!("to be rejected ({why:?})"),
        Effect::Repeated => "a repetition, to change nothing".to_owned(),
        Effect::Conflict => "another order with a known id, to change nothing".to_owned(),
        Effect::Refused => "to change nothing".to_owned(),
        Effect::Skipped => "to be skipped".to_owned(),
        Effect::Restocked | Effect::Reserved | Effect::Released => "to take effect".to_owned(),
    };
    let LogRecord {
        partition,
        offset,
        made_ns,
        ..
    } = record;
    Line::new(*made_ns, format!("log {partition}:{offset} {what}: {effect}"))
}

fn judged(change: &Change) -> Line {
    let verdict = match change.verdict {
        Verdict::On => "ON",
        Verdict::Off => "OFF",
    };
    let Change {
        instance,
        phase,
        reason,
        text,
        ..
    } = change;
    Line::new(
        change.at_ns,
        format!("monitor: instance {instance} {verdict}, {phase:?} ({reason:?}: {text})"),
    )
}

pub(super) fn done(window: &Window) -> Line {
    let s = window.to_ns.saturating_sub(window.from_ns) as f64 / 1e9;
    let fault = match &window.fault {
        Some(spec) => format!(" {spec:?}"),
        None => String::new(),
    };
    let note = if window.note.is_empty() {
        String::new()
    } else {
        format!("; {}", window.note)
    };
    Line::new(
        window.from_ns,
        format!("done to {}: {} for {s:.2} s{fault}{note}", window.target, window.kind),
    )
}

#[cfg(test)]
mod tests;
