//! No acknowledged order is lost.
//!
//! * An order that was answered 201 (confirmed) or 202 (pending) has a reserve record in the log, under the id that was
//!   told, of what was asked for. So has one that was answered 409 (rejected): a quorum decided that record.
//! * A cancel that was answered 202 has a release record in the log; one answered 200 is in force in the end, since nothing
//!   opens a cancelled order again.
//!
//! An order that got no answer may be in the log or not, whatever 503 says about it.

use super::Checked;
use crate::torture::evidence::Evidence;
use crate::torture::history::{Answer, Request};
use crate::torture::model::State;
use crate::torture::shortest;

/// Looks at every acknowledgement.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("no_order_lost");
    let model = &evidence.model;
    for entry in &evidence.history.entries {
        match (&entry.request, &entry.answer) {
            (Request::Order { .. }, answer) => {
                let (Some(order), Some(word)) = (answer.order(), acknowledged(answer)) else {
                    continue;
                };
                checked.looked_at += 1;
                if !model.orders.contains_key(&order) {
                    checked.violation(format!("order {order} was {word} and is not in the log"), || {
                        shortest::of_order(evidence, order)
                    });
                }
            }
            (Request::Cancel { order, .. }, Answer::Cancelled { .. }) => {
                checked.looked_at += 1;
                let is_released = |found: &_| matches!(found, State::Released { .. });
                if !model.orders.get(order).is_some_and(|found| is_released(&found.state)) {
                    checked.violation(
                        format!("the cancel of order {order} was acknowledged and is not in force in the log"),
                        || shortest::of_order(evidence, *order),
                    );
                }
            }
            (Request::Cancel { order, .. }, Answer::CancelPending) => {
                checked.looked_at += 1;
                if !model.releases.contains_key(order) {
                    checked.violation(
                        format!("the cancel of order {order} was accepted and is not in the log"),
                        || shortest::of_order(evidence, *order),
                    );
                }
            }
            _ => {}
        }
    }
    checked
}

const fn acknowledged(answer: &Answer) -> Option<&'static str> {
    match answer {
        Answer::Confirmed { .. } => Some("confirmed"),
        Answer::Pending { .. } => Some("accepted"),
        Answer::Rejected { .. } => Some("rejected"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::checks::world::World;

    #[test]
    fn what_is_in_the_log_is_not_lost() {
        let mut world = World::new();
        let order = world.reserve(1, 3);
        world.told_confirmed(1, 3, order);
        world.release(order);
        world.told_cancelled(order);
        let checked = check(&world.evidence());
        assert!(checked.holds(), "{checked:?}");
        assert_eq!(checked.looked_at, 2);
    }

    #[test]
    fn an_order_that_was_confirmed_and_never_written_is_lost() {
        let mut world = World::new();
        let order = world.order(1);
        world.told_confirmed(1, 3, order);
        let checked = check(&world.evidence());
        assert_eq!(checked.violations.len(), 1);
        assert!(
            checked.violations[0]
                .history
                .iter()
                .any(|line| line.text.contains("no record"))
        );
    }

    #[test]
    fn so_is_a_pending_one() {
        let mut world = World::new();
        let order = world.order(1);
        world.told(world.asked(1, 3), Answer::Pending { order });
        assert!(!check(&world.evidence()).holds());
    }

    #[test]
    fn a_cancel_that_was_acknowledged_and_never_written_is_lost() {
        let mut world = World::new();
        let order = world.reserve(1, 3);
        world.told_cancelled(order);
        assert!(!check(&world.evidence()).holds());
    }

    #[test]
    fn no_answer_is_no_acknowledgement() {
        let mut world = World::new();
        world.told_nothing(1, 3);
        let checked = check(&world.evidence());
        assert!(checked.holds());
        assert_eq!(checked.looked_at, 0);
    }
}
