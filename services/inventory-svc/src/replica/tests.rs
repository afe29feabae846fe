#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use tolerancia_core::ledger::Outcome;
use tolerancia_wire::Record;

use super::*;
use crate::snapshot::Snapshot;

const PARTITIONS: u16 = 2;

fn replica(me: u8, restored: Restored) -> Replica {
    let me = ReplicaId::new(me).unwrap();
    Replica::new(me, 3, format!("inventory-svc/{me}"), restored, PARTITIONS)
}

fn message(partition: u16, offset: u64, event: Event) -> Message {
    Message {
        partition,
        offset,
        key: None,
        payload: Record::new("test", event).to_bytes(),
    }
}

fn bad(partition: u16, offset: u64, payload: &[u8]) -> Message {
    Message {
        partition,
        offset,
        key: None,
        payload: payload.to_vec(),
    }
}

fn name(product: u8) -> ProductId {
    format!("PROD-{product:03}").parse().unwrap()
}

fn home(product: u8) -> u16 {
    partition::of_product(&name(product), PARTITIONS)
}

#[derive(Debug, Clone)]
enum Entry {
    Reserve { order: u8, product: u8, quantity: u64 },
    Release { order: u8, product: u8 },
    Restock { product: u8, quantity: u64 },
    Garbage,
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => (0u8..30, 0u8..4, 0u64..30).prop_map(|(order, product, quantity)| Entry::Reserve { order, product, quantity }),
        2 => (0u8..30, 0u8..4).prop_map(|(order, product)| Entry::Release { order, product }),
        2 => (0u8..4, 0u64..100).prop_map(|(product, quantity)| Entry::Restock { product, quantity }),
        1 => Just(Entry::Garbage),
    ]
}

/// A log: each entry in its product's partition, at the next offset there.
fn log(entries: &[Entry]) -> Vec<Message> {
    let mut next = [0u64; PARTITIONS as usize];
    let order = |order: u8, product: u8| OrderId::from_random(home(product), [order; 14]);
    entries
        .iter()
        .map(|entry| {
            let (partition, event) = match *entry {
                Entry::Reserve {
                    order: id,
                    product,
                    quantity,
                } => {
                    let (order_id, product_id) = (order(id, product), name(product));
                    (
                        home(product),
                        Some(Event::Reserve {
                            order_id,
                            product_id,
                            quantity,
                        }),
                    )
                }
                Entry::Release { order: id, product } => (
                    home(product),
                    Some(Event::Release {
                        order_id: order(id, product),
                    }),
                ),
                Entry::Restock { product, quantity } => (
                    home(product),
                    Some(Event::Restock {
                        product_id: name(product),
                        quantity,
                    }),
                ),
                Entry::Garbage => (0, None),
            };
            let offset = next[usize::from(partition)];
            next[usize::from(partition)] += 1;
            match event {
                Some(event) => message(partition, offset, event),
                None => bad(partition, offset, b"{\"type\":\"refund\"}"),
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Killed and restarted at any points, each time from the last snapshot before: the same state, and
    /// every outcome is told at least once.
    #[test]
    fn a_restart_from_any_snapshot_gives_the_same_state(
        entries in prop::collection::vec(entry(), 1..120),
        stops in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        let log = log(&entries);
        let mut whole = replica(1, Restored::default());
        let told: Vec<_> = log.iter().filter_map(|message| whole.apply(message)).collect();

        let dir = tempfile::tempdir().unwrap();
        let mut outcomes = 0;
        for (save, kill) in stops {
            let (snapshot, restored) = Snapshot::open(dir.path()).unwrap();
            let mut again = replica(1, restored);
            let rest: Vec<_> = log
                .iter()
                .filter(|message| message.offset >= again.positions()[&message.partition])
                .collect();
            let (save, kill) = (save.index(rest.len() + 1), kill.index(rest.len() + 1));
            for (i, message) in rest.iter().enumerate().take(kill.max(save)) {
                if i == save {
                    snapshot.save(&again.take_delta()).unwrap();
                }
                again.apply(message);
            }
        }
        let (_, restored) = Snapshot::open(dir.path()).unwrap();
        let mut again = replica(1, restored);
        let saved: u64 = again.positions().values().sum();
        for message in &log {
            if message.offset >= again.positions()[&message.partition] {
                outcomes += usize::from(again.apply(message).is_some());
            }
        }
        prop_assert_eq!(again.ledger(), whole.ledger());
        prop_assert_eq!(again.ledger().digest(), whole.ledger().digest());
        prop_assert_eq!(again.positions(), whole.positions());
        prop_assert!(outcomes + usize::try_from(saved).unwrap() >= told.len());
    }

    /// However long nothing can be saved, what waits is bounded by the state.
    #[test]
    fn what_is_unsaved_is_never_more_than_the_state(entries in prop::collection::vec(entry(), 1..120)) {
        let mut replica = replica(1, Restored::default());
        for message in &log(&entries) {
            replica.apply(message);
        }
        let size = |replica: &Replica| (replica.ledger().products().count(), replica.ledger().orders().count());
        let delta = replica.take_delta();
        prop_assert_eq!((delta.products.len(), delta.orders.len()), size(&replica));
        prop_assert_eq!(delta.since, Some(BTreeMap::new()));
        let delta = replica.take_delta();
        prop_assert_eq!((delta.products.len(), delta.orders.len()), (0, 0));
        prop_assert_eq!(delta.since.as_ref(), Some(replica.positions()));

        replica.forget_saved();
        prop_assert!(replica.unsaved() > 0, "otherwise it would not be saved");
        let whole = replica.take_delta();
        prop_assert_eq!((whole.products.len(), whole.orders.len()), size(&replica));
        prop_assert_eq!(whole.since, None);
    }

    /// Partitions are read independently of one another; replicas must not notice.
    #[test]
    fn the_order_among_partitions_does_not_matter(entries in prop::collection::vec(entry(), 1..120)) {
        let log = log(&entries);
        let (mut one, mut two) = (replica(1, Restored::default()), replica(2, Restored::default()));
        for message in &log {
            one.apply(message);
        }
        for partition in (0..PARTITIONS).rev() {
            for message in log.iter().filter(|message| message.partition == partition) {
                two.apply(message);
            }
        }
        prop_assert_eq!(one.ledger(), two.ledger());
        prop_assert_eq!(one.ledger().digest(), two.ledger().digest());
    }
}

#[test]
fn each_event_gives_one_outcome_with_its_place_in_the_log() {
    let mut replica = replica(2, Restored::default());
    let (product_id, partition) = (name(1), home(1));
    let order_id = OrderId::from_random(partition, [9; 14]);
    let events = [
        (
            Event::Restock {
                product_id: product_id.clone(),
                quantity: 10,
            },
            Outcome::Restocked { version: 0 },
        ),
        (
            Event::Reserve {
                order_id,
                product_id: product_id.clone(),
                quantity: 4,
            },
            Outcome::Reserved { version: 1 },
        ),
        (
            Event::Reserve {
                order_id,
                product_id: product_id.clone(),
                quantity: 5,
            },
            Outcome::Conflict,
        ),
        (Event::Release { order_id }, Outcome::Released { version: 3 }),
    ];
    for (offset, (event, expected)) in (0..).zip(events) {
        let letter = replica.apply(&message(partition, offset, event)).unwrap();
        assert_eq!(letter.topic, topic::INVENTORY_RESULTS);
        let record = InventoryResult::from_bytes(&letter.payload).unwrap();
        assert_eq!(record.source, "inventory-svc/2");
        let ResultBody::Result {
            instance,
            partition: at,
            offset: of,
            order_id: order,
            product_id: product,
            outcome,
        } = record.body;
        assert_eq!((instance.number(), at, of, outcome), (2, partition, offset, expected));
        let (key, order_expected) = if offset == 0 {
            (product_id.to_string(), None)
        } else {
            (order_id.to_string(), Some(order_id))
        };
        assert_eq!((letter.key, order), (key.into_bytes(), order_expected));
        assert_eq!(product.is_some(), offset == 0);
    }
    assert_eq!(replica.positions()[&partition], 4);
    assert_eq!(replica.take_unseen().len(), 1);
    assert_eq!(replica.unsaved(), 4);
}

#[test]
fn a_bad_record_is_skipped_by_all_and_reported_once() {
    let elsewhere = 1 - home(1);
    let stray = OrderId::from_random(elsewhere, [1; 14]);
    let product_id = name(1);
    let records = [
        bad(0, 0, b""),
        bad(0, 1, b"\xff"),
        bad(0, 2, b"{\"type\":\"reserve\"}"),
        message(
            elsewhere,
            3,
            Event::Restock {
                product_id: product_id.clone(),
                quantity: 1,
            },
        ),
        message(home(1), 4, Event::Release { order_id: stray }),
        message(
            home(1),
            5,
            Event::Reserve {
                order_id: stray,
                product_id,
                quantity: 1,
            },
        ),
    ];
    for record in records {
        let mut reports = Vec::new();
        for me in 1..=3 {
            let mut replica = replica(me, Restored::default());
            reports.extend(replica.apply(&record));
            assert_eq!(replica.ledger(), &Ledger::new());
            assert_eq!(replica.positions()[&record.partition], record.offset + 1);
        }
        let [report] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!(report.topic, topic::ERROR_QUEUE);
        let body = ErrorRecord::from_bytes(&report.payload).unwrap().body;
        let ErrorBody::BadRecord {
            topic,
            partition,
            offset,
            error,
        } = body
        else {
            panic!("{body:?}")
        };
        assert_eq!(
            (topic.as_str(), partition, offset),
            (topic::ORDER_EVENTS, record.partition, record.offset)
        );
        assert!(!error.is_empty() && error.len() <= ERROR_LIMIT);
    }
}
