//! In the end, with all faults over and the log at rest, every replica is what the log says.
//!
//! Every replica has come to the end of the log within a minute; its products are those of the trusted model, each with its
//! newest versions and their stock; and its digest is that of all others, and the one that the ledger's own code makes of
//! the log. (The digest covers the orders as well, which a replica does not list.)

use tolerancia_core::ledger::HISTORY;

use super::Checked;
use crate::torture::evidence::{Evidence, Final};
use crate::torture::shortest;

/// Looks at every replica.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("replicas_equal");
    for (index, last) in evidence.finals.iter().enumerate() {
        match last {
            Ok(last) => {
                checked.looked_at += 1;
                products(evidence, last, &mut checked);
            }
            Err(why) => {
                checked.looked_at += 1;
                let number = index + 1;
                checked.violation(
                    format!("instance {number} did not come to the end of the log: {why}"),
                    Vec::new,
                );
            }
        }
    }
    let replicas: Vec<&Final> = evidence.finals.iter().flatten().collect();
    let expected = evidence
        .digest
        .as_ref()
        .or_else(|| replicas.first().map(|last| &last.digest));
    if let Some(expected) = expected
        && replicas.iter().any(|last| last.digest != *expected)
    {
        let who = if evidence.digest.is_some() {
            "the log gives"
        } else {
            "instance 1 has"
        };
        checked.violation(format!("the replicas' digests differ; {who} {expected}"), || {
            let lines = replicas
                .iter()
                .map(|last| shortest::last(format!("instance {} has {}", last.instance, last.digest)));
            lines.collect()
        });
    }
    if evidence.digest.is_none() {
        checked
            .notes
            .push("the ledger's own code stopped on this log, so only the values were compared".to_owned());
    }
    checked
}

fn products(evidence: &Evidence, last: &Final, checked: &mut Checked) {
    let instance = last.instance;
    for (id, product) in &evidence.model.products {
        let listed = last
            .products
            .iter()
            .find(|(product, _)| product == id)
            .map(|(_, listed)| listed.as_slice());
        let listed = listed.unwrap_or_default();
        let newest = product.versions.iter().rev().take(HISTORY);
        if newest.len() != listed.len() {
            let what = format!(
                "instance {instance} lists {} versions of {id}, the log gives {}",
                listed.len(),
                newest.len()
            );
            checked.violation(what, Vec::new);
        }
        let differs = newest
            .zip(listed)
            .find(|(made, at)| made.version != at.version || made.stock != at.stock);
        if let Some((made, at)) = differs {
            let what = format!(
                "instance {instance} ends with {} at version {} of {id}, the log gives {} at version {}",
                at.stock, at.version, made.stock, made.version
            );
            checked.violation(what, || {
                let mut lines = shortest::of_version(evidence, id, at.version);
                lines.extend(shortest::of_version(evidence, id, made.version));
                shortest::cut(lines)
            });
        }
    }
    for (id, _) in &last.products {
        if !evidence.model.products.contains_key(id) {
            checked.violation(
                format!("instance {instance} lists {id}, which the log does not know"),
                Vec::new,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::torture::checks::world::World;

    fn world() -> Evidence {
        let mut world = World::new();
        for key in 0..20 {
            world.reserve(key, 3);
        }
        world.evidence()
    }

    #[test]
    fn replicas_that_are_as_the_log_says_are_equal() {
        let checked = check(&world());
        assert!(checked.holds(), "{checked:?}");
        assert_eq!(checked.looked_at, 3);
    }

    #[test]
    fn a_replica_that_left_out_an_event_differs() {
        let mut evidence = world();
        evidence.finals[1].as_mut().unwrap().products[0].1.remove(0);
        assert!(!check(&evidence).holds());
    }

    #[test]
    fn so_does_one_with_another_digest() {
        let mut evidence = world();
        evidence.finals[2].as_mut().unwrap().digest = "other".to_owned();
        assert_eq!(check(&evidence).violations.len(), 1);
    }

    #[test]
    fn replicas_that_agree_with_each_other_and_not_with_the_log_are_found() {
        let mut evidence = world();
        for last in evidence.finals.iter_mut().flatten() {
            last.products[0].1[0].stock.available -= 1;
        }
        assert!(!check(&evidence).holds());
    }

    #[test]
    fn one_that_does_not_come_to_the_end_is_found() {
        let mut evidence = world();
        evidence.finals[0] = Err("has applied 7 of 9".to_owned());
        assert!(!check(&evidence).holds());
    }
}
