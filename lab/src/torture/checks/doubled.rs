//! No order is applied twice.
//!
//! A client that sends the same key again may make orders write the same reserve again: then the log has it twice, and the
//! second must change nothing. Every change makes a version that is numbered by its record; so nobody may ever name a
//! version whose number is that of a repetition: not an order, not a voted answer, not a replica in the end. And the orders
//! that one key made (a key stands for one order, whatever the product) have not both taken stock.
//!
//! The last holds as long as orders has somebody who remembers the key: for two products in different partitions that is its
//! own memory, which it fills from `inventory-results` when it starts, or the database. Right after a restart in the middle
//! of an outage of the database it may have neither; a second order of the same key is then excused.

use std::collections::HashMap;

use tolerancia_core::{OrderId, ProductId};

use super::Checked;
use super::excuse::memory_was_lost;
use crate::torture::evidence::Evidence;
use crate::torture::history::{Answer, Request};
use crate::torture::shortest;

/// Looks at every repetition in the log, and at every key that was sent more than once.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("none_applied_twice");
    let model = &evidence.model;
    checked.looked_at = model.repeats.len() as u64;
    let mut named = |product: &ProductId, version: u64, by: String| {
        let partition = model.partition_of(product);
        if let Some(&order) = model.repeats.get(&(partition, version)) {
            let what = format!(
                "order {order} was applied again: its repetition at {partition}:{version} made a version of {product}, as {by} \
                 says"
            );
            checked.violation(what, || {
                let mut lines = shortest::of_order(evidence, order);
                lines.extend(shortest::of_version(evidence, product, version));
                shortest::cut(lines)
            });
        }
    };
    for entry in &evidence.history.entries {
        match (&entry.request, &entry.answer) {
            (_, Answer::Stock { product, version, .. }) => named(product, *version, "the voter".to_owned()),
            (
                Request::Order { product, .. },
                Answer::Confirmed {
                    version: Some(version), ..
                },
            ) => {
                named(product, *version, "orders".to_owned());
            }
            _ => {}
        }
    }
    for last in evidence.finals.iter().flatten() {
        for (product, versions) in &last.products {
            for at in versions {
                named(product, at.version, format!("instance {}", last.instance));
            }
        }
    }
    by_key(evidence, &mut checked);
    checked
}

fn by_key(evidence: &Evidence, checked: &mut Checked) {
    let mut sent: HashMap<u32, Vec<u64>> = HashMap::new();
    for entry in &evidence.history.entries {
        if let Request::Order { key, .. } = entry.request {
            sent.entry(key).or_default().push(entry.sent_ns);
        }
    }
    let mut made: HashMap<u128, Vec<OrderId>> = HashMap::new();
    for (id, order) in &evidence.model.orders {
        if order.held().is_some() {
            made.entry(id.key_part()).or_default().push(*id);
        }
    }
    for (key, times) in sent.into_iter().filter(|(_, times)| times.len() > 1) {
        checked.looked_at += 1;
        let orders = made
            .get(&evidence.history.key_part(key))
            .map(Vec::as_slice)
            .unwrap_or_default();
        if let [first, .., last] = orders
            && !memory_was_lost(evidence, &times)
        {
            checked.violation(
                format!("key {key} took stock as order {first} and as order {last}"),
                || shortest::of_key(evidence, key),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::checks::world::{World, set_final};

    #[test]
    fn a_repetition_that_changes_nothing_is_fine() {
        let mut world = World::new();
        let order = world.reserve(1, 3);
        world.told_nothing(1, 3);
        world.reserve(1, 3);
        world.told_confirmed(1, 3, order);
        world.read_newest();
        let checked = check(&world.evidence());
        assert!(checked.holds(), "{checked:?}");
        assert_eq!(checked.looked_at, 2, "a repetition and a key");
    }

    #[test]
    fn a_version_that_a_repetition_made_shows_that_it_was_applied() {
        let mut world = World::new();
        let order = world.reserve(1, 3);
        world.told_confirmed(1, 3, order);
        world.reserve(1, 3);
        let version = world.last_offset();
        world.read(version, 994, 6, true, None);
        let checked = check(&world.evidence());
        assert_eq!(checked.violations.len(), 1);
        assert!(checked.violations[0].what.contains("applied again"));
    }

    #[test]
    fn so_does_a_replica_in_the_end() {
        let mut world = World::new();
        world.reserve(1, 3);
        world.reserve(1, 3);
        let version = world.last_offset();
        let mut evidence = world.evidence();
        set_final(&mut evidence, 2, version, 994, 6);
        assert!(!check(&evidence).holds());
    }

    #[test]
    fn one_key_that_took_stock_of_two_products_is_two_orders() {
        let mut world = World::new();
        let order = world.reserve(1, 3);
        world.told_confirmed(1, 3, order);
        let other = world.reserve_other(1, 3);
        world.told_confirmed_other(1, 3, other);
        assert!(!check(&world.evidence()).holds());
    }
}
