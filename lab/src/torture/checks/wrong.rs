//! No wrong answer: everything that was told is something that the log explains.
//!
//! * A stock, whether called fresh or not, is about the product that was asked for, and is exactly the stock that the product
//!   had at the version which is told. A product that exists is not denied (404).
//! * An order that was confirmed is the one that was asked for, by key, product and quantity, and not one that the log
//!   rejects; the version is the one that it made, or, when it has been cancelled since, its cancel made. One that was
//!   rejected does not hold units, and the reason is the right one. One that is pending may be one of several bodies that
//!   were sent with the key.
//! * `422` says that the key stands for another body. So this client sent the key with another body before.
//! * A cancel is refused as *already released* or *never confirmed* only if that is so, and is not told 404 about an order
//!   that was acknowledged before.
//! * What is told about an order at the end is how it stands in the log. `PENDING` is allowed; it is not wrong, only late.
//! * A body that cannot be read says nothing right.
//!
//! Two things are left to others: an order confirmed beyond stock to [`oversold`](super::oversold), one that is not in the
//! log to [`lost`](super::lost).

use std::collections::HashMap;

use tolerancia_core::ledger::{Refusal, Rejection};
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::order::OrderStatus;

use super::Checked;
use crate::torture::evidence::Evidence;
use crate::torture::history::{Answer, Entry, Request};
use crate::torture::model::{Order, State};
use crate::torture::shortest::{self, Line};

/// Looks at every answer that tells anything.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("no_wrong_answer");
    let seen = Seen::of(evidence);
    let mut late = 0_u64;
    for entry in &evidence.history.entries {
        if let Answer::Failed { .. } = entry.answer {
            continue;
        }
        checked.looked_at += 1;
        if let Answer::Shown {
            status: OrderStatus::Pending,
            ..
        } = entry.answer
        {
            late += 1;
        }
        if let Some((what, story)) = judge(evidence, &seen, entry) {
            checked.violation(what, || story.tell(evidence, entry));
        }
    }
    if late > 0 {
        checked
            .notes
            .push(format!("{late} orders were still called pending at the end"));
    }
    checked
}

/// What there is to tell about a wrong answer.
enum Story {
    Answer,
    Version(ProductId, u64),
    Order(OrderId),
    Key(u32),
}

impl Story {
    fn tell(&self, evidence: &Evidence, entry: &Entry) -> Vec<Line> {
        let mut lines = shortest::of_entries([entry]);
        lines.extend(match self {
            Self::Answer => Vec::new(),
            Self::Version(product, version) => shortest::of_version(evidence, product, *version),
            Self::Order(order) => shortest::of_order(evidence, *order),
            Self::Key(key) => shortest::of_key(evidence, *key),
        });
        shortest::cut(lines)
    }
}

type Wrong = Option<(String, Story)>;

/// What was asked and told before.
struct Seen<'a> {
    /// When an order was first acknowledged.
    acknowledged: HashMap<OrderId, u64>,
    /// The bodies that were sent with a key, and when first.
    bodies: HashMap<u32, Vec<(&'a ProductId, u64, u64)>>,
}

impl<'a> Seen<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let mut seen = Self {
            acknowledged: HashMap::new(),
            bodies: HashMap::new(),
        };
        for entry in &evidence.history.entries {
            let Request::Order {
                key, product, quantity, ..
            } = &entry.request
            else {
                continue;
            };
            let bodies = seen.bodies.entry(*key).or_default();
            match bodies
                .iter_mut()
                .find(|(of, units, _)| of == &product && units == quantity)
            {
                Some((.., first)) => *first = entry.sent_ns.min(*first),
                None => bodies.push((product, *quantity, entry.sent_ns)),
            }
            if let Some(order) = entry.answer.order() {
                let first = seen.acknowledged.entry(order).or_insert(entry.ended_ns);
                *first = entry.ended_ns.min(*first);
            }
        }
        seen
    }
}

fn judge(evidence: &Evidence, seen: &Seen<'_>, entry: &Entry) -> Wrong {
    if let Answer::Malformed { status, .. } = &entry.answer {
        return Some((format!("an answer {status} cannot be read"), Story::Answer));
    }
    match &entry.request {
        Request::Read { product, .. } => read(evidence, product, &entry.answer),
        Request::Order {
            key, product, quantity, ..
        } => ordered(evidence, seen, entry, *key, product, *quantity),
        Request::Cancel { order, .. } => cancelled(evidence, seen, entry, *order),
        Request::Show { order } => shown(evidence, *order, &entry.answer),
    }
}

fn read(evidence: &Evidence, asked: &ProductId, answer: &Answer) -> Wrong {
    let Answer::Stock {
        product,
        version,
        stock,
        ..
    } = answer
    else {
        let is_there = evidence.model.products.contains_key(asked);
        let denied = matches!(answer, Answer::NoProduct) && is_there;
        return denied.then(|| (format!("{asked} was denied, and it exists"), Story::Answer));
    };
    if product != asked {
        return Some((
            format!("asked for {asked}, the answer was about {product}"),
            Story::Answer,
        ));
    }
    let story = || Story::Version(product.clone(), *version);
    match evidence.model.at(product, *version) {
        Some(made) if made.stock == *stock => None,
        Some(made) => Some((
            format!(
                "{product} at version {version}: the voter said {stock}, the log has {}",
                made.stock
            ),
            story(),
        )),
        None => Some((
            format!("{product} at version {version}: the voter said {stock}, the log has no such version"),
            story(),
        )),
    }
}

fn ordered(evidence: &Evidence, seen: &Seen<'_>, entry: &Entry, key: u32, product: &ProductId, quantity: u64) -> Wrong {
    let of_key = |what: String| Some((what, Story::Key(key)));
    if entry.answer == Answer::KeyTaken {
        let bodies = seen.bodies.get(&key).map(Vec::as_slice).unwrap_or_default();
        let other = |(of, units, sent): &&(&ProductId, u64, u64)| {
            (*of != product || *units != quantity) && *sent < entry.ended_ns
        };
        return match bodies.iter().find(other) {
            Some(_) => None,
            None => of_key(format!("key {key} was refused as another order's, and there was none")),
        };
    }
    let id = entry.answer.order()?;
    if id.key_part() != evidence.history.key_part(key) {
        return of_key(format!("key {key} was answered with order {id}, which has another key"));
    }
    let found = evidence.model.orders.get(&id)?;
    // A pending order may turn out to be a conflict: then its record is in the log, behind that of the other body.
    let may_conflict = || {
        matches!(entry.answer, Answer::Pending { .. }) && seen.bodies.get(&key).is_some_and(|bodies| bodies.len() > 1)
    };
    if (found.product != *product || found.quantity != quantity) && !may_conflict() {
        return of_key(format!(
            "an order of {quantity} {product} was answered with order {id}, which is of {} {}",
            found.quantity, found.product
        ));
    }
    let of_order = |what: String| Some((what, Story::Order(id)));
    match (&entry.answer, found.state) {
        // Another check's.
        (Answer::Confirmed { .. }, State::Rejected(Rejection::InsufficientStock | Rejection::Overflow)) => None,
        (Answer::Confirmed { .. }, State::Rejected(why)) => {
            of_order(format!("order {id} was confirmed, the log rejects it ({why:?})"))
        }
        (
            Answer::Confirmed {
                version: Some(told), ..
            },
            _,
        ) if !versions(found).contains(told) => of_order(format!(
            "order {id} was confirmed at version {told}, the log has {:?}",
            versions(found)
        )),
        (Answer::Rejected { .. }, State::Held(_) | State::Released { .. }) => {
            of_order(format!("order {id} was rejected, the log confirms it"))
        }
        (Answer::Rejected { reason: Some(told), .. }, State::Rejected(why)) if *told != why => {
            of_order(format!("order {id} was rejected as {told:?}, the log says {why:?}"))
        }
        _ => None,
    }
}

/// The versions that an order has made.
fn versions(order: &Order) -> Vec<u64> {
    match order.state {
        State::Held(held) => vec![held],
        State::Released { held, released } => vec![held, released],
        State::Rejected(_) => Vec::new(),
    }
}

fn cancelled(evidence: &Evidence, seen: &Seen<'_>, entry: &Entry, order: OrderId) -> Wrong {
    let found = evidence.model.orders.get(&order);
    let state = found.map(|found| found.state);
    let was_acknowledged = || seen.acknowledged.get(&order).is_some_and(|at| *at < entry.sent_ns);
    let what = match (&entry.answer, state) {
        (Answer::Cancelled { version: Some(told) }, Some(State::Released { held, released })) => {
            // With the version of the order, not of the cancel, where that is all that is remembered.
            let right = *told == released || *told == held;
            (!right).then(|| format!("the cancel of order {order} was told version {told}, the log has {released}"))
        }
        (
            Answer::UnknownOrder
            | Answer::Refused {
                reason: Refusal::UnknownOrder,
            },
            Some(_),
        ) if was_acknowledged() => Some(format!(
            "order {order} was acknowledged, and its cancel was told that there is none"
        )),
        (
            Answer::Refused {
                reason: Refusal::AlreadyReleased,
            },
            state,
        ) => {
            let right = matches!(state, Some(State::Released { .. }));
            (!right).then(|| format!("the cancel of order {order} was refused as a second one, the log has {state:?}"))
        }
        (
            Answer::Refused {
                reason: Refusal::NeverConfirmed,
            },
            state,
        ) => {
            let right = matches!(state, Some(State::Rejected(_)));
            (!right)
                .then(|| format!("the cancel of order {order} was refused as never confirmed, the log has {state:?}"))
        }
        _ => None,
    };
    what.map(|what| (what, Story::Order(order)))
}

fn shown(evidence: &Evidence, asked: OrderId, answer: &Answer) -> Wrong {
    let found = evidence.model.orders.get(&asked);
    let what = match answer {
        Answer::UnknownOrder if found.is_some() => {
            Some(format!("order {asked} is in the log, and nobody knows it at the end"))
        }
        Answer::Shown { order, .. } if *order != asked => {
            Some(format!("asked for order {asked}, the answer was about {order}"))
        }
        Answer::Shown {
            status,
            product,
            quantity,
            ..
        } => {
            let state = found.map(|found| found.state);
            let right = match (status, state) {
                (OrderStatus::Pending, _) => true,
                (OrderStatus::Confirmed, Some(State::Held(_)))
                | (OrderStatus::Cancelled, Some(State::Released { .. }))
                | (OrderStatus::Rejected, Some(State::Rejected(_))) => true,
                // Another check's: only orders that were acknowledged are asked for.
                (OrderStatus::Confirmed | OrderStatus::Cancelled, None) => true,
                _ => false,
            };
            let same = |found: &Order| {
                product.as_ref().is_none_or(|told| *told == found.product)
                    && quantity.is_none_or(|told| told == found.quantity)
            };
            let right = right && found.is_none_or(same);
            (!right).then(|| format!("order {asked} is called {status:?} at the end, the log has {state:?}"))
        }
        _ => None,
    };
    what.map(|what| (what, Story::Order(asked)))
}

#[cfg(test)]
mod tests;
