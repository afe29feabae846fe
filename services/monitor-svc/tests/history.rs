//! The way of history into the database: a service that counts its answers, a real broker, the monitor, SQLite.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{System, eventually, free_port};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use tolerancia_bus::Producer;
use tolerancia_core::Stock;
use tolerancia_store::{RequestMetricsRow, VotingKind};
use tolerancia_wire::evidence::{Batch, Dissent, ErrorBody, ErrorRecord};
use tolerancia_wire::topic;

fn count(rows: &[RequestMetricsRow], service: &str, instance: &str) -> BTreeMap<(String, u16), u64> {
    let mut counts = BTreeMap::new();
    for row in rows
        .iter()
        .filter(|row| (&*row.service, &*row.instance) == (service, instance))
    {
        *counts.entry((row.endpoint.clone(), row.status)).or_default() += row.count;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_become_one_row_per_endpoint_status_and_second() {
    let system = System::start();
    let monitor = system.monitor().await;
    // What nobody of this system wrote stops nothing.
    let stranger = Producer::new(&system.bus(), Duration::from_secs(30)).unwrap();
    for bytes in [&b"\xff"[..], b"{}", br#"{"type":"request_metrics","rows":[]}"#] {
        let sent = stranger
            .send(topic::REQUEST_METRICS, Some(0), None, bytes.to_vec())
            .await;
        sent.unwrap();
    }

    let service = system.service("2", free_port()).await;
    for n in 0..40 {
        assert_eq!(service.get(&format!("/inventory/PROD-{n}")).await, 200);
    }
    for n in 0..3 {
        assert_eq!(service.get(&format!("/elsewhere/{n}")).await, 404);
    }
    assert_eq!(service.get("/health").await, 200);
    let expected: BTreeMap<_, _> = [
        (("/inventory/{product}".to_owned(), 200), 40),
        (("unmatched".to_owned(), 404), 3),
        (("/health".to_owned(), 200), 1),
    ]
    .into();
    // The last second leaves when the service ends.
    service.stop().await;
    let store = system.store().await;
    let rows = eventually("the rows are in the database", async || {
        let rows = store.request_metrics(i64::MIN, i64::MAX).await.unwrap();
        (count(&rows, "inventory-svc", "2") == expected).then_some(rows)
    })
    .await;
    let mut keys: Vec<_> = rows
        .iter()
        .map(|row| (row.second, &row.service, &row.instance, &row.endpoint, row.status))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), rows.len());
    for row in &rows {
        let times: Histogram<u64> = Deserializer::new().deserialize(&mut &row.histogram[..]).unwrap();
        assert_eq!((times.len(), times.max()), (row.count, row.max_us));
        assert_eq!(times.value_at_quantile(0.99), row.p99_us);
    }

    // The monitor's own answers take no topic, and those of its last second are written when it ends.
    assert_eq!(monitor.get("/status").await, 200);
    assert_eq!(monitor.get("/status/orders-svc/1").await, 404);
    monitor.stop().await;
    let rows = store.request_metrics(i64::MIN, i64::MAX).await.unwrap();
    let own: BTreeMap<_, _> = [
        (("/status".to_owned(), 200), 1),
        (("/status/{service}/{instance}".to_owned(), 404), 1),
    ]
    .into();
    let mut counted = count(&rows, "monitor-svc", "1");
    counted.retain(|(endpoint, _), _| endpoint != "/health");
    assert_eq!(counted, own);
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_become_counts_and_every_different_lie_an_event() {
    let system = System::start();
    let monitor = system.monitor().await;
    let reporter = Producer::new(&system.bus(), Duration::from_secs(30)).unwrap();
    let lie = |version| Dissent::Stock {
        product: "PROD-001".parse().unwrap(),
        version,
        said: Some(Stock {
            available: 9,
            reserved: 0,
        }),
        agreed: None,
        robust_z: None,
    };
    for _ in 0..10 {
        let mut liar = Batch::new("3".parse().unwrap());
        (0..100).for_each(|n| liar.add_dissent(lie(n % 20)));
        let honest = Batch {
            good: 7,
            ..Batch::new("1".parse().unwrap())
        };
        let [honest, liar] = [honest, liar].map(|batch| {
            let batches = vec![batch];
            ErrorRecord::new("voter-svc", ErrorBody::Evidence { batches }).to_bytes()
        });
        // A record that is read twice is the same events.
        for record in [honest, liar.clone(), liar] {
            let sent = reporter.send(topic::ERROR_QUEUE, None, None, record).await;
            sent.unwrap();
        }
    }
    let store = system.store().await;
    let events = eventually("all events are in the database", async || {
        let events = store.voting_events(1000).await.unwrap();
        let (lies, honest): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| matches!(event.kind, VotingKind::Disagreement { .. }));
        (lies.len() >= 200 && !honest.is_empty()).then_some(lies)
    })
    .await;
    assert_eq!(events.len(), 200, "20 different lies in each of 10 records");
    for event in &events {
        assert_eq!((event.source.as_str(), event.instance.number()), ("voter-svc", 3));
        assert!(
            matches!(event.kind, VotingKind::Disagreement { count: 5, .. }),
            "{event:?}"
        );
    }
    monitor.stop().await;
    let events = store.voting_events(1000).await.unwrap();
    let agreed: u64 = events
        .iter()
        .filter(|event| event.instance.number() == 1)
        .map(|event| match event.kind {
            VotingKind::Agreements { count } => count,
            VotingKind::Disagreement { .. } => panic!("{event:?}"),
        })
        .sum();
    assert_eq!(agreed, 10 * 7);
}
