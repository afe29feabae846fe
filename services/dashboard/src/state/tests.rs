#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::FaultName;
use tolerancia_wire::health::HealthState;
use tolerancia_wire::live::{KEPT_DISAGREEMENTS, KEPT_SECONDS, Standing, Times};
use tolerancia_wire::time::rfc3339;

use super::failures::MOST_FAILURES;
use super::faults::MOST_FAULTS;
use super::window::Moment as _;
use super::*;
use crate::browser::{FaultWindow, NamedSource};

fn stamp(us: i64) -> Stamp {
    Stamp {
        at: Timestamp::from_microsecond(us).unwrap(),
        mono_ns: us.unsigned_abs() * 1000,
    }
}

fn transition(seq: u64, us: i64, instance: u8, to: &str) -> Transition {
    let from = if to == "ON" { "OFF" } else { "ON" };
    let phase = if to == "ON" { "on" } else { "quarantine" };
    let clue = json!({ "at": rfc3339(stamp(us).at), "ms_before": 0.5, "what": "late", "from": "health check",
        "count": 1, "weight": 1.0, "likelihood": 5.5 });
    serde_json::from_value(
        json!({ "seq": seq, "at": rfc3339(stamp(us).at), "mono_ns": stamp(us).mono_ns,
        "service": "inventory-svc", "instance": instance.to_string(), "from": from, "to": to, "phase": phase,
        "reason": { "kind": "late", "text": "three late answers", "evidence": [clue] }, "quorum_lost": to == "OFF" }),
    )
    .unwrap()
}

/// A change of phase of an instance that is OFF and stays so.
fn phase(seq: u64, us: i64, instance: u8, phase: &str, kind: &str) -> Transition {
    let mut value = serde_json::to_value(transition(seq, us, instance, "OFF")).unwrap();
    value["from"] = "OFF".into();
    value["phase"] = phase.into();
    value["reason"]["kind"] = kind.into();
    serde_json::from_value(value).unwrap()
}

fn status(us: i64, replicas: u8) -> SystemStatus {
    let instances: Vec<Value> = (1..=replicas)
        .map(|n| {
            json!({ "service": "inventory-svc", "instance": n.to_string(), "status": "ON", "phase": "on",
            "reason": { "kind": "initial", "text": "" }, "since": stamp(us) })
        })
        .collect();
    serde_json::from_value(
        json!({ "replicas": replicas, "quorum": 2, "on": replicas, "quorum_lost": false,
        "detector": "accrual", "instances": instances }),
    )
    .unwrap()
}

fn suspicion(us: i64, level: f64) -> BrowserEvent {
    BrowserEvent::Suspicion(Suspicion {
        at: stamp(us).at,
        detector: DetectorKind::Accrual,
        threshold: 13.5,
        levels: vec![level, 0.0, 0.25],
    })
}

fn request(second: i64, service: &str, count: u64) -> RequestsSecond {
    RequestsSecond {
        second,
        service: service.to_owned(),
        count,
        failed: 0,
        p50_us: 800,
        p95_us: 2000,
        p99_us: 4000,
        max_us: 9000,
    }
}

fn votes(second: i64, clients: u64) -> BrowserEvent {
    BrowserEvent::Votes(VotesSecond {
        second,
        clients,
        ..VotesSecond::default()
    })
}

fn disagreement(id: u64, first: i64, count: u64) -> BrowserEvent {
    let voice = json!({ "instance": "1", "answer": "ok", "on": true, "newest": null, "standing": "missing" });
    let value = json!({ "id": id, "first": rfc3339(stamp(first).at), "last": rfc3339(stamp(first).at), "count": count,
        "product": "PROD-001", "no_quorum": false, "version": 7, "stock": null, "voices": [voice] });
    BrowserEvent::Disagreement(serde_json::from_value(value).unwrap())
}

fn fault(instance: u8, us: i64, active: bool) -> BrowserEvent {
    BrowserEvent::Fault(FaultWindow {
        instance: ReplicaId::new(instance).unwrap(),
        fault: FaultName::Latency,
        spec: None,
        activated_at: stamp(us),
        cleared_at: (!active).then(|| stamp(us + 1)),
        active,
    })
}

fn replicas(count: u8, applied: u64) -> BrowserEvent {
    let view = |n: u8| ReplicaView {
        instance: ReplicaId::new(n).unwrap(),
        health: Some(HealthState::Up),
        pid: None,
        applied: Some(applied),
        lag: Some(0),
        check_ms: Some(0.5),
    };
    BrowserEvent::Replicas((1..=count).map(view).collect())
}

fn source(name: &'static str, up: bool) -> BrowserEvent {
    BrowserEvent::Source(NamedSource {
        name: name.to_owned(),
        source: Source {
            up,
            since: stamp(1).at,
            state: None,
            details: BTreeMap::new(),
            pid: None,
            error: None,
        },
    })
}

/// Any event, with times that repeat, come late, and lie far apart.
fn event() -> impl Strategy<Value = BrowserEvent> {
    let second = prop_oneof![99 => 0i64..400, 1 => Just(1_000_000_000i64), 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    let us = prop_oneof![8 => 0i64..200_000_000, 1 => 0i64..100_000_000_000_000];
    let service = prop::sample::select(vec!["orders-svc", "voter-svc", "x", "y", "z"]);
    prop_oneof![
        Just(()).prop_map(|()| source("monitor-svc", true)),
        Just(()).prop_map(|()| source("voter-svc", false)),
        (us.clone(), 0u8..4).prop_map(|(us, n)| BrowserEvent::Status(status(us, n))),
        (0u64..900, us.clone(), 1u8..5, any::<bool>()).prop_map(|(seq, us, n, on)| {
            BrowserEvent::Transition(transition(seq, us, n, if on { "ON" } else { "OFF" }))
        }),
        (0u64..900, us.clone(), 1u8..5)
            .prop_map(|(seq, us, n)| { BrowserEvent::Transition(phase(seq, us, n, "probation", "quarantine_over")) }),
        (0u64..900, prop::option::of(0u8..9), prop::option::of(0u8..9)).prop_map(|(seq, ttd, ttr)| {
            let (ttd_ms, ttr_ms) = (ttd.map(f64::from), ttr.map(f64::from));
            BrowserEvent::Times(Times { seq, ttd_ms, ttr_ms })
        }),
        (us.clone(), 0u8..9).prop_map(|(us, level)| suspicion(us, f64::from(level) / 4.0)),
        (1u8..30, 0u64..3).prop_map(|(count, applied)| replicas(count, applied)),
        prop::collection::vec((second.clone(), service, 0u64..3), 0..40).prop_map(|rows| {
            let rows = rows
                .into_iter()
                .map(|(second, service, count)| request(second, service, count));
            BrowserEvent::Requests(rows.collect())
        }),
        (second, 0u64..3).prop_map(|(second, count)| votes(second, count)),
        (0u64..80, us.clone(), 0u64..3, 0i64..20_000_000, any::<bool>()).prop_map(|(id, first, count, took, lie)| {
            let BrowserEvent::Disagreement(mut one) = disagreement(id, first, count) else {
                unreachable!()
            };
            one.last = stamp(first + took).at;
            one.voices[0].standing = if lie { Standing::Dissents } else { Standing::Stale };
            BrowserEvent::Disagreement(one)
        }),
        (1u8..4, us, any::<bool>()).prop_map(|(n, us, active)| fault(n, us, active)),
    ]
}

fn assert_bounded(state: &State) {
    assert!(state.suspicion.len() <= Suspicion::MOST);
    assert!(state.requests.len() <= RequestsSecond::MOST);
    assert!(state.votes.len() <= VotesSecond::MOST);
    assert!(state.disagreements.len() <= KEPT_DISAGREEMENTS);
    assert!(state.failures.len() <= MOST_FAILURES);
    assert!(state.faults.len() <= MOST_FAULTS);
    assert!(state.replicas.len() <= MOST_REPLICAS);
}

/// As a browser reads it. Experiments are not read back: they are replaced as a whole.
fn read(state: &State) -> State {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_rings_stay_within_their_bounds(events in prop::collection::vec(event(), 0..1500)) {
        let mut state = State::default();
        for event in events {
            state.apply(event);
        }
        assert_bounded(&state);
    }

    #[test]
    fn who_has_a_snapshot_and_hears_the_rest_knows_the_same(
        before in prop::collection::vec(event(), 0..300),
        after in prop::collection::vec(event(), 0..300),
    ) {
        let mut state = State::default();
        for event in before {
            state.apply(event);
        }
        let mut browser = read(&state);
        prop_assert_eq!(&browser, &state);
        for event in after {
            if let Some(news) = state.apply(event) {
                browser.apply(news);
            }
        }
        prop_assert_eq!(browser, state);
    }

    #[test]
    fn what_is_known_already_is_no_news(event in event()) {
        // Rows of one event may take one another's place.
        prop_assume!(!matches!(event, BrowserEvent::Requests(_)));
        let mut state = State::default();
        state.apply(event.clone());
        let known = state.clone();
        prop_assert_eq!(state.apply(event), None);
        prop_assert_eq!(state, known);
    }
}

#[test]
fn a_day_leaves_no_more_behind_than_ten_minutes() {
    let mut state = State::default();
    state.apply(BrowserEvent::Status(status(0, 3)));
    // So that all numbers have as many digits as later.
    let start = 1_700_000_000_i64;
    let sizes = |state: &State| {
        let counts = [
            state.suspicion.len(),
            state.requests.len(),
            state.votes.len(),
            state.disagreements.len(),
            state.failures.len(),
            state.faults.len(),
        ];
        (counts, serde_json::to_string(state).unwrap().len())
    };
    let mut after_ten_minutes = None;
    for n in 0..86_400 {
        let second = start + n;
        let us = second * 1_000_000;
        let number = second.unsigned_abs();
        for fifth in 0..5 {
            state.apply(suspicion(us + fifth * 200_000, 0.25));
        }
        state.apply(votes(second, 55));
        let services = ["inventory-svc", "orders-svc", "voter-svc"];
        let rows = services.map(|service| request(second, service, 50));
        state.apply(BrowserEvent::Requests(rows.to_vec()));
        let to = if n % 2 == 0 { "OFF" } else { "ON" };
        state.apply(BrowserEvent::Transition(transition(number, us, 1, to)));
        let (ttd_ms, ttr_ms) = (Some(100.5), Some(900.5));
        state.apply(BrowserEvent::Times(Times {
            seq: number,
            ttd_ms,
            ttr_ms,
        }));
        state.apply(disagreement(number, us, 3));
        state.apply(fault(2, us, true));
        state.apply(fault(2, us, false));
        state.apply(replicas(3, number));
        // The instance is in the same state then as at the end.
        if n == 601 {
            after_ten_minutes = Some(sizes(&state));
        }
    }
    assert_bounded(&state);
    let (counts, bytes) = sizes(&state);
    let full = [
        300,
        3 * KEPT_SECONDS,
        KEPT_SECONDS,
        KEPT_DISAGREEMENTS,
        MOST_FAILURES,
        MOST_FAULTS,
    ];
    assert_eq!(counts, full);
    assert_eq!(after_ten_minutes, Some((counts, bytes)));
}

#[test]
fn a_transition_turns_the_status_unless_the_status_knows_more() {
    let mut state = State::default();
    state.apply(BrowserEvent::Status(status(1_000_000, 3)));
    state.apply(BrowserEvent::Transition(transition(7, 999_999, 1, "OFF")));
    assert_eq!(state.status.as_ref().unwrap().on, 3, "that is in the status already");
    assert_eq!(state.failures.len(), 1);
    state.apply(BrowserEvent::Transition(transition(8, 2_000_000, 1, "OFF")));
    let now = state.status.as_ref().unwrap();
    assert_eq!((now.on, now.quorum_lost), (2, true));
    assert_eq!(now.instances[0].status, Verdict::Off);
    assert_eq!(now.instances[0].since, stamp(2_000_000));
    // The host was started anew: its monotonic clock begins at nothing.
    let mut back = transition(9, 3_000_000, 1, "ON");
    back.stamp.mono_ns = 5;
    state.apply(BrowserEvent::Transition(back));
    assert_eq!(state.status.as_ref().unwrap().on, 3);
}

#[test]
fn a_change_of_phase_is_no_change_of_the_verdict() {
    let mut state = State::default();
    state.apply(BrowserEvent::Status(status(1_000_000, 3)));
    state.apply(BrowserEvent::Transition(transition(7, 2_000_000, 1, "OFF")));
    let probation = BrowserEvent::Transition(phase(8, 2_200_000, 1, "probation", "quarantine_over"));
    assert!(state.apply(probation.clone()).is_some());
    let shown = |state: &State| {
        let one = &state.status.as_ref().unwrap().instances[0];
        (serde_json::to_value((one.phase, one.reason.kind)).unwrap(), one.since)
    };
    let now = (json!(["probation", "quarantine_over"]), stamp(2_000_000));
    assert_eq!(shown(&state), now, "since is the verdict's, as the monitor has it");
    assert!(state.apply(probation.clone()).is_none());
    // It is told again after a reconnect, when the instance has long been back in quarantine.
    state.apply(BrowserEvent::Transition(phase(9, 2_300_000, 1, "quarantine", "late")));
    assert!(state.apply(probation).is_none());
    assert_eq!(shown(&state).0, json!(["quarantine", "late"]));
    state.apply(BrowserEvent::Transition(transition(10, 3_000_000, 1, "ON")));
    assert_eq!(shown(&state).1, stamp(3_000_000));
}

#[test]
fn a_voter_that_was_started_anew_writes_over_nothing() {
    let mut state = State::default();
    state.apply(disagreement(1, 5, 1));
    state.apply(disagreement(1, 5, 2));
    let brief = |state: &State| {
        let all = serde_json::to_value(&state.disagreements).unwrap();
        let all = all.as_array().unwrap().iter();
        all.map(|one| (one["first"].clone(), one["count"].clone()))
            .collect::<Vec<_>>()
    };
    let first = |us| json!(rfc3339(stamp(us).at));
    assert_eq!(brief(&state), [(first(5), json!(2))]);
    state.apply(disagreement(1, 6, 1));
    assert_eq!(
        brief(&state),
        [(first(6), json!(1)), (first(5), json!(2))],
        "newest first"
    );
}

#[test]
fn times_replace_those_of_their_transition_and_the_audit_holds() {
    let mut state = State::default();
    state.apply(BrowserEvent::Transition(transition(7, 1, 1, "OFF")));
    let times = |ttd_ms, ttr_ms| BrowserEvent::Times(Times { seq: 7, ttd_ms, ttr_ms });
    let known = |state: &State| {
        let failures = serde_json::to_value(&state.failures).unwrap();
        (failures[0].get("ttd_ms").cloned(), failures[0].get("ttr_ms").cloned())
    };
    assert!(state.apply(times(Some(1.5), None)).is_some());
    assert!(state.apply(times(Some(1.5), Some(9.5))).is_some());
    assert!(state.apply(times(Some(1.5), Some(9.5))).is_none());
    assert_eq!(known(&state), (Some(json!(1.5)), Some(json!(9.5))));
    // It belongs to another fault now, whose end is not known.
    assert!(state.apply(times(Some(0.5), None)).is_some());
    assert_eq!(known(&state), (Some(json!(0.5)), None));
    let entry = |ttd_ms, ttr_ms| AuditEntry {
        transition: transition(7, 1, 1, "OFF"),
        ttd_ms,
        ttr_ms,
    };
    assert!(!state.audit(vec![entry(Some(0.5), None)]));
    assert!(state.audit(vec![entry(None, None)]));
    assert_eq!(known(&state), (None, None));
}
