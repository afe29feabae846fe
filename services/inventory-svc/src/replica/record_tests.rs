//! Records of `order-events` that nobody should write.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use tolerancia_wire::Record;

use super::*;

fn fresh(me: u8) -> Replica {
    let me = ReplicaId::new(me).unwrap();
    Replica::new(me, 3, format!("inventory-svc/{me}"), Restored::default(), 2)
}

fn product() -> impl Strategy<Value = ProductId> {
    select(vec!["PROD-001", "PROD-002", "x"]).prop_map(|name| name.parse().unwrap())
}

fn quantity() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..20, select(vec![u64::MAX, u64::MAX - 1, i64::MAX as u64, 1 << 53])]
}

fn event() -> impl Strategy<Value = Event> {
    let order = || (0u16..3, 0u8..6).prop_map(|(partition, order)| OrderId::from_random(partition, [order; 14]));
    prop_oneof![
        (order(), product(), quantity()).prop_map(|(order_id, product_id, quantity)| Event::Reserve {
            order_id,
            product_id,
            quantity
        }),
        order().prop_map(|order_id| Event::Release { order_id }),
        (product(), quantity()).prop_map(|(product_id, quantity)| Event::Restock { product_id, quantity }),
    ]
}

/// Most are records, some of them nearly so, some nothing at all.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let whole = event().prop_map(|event| Record::new("test", event).to_bytes()).boxed();
    let field = select(vec![
        "type",
        "order_id",
        "product_id",
        "quantity",
        "event_id",
        "at",
        "mono_ns",
        "source",
        "extra",
    ]);
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({ "type": "restock" })),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["reserve", "release", "restock", "refund"]).prop_map(Value::from),
    ];
    let changed = (whole.clone(), field, value).prop_map(|(bytes, field, value)| {
        let mut json: Value = serde_json::from_slice(&bytes).unwrap();
        json[field] = value;
        json.to_string().into_bytes()
    });
    let twice = (
        whole.clone(),
        select(vec![r#""type":"release","#, r#""quantity":7,"#, r#""product_id":"x","#]),
    )
        .prop_map(|(mut bytes, member)| {
            bytes.splice(1..1, member.bytes());
            bytes
        });
    let spoilt = (whole.clone(), any::<Index>(), any::<u8>()).prop_map(|(mut bytes, place, byte)| {
        let place = place.index(bytes.len());
        bytes[place] = byte;
        bytes
    });
    let cut = (whole.clone(), any::<Index>()).prop_map(|(mut bytes, place)| {
        bytes.truncate(place.index(bytes.len()));
        bytes
    });
    let deep = (1usize..60_000).prop_map(|depth| "[".repeat(depth).into_bytes());
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![4 => whole, 3 => changed, 1 => twice, 2 => spoilt, 1 => cut, 1 => deep, 1 => noise]
}

proptest! {
    /// Whatever is in the log: nobody stops, all skip alike and have the same state, and what cannot be read is told once.
    #[test]
    fn all_replicas_make_the_same_of_any_record(
        log in prop::collection::vec((0u16..2, payload()), 1..40),
    ) {
        let mut replicas = [fresh(1), fresh(2), fresh(3)];
        let mut offsets = [0u64; 2];
        for (partition, payload) in log {
            let offset = offsets[usize::from(partition)];
            offsets[usize::from(partition)] += 1;
            let message = Message { partition, offset, key: None, payload };
            let letters: Vec<_> = replicas.iter_mut().map(|replica| replica.apply(&message)).collect();
            let outcomes: Vec<_> = letters.iter().flatten().filter(|letter| letter.topic == topic::INVENTORY_RESULTS).collect();
            let reports = letters.iter().flatten().filter(|letter| letter.topic == topic::ERROR_QUEUE).count();
            prop_assert!((outcomes.len(), reports) == (3, 0) || (outcomes.len(), reports) == (0, 1));
            let said: Vec<_> = outcomes
                .iter()
                .map(|letter| {
                    let ResultBody::Result { partition, offset, order_id, product_id, outcome, .. } =
                        InventoryResult::from_bytes(&letter.payload).unwrap().body;
                    (partition, offset, order_id, product_id, outcome)
                })
                .collect();
            prop_assert!(said.iter().all(|one| one == &said[0]));
            for replica in &replicas {
                prop_assert_eq!(replica.ledger().digest(), replicas[0].ledger().digest());
                prop_assert_eq!(replica.positions(), replicas[0].positions());
            }
        }
        prop_assert_eq!(replicas[0].ledger(), replicas[1].ledger());
        prop_assert_eq!(replicas[0].ledger(), replicas[2].ledger());
    }
}
