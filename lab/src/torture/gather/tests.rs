#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

fn transition(at_ns: u64, to: &str) -> Transition {
    let value = json!({ "seq": 1, "at": "2026-01-01T00:00:00.000000Z", "mono_ns": at_ns, "service": "inventory-svc",
        "instance": "2", "from": "ON", "to": to, "phase": "quarantine", "reason": { "kind": "late", "text": "late" },
        "quorum_lost": false });
    serde_json::from_value(value).unwrap()
}

fn kept(at_ns: u64, status: &str) -> Vec<u8> {
    let stamp = json!({ "at": "2026-01-01T00:00:00.000000Z", "mono_ns": at_ns });
    let mut value = json!({ "event_id": uuid::Uuid::nil(), "at": "2026-01-01T00:00:00.000000Z", "mono_ns": at_ns + 5,
        "source": "monitor-svc", "type": "status", "service": "inventory-svc", "instance": "2", "status": status,
        "phase": "quarantine", "reason": { "kind": "late", "text": "late" } });
    value["since"] = stamp;
    serde_json::to_vec::<Value>(&value).unwrap()
}

#[test]
fn verdicts_that_were_not_heard_are_taken_from_kafka_and_none_comes_twice() {
    let heard = [transition(20, "OFF"), transition(40, "ON")];
    let kept = [
        kept(5, "ON"),
        kept(20, "OFF"),
        kept(30, "ON"),
        kept(35, "OFF"),
        b"?".to_vec(),
    ];
    let all = verdicts(&heard, kept.into_iter(), 10);
    let at: Vec<u64> = all.iter().map(|change| change.at_ns).collect();
    assert_eq!(at, [20, 30, 35, 40]);
    let mut evidence = Evidence {
        replicas: 3,
        verdicts: all,
        ..Evidence::default()
    };
    assert_eq!(
        evidence.turned_off().map(|change| change.at_ns).collect::<Vec<_>>(),
        [20, 35]
    );
    let replica = tolerancia_core::ReplicaId::new(2).unwrap();
    assert_eq!(evidence.stretches_on(replica, 0, 100), [(0, 20), (30, 35), (40, 100)]);
    evidence.verdicts.clear();
    assert_eq!(evidence.stretches_on(replica, 7, 100), [(7, 100)]);
}
