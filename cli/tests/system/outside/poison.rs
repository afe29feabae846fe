//! Records that nobody can read, written into `order-events` by hand.

use std::time::Duration;

use tolerancia_bus::{Producer, read_all};
use tolerancia_wire::evidence::{ErrorBody, ErrorRecord};
use tolerancia_wire::topic;

use crate::harness::{Kafka, System, Traffic, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: Java and Maven"]
async fn what_cannot_be_read_is_skipped_by_all_and_reported_once() {
    let kafka = Kafka::start_with(1, &[("KAFKA_EXTRA", "message.max.bytes=3000000")]).await;
    let system = System::up_on(&kafka, None, &[]).await;
    system.restock("PROD-001", 1_000_000).await;
    let traffic = Traffic::start(&system, 50, 50);
    traffic.goes_on(50).await;

    // A topic takes records of 1 MiB only if it is told to, and so do producers.
    let mut bus = system.bus();
    bus.extra.push(("message.max.bytes".to_owned(), "3000000".to_owned()));
    let producer = Producer::new(&bus, Duration::from_secs(10)).unwrap();
    let mut big = br#"{"type":"restock","product_id":"PROD-001","quantity":"#.to_vec();
    big.resize(1 << 20, b'9');
    let mut deep = vec![b'['; 1 << 20];
    deep.extend(vec![b']'; 1 << 10]);
    let poison: [(&str, Vec<u8>); 7] = [
        ("no JSON", b"to be or not to be".to_vec()),
        ("JSON of another shape", br#"{"id":7,"what":["else"]}"#.to_vec()),
        ("1 MiB", big),
        ("deeply nested", deep),
        ("no UTF-8", vec![0xff, 0xfe, 0x00]),
        ("nothing, as a tombstone is", Vec::new()),
        (
            "a product that is no name",
            br#"{"event_id":"018f0000-0000-7000-8000-000000000000","at":"2026-01-01T00:00:00.000000Z","mono_ns":1,"source":"hand","type":"restock","product_id":"\u0000 ../..","quantity":5}"#.to_vec(),
        ),
    ];
    let mut places = Vec::new();
    for (what, payload) in poison {
        let sent = producer
            .send(topic::ORDER_EVENTS, None, Some(b"PROD-001"), payload)
            .await;
        let (_, offset) = sent.unwrap_or_else(|error| panic!("{what}: {error}"));
        places.push((what, offset));
        traffic.goes_on(20).await;
    }
    let told = traffic.stop().await;
    assert_eq!(told.others, [""; 0], "a client noticed");
    system.steady().await;
    for number in 1..=3 {
        let failures = system.failures(number).await;
        assert!(failures.is_empty(), "{failures:?}");
    }

    let reports = async || {
        let records = read_all(&system.bus(), topic::ERROR_QUEUE).await.unwrap();
        let offsets = records
            .iter()
            .filter_map(|record| match ErrorRecord::from_bytes(&record.payload).ok()?.body {
                ErrorBody::BadRecord { topic, offset, .. } if topic == topic::ORDER_EVENTS => Some(offset),
                _ => None,
            });
        let mut offsets: Vec<u64> = offsets.collect();
        offsets.sort_unstable();
        offsets
    };
    let expected: Vec<u64> = places.iter().map(|(_, offset)| *offset).collect();
    eventually("each bad record is reported", async || {
        (reports().await.len() >= expected.len()).then_some(())
    })
    .await;
    assert_eq!(reports().await, expected, "each once: {places:?}");

    system.holds(&told).await;
    system.down().await;
}
