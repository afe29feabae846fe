use super::*;
use crate::torture::checks::world::World;

#[test]
fn what_the_log_has_is_right() {
    let mut world = World::new();
    let order = world.reserve(1, 3);
    world.told_confirmed(1, 3, order);
    world.read_newest();
    world.release(order);
    world.told_cancelled(order);
    let checked = check(&world.evidence());
    assert!(checked.holds(), "{checked:?}");
    assert_eq!(checked.looked_at, 3);
}

#[test]
fn another_stock_at_a_version_is_wrong() {
    let mut world = World::new();
    world.reserve(1, 3);
    let version = world.last_offset();
    world.read(version, 998, 2, true, None);
    let checked = check(&world.evidence());
    assert_eq!(checked.violations.len(), 1);
    assert!(!checked.violations[0].history.is_empty());
}

#[test]
fn so_is_a_version_that_is_not_in_the_log_and_one_that_is_not_called_fresh() {
    for (version, fresh) in [(7_000, true), (7_001, false)] {
        let mut world = World::new();
        world.read(version, 1000, 0, fresh, None);
        assert!(!check(&world.evidence()).holds());
    }
}

#[test]
fn an_order_that_holds_units_was_not_rejected() {
    let mut world = World::new();
    let order = world.reserve(1, 3);
    world.told(
        world.asked(1, 3),
        Answer::Rejected {
            order: Some(order),
            reason: None,
        },
    );
    assert!(!check(&world.evidence()).holds());
}

#[test]
fn an_order_of_something_else_is_a_wrong_answer() {
    let mut world = World::new();
    let order = world.reserve(1, 3);
    world.told_confirmed(1, 4, order);
    assert!(!check(&world.evidence()).holds());
    let mut world = World::new();
    let order = world.reserve(1, 3);
    world.told_confirmed(2, 3, order);
    assert!(!check(&world.evidence()).holds());
}

#[test]
fn a_pending_order_may_be_behind_another_body_of_its_key() {
    let pending = |other_was_sent: bool| {
        let mut world = World::new();
        let order = world.reserve(1, 3);
        if other_was_sent {
            world.told_nothing(1, 3);
        }
        world.told(world.asked(1, 4), Answer::Pending { order });
        check(&world.evidence()).holds()
    };
    assert!(pending(true));
    assert!(!pending(false));
}

#[test]
fn a_key_is_taken_only_by_another_body() {
    let mut world = World::new();
    world.told(world.asked(1, 3), Answer::KeyTaken);
    assert!(!check(&world.evidence()).holds());
    let mut world = World::new();
    world.told_nothing(1, 4);
    world.told(world.asked(1, 3), Answer::KeyTaken);
    assert!(check(&world.evidence()).holds());
}

#[test]
fn an_acknowledged_order_is_not_unknown_to_its_cancel() {
    let mut world = World::new();
    let order = world.reserve(1, 3);
    world.told_confirmed(1, 3, order);
    world.told(world.cancels(order), Answer::UnknownOrder);
    assert!(!check(&world.evidence()).holds());
}

#[test]
fn a_cancel_is_refused_for_the_right_reason() {
    let refused = |reason| {
        let mut world = World::new();
        let order = world.reserve(1, 3);
        world.told(world.cancels(order), Answer::Refused { reason });
        check(&world.evidence()).holds()
    };
    assert!(!refused(Refusal::AlreadyReleased));
    assert!(!refused(Refusal::NeverConfirmed));
}

#[test]
fn a_body_that_cannot_be_read_says_nothing_right() {
    let mut world = World::new();
    let answer = Answer::Malformed {
        status: 200,
        body: "{\"available\":-1}".to_owned(),
    };
    world.told(world.reads(None), answer);
    assert!(!check(&world.evidence()).holds());
}

#[test]
fn what_is_told_about_an_order_at_the_end_is_how_it_stands() {
    let shown = |status| {
        let mut world = World::new();
        let order = world.reserve(1, 3);
        let answer = Answer::Shown {
            order,
            status,
            product: None,
            quantity: Some(3),
            version: None,
        };
        world.told(Request::Show { order }, answer);
        check(&world.evidence()).holds()
    };
    assert!(shown(OrderStatus::Confirmed));
    assert!(shown(OrderStatus::Pending));
    assert!(!shown(OrderStatus::Cancelled));
    assert!(!shown(OrderStatus::Rejected));
}
