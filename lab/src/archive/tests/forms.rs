//! What is written is read again as it was.

use proptest::prelude::*;
use tolerancia_bus::Message;
use tolerancia_core::ledger::Refusal;
use tolerancia_core::{OrderId, ProductId, Stock};
use tolerancia_wire::order::OrderRequest;

use super::super::answers::Answer;
use super::super::*;
use super::world::{World, read};
use crate::experiment::record::tests::stamp;
use crate::load::stats::End;
use crate::load::{Failure, Operation};
use crate::oracle::{OrderAnswer, Told};

fn product() -> impl Strategy<Value = ProductId> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|name| name.parse().unwrap())
}

fn order() -> impl Strategy<Value = OrderId> {
    (any::<u16>(), any::<[u8; 14]>()).prop_map(|(partition, random)| OrderId::from_random(partition, random))
}

fn answer() -> impl Strategy<Value = OrderAnswer> {
    prop_oneof![
        (order(), any::<Option<u64>>()).prop_map(|(order, version)| OrderAnswer::Confirmed { order, version }),
        order().prop_map(|order| OrderAnswer::Pending { order }),
        Just(OrderAnswer::Rejected),
        Just(OrderAnswer::Conflict),
        Just(OrderAnswer::Unknown),
    ]
}

fn told() -> impl Strategy<Value = Told> {
    let stock = (
        product(),
        product(),
        any::<[u64; 3]>(),
        any::<bool>(),
        any::<Option<u64>>(),
    );
    let reason = prop_oneof![
        Just(Refusal::UnknownOrder),
        Just(Refusal::AlreadyReleased),
        Just(Refusal::NeverConfirmed)
    ];
    prop_oneof![
        stock.prop_map(
            |(asked, product, [version, available, reserved], fresh, known)| Told::Stock {
                asked,
                product,
                version,
                stock: Stock { available, reserved },
                fresh,
                known,
            }
        ),
        (
            any::<u128>(),
            product(),
            any::<u64>(),
            answer(),
            proptest::option::of(answer())
        )
            .prop_map(|(key, product_id, quantity, answer, first)| Told::Order {
                key,
                asked: OrderRequest { product_id, quantity },
                answer,
                first,
            }),
        order().prop_map(|order| Told::Cancelled { order }),
        (order(), reason).prop_map(|(order, reason)| Told::Refused { order, reason }),
    ]
}

fn end() -> impl Strategy<Value = End> {
    let failure = prop_oneof![
        Just(Failure::Timeout),
        Just(Failure::Connect),
        Just(Failure::Lost),
        Just(Failure::Malformed),
        Just(Failure::Pending),
        Just(Failure::Dropped),
        any::<u16>().prop_map(Failure::Status),
    ];
    prop_oneof![
        Just(End::Success),
        any::<String>().prop_map(End::Rejected),
        failure.prop_map(End::Failed),
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    let operation = prop_oneof![
        Just(Operation::QueryInventory),
        Just(Operation::CreateOrder),
        Just(Operation::CancelOrder)
    ];
    (any::<[u64; 2]>(), operation, end(), proptest::option::of(told())).prop_map(
        |([intended_ns, latency_ns], operation, end, told)| Observation {
            operation,
            intended_ns,
            latency_ns,
            end,
            told,
        },
    )
}

/// Anything that a record may hold: bytes, text, JSON, and JSON with something around it.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let json = prop_oneof![
        Just("{}"),
        Just("null"),
        Just("[]"),
        Just("7"),
        Just("\"text\""),
        Just("{\"a\": 1.50, \"a\":1e3}"),
        Just("{\"b\":\"\\u00e9\\ud83d\\ude00\",\"a\":18446744073709551616}"),
        Just("{\"a\":\r\n1}"),
        Just("{\"a\":\r1}"),
        Just("{"),
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        any::<String>().prop_map(String::into_bytes),
        "[\\x00-\\x1f]{0,100}".prop_map(String::into_bytes),
        ("[ \n\r\t]{0,2}", json, "[ \n\r\t]{0,2}").prop_map(|(a, b, c)| format!("{a}{b}{c}").into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_answer_comes_back(observations in proptest::collection::vec(observation(), 0..20)) {
        let dir = tempfile::tempdir().unwrap();
        answers::write(dir.path(), &observations, 7, stamp(3)).unwrap();
        let (header, mut reader) = answers::open(dir.path()).unwrap();
        prop_assert_eq!((header.answers, header.events), (observations.len() as u64, 7));
        let mut sorted = observations;
        sorted.sort_by_key(|seen| (seen.intended_ns, seen.operation, seen.latency_ns));
        for seen in sorted {
            let answer: Answer = reader.next().unwrap().unwrap();
            prop_assert_eq!(answer.at_ns, seen.intended_ns);
            prop_assert_eq!(answer.latency_ns, seen.latency_ns);
            prop_assert_eq!(answer.operation, seen.operation);
            prop_assert_eq!(answer.end, seen.end);
            prop_assert_eq!(answer.told, seen.told);
        }
        prop_assert!(reader.next::<Answer>().unwrap().is_none());
    }

    #[test]
    fn every_record_comes_back_byte_by_byte(
        payloads in proptest::collection::vec((0_u16..3, payload()), 0..20),
        ends in proptest::collection::btree_map(0_u16..4, 0_u64..30, 0..4),
    ) {
        let records: Vec<Message> = payloads
            .into_iter()
            .enumerate()
            .map(|(n, (partition, payload))| Message { partition, offset: n as u64, key: None, payload })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let log = Log { records, ends };
        log::write(dir.path(), &log).unwrap();
        let (header, mut reader) = log::open(dir.path()).unwrap();
        prop_assert_eq!(header.records, log.records.len() as u64);
        for partition in &header.partitions {
            let gaps = partition.gaps.as_ref().unwrap().iter().map(|(from, to)| to - from).sum::<u64>();
            prop_assert_eq!(partition.records + gaps, partition.end);
        }
        let mut sorted = log.records;
        sorted.sort_by_key(|record| (record.partition, record.offset));
        for record in sorted {
            let read = log::next(&mut reader).unwrap();
            prop_assert_eq!(read, Some((record.partition, record.offset, record.payload)));
        }
        prop_assert!(log::next(&mut reader).unwrap().is_none());
    }

    #[test]
    fn no_bytes_make_it_panic_or_pass(bytes in proptest::collection::vec(any::<u8>(), 0..200), compressed: bool) {
        let (dir, _) = World::written();
        for name in [EVENTS, ANSWERS, LOG] {
            let path = dir.path().join(name);
            let before = std::fs::read(&path).unwrap();
            let garbage = if compressed { zstd::encode_all(&bytes[..], 1).unwrap() } else { bytes.clone() };
            std::fs::write(&path, garbage).unwrap();
            prop_assert!(!verify(dir.path()).is_ok_and(|verified| verified.agrees), "{}", name);
            std::fs::write(&path, before).unwrap();
        }
    }
}

#[test]
fn the_files_look_as_documented() {
    let (dir, _) = World::written();
    let lines = read(dir.path(), ANSWERS);
    assert!(
        lines[0].starts_with(r#"{"format":"tolerancia/answers","version":1,"answers":10,"events":2,"written":{"at":""#),
        "{}",
        lines[0]
    );
    assert_eq!(
        lines[3],
        concat!(
            r#"{"at_ns":2000000,"latency_ns":1500001,"operation":"query_inventory","end":"success","told":{"stock":"#,
            r#"{"asked":"PROD-001","product":"PROD-001","version":1,"stock":{"available":95,"reserved":5},"#,
            r#""fresh":true,"known":1}}}"#
        )
    );
    assert_eq!(
        lines[5],
        r#"{"at_ns":4000000,"latency_ns":1500001,"operation":"query_inventory","end":{"failed":{"status":503}},"told":null}"#
    );
    let order = OrderId::from_key(0, "a");
    let id = order.to_string();
    let key = &id.replace('-', "")[4..];
    assert!(lines[2].contains(&format!(
        r#"{{"order":{{"key":"{key}","asked":{{"product_id":"PROD-001","quantity":5}}"#
    )));
    assert!(lines[2].contains(&format!(
        r#""answer":{{"confirmed":{{"order":"{id}","version":1}}}},"first":null"#
    )));
    assert!(
        lines[4].contains(r#""end":{"rejected":"insufficient_stock"}"#) && lines[4].contains(r#""answer":"rejected""#)
    );

    let lines = read(dir.path(), LOG);
    assert_eq!(
        lines[0],
        concat!(
            r#"{"format":"tolerancia/log","version":1,"topic":"order-events","records":8,"partitions":["#,
            r#"{"partition":0,"end":6,"records":6,"gaps":[]},{"partition":1,"end":2,"records":2,"gaps":[]}]}"#
        )
    );
    assert!(
        lines[1].starts_with(r#"{"partition":0,"offset":0,"record":{"event_id":""#),
        "{}",
        lines[1]
    );
    assert_eq!(lines[3], r#"{"partition":0,"offset":2,"base64":"ewr/"}"#);
    let events = read(dir.path(), EVENTS);
    assert!(
        events[0].starts_with(r#"{"seq":1100,"at":"2023-11-14T22:13:21.100000Z","mono_ns":1100000000"#),
        "{}",
        events[0]
    );
}
