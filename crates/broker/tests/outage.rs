//! What the bus makes of a broker that is killed, and of a log that lost records.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness::{Broker, PATIENCE, numbers, payload, producer, send, take};
use tokio::time::timeout;
use tolerancia_bus::{BusError, Consumer, Producer, Start, end_offsets, ensure_topics, read_all};
use tolerancia_wire::topic::{ERROR_QUEUE, ORDER_EVENTS};

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
    for start in [BTreeMap::from([(0, 3)]), BTreeMap::new()] {
        let error = Consumer::new(&config, ERROR_QUEUE, Start::At(start)).await.unwrap_err();
        assert!(
            matches!(error, BusError::Deleted { beginning: 10, .. }) && error.to_string().contains("retention.ms"),
            "{error}"
        );
    }
    // Who wants only what is left takes that.
    let mut consumer = Consumer::new(&config, ERROR_QUEUE, Start::Newest(5)).await.unwrap();
    send(&producer(&config), ERROR_QUEUE, 10..11).await;
    assert_eq!(numbers(&take(&mut consumer, 1).await), [10]);
}
