#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tolerancia_core::ledger::Rejection;

use super::*;

const RESERVED: Outcome = Outcome::Reserved { version: 3 };
const RELEASED: Outcome = Outcome::Released { version: 4 };
const REJECTED: Outcome = Outcome::Rejected {
    reason: Rejection::InsufficientStock,
};

fn at(micros: i64) -> Stamp {
    Stamp {
        at: Timestamp::from_microsecond(micros).unwrap(),
        mono_ns: micros.unsigned_abs() * 1000,
    }
}

fn request(product: &str, quantity: u64) -> OrderRequest {
    OrderRequest {
        product_id: product.parse().unwrap(),
        quantity,
    }
}

fn status(book: &Book, id: OrderId) -> Option<OrderStatus> {
    book.get(id).map(|order| order.status)
}

#[test]
fn a_key_stands_for_one_order_in_whichever_partition() {
    let mut book = Book::new(10);
    let (here, there) = (OrderId::from_key(0, "k"), OrderId::from_key(1, "k"));
    assert_eq!(book.claim(at(1), here, &request("P", 5)), Claim::New);
    assert!(
        matches!(book.claim(at(2), here, &request("P", 5)), Claim::Again(first) if first.status == OrderStatus::Pending)
    );
    assert_eq!(book.claim(at(3), here, &request("P", 6)), Claim::Taken);
    assert_eq!(book.claim(at(3), here, &request("Q", 5)), Claim::Taken);
    assert_eq!(book.claim(at(4), there, &request("R", 5)), Claim::Taken);
    assert_eq!(status(&book, there), None);
}

#[test]
fn a_step_back_is_ignored() {
    let mut book = Book::new(10);
    let id = OrderId::from_random(0, [1; 14]);
    book.claim(at(1), id, &request("P", 5));
    assert_eq!(
        book.apply(at(2), id, RESERVED).map(|o| o.status),
        Some(OrderStatus::Confirmed)
    );
    assert_eq!(book.apply(at(3), id, RESERVED), None, "a repeat changes nothing");
    assert_eq!(
        book.apply(at(4), id, RELEASED).map(|o| o.version),
        Some(Some(4)),
        "cancelled"
    );
    // The ledger answers a repeated reserve of a cancelled order with its first outcome.
    assert_eq!(book.apply(at(5), id, RESERVED), None);
    assert_eq!(book.apply(at(5), id, Outcome::Conflict), None);
    assert_eq!(book.get(id).map(|o| o.updated), Some(at(4)));
}

#[test]
fn an_order_known_by_its_result_learns_the_rest() {
    let mut book = Book::new(10);
    let id = OrderId::from_key(0, "k");
    book.apply(at(9), id, RESERVED);
    assert_eq!(book.get(id).and_then(|o| o.product_id.clone()), None);
    // Nobody here can tell whether the body is the same: the replicas must.
    assert_eq!(book.claim(at(9), id, &request("P", 5)), Claim::New);

    let mut stored = Book::new(1);
    stored.claim(at(1), id, &request("P", 5));
    book.learn(stored.get(id).unwrap().clone());
    let order = book.get(id).unwrap();
    assert_eq!((order.status, order.quantity), (OrderStatus::Confirmed, Some(5)));
    assert_eq!(order.created, at(1));
    assert_eq!(book.newest(None, 10).len(), 1);
}

#[test]
fn what_did_not_come_about_is_forgotten_unless_it_was_decided() {
    let mut book = Book::new(10);
    let id = OrderId::from_key(0, "k");
    book.claim(at(1), id, &request("P", 5));
    book.forget(id);
    assert_eq!(
        book.claim(at(2), id, &request("Q", 7)),
        Claim::New,
        "the key is free again"
    );
    book.apply(at(3), id, RESERVED);
    book.forget(id);
    book.apply(at(4), id, Outcome::Conflict);
    assert_eq!(status(&book, id), Some(OrderStatus::Confirmed));
    assert_eq!(book.newest(None, 10).len(), 1);
}

#[test]
fn what_was_entered_for_an_event_that_the_replicas_refused_is_dropped() {
    let mut book = Book::new(10);
    let id = OrderId::from_key(0, "k");
    book.claim(at(1), id, &request("P", 5));
    assert_eq!(book.apply(at(2), id, Outcome::Conflict), None);
    assert!(!book.knows_key(id));
    assert!(book.newest(None, 9).is_empty());
}

#[test]
fn refusals_of_a_cancel_tell_where_the_order_stands() {
    let mut book = Book::new(10);
    let (gone, never, unknown) = (
        OrderId::from_random(0, [1; 14]),
        OrderId::from_random(0, [2; 14]),
        OrderId::from_random(0, [3; 14]),
    );
    let refused = |reason| Outcome::Refused { reason };
    book.apply(at(1), gone, refused(Refusal::AlreadyReleased));
    book.apply(at(1), never, refused(Refusal::NeverConfirmed));
    book.apply(at(1), unknown, refused(Refusal::UnknownOrder));
    assert_eq!(status(&book, gone), Some(OrderStatus::Cancelled));
    assert_eq!(status(&book, never), Some(OrderStatus::Rejected));
    assert_eq!(status(&book, unknown), None);
}

#[test]
fn the_oldest_give_way_and_the_newest_come_first() {
    let mut book = Book::new(3);
    let id = |n: u8| OrderId::from_random(0, [n; 14]);
    for n in 1..=5 {
        book.claim(at(n.into()), id(n), &request("P", n.into()));
    }
    book.apply(at(9), id(4), REJECTED);
    let shown = |status, limit| -> Vec<Option<u64>> { book.newest(status, limit).iter().map(|o| o.quantity).collect() };
    assert_eq!(shown(None, 9), [Some(5), Some(4), Some(3)]);
    assert_eq!(shown(None, 2), [Some(5), Some(4)]);
    assert_eq!(shown(Some(OrderStatus::Rejected), 9), [Some(4)]);
    assert_eq!(shown(Some(OrderStatus::Cancelled), 9), [None::<u64>; 0]);
    assert_eq!(
        book.get(id(4)).and_then(|o| o.reason.as_deref()),
        Some("insufficient_stock")
    );
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (0u64..9).prop_map(|version| Outcome::Reserved { version }),
        (0u64..9).prop_map(|version| Outcome::Released { version }),
        Just(REJECTED),
        Just(Outcome::Conflict),
        prop_oneof![
            Just(Refusal::UnknownOrder),
            Just(Refusal::AlreadyReleased),
            Just(Refusal::NeverConfirmed)
        ]
        .prop_map(|reason| Outcome::Refused { reason }),
    ]
}

proptest! {
    /// Whatever comes, the book stays within its capacity, its index agrees with it, and no order ever
    /// goes back.
    #[test]
    fn bounded_consistent_and_forward_only(
        steps in prop::collection::vec((0u8..12, 0u8..4, outcomes()), 1..200),
        capacity in 1usize..8,
    ) {
        let mut book = Book::new(capacity);
        let mut seen: HashMap<OrderId, u8> = HashMap::new();
        for (time, (n, action, outcome)) in (1i64..).zip(steps) {
            let id = OrderId::from_random(u16::from(n % 2), [n / 2; 14]);
            match action {
                0 => {
                    book.claim(at(time), id, &request("P", 1));
                }
                1 => book.forget(id),
                _ => {
                    book.apply(at(time), id, outcome);
                }
            }
            prop_assert!(book.orders.len() <= capacity);
            prop_assert_eq!(book.orders.len(), book.by_age.len());
            prop_assert_eq!(book.newest(None, 99).len(), book.orders.len());
            // An order that was dropped may come back as pending; one that is there moves forward.
            seen.retain(|id, _| book.get(*id).is_some());
            for order in book.newest(None, 99) {
                let before = seen.insert(order.order_id, rank(order.status)).unwrap_or(0);
                prop_assert!(rank(order.status) >= before);
            }
        }
    }
}
