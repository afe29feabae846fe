//! The bus against a real embedded broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness::Broker;
use tokio::time::timeout;
use tolerancia_bus::{
    BusConfig, BusError, Consumer, Message, Producer, Start, end_offsets, ensure_topics, partition_count, read_all,
};
use tolerancia_wire::topic::{ALL, ERROR_QUEUE, INSTANCE_STATUS, INVENTORY_RESULTS, ORDER_EVENTS};

const DELIVERY: Duration = Duration::from_secs(20);
/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn producer(config: &BusConfig) -> Producer {
    Producer::new(config, DELIVERY).unwrap()
}

async fn take(consumer: &mut Consumer, count: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(
            timeout(PATIENCE, consumer.recv_batch(100))
                .await
                .expect("records in time")
                .unwrap(),
        );
    }
    taken
}

fn numbers(messages: &[Message]) -> Vec<u32> {
    messages
        .iter()
        .map(|message| u32::from_be_bytes(message.payload[..4].try_into().unwrap()))
        .collect()
}

fn payload(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(200, b'.');
    payload
}

async fn send(producer: &Producer, topic: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        producer
            .send(topic, Some(0), Some(b"key"), payload(number))
            .await
            .unwrap();
    }
}

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
async fn nothing_acknowledged_is_lost_or_doubled_when_the_broker_is_killed() {
    let mut broker = Broker::start();
    let config = broker.config(1);
    ensure_topics(&config).await.unwrap();
    let producer = producer(&config);
    let mut consumer = Consumer::new(&config, ORDER_EVENTS, Start::Beginning).await.unwrap();

    // Eight writers, each with one record in flight, so that acknowledgements are lost at every kill.
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writers: Vec<_> = (0..8u32)
        .map(|writer| {
            let (producer, stopped) = (producer.clone(), stopped.clone());
            tokio::spawn(async move {
                let (mut acknowledged, mut uncertain) = (BTreeMap::new(), BTreeSet::new());
                for number in (writer..).step_by(8) {
                    match producer.send(ORDER_EVENTS, None, Some(b"key"), payload(number)).await {
                        Ok((_, offset)) => _ = acknowledged.insert(number, offset),
                        Err(_) => _ = uncertain.insert(number),
                    }
                    if *stopped.borrow() {
                        break;
                    }
                }
                (acknowledged, uncertain)
            })
        })
        .collect();
    let mut taken = Vec::new();
    for _ in 0..5 {
        let more = taken.len() + 300;
        while taken.len() < more {
            taken.extend(
                timeout(PATIENCE, consumer.recv_batch(50))
                    .await
                    .expect("the stream goes on")
                    .unwrap(),
            );
        }
        broker.kill_and_restart();
    }
    taken.extend(take(&mut consumer, 300).await);
    stop.send(true).unwrap();
    let (mut acknowledged, mut uncertain) = (BTreeMap::new(), BTreeSet::new());
    for writer in writers {
        let (more, unsure) = timeout(PATIENCE, writer).await.expect("writers end").unwrap();
        acknowledged.extend(more);
        uncertain.extend(unsure);
    }

    let log = read_all(&config, ORDER_EVENTS).await.unwrap();
    let written = numbers(&log);
    assert_eq!(
        written.iter().collect::<BTreeSet<_>>().len(),
        written.len(),
        "a record is there twice"
    );
    for (number, offset) in &acknowledged {
        assert_eq!(
            written.get(*offset as usize),
            Some(number),
            "the record acknowledged at {offset}"
        );
    }
    let known = acknowledged.len() + uncertain.iter().filter(|number| written.contains(number)).count();
    assert_eq!(written.len(), known, "records that nobody sent");
    assert!(
        uncertain.is_empty(),
        "five short outages are within the delivery timeout: {uncertain:?}"
    );

    while taken.len() < log.len() {
        taken.extend(
            timeout(PATIENCE, consumer.recv_batch(50))
                .await
                .expect("the rest")
                .unwrap(),
        );
    }
    assert_eq!(
        taken, log,
        "the consumer that was there all the time read something else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_broker_is_seen_and_an_unsent_record_is_an_error() {
    let mut broker = Broker::start();
    let config = broker.config(1);
    ensure_topics(&config).await.unwrap();
    let producer = Producer::new(&config, Duration::from_secs(3)).unwrap();
    send(&producer, ORDER_EVENTS, 0..1).await;
    assert!(producer.is_connected());
    broker.kill();
    let error = producer
        .send(ORDER_EVENTS, Some(0), None, payload(1))
        .await
        .unwrap_err();
    assert!(matches!(error, BusError::NotAcknowledged(_)), "{error}");
    assert!(!producer.is_connected());

    broker.kill_and_restart();
    let revived = async { while producer.send(ORDER_EVENTS, Some(0), None, payload(2)).await.is_err() {} };
    timeout(PATIENCE, revived)
        .await
        .expect("the producer comes back by itself");
    assert!(producer.is_connected());
    let written = numbers(&read_all(&config, ORDER_EVENTS).await.unwrap());
    assert!(written.starts_with(&[0]) && written.ends_with(&[2]), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lost_its_file_does_not_confuse_anybody() {
    let mut broker = Broker::start();
    let config = broker.config(1);
    ensure_topics(&config).await.unwrap();
    let first = producer(&config);
    send(&first, ORDER_EVENTS, 0..20).await;
    broker.kill();
    std::fs::remove_dir_all(broker.file.parent().unwrap()).unwrap();
    broker.kill_and_restart();
    ensure_topics(&config).await.unwrap();
    // The new log hands out the old producer's number again.
    let second = producer(&config);
    send(&second, ORDER_EVENTS, 100..103).await;
    let continued = async { while first.send(ORDER_EVENTS, Some(0), None, payload(20)).await.is_err() {} };
    timeout(PATIENCE, continued)
        .await
        .expect("a producer that the broker does not know is replaced");
    let written = numbers(&read_all(&config, ORDER_EVENTS).await.unwrap());
    assert!(
        written.starts_with(&[100, 101, 102]) && written.ends_with(&[20]),
        "{written:?}"
    );
    let old = Consumer::new(&config, ORDER_EVENTS, Start::At(BTreeMap::from([(0, 20)])))
        .await
        .unwrap_err();
    assert!(matches!(old, BusError::NoSuchPosition { .. }), "{old}");
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
    assert!(!producer.is_connected());
}

#[tokio::test]
async fn settings_that_librdkafka_refuses_are_named() {
    let mut config = Broker::start().config(1);
    config.extra.push(("no.such.property".to_owned(), "1".to_owned()));
    let error = Producer::new(&config, DELIVERY).unwrap_err().to_string();
    assert!(error.contains("no.such.property"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_deleted_records_keeps_its_offsets() {
    let mut broker = Broker::start();
    let config = broker.config(1);
    ensure_topics(&config).await.unwrap();
    let producer = producer(&config);
    for topic in [ERROR_QUEUE, ORDER_EVENTS] {
        send(&producer, topic, 0..10).await;
    }
    broker.kill();
    let database = libsql::Builder::new_local(&broker.file)
        .build()
        .await
        .unwrap()
        .connect()
        .unwrap();
    let delete = "delete from record where topition in (select tp.id from topition tp join topic t on t.id = tp.topic \
                  where t.name = ?1) and offset_id in (select value from json_each(?2))";
    database
        .execute(delete, (ERROR_QUEUE, "[0,1,2,3,4,5,6,7,8,9]"))
        .await
        .unwrap();
    database.execute(delete, (ORDER_EVENTS, "[0,1,4,5,8]")).await.unwrap();
    drop(database);
    broker.kill_and_restart();

    // As after a week without records: all gone, the offsets go on.
    assert_eq!(
        end_offsets(&config, ERROR_QUEUE).await.unwrap(),
        BTreeMap::from([(0, 10)])
    );
    assert_eq!(read_all(&config, ERROR_QUEUE).await.unwrap(), []);
    let mut beginning = Consumer::new(&config, ERROR_QUEUE, Start::Beginning).await.unwrap();
    let mut end = Consumer::new(&config, ERROR_QUEUE, Start::End).await.unwrap();
    send(&producer, ERROR_QUEUE, 10..11).await;
    for consumer in [&mut beginning, &mut end] {
        let taken = take(consumer, 1).await;
        assert_eq!((taken[0].offset, numbers(&taken)), (10, vec![10]));
    }
    let mut lost = Consumer::new(&config, ORDER_EVENTS, Start::At(BTreeMap::from([(0, 8)])))
        .await
        .unwrap();
    assert_eq!(numbers(&take(&mut lost, 1).await), [9]);
    // As after compaction: holes, which are skipped.
    let left = read_all(&config, ORDER_EVENTS).await.unwrap();
    assert_eq!(numbers(&left), [2, 3, 6, 7, 9]);
    assert_eq!(
        left.iter().map(|message| message.offset).collect::<Vec<_>>(),
        [2, 3, 6, 7, 9]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_whose_records_were_deleted_is_an_error() {
    let mut broker = Broker::start();
    let config = broker.config(1);
    ensure_topics(&config).await.unwrap();
    send(&producer(&config), ERROR_QUEUE, 0..10).await;
    broker.kill();
    let database = libsql::Builder::new_local(&broker.file)
        .build()
        .await
        .unwrap()
        .connect()
        .unwrap();
    database.execute("delete from record", ()).await.unwrap();
    drop(database);
    broker.kill_and_restart();
    let mut consumer = Consumer::new(&config, ERROR_QUEUE, Start::At(BTreeMap::from([(0, 3)])))
        .await
        .unwrap();
    let error = timeout(PATIENCE, consumer.recv_batch(1))
        .await
        .expect("an answer")
        .unwrap_err();
    assert!(matches!(error, BusError::Unreadable { .. }), "{error}");
}
