//! A client that reads what it has written sees it.
//!
//! The client whose order or cancel was confirmed at version v of a product, and who asks the voter afterwards, must not be
//! told an older version **as fresh**. The replicas that confirmed v are a quorum, and those whose replies set the target of
//! the vote are one too; so a replica that had applied v is among the latter, and an answer at or above the target is at or
//! above v. This needs no luck: neither restarts (a replica answers no query before it has caught up with the log) nor
//! liars (they lie about the stock, not about the version) nor laggards change it.
//!
//! An answer that says of itself `"fresh": false` may be older: the laggards could not be heard in time, and the highest
//! version that a quorum supports is served instead, with that mark. So it is counted and not held against the voter;
//! what it says must be true all the same ([`wrong`](super::wrong)). A product that the client knows and that is not there
//! any more (404) is a step back in any case.

use super::Checked;
use crate::torture::evidence::Evidence;
use crate::torture::history::{Answer, Request};
use crate::torture::shortest;

/// Looks at every answer to a client that had written the product.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("own_writes_read");
    let mut admitted = 0_u64;
    for (index, entry) in evidence.history.entries.iter().enumerate() {
        let Request::Read {
            product,
            known: Some(known),
            ..
        } = &entry.request
        else {
            continue;
        };
        let what = match &entry.answer {
            Answer::Stock { version, fresh, .. } => {
                checked.looked_at += 1;
                if version >= known {
                    continue;
                }
                if !fresh {
                    admitted += 1;
                    continue;
                }
                format!(
                    "client {} read {product} at version {version}, called fresh, after its own write had been confirmed at {known}",
                    entry.client
                )
            }
            Answer::NoProduct => {
                checked.looked_at += 1;
                format!(
                    "client {} was told that there is no {product}, after its own write had been confirmed at {known}",
                    entry.client
                )
            }
            _ => continue,
        };
        checked.violation(what, || story(evidence, index));
    }
    if admitted > 0 {
        checked.notes.push(format!(
            "{admitted} older answers said themselves that they were not fresh"
        ));
    }
    checked
}

/// The write, the read, and the records of both versions.
fn story(evidence: &Evidence, index: usize) -> Vec<shortest::Line> {
    let entries = &evidence.history.entries;
    let read = &entries[index];
    let Request::Read {
        product,
        known: Some(known),
        ..
    } = &read.request
    else {
        return Vec::new();
    };
    let wrote = entries[..index].iter().rev().find(|entry| {
        entry.client == read.client
            && match (&entry.request, &entry.answer) {
                (Request::Order { product: of, .. }, Answer::Confirmed { version, .. }) => {
                    of == product && *version == Some(*known)
                }
                (Request::Cancel { .. }, Answer::Cancelled { version }) => *version == Some(*known),
                _ => false,
            }
    });
    let mut lines = shortest::of_entries(wrote.into_iter().chain([read]));
    let partition = evidence.model.partition_of(product);
    lines.extend(shortest::of_record(evidence, partition, *known));
    if let Answer::Stock { version, .. } = &read.answer {
        lines.extend(shortest::of_record(evidence, partition, *version));
    }
    let (from, to) = (read.sent_ns.saturating_sub(5_000_000_000), read.ended_ns);
    let around = evidence
        .windows
        .iter()
        .filter(|window| window.applied && window.from_ns <= to && window.to_ns >= from);
    lines.extend(around.map(shortest::done));
    shortest::cut(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::checks::world::World;

    fn world() -> (World, u64, u64) {
        let mut world = World::new();
        let before = world.last_offset();
        let order = world.reserve(1, 10);
        world.told_confirmed(1, 10, order);
        let written = world.last_offset();
        (world, before, written)
    }

    #[test]
    fn the_own_write_or_more_is_read() {
        let (mut world, _, written) = world();
        world.read(written, 990, 10, true, Some(written));
        let checked = check(&world.evidence());
        assert!(checked.holds());
        assert_eq!(checked.looked_at, 1);
    }

    #[test]
    fn less_must_not_be_called_fresh() {
        let (mut world, before, written) = world();
        world.read(before, 1000, 0, true, Some(written));
        let checked = check(&world.evidence());
        assert_eq!(checked.violations.len(), 1);
        assert!(
            checked.violations[0]
                .history
                .iter()
                .any(|line| line.text.contains("confirmed at version"))
        );
    }

    #[test]
    fn less_that_is_not_called_fresh_is_counted() {
        let (mut world, before, written) = world();
        world.read(before, 1000, 0, false, Some(written));
        let checked = check(&world.evidence());
        assert!(checked.holds());
        assert_eq!(checked.notes.len(), 1);
    }

    #[test]
    fn a_product_does_not_disappear() {
        let (mut world, _, written) = world();
        world.told(world.reads(Some(written)), Answer::NoProduct);
        assert!(!check(&world.evidence()).holds());
    }
}
