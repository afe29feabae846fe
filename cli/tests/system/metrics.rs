//! What services answered and how votes ended is in the database, in few rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tolerancia_store::{RequestMetricsRow, Store, VotingEvent, VotingKind, open_sqlite};
use tolerancia_wire::status::Verdict;
use tolerancia_wire::topic;

use crate::harness::{System, eventually};

/// Queries of the voter. Nobody else in these tests asks it.
const QUERIES: u64 = 60;
/// Orders.
const ORDERS: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_of_requests_is_one_row_per_process_endpoint_and_status() {
    let system = System::up().await;
    for _ in 0..ORDERS {
        system.order("PROD-001", 1).await;
    }
    for _ in 0..QUERIES {
        system.stock("PROD-001").await;
    }
    let nowhere = format!("{}/inventory/NO-SUCH-PRODUCT", system.voter());
    assert_eq!(system.look(&nowhere).await.unwrap().0, 404);
    system.status().await;

    let store = store(&system).await;
    let rows = eventually("all requests are in the database", async || {
        let rows = store.request_metrics(i64::MIN, i64::MAX).await.unwrap();
        let counts = counts(&rows);
        let count = |service: &str, instance: &str, endpoint: &str, status: u16| {
            let key = (service.to_owned(), instance.to_owned(), endpoint.to_owned(), status);
            counts.get(&key).copied().unwrap_or(0)
        };
        let watched = ["1", "2", "3"]
            .iter()
            .all(|id| count("inventory-svc", id, "/health", 200) > 0);
        let asked = count("voter-svc", "1", "/inventory/{product}", 200);
        let ordered = count("orders-svc", "1", "/orders", 201);
        assert!(
            asked <= QUERIES && ordered <= ORDERS,
            "counted twice: {asked} {ordered}"
        );
        let done = watched
            && (asked, ordered) == (QUERIES, ORDERS)
            && count("voter-svc", "1", "/inventory/{product}", 404) == 1
            && count("monitor-svc", "1", "/status", 200) > 0;
        done.then_some(rows)
    })
    .await;
    let keys: BTreeSet<_> = rows
        .iter()
        .map(|row| (row.second, &row.service, &row.instance, &row.endpoint, row.status))
        .collect();
    assert_eq!(keys.len(), rows.len());
    for row in &rows {
        assert!(row.count > 0 && !row.histogram.is_empty(), "{row:?}");
        assert!(
            row.p50_us <= row.p95_us && row.p95_us <= row.p99_us && row.p99_us <= row.max_us,
            "{row:?}"
        );
    }
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_are_counted_lies_are_listed_and_nobody_learns_who_was_told_to_lie() {
    let system = System::up().await;
    system
        .inject(&["incorrect", "--instance", "2", "--product", "PROD-001"])
        .await;
    for _ in 0..QUERIES {
        system.stock("PROD-001").await;
    }
    eventually("the liar is OFF", async || {
        let seen = system.failures(2).await;
        seen.into_iter().find(|change| change.to == Verdict::Off)
    })
    .await;
    let store = store(&system).await;
    let events = eventually("votes are in the database", async || {
        let events = store.voting_events(10_000).await.unwrap();
        let honest = ["1", "3"].iter().all(|id| agreements(&events, id) > 0);
        (honest && events.iter().any(is_lie)).then_some(events)
    })
    .await;
    let liars: BTreeSet<_> = events
        .iter()
        .filter(|event| is_lie(event))
        .map(|event| event.instance.number())
        .collect();
    assert_eq!(liars, [2].into(), "only the liar disagrees");
    let counts: Vec<_> = events
        .iter()
        .filter(|event| !is_lie(event))
        .map(|event| (&event.source, event.instance, event.stamp.at.as_second()))
        .collect();
    assert_eq!(
        counts.iter().collect::<BTreeSet<_>>().len(),
        counts.len(),
        "one row a second"
    );

    // The monitor reads this topic.
    system.inject(&["clear", "--instance", "2"]).await;
    system.all_on().await;
    let records = tolerancia_bus::read_all(&system.bus(), topic::REQUEST_METRICS)
        .await
        .unwrap();
    assert!(!records.is_empty());
    for record in records {
        let text = String::from_utf8(record.payload).unwrap();
        assert!(!text.contains("fault") && !text.contains("incorrect"), "{text}");
    }
    system.down().await;
}

async fn store(system: &System) -> Arc<dyn Store> {
    open_sqlite(&system.data_dir().join("tolerancia.db")).await.unwrap()
}

fn counts(rows: &[RequestMetricsRow]) -> BTreeMap<(String, String, String, u16), u64> {
    let mut counts = BTreeMap::new();
    for row in rows {
        let key = (
            row.service.clone(),
            row.instance.clone(),
            row.endpoint.clone(),
            row.status,
        );
        *counts.entry(key).or_default() += row.count;
    }
    counts
}

fn is_lie(event: &VotingEvent) -> bool {
    matches!(event.kind, VotingKind::Disagreement { .. })
}

fn agreements(events: &[VotingEvent], instance: &str) -> u64 {
    let of = events.iter().filter(|event| event.instance.to_string() == instance);
    of.map(|event| match event.kind {
        VotingKind::Agreements { count } => count,
        VotingKind::Disagreement { .. } => 0,
    })
    .sum()
}
