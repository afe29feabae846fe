#![allow(clippy::unwrap_used)]

use serde_json::Value;
use tolerancia_wire::live::{RequestsSecond, VotesSecond};

use super::*;

fn votes(second: i64) -> BrowserEvent {
    BrowserEvent::Votes(VotesSecond {
        second,
        ..VotesSecond::default()
    })
}

fn brief(messages: &[Arc<Message>]) -> Vec<(u64, &'static str)> {
    messages.iter().map(|message| (message.number, message.name)).collect()
}

#[test]
fn who_is_new_gets_all_that_is_known_and_then_what_happens() {
    let hub = Hub::new();
    hub.publish(votes(1));
    hub.publish(votes(1));
    hub.publish(votes(2));
    let first = hub.after(None);
    assert_eq!(brief(&first), [(2, "snapshot")], "what is known already is not told");
    let snapshot: Value = serde_json::from_str(&first[0].data).unwrap();
    let seconds: Vec<_> = snapshot["votes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|votes| &votes["second"])
        .collect();
    assert_eq!(seconds, [1, 2]);
    for field in [
        "epoch",
        "version",
        "system",
        "sources",
        "status",
        "replicas",
        "suspicion",
        "requests",
        "disagreements",
        "failures",
        "faults",
        "experiment",
        "folders",
    ] {
        assert!(snapshot.get(field).is_some(), "{field}");
    }
    assert_eq!(brief(&hub.after(Some(2))), []);
    hub.publish(votes(3));
    assert_eq!(brief(&hub.after(Some(2))), [(3, "votes")]);
    assert_eq!(brief(&hub.after(Some(0))), [(1, "votes"), (2, "votes"), (3, "votes")]);
}

#[test]
fn who_was_away_for_too_long_gets_all_again() {
    let hub = Hub::new();
    let events = i64::try_from(MOST_EVENTS).unwrap() + 5;
    (1..=events).for_each(|second| hub.publish(votes(second)));
    let newest = events.unsigned_abs();
    let first = hub.after(Some(5));
    assert_eq!((first[0].number, first.len()), (6, MOST_AT_ONCE));
    assert_eq!(brief(&hub.after(Some(4))), [(newest, "snapshot")]);
    assert_eq!(
        brief(&hub.after(Some(newest + 1))),
        [(newest, "snapshot")],
        "from the future"
    );
    assert_eq!(*hub.newest().borrow(), newest);
}

#[test]
fn a_past_that_changes_is_told_as_a_whole() {
    let hub = Hub::new();
    hub.publish(votes(1));
    hub.audit(Vec::new());
    assert_eq!(brief(&hub.after(Some(1))), [], "nothing has changed");
    hub.describe(System::default());
    assert_eq!(brief(&hub.after(Some(1))), [], "nothing has changed");
    hub.describe(System {
        replicas: 3,
        ..System::default()
    });
    assert_eq!(brief(&hub.after(Some(1))), [(2, "snapshot")]);
    hub.publish(votes(2));
    assert_eq!(brief(&hub.after(Some(1))), [(3, "snapshot")]);
    assert_eq!(brief(&hub.after(Some(2))), [(3, "votes")]);
}

#[test]
fn many_who_ask_at_once_get_the_same_text() {
    let hub = Hub::new();
    let (one, two) = (hub.after(None), hub.after(None));
    assert!(Arc::ptr_eq(&one[0], &two[0]));
    hub.publish(votes(1));
    assert!(!Arc::ptr_eq(&one[0], &hub.after(None)[0]));
}

#[test]
fn an_id_of_another_process_is_none() {
    let hub = Hub::new();
    assert_eq!(hub.number(&hub.id(17)), Some(17));
    for id in [
        &Hub::new().id(17),
        "17",
        "",
        &format!("{}-x", hub.shared.epoch),
        &hub.shared.epoch,
    ] {
        assert_eq!(hub.number(id), None, "{id}");
    }
}

#[test]
fn few_large_events_take_no_more_room_than_many_small_ones() {
    let hub = Hub::new();
    let rows = |second: i64| {
        let row = RequestsSecond {
            second,
            service: "x".repeat(1000),
            count: 1,
            failed: 0,
            p50_us: 1,
            p95_us: 1,
            p99_us: 1,
            max_us: 1,
        };
        BrowserEvent::Requests(
            (second..second + 250)
                .map(|second| RequestsSecond { second, ..row.clone() })
                .collect(),
        )
    };
    (0..100).for_each(|n| hub.publish(rows(n * 250)));
    let inner = hub.lock();
    let bytes: usize = inner.kept.iter().map(|message| message.data.len()).sum();
    assert_eq!(bytes, inner.bytes);
    assert!(
        bytes <= MOST_BYTES && inner.kept.len() > 10,
        "{} events",
        inner.kept.len()
    );
}
