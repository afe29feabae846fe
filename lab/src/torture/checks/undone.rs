//! A cancel undoes its order exactly, and once.
//!
//! The version that a cancel makes has as many units more available, and fewer reserved, as the order took; whoever tells
//! that version tells those numbers. A second cancel makes no version: nobody may tell one with its number.

use std::collections::HashMap;

use tolerancia_core::ledger::Event;
use tolerancia_core::{OrderId, ProductId, Stock};

use super::Checked;
use crate::torture::evidence::Evidence;
use crate::torture::history::Answer;
use crate::torture::model::Effect;
use crate::torture::shortest;

/// Looks at everything that was told about a version which a cancel made, or must not have made.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("cancel_undoes");
    let idle = idle(evidence);
    for entry in &evidence.history.entries {
        if let Answer::Stock {
            product,
            version,
            stock,
            ..
        } = &entry.answer
        {
            told(evidence, &idle, &mut checked, "the voter", product, *version, *stock);
        }
    }
    for last in evidence.finals.iter().flatten() {
        let who = format!("instance {}", last.instance);
        for (product, versions) in &last.products {
            for at in versions {
                told(evidence, &idle, &mut checked, &who, product, at.version, at.stock);
            }
        }
    }
    checked
}

fn told(
    evidence: &Evidence,
    idle: &HashMap<(u16, u64), OrderId>,
    checked: &mut Checked,
    who: &str,
    product: &ProductId,
    version: u64,
    stock: Stock,
) {
    let place = (evidence.model.partition_of(product), version);
    if let Some(order) = idle.get(&place) {
        checked.looked_at += 1;
        let what = format!(
            "{who} has a version {version} of {product}: the cancel of order {order}, which had nothing to give"
        );
        checked.violation(what, || shortest::of_order(evidence, *order));
        return;
    }
    let Some(made) = evidence.model.at(product, version).filter(|made| made.is_release) else {
        return;
    };
    checked.looked_at += 1;
    let Some(order) = made.by.filter(|_| stock != made.stock) else {
        return;
    };
    let what = format!(
        "the cancel of order {order} left {product} with {stock} at version {version}, as {who} says, and not with {}",
        made.stock
    );
    checked.violation(what, || {
        let mut lines = shortest::of_order(evidence, order);
        lines.extend(shortest::of_version(evidence, product, version));
        shortest::cut(lines)
    });
}

/// The releases that must change nothing, by their place in the log.
fn idle(evidence: &Evidence) -> HashMap<(u16, u64), OrderId> {
    let idle = evidence
        .log
        .iter()
        .filter_map(|record| match (&record.event, record.effect) {
            (Some(Event::Release { order_id }), Effect::Refused) => {
                Some(((record.partition, record.offset), *order_id))
            }
            _ => None,
        });
    idle.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::checks::world::World;

    #[test]
    fn what_was_taken_is_given_back() {
        let mut world = World::new();
        let order = world.reserve(1, 10);
        world.release(order);
        let version = world.last_offset();
        world.read(version, 1000, 0, true, None);
        world.release(order);
        let checked = check(&world.evidence());
        assert!(checked.holds(), "{checked:?}");
        assert!(checked.looked_at > 0);
    }

    #[test]
    fn one_unit_less_is_noticed() {
        let mut world = World::new();
        let order = world.reserve(1, 10);
        world.release(order);
        let version = world.last_offset();
        world.read(version, 999, 1, true, None);
        let checked = check(&world.evidence());
        assert_eq!(checked.violations.len(), 1);
        assert!(checked.violations[0].history.len() <= shortest::MOST_LINES);
    }

    #[test]
    fn a_second_cancel_that_gives_back_again_is_noticed() {
        let mut world = World::new();
        let (order, _) = (world.reserve(1, 10), world.reserve(2, 10));
        world.release(order);
        world.release(order);
        let version = world.last_offset();
        world.read(version, 1000, 0, true, None);
        assert!(!check(&world.evidence()).holds());
    }
}
