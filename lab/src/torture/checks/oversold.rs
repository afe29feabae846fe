//! No stock is ever negative, made up or sold twice.
//!
//! * An order that was confirmed had its units available at its place in the log.
//! * Wherever a stock is told, available and reserved together are what was ever restocked: by the voter, by replicas in
//!   the end. A version whose number is that of a rejected reserve must not be told at all.
//! * A number of units that is no unsigned integer does not even parse; such an answer is a [wrong](super::wrong) one.

use std::collections::HashMap;

use tolerancia_core::ledger::{Event, Rejection};
use tolerancia_core::{OrderId, ProductId, Stock};

use super::Checked;
use crate::torture::evidence::Evidence;
use crate::torture::history::{Answer, Request};
use crate::torture::model::{Effect, State};
use crate::torture::shortest;

/// Looks at every confirmed order and at every stock that was told.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("never_oversold");
    let rejected = rejected(evidence);
    for entry in &evidence.history.entries {
        match (&entry.request, &entry.answer) {
            (Request::Order { .. }, Answer::Confirmed { order, .. }) => {
                checked.looked_at += 1;
                let found = evidence.model.orders.get(order);
                let beyond = found.filter(|found| {
                    matches!(
                        found.state,
                        State::Rejected(Rejection::InsufficientStock | Rejection::Overflow)
                    )
                });
                if let Some(found) = beyond {
                    let what = format!(
                        "order {order} of {} {} was confirmed, and so many were not available",
                        found.quantity, found.product
                    );
                    checked.violation(what, || {
                        let mut lines = shortest::of_order(evidence, *order);
                        lines.extend(shortest::of_version(evidence, &found.product, found.first));
                        shortest::cut(lines)
                    });
                }
            }
            (
                _,
                Answer::Stock {
                    product,
                    version,
                    stock,
                    ..
                },
            ) => {
                told(
                    evidence,
                    &rejected,
                    &mut checked,
                    "the voter",
                    product,
                    *version,
                    *stock,
                );
            }
            _ => {}
        }
    }
    for last in evidence.finals.iter().flatten() {
        let who = format!("instance {}", last.instance);
        for (product, versions) in &last.products {
            for at in versions {
                told(evidence, &rejected, &mut checked, &who, product, at.version, at.stock);
            }
        }
    }
    checked
}

fn told(
    evidence: &Evidence,
    rejected: &HashMap<(u16, u64), OrderId>,
    checked: &mut Checked,
    who: &str,
    product: &ProductId,
    version: u64,
    stock: Stock,
) {
    checked.looked_at += 1;
    let place = (evidence.model.partition_of(product), version);
    if let Some(order) = rejected.get(&place) {
        let what = format!(
            "{who} has a version {version} of {product}, made by order {order}, for which there was not enough"
        );
        checked.violation(what, || shortest::of_version(evidence, product, version));
        return;
    }
    let Some(made) = evidence.model.at(product, version) else {
        return;
    };
    let sum = stock.available.checked_add(stock.reserved);
    if sum != Some(made.restocked) {
        let what = format!(
            "{who} has {product} at version {version} with {stock}, and {} units were ever restocked",
            made.restocked
        );
        checked.violation(what, || shortest::of_version(evidence, product, version));
    }
}

/// The reserves that found too little, by their place in the log.
fn rejected(evidence: &Evidence) -> HashMap<(u16, u64), OrderId> {
    let beyond = evidence
        .log
        .iter()
        .filter_map(|record| match (&record.event, record.effect) {
            (
                Some(Event::Reserve { order_id, .. }),
                Effect::Rejected(Rejection::InsufficientStock | Rejection::Overflow),
            ) => Some(((record.partition, record.offset), *order_id)),
            _ => None,
        });
    beyond.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::checks::world::{World, set_final};

    #[test]
    fn what_there_is_may_be_sold() {
        let mut world = World::new();
        let order = world.reserve(1, 1000);
        world.told_confirmed(1, 1000, order);
        world.read_newest();
        let checked = check(&world.evidence());
        assert!(checked.holds(), "{checked:?}");
        assert!(checked.looked_at >= 2);
    }

    #[test]
    fn what_there_is_not_may_not() {
        let mut world = World::new();
        let order = world.reserve(1, 1001);
        world.told_confirmed(1, 1001, order);
        assert_eq!(check(&world.evidence()).violations.len(), 1);
    }

    #[test]
    fn a_version_that_a_reserve_beyond_stock_made_is_one_too_many() {
        let mut world = World::new();
        world.reserve(1, 1001);
        let version = world.last_offset();
        world.read(version, 0, 1000, true, None);
        assert!(!check(&world.evidence()).holds());
    }

    #[test]
    fn units_that_nobody_restocked_are_made_up() {
        let mut world = World::new();
        world.reserve(1, 10);
        let version = world.last_offset();
        world.read(version, 995, 10, true, None);
        assert!(!check(&world.evidence()).holds());
        let mut evidence = World::new().evidence();
        set_final(&mut evidence, 1, 0, 999, 0);
        assert!(!check(&evidence).holds());
    }
}
