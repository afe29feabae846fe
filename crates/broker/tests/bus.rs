//! The bus against a real embedded broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness::{Broker, DELIVERY, PATIENCE, numbers, payload, producer, send, take};
use tolerancia_bus::{
    BusConfig, BusError, Consumer, Producer, Start, end_offsets, ensure_topics, partition_count, read_all,
};
use tolerancia_wire::topic::{ALL, ERROR_QUEUE, INSTANCE_STATUS, INVENTORY_RESULTS, ORDER_EVENTS};

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_once_with_the_configured_partitions() {
    let broker = Broker::start();
    let config = broker.config(3);
    let all = (ensure_topics(&config), ensure_topics(&config), ensure_topics(&config));
    let (a, b, c) = tokio::join!(all.0, all.1, all.2);
    a.and(b).and(c).unwrap();
    // A later start with another count changes nothing.
    ensure_topics(&broker.config(5)).await.unwrap();
    for spec in &ALL {
        let wanted = if spec.partitioned { 3 } else { 1 };
        assert_eq!(
            partition_count(&config, spec.name).await.unwrap(),
            wanted,
            "{}",
            spec.name
        );
    }
    let unknown = partition_count(&config, "no-such-topic").await.unwrap_err();
    assert!(matches!(unknown, BusError::UnknownTopic(_)), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_back_in_order_and_a_position_continues_exactly() {
    let broker = Broker::start();
    let config = broker.config(1);
    ensure_topics(&config).await.unwrap();
    assert_eq!(
        end_offsets(&config, ORDER_EVENTS).await.unwrap(),
        BTreeMap::from([(0, 0)])
    );
    assert_eq!(read_all(&config, ORDER_EVENTS).await.unwrap(), []);

    let mut early = Consumer::new(&config, ORDER_EVENTS, Start::End).await.unwrap();
    let producer = producer(&config);
    for number in 0..50 {
        let place = producer
            .send(ORDER_EVENTS, None, Some(b"key"), payload(number))
            .await
            .unwrap();
        assert_eq!(place, (0, u64::from(number)));
    }
    for number in 50..3000 {
        producer
            .send_forget(ORDER_EVENTS, None, Some(b"key"), payload(number))
            .unwrap();
    }
    producer.flush(PATIENCE).await;
    assert!(producer.is_connected());

    let taken = take(&mut early, 3000).await;
    assert_eq!(numbers(&taken), (0..3000).collect::<Vec<_>>());
    assert_eq!(taken[7].key.as_deref(), Some(&b"key"[..]));
    assert_eq!(taken[7].payload, payload(7));
    assert!(
        taken
            .iter()
            .enumerate()
            .all(|(at, message)| message.offset == at as u64)
    );
    assert_eq!(early.position(), &BTreeMap::from([(0, 3000)]));
    assert!(early.is_connected());

    assert_eq!(
        end_offsets(&config, ORDER_EVENTS).await.unwrap(),
        BTreeMap::from([(0, 3000)])
    );
    assert_eq!(read_all(&config, ORDER_EVENTS).await.unwrap(), taken);
    for start in [0, 1, 1234, 2999] {
        let at = Start::At(BTreeMap::from([(0, start)]));
        let mut late = Consumer::new(&config, ORDER_EVENTS, at).await.unwrap();
        let rest = take(&mut late, 3000 - start as usize).await;
        assert_eq!(rest, taken[start as usize..], "from {start}");
    }
    let mut end = Consumer::new(&config, ORDER_EVENTS, Start::At(BTreeMap::from([(0, 3000)])))
        .await
        .unwrap();
    send(&producer, ORDER_EVENTS, 3000..3001).await;
    assert_eq!(numbers(&take(&mut end, 1).await), [3000]);

    for (count, first) in [(1, 3000), (2500, 501), (9999, 0)] {
        let mut newest = Consumer::new(&config, ORDER_EVENTS, Start::Newest(count))
            .await
            .unwrap();
        assert_eq!(numbers(&take(&mut newest, 1).await)[0], first, "the newest {count}");
    }

    let beyond = Consumer::new(&config, ORDER_EVENTS, Start::At(BTreeMap::from([(0, 9999)])))
        .await
        .unwrap_err();
    assert!(
        matches!(
            beyond,
            BusError::NoSuchPosition {
                position: 9999,
                end: 3001,
                ..
            }
        ),
        "{beyond}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_keep_to_their_partition_and_partitions_keep_their_order() {
    let broker = Broker::start();
    let config = broker.config(4);
    ensure_topics(&config).await.unwrap();
    let producer = producer(&config);
    let mut places: BTreeMap<u32, BTreeSet<u16>> = BTreeMap::new();
    for number in 0..200u32 {
        let key = (number % 20).to_be_bytes();
        let (partition, _) = producer
            .send(INVENTORY_RESULTS, None, Some(&key), payload(number))
            .await
            .unwrap();
        places.entry(number % 20).or_default().insert(partition);
    }
    assert!(places.values().all(|partitions| partitions.len() == 1), "{places:?}");
    assert!(
        places.values().flatten().collect::<BTreeSet<_>>().len() > 1,
        "{places:?}"
    );

    let all = read_all(&config, INVENTORY_RESULTS).await.unwrap();
    assert_eq!(numbers(&all).into_iter().collect::<BTreeSet<_>>().len(), 200);
    let ends = end_offsets(&config, INVENTORY_RESULTS).await.unwrap();
    assert_eq!(ends.len(), 4);
    assert_eq!(ends.values().sum::<u64>(), 200);
    for partition in 0..4 {
        let mine: Vec<_> = all
            .iter()
            .filter(|message| message.partition == partition)
            .cloned()
            .collect();
        assert!(numbers(&mine).is_sorted());
        assert_eq!(mine.len() as u64, ends[&partition]);
    }
    // A record in one partition wakes a consumer that waits for all four.
    let mut consumer = Consumer::new(&config, INVENTORY_RESULTS, Start::End).await.unwrap();
    producer
        .send(INVENTORY_RESULTS, Some(3), None, payload(7))
        .await
        .unwrap();
    assert_eq!(take(&mut consumer, 1).await[0].partition, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_receive_loses_nothing() {
    let broker = Broker::start();
    let config = broker.config(1);
    ensure_topics(&config).await.unwrap();
    let producer = producer(&config);
    let mut consumer = Consumer::new(&config, ERROR_QUEUE, Start::Beginning).await.unwrap();
    let sender = tokio::spawn(async move { send(&producer, ERROR_QUEUE, 0..300).await });
    let mut taken = Vec::new();
    while taken.len() < 300 {
        tokio::select! {
            biased;
            batch = consumer.recv_batch(7) => taken.extend(batch.unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    sender.await.unwrap();
    assert_eq!(numbers(&taken), (0..300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_an_error_at_once() {
    let config = BusConfig {
        bootstrap: format!("127.0.0.1:{}", harness::free_port()),
        extra: vec![("queue.buffering.max.messages".to_owned(), "3".to_owned())],
        ..Broker::start().config(1)
    };
    let producer = Producer::new(&config, Duration::from_secs(1)).unwrap();
    for number in 0..3 {
        producer
            .send_forget(INSTANCE_STATUS, Some(0), None, payload(number))
            .unwrap();
    }
    let full = producer
        .send_forget(INSTANCE_STATUS, Some(0), None, payload(3))
        .unwrap_err();
    assert!(matches!(full, BusError::QueueFull), "{full}");
    let full = producer
        .send(INSTANCE_STATUS, Some(0), None, payload(3))
        .await
        .unwrap_err();
    assert!(matches!(full, BusError::QueueFull), "{full}");
    // A client counts as connected until it has tried in vain.
    let gives_up = async {
        while producer.is_connected() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gives_up).await.unwrap();
}

#[tokio::test]
async fn settings_that_librdkafka_refuses_are_named() {
    let mut config = Broker::start().config(1);
    config.extra.push(("no.such.property".to_owned(), "1".to_owned()));
    let error = Producer::new(&config, DELIVERY).unwrap_err().to_string();
    assert!(error.contains("no.such.property"), "{error}");
}
