use proptest::prelude::*;

use super::*;

fn product(n: u8) -> ProductId {
    format!("PROD-{n:03}").parse().expect("valid")
}

fn order(n: u8) -> OrderId {
    OrderId::from_random(0, [n; 14])
}

fn reserve(order_n: u8, product_n: u8, quantity: u64) -> Event {
    Event::Reserve {
        order_id: order(order_n),
        product_id: product(product_n),
        quantity,
    }
}

fn restock(n: u8, quantity: u64) -> Event {
    Event::Restock {
        product_id: product(n),
        quantity,
    }
}

fn apply(ledger: &mut Ledger, offset: u64, event: &Event) -> Outcome {
    ledger.apply(0, offset, event).outcome
}

#[test]
fn an_order_and_its_cancel() {
    let mut ledger = Ledger::new();
    apply(&mut ledger, 0, &restock(1, 10));
    assert_eq!(
        apply(&mut ledger, 1, &reserve(1, 1, 4)),
        Outcome::Reserved { version: 1 }
    );
    assert_eq!(
        ledger.product(&product(1)).expect("known").newest().stock,
        Stock {
            available: 6,
            reserved: 4
        }
    );
    assert_eq!(
        apply(&mut ledger, 2, &Event::Release { order_id: order(1) }),
        Outcome::Released { version: 2 }
    );
    assert_eq!(
        ledger.product(&product(1)).expect("known").newest().stock,
        Stock {
            available: 10,
            reserved: 0
        }
    );
    let again = apply(&mut ledger, 3, &Event::Release { order_id: order(1) });
    assert_eq!(
        again,
        Outcome::Refused {
            reason: Refusal::AlreadyReleased
        }
    );
}

#[test]
fn repeated_order_ids_give_the_first_outcome_or_a_conflict() {
    let mut ledger = Ledger::new();
    apply(&mut ledger, 0, &restock(1, 10));
    apply(&mut ledger, 1, &reserve(1, 1, 4));
    assert_eq!(
        apply(&mut ledger, 2, &reserve(1, 1, 4)),
        Outcome::Reserved { version: 1 }
    );
    assert_eq!(apply(&mut ledger, 3, &reserve(1, 1, 5)), Outcome::Conflict);
    assert_eq!(
        apply(&mut ledger, 4, &reserve(2, 1, 7)),
        Outcome::Rejected {
            reason: Rejection::InsufficientStock
        }
    );
    apply(&mut ledger, 5, &restock(1, 100));
    assert_eq!(
        apply(&mut ledger, 6, &reserve(2, 1, 7)),
        Outcome::Rejected {
            reason: Rejection::InsufficientStock
        }
    );
    let cancel = apply(&mut ledger, 7, &Event::Release { order_id: order(2) });
    assert_eq!(
        cancel,
        Outcome::Refused {
            reason: Refusal::NeverConfirmed
        }
    );
}

#[test]
fn overflow_is_a_rejection() {
    let mut ledger = Ledger::new();
    apply(&mut ledger, 0, &restock(1, u64::MAX));
    assert_eq!(
        apply(&mut ledger, 1, &restock(1, 1)),
        Outcome::Rejected {
            reason: Rejection::Overflow
        }
    );
    assert_eq!(
        apply(&mut ledger, 2, &reserve(1, 1, u64::MAX)),
        Outcome::Reserved { version: 2 }
    );
    assert_eq!(
        apply(&mut ledger, 3, &reserve(2, 1, 1)),
        Outcome::Rejected {
            reason: Rejection::InsufficientStock
        }
    );
}

#[test]
fn the_history_keeps_the_newest_versions() {
    let mut ledger = Ledger::new();
    for offset in 0..20 {
        apply(&mut ledger, offset, &restock(1, 1));
    }
    let versions: Vec<u64> = ledger
        .product(&product(1))
        .expect("known")
        .history
        .iter()
        .map(|v| v.version)
        .collect();
    assert_eq!(versions, (12..20).rev().collect::<Vec<_>>());
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let quantity = prop_oneof![4 => 0u64..30, 1 => any::<u64>()];
    let event = prop_oneof![
        5 => (0u8..40, 0u8..4, quantity.clone()).prop_map(|(o, p, q)| reserve(o, p, q)),
        3 => (0u8..40).prop_map(|o| Event::Release { order_id: order(o) }),
        2 => (0u8..3, quantity).prop_map(|(p, q)| restock(p, q)),
    ];
    prop::collection::vec(event, 0..200)
}

fn replay(events: &[Event]) -> Ledger {
    let mut ledger = Ledger::new();
    for (offset, event) in (0..).zip(events) {
        ledger.apply(0, offset, event);
    }
    ledger
}

proptest! {
    #[test]
    fn units_are_neither_made_nor_lost(events in events()) {
        let mut ledger = Ledger::new();
        let mut restocked: BTreeMap<ProductId, u128> = BTreeMap::new();
        for (offset, event) in (0..).zip(&events) {
            let outcome = ledger.apply(0, offset, event).outcome;
            if let (Event::Restock { product_id, quantity }, Outcome::Restocked { .. }) = (event, outcome) {
                *restocked.entry(product_id.clone()).or_default() += u128::from(*quantity);
            }
            let mut reserved: BTreeMap<&ProductId, u128> = BTreeMap::new();
            for (_, order) in ledger.orders() {
                if matches!(order.state, OrderState::Confirmed(_)) {
                    *reserved.entry(&order.product).or_default() += u128::from(order.quantity);
                }
            }
            for (id, product) in ledger.products() {
                let stock = product.newest().stock;
                prop_assert_eq!(u128::from(stock.available) + u128::from(stock.reserved), restocked[id]);
                prop_assert_eq!(u128::from(stock.reserved), reserved.get(id).copied().unwrap_or_default());
            }
        }
    }

    #[test]
    fn any_snapshot_point_gives_the_same_state(events in events(), at in any::<prop::sample::Index>()) {
        let at = at.index(events.len() + 1);
        let before = replay(&events[..at]);
        let mut restored = Ledger::restore(
            before.products().map(|(id, p)| (id.clone(), p.clone())),
            before.orders().map(|(id, o)| (*id, o.clone())),
        );
        for (offset, event) in (at as u64..).zip(&events[at..]) {
            restored.apply(0, offset, event);
        }
        let whole = replay(&events);
        prop_assert_eq!(&restored, &whole);
        prop_assert_eq!(restored.digest(), whole.digest());
    }

    #[test]
    fn the_changes_reported_are_all_there_are(events in events()) {
        let mut ledger = Ledger::new();
        for (offset, event) in (0..).zip(&events) {
            let before = ledger.clone();
            let applied = ledger.apply(0, offset, event);
            for (id, product) in ledger.products() {
                prop_assert_eq!(before.product(id) != Some(product), applied.product.as_ref() == Some(id));
            }
            for (id, order) in ledger.orders() {
                prop_assert_eq!(before.order(*id) != Some(order), applied.order == Some(*id));
            }
            prop_assert_eq!(before.digest() != ledger.digest(), before != ledger);
        }
    }

    #[test]
    fn duplicates_change_nothing(events in events(), at in any::<prop::sample::Index>()) {
        prop_assume!(!events.is_empty());
        let mut ledger = replay(&events);
        let event = &events[at.index(events.len())];
        prop_assume!(!matches!(event, Event::Restock { .. }));
        let state = match event {
            Event::Reserve { order_id, .. } | Event::Release { order_id } => ledger.order(*order_id).cloned(),
            Event::Restock { .. } => None,
        };
        // A release that came before its order did nothing then and does something now: not a duplicate.
        prop_assume!(matches!(event, Event::Reserve { .. }) || matches!(state, Some(Order { state: OrderState::Cancelled(_), .. })));
        let before = ledger.clone();
        ledger.apply(0, events.len() as u64, event);
        prop_assert_eq!(ledger, before);
    }
}

/// An event about one of four orders, which belong to partitions 0 and 1 in turn, or a restock; products 0 and 1 are
/// known in partitions 0 and 1.
fn stray_event() -> impl Strategy<Value = Event> {
    let order = (0u8..4).prop_map(|n| OrderId::from_random(u16::from(n % 2), [n; 14]));
    (order, 0u8..2, 0u64..5, 0u8..3).prop_map(|(order_id, n, quantity, kind)| match kind {
        0 => Event::Release { order_id },
        1 => restock(n, quantity),
        _ => Event::Reserve {
            order_id,
            product_id: product(n),
            quantity,
        },
    })
}

proptest! {
    /// Whatever somebody writes into whichever partition, replicas that read the partitions at different pace have the
    /// same state in the end, and give the same outcomes.
    #[test]
    fn the_pace_of_the_partitions_does_not_matter(
        logs in prop::array::uniform2(prop::collection::vec(stray_event(), 0..20)),
        turns in prop::collection::vec(any::<bool>(), 40),
    ) {
        let replay = |turns: &[bool]| {
            let mut ledger = Ledger::new();
            for n in 0..2 {
                ledger.apply(n.into(), 0, &restock(n, 10));
            }
            let mut left = [0, 1].map(|n: usize| (1u64..).zip(&logs[n]));
            let mut outcomes = [vec![], vec![]];
            for first in turns {
                for n in [usize::from(*first), usize::from(!*first)] {
                    if let Some((offset, event)) = left[n].next() {
                        outcomes[n].push(ledger.apply(n as u16, offset, event).outcome);
                        break;
                    }
                }
            }
            (ledger, outcomes)
        };
        let (one, other) = (replay(&turns), replay(&[false; 40]));
        prop_assert_eq!(one.0.digest(), other.0.digest());
        prop_assert_eq!(one, other);
    }
}
