#![allow(clippy::unwrap_used)]

use super::*;

fn product() -> ProductId {
    "PROD-001".parse().unwrap()
}

fn order(partition: u16, key: &str) -> OrderId {
    OrderId::from_key(partition, key)
}

fn reserve(partition: u16, key: &str, quantity: u64) -> Event {
    Event::Reserve {
        order_id: order(partition, key),
        product_id: product(),
        quantity,
    }
}

fn log(events: &[Event]) -> Vec<Message> {
    let message = |(offset, event): (usize, &Event)| Message {
        partition: 0,
        offset: offset as u64,
        key: None,
        payload: OrderEvent::new("test", event.clone()).to_bytes(),
    };
    events.iter().enumerate().map(message).collect()
}

/// Restocks 100, then orders `a` 5, `b` 1000 (too many), `c` 7; `a` is cancelled.
fn truth() -> Truth {
    let mut log = log(&[
        Event::Restock {
            product_id: product(),
            quantity: 100,
        },
        reserve(0, "a", 5),
        reserve(0, "b", 1000),
        reserve(0, "c", 7),
        Event::Release {
            order_id: order(0, "a"),
        },
        reserve(0, "a", 5),
    ]);
    // Partitions may be read in any interleaving.
    log.reverse();
    Truth::replay(&log)
}

fn stock(version: u64, available: u64, reserved: u64, fresh: bool, known: Option<u64>) -> Told {
    Told::Stock {
        asked: product(),
        product: product(),
        version,
        stock: Stock { available, reserved },
        fresh,
        known,
    }
}

fn told(key: &str, answer: OrderAnswer) -> Told {
    let quantity = match key {
        "b" => 1000,
        "c" => 7,
        _ => 5,
    };
    told_of(key, quantity, answer)
}

fn told_of(key: &str, quantity: u64, answer: OrderAnswer) -> Told {
    Told::Order {
        key: order(0, key).key_part(),
        asked: OrderRequest {
            product_id: product(),
            quantity,
        },
        answer,
        first: None,
    }
}

fn again(key: &str, first: OrderAnswer, then: OrderAnswer) -> Told {
    match told(key, then) {
        Told::Order { key, asked, answer, .. } => Told::Order {
            key,
            asked,
            answer,
            first: Some(first),
        },
        other => other,
    }
}

fn refused(key: &str, reason: Refusal) -> Told {
    Told::Refused {
        order: order(0, key),
        reason,
    }
}

fn confirms(key: &str, version: u64) -> OrderAnswer {
    OrderAnswer::Confirmed {
        order: order(0, key),
        version: Some(version),
    }
}

fn confirmed(key: &str, version: u64) -> Told {
    told(key, confirms(key, version))
}

#[test]
fn what_the_log_says_is_right() {
    let truth = truth();
    for right in [
        stock(0, 100, 0, true, None),
        stock(1, 95, 5, true, Some(1)),
        stock(3, 88, 12, false, Some(4)),
        stock(4, 93, 7, true, Some(3)),
        confirmed("a", 1),
        confirmed("c", 3),
        told("b", OrderAnswer::Rejected),
        told("never sent", OrderAnswer::Unknown),
        told("a", OrderAnswer::Unknown),
        told("c", OrderAnswer::Pending { order: order(0, "c") }),
        Told::Cancelled { order: order(0, "a") },
        refused("a", Refusal::AlreadyReleased),
        refused("b", Refusal::NeverConfirmed),
        refused("gone", Refusal::UnknownOrder),
        again("a", confirms("a", 1), confirms("a", 1)),
        again("a", confirms("a", 1), OrderAnswer::Unknown),
        again("b", OrderAnswer::Rejected, OrderAnswer::Rejected),
        again("c", OrderAnswer::Pending { order: order(0, "c") }, confirms("c", 3)),
    ] {
        assert_eq!(truth.judge(&right), None, "{right:?}");
    }
    assert_eq!(truth.ends(), &BTreeMap::from([(0, 6)]));
    assert!(truth.audited().is_empty(), "{:?}", truth.audited());
}

#[test]
fn a_planted_wrong_answer_is_found() {
    let truth = truth();
    for wrong in [
        stock(1, 96, 5, true, None),
        stock(2, 95, 5, true, None),
        stock(99, 95, 5, true, None),
        Told::Stock {
            asked: "PROD-009".parse().unwrap(),
            product: "PROD-009".parse().unwrap(),
            version: 0,
            stock: Stock {
                available: 100,
                reserved: 0,
            },
            fresh: true,
            known: None,
        },
        // An old value that is called fresh although a newer one had been confirmed to the client.
        stock(1, 95, 5, true, Some(3)),
        confirmed("a", 2),
        confirmed("b", 2),
        told("c", OrderAnswer::Rejected),
    ] {
        assert!(matches!(truth.judge(&wrong), Some(Finding::Wrong(_))), "{wrong:?}");
    }
}

#[test]
fn an_answer_about_something_else_is_found() {
    let truth = truth();
    for wrong in [
        // True of the product that it names, but another one was asked for.
        Told::Stock {
            asked: "PROD-009".parse().unwrap(),
            product: product(),
            version: 0,
            stock: Stock {
                available: 100,
                reserved: 0,
            },
            fresh: true,
            known: None,
        },
        // Two orders were given one id.
        told("c", confirms("a", 1)),
        told("c", OrderAnswer::Pending { order: order(0, "a") }),
        // The log has another quantity.
        told_of("a", 4, confirms("a", 1)),
        told_of("b", 1, OrderAnswer::Rejected),
        // Nobody can have decided that.
        told("never sent", OrderAnswer::Rejected),
        told("a", OrderAnswer::Conflict),
    ] {
        assert!(matches!(truth.judge(&wrong), Some(Finding::Wrong(_))), "{wrong:?}");
    }
    let mut told = told("a", confirms("a", 1));
    if let Told::Order { asked, .. } = &mut told {
        asked.product_id = "PROD-009".parse().unwrap();
    }
    assert!(matches!(truth.judge(&told), Some(Finding::Wrong(_))), "{told:?}");
}

#[test]
fn a_refusal_that_the_log_contradicts_is_found() {
    let truth = truth();
    for wrong in [
        refused("a", Refusal::NeverConfirmed),
        refused("c", Refusal::NeverConfirmed),
        refused("c", Refusal::AlreadyReleased),
        refused("c", Refusal::UnknownOrder),
    ] {
        assert!(matches!(truth.judge(&wrong), Some(Finding::Wrong(_))), "{wrong:?}");
    }
}

#[test]
fn an_order_that_is_sent_again_must_be_answered_alike() {
    let truth = truth();
    let two = again("a", confirms("a", 1), confirms("c", 3));
    assert!(matches!(truth.judge(&two), Some(Finding::Doubled(_))), "{two:?}");
    for wrong in [
        again("a", confirms("a", 1), OrderAnswer::Rejected),
        again("a", OrderAnswer::Rejected, confirms("a", 1)),
        again("a", confirms("a", 1), OrderAnswer::Pending { order: order(0, "a") }),
        again("a", confirms("a", 1), OrderAnswer::Conflict),
    ] {
        assert!(matches!(truth.judge(&wrong), Some(Finding::Wrong(_))), "{wrong:?}");
    }
}

#[test]
fn a_lost_order_is_found() {
    let truth = truth();
    let gone = order(0, "gone");
    for lost in [
        confirmed("gone", 9),
        told("gone", OrderAnswer::Pending { order: gone }),
        Told::Cancelled { order: gone },
        Told::Cancelled { order: order(0, "c") },
    ] {
        assert!(matches!(truth.judge(&lost), Some(Finding::Lost(_))), "{lost:?}");
    }
}

#[test]
fn an_order_that_took_stock_twice_is_found_even_without_an_answer() {
    let mut log = log(&[
        Event::Restock {
            product_id: product(),
            quantity: 100,
        },
        reserve(0, "a", 5),
    ]);
    // The same key again, under an id for another partition, which has a product of its own.
    let other: ProductId = "PROD-002".parse().unwrap();
    let there = [
        Event::Restock {
            product_id: other.clone(),
            quantity: 100,
        },
        Event::Reserve {
            order_id: order(1, "a"),
            product_id: other,
            quantity: 5,
        },
    ];
    for (offset, event) in (0..).zip(there) {
        log.push(Message {
            partition: 1,
            offset,
            key: None,
            payload: OrderEvent::new("test", event).to_bytes(),
        });
    }
    let truth = Truth::replay(&log);
    for answer in [
        OrderAnswer::Unknown,
        OrderAnswer::Rejected,
        OrderAnswer::Confirmed {
            order: order(0, "a"),
            version: Some(1),
        },
    ] {
        let found = truth.judge(&told("a", answer));
        assert!(matches!(found, Some(Finding::Doubled(_))), "{answer:?}: {found:?}");
    }
}

#[test]
fn a_replica_that_is_behind_or_differs_has_another_digest() {
    let restock = |quantity| Event::Restock {
        product_id: product(),
        quantity,
    };
    let digest = |events: &[Event]| Truth::replay(&log(events)).digest();
    let all = digest(&[restock(100), reserve(0, "a", 5)]);
    assert_eq!(all, digest(&[restock(100), reserve(0, "a", 5)]));
    assert_ne!(all, digest(&[restock(100)]));
    assert_ne!(all, digest(&[restock(100), reserve(0, "a", 6)]));
}

#[test]
fn what_cannot_be_read_is_skipped_as_replicas_do() {
    let mut log = log(&[Event::Restock {
        product_id: product(),
        quantity: 100,
    }]);
    log.push(Message {
        partition: 0,
        offset: 1,
        key: None,
        payload: b"{".to_vec(),
    });
    let truth = Truth::replay(&log);
    assert_eq!((truth.unreadable(), truth.ends()[&0]), (1, 2));
    assert_eq!(truth.judge(&stock(0, 100, 0, true, None)), None);
}

#[test]
fn a_release_in_another_partition_is_found_and_stops_nothing() {
    let mut log = log(&[
        Event::Restock {
            product_id: product(),
            quantity: 100,
        },
        reserve(0, "a", 5),
    ]);
    let release = Event::Release {
        order_id: order(0, "a"),
    };
    log.push(Message {
        partition: 1,
        offset: 0,
        key: None,
        payload: OrderEvent::new("test", release).to_bytes(),
    });
    let truth = Truth::replay(&log);
    let [Finding::Wrong(text)] = truth.audited() else {
        panic!("{:?}", truth.audited())
    };
    assert!(
        text.starts_with("the record of partition 1 at offset 0 releases order"),
        "{text}"
    );
    assert_eq!(truth.judge(&confirmed("a", 1)), None);
}
