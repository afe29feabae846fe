//! Records of all topics: what is written reads back, and what is nearly a record is one or an error, never a panic.
#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tolerancia_core::detector::Seen;
use tolerancia_core::ledger::{Event, Outcome, Refusal, Rejection};
use tolerancia_core::{OrderId, ProductId, ReplicaId, Stock};
use tolerancia_wire::evidence::{Batch, Dissent, ErrorBody, ErrorRecord, Lie};
use tolerancia_wire::metrics::{MetricsBody, MetricsRecord, RequestRow};
use tolerancia_wire::record::{InventoryResult, OrderEvent, ResultBody};
use tolerancia_wire::status::{Clue, InstanceStatus, Phase, Reason, ReasonKind, StatusBody, StatusRecord, Verdict};
use tolerancia_wire::{Record, Stamp};
use uuid::Uuid;

fn product() -> impl Strategy<Value = ProductId> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|name| name.parse().unwrap())
}

fn replica() -> impl Strategy<Value = ReplicaId> {
    (1u8..=255).prop_map(|number| ReplicaId::new(number).unwrap())
}

fn order() -> impl Strategy<Value = OrderId> {
    (any::<u16>(), any::<[u8; 14]>()).prop_map(|(partition, random)| OrderId::from_random(partition, random))
}

/// In microseconds, as it is written.
fn at() -> impl Strategy<Value = Timestamp> {
    let (least, most) = (Timestamp::MIN.as_microsecond(), Timestamp::MAX.as_microsecond());
    prop_oneof![least..=most, 0i64..4_102_444_800_000_000].prop_map(|us| Timestamp::from_microsecond(us).unwrap())
}

fn stamp() -> impl Strategy<Value = Stamp> {
    (at(), any::<u64>()).prop_map(|(at, mono_ns)| Stamp { at, mono_ns })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (order(), product(), any::<u64>()).prop_map(|(order_id, product_id, quantity)| Event::Reserve {
            order_id,
            product_id,
            quantity
        }),
        order().prop_map(|order_id| Event::Release { order_id }),
        (product(), any::<u64>()).prop_map(|(product_id, quantity)| Event::Restock { product_id, quantity }),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let rejection = select(vec![
        Rejection::InsufficientStock,
        Rejection::UnknownProduct,
        Rejection::ZeroQuantity,
        Rejection::Overflow,
    ]);
    let refusal = select(vec![
        Refusal::UnknownOrder,
        Refusal::AlreadyReleased,
        Refusal::NeverConfirmed,
    ]);
    prop_oneof![
        any::<u64>().prop_map(|version| Outcome::Reserved { version }),
        any::<u64>().prop_map(|version| Outcome::Released { version }),
        any::<u64>().prop_map(|version| Outcome::Restocked { version }),
        rejection.prop_map(|reason| Outcome::Rejected { reason }),
        refusal.prop_map(|reason| Outcome::Refused { reason }),
        Just(Outcome::Conflict),
    ]
}

fn result() -> impl Strategy<Value = ResultBody> {
    let about = (prop::option::of(order()), prop::option::of(product()));
    (replica(), any::<u16>(), any::<u64>(), about, outcome()).prop_map(
        |(instance, partition, offset, (order_id, product_id), outcome)| ResultBody::Result {
            instance,
            partition,
            offset,
            order_id,
            product_id,
            outcome,
        },
    )
}

fn stock() -> impl Strategy<Value = Option<Stock>> {
    prop::option::of((any::<u64>(), any::<u64>()).prop_map(|(available, reserved)| Stock { available, reserved }))
}

fn quarters() -> impl Strategy<Value = f64> {
    any::<i32>().prop_map(|number| f64::from(number) / 4.0)
}

fn dissent() -> impl Strategy<Value = Dissent> {
    // Quarters: serde_json reads others to one unit in the last place.
    let finite = prop::option::of(quarters());
    prop_oneof![
        (product(), any::<u64>(), stock(), stock(), finite).prop_map(|(product, version, said, agreed, robust_z)| {
            Dissent::Stock {
                product,
                version,
                said,
                agreed,
                robust_z,
            }
        }),
        (prop::option::of(order()), outcome(), outcome()).prop_map(|(order_id, said, agreed)| Dissent::Outcome {
            order_id,
            said,
            agreed
        }),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let counts = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
    let known = (prop::option::of(any::<u32>()), prop::option::of(any::<u32>()));
    let lie = (dissent(), any::<u32>()).prop_map(|(dissent, count)| Lie { dissent, count });
    let lists = (prop::collection::vec(product(), 0..3), prop::collection::vec(lie, 0..3));
    (replica(), counts, known, lists).prop_map(
        |(instance, (good, late, failed, stale, unlisted), (good_first, late_us_ago), (agreed, dissents))| Batch {
            good,
            good_first,
            late,
            late_us_ago,
            failed,
            stale,
            agreed,
            dissents,
            unlisted,
            ..Batch::new(instance)
        },
    )
}

fn evidence() -> impl Strategy<Value = ErrorBody> {
    prop_oneof![
        3 => prop::collection::vec(batch(), 0..4).prop_map(|batches| ErrorBody::Evidence { batches }),
        1 => (any::<String>(), any::<u16>(), any::<u64>(), any::<String>()).prop_map(|(topic, partition, offset, error)| {
            ErrorBody::BadRecord { topic, partition, offset, error }
        }),
    ]
}

fn status() -> impl Strategy<Value = StatusBody> {
    let clue = (at(), quarters(), any::<String>(), any::<u32>(), quarters(), quarters()).prop_map(
        |(at, ms_before, from, count, weight, likelihood)| Clue {
            at,
            ms_before,
            what: Seen::Late,
            from,
            count,
            weight,
            likelihood,
        },
    );
    let reason = (any::<String>(), prop::collection::vec(clue, 0..3)).prop_map(|(text, evidence)| Reason {
        kind: ReasonKind::Late,
        text,
        evidence,
    });
    let verdict = select(vec![Verdict::On, Verdict::Off]);
    let phase = select(vec![Phase::On, Phase::Quarantine, Phase::Probation]);
    (
        any::<String>(),
        replica(),
        verdict,
        phase,
        reason,
        stamp(),
        prop::option::of(any::<u32>()),
    )
        .prop_map(|(service, instance, status, phase, reason, since, pid)| {
            StatusBody::Status(InstanceStatus {
                service,
                instance,
                status,
                phase,
                reason,
                since,
                pid,
            })
        })
}

fn metrics() -> impl Strategy<Value = MetricsBody> {
    let times = any::<[u64; 5]>();
    let row = (
        any::<String>(),
        any::<u16>(),
        times,
        prop::collection::vec(any::<u8>(), 0..50),
    )
        .prop_map(
            |(endpoint, status, [count, p50_us, p95_us, p99_us, max_us], histogram)| RequestRow {
                endpoint,
                status,
                count,
                p50_us,
                p95_us,
                p99_us,
                max_us,
                histogram,
            },
        );
    (any::<String>(), any::<i64>(), prop::collection::vec(row, 0..3))
        .prop_map(|(instance, second, rows)| MetricsBody::RequestMetrics { instance, second, rows })
}

fn record<T: std::fmt::Debug>(body: impl Strategy<Value = T>) -> impl Strategy<Value = Record<T>> {
    (any::<u128>(), stamp(), any::<String>(), body).prop_map(|(id, stamp, source, body)| Record {
        event_id: Uuid::from_u128(id),
        at: stamp.at,
        mono_ns: stamp.mono_ns,
        source,
        body,
    })
}

/// The record itself, and every text that one change makes of it.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug + Clone>(
    record: &Record<T>,
    changes: &[(Index, u8)],
) -> Result<(), TestCaseError> {
    let bytes = record.to_bytes();
    let back = Record::<T>::from_bytes(&bytes);
    prop_assert!(back.is_ok(), "{back:?}: {}", String::from_utf8_lossy(&bytes));
    prop_assert_eq!(&back.unwrap(), record);
    for (place, byte) in changes {
        let mut bytes = bytes.clone();
        let at = place.index(bytes.len());
        bytes[at] = *byte;
        twice::<T>(&bytes)?;
        twice::<T>(&bytes[..at])?;
    }
    Ok(())
}

/// Whatever can be read is written so that it reads as the same again.
fn twice<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(record) = Record::<T>::from_bytes(bytes) {
        let again = Record::<T>::from_bytes(&record.to_bytes());
        prop_assert!(again.as_ref().is_ok_and(|again| *again == micros(record)), "{again:?}");
    }
    Ok(())
}

/// As it is written: with microseconds.
fn micros<T>(record: Record<T>) -> Record<T> {
    Record {
        at: Timestamp::from_microsecond(record.at.as_microsecond()).unwrap(),
        ..record
    }
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    prop::collection::vec((any::<Index>(), any::<u8>()), 8)
}

proptest! {
    #[test]
    fn order_events_come_back(record in record(event()), changes in changes()) {
        let record: OrderEvent = record;
        check(&record, &changes)?;
    }

    #[test]
    fn results_come_back(record in record(result()), changes in changes()) {
        let record: InventoryResult = record;
        check(&record, &changes)?;
    }

    #[test]
    fn evidence_comes_back(record in record(evidence()), changes in changes()) {
        let record: ErrorRecord = record;
        check(&record, &changes)?;
    }

    #[test]
    fn statuses_come_back(record in record(status()), changes in changes()) {
        let record: StatusRecord = record;
        check(&record, &changes)?;
    }

    #[test]
    fn metrics_come_back(record in record(metrics()), changes in changes()) {
        let record: MetricsRecord = record;
        check(&record, &changes)?;
    }

    #[test]
    fn noise_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), depth in 1usize..100_000) {
        let deep = |open: &str| open.repeat(depth).into_bytes();
        for text in [bytes, deep("["), deep(r#"{"a":"#), deep(r#"{"batches":[{"dissents":["#)] {
            prop_assert!(OrderEvent::from_bytes(&text).is_err());
            prop_assert!(InventoryResult::from_bytes(&text).is_err());
            prop_assert!(ErrorRecord::from_bytes(&text).is_err());
            prop_assert!(StatusRecord::from_bytes(&text).is_err());
            prop_assert!(MetricsRecord::from_bytes(&text).is_err());
        }
    }
}
