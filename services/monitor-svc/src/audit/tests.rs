#![allow(clippy::unwrap_used)]

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use tempfile::TempDir;
use tolerancia_core::checks::ChecksConfig;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_store::{BufferConfig, lazy_sqlite};
use tolerancia_wire::activation::{AuditEntry, FaultName};
use tolerancia_wire::live::MonitorEvent;
use tolerancia_wire::status::{InstanceStatus, Phase, Reason, ReasonKind, SystemStatus, Verdict};
use tower::ServiceExt as _;

use super::times::tests::{fault, stamp};
use super::*;

/// Everything that judges is missing here, because an audit does not need it.
struct Place {
    dir: TempDir,
    shared: Shared,
    store: Buffer,
    live: Live,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (on, quorum_lost, detector) = (3, false, String::new());
        let status = SystemStatus {
            replicas: 3,
            quorum: 2,
            on,
            quorum_lost,
            detector,
            instances: ReplicaId::all(3).map(crate::restart::initial).collect(),
        };
        Self {
            shared: Shared::new(status),
            store: Buffer::start(lazy_sqlite(&dir.path().join("t.db")), BufferConfig::default()),
            live: Live::new(3, &DetectorConfig::default(), &ChecksConfig::default()).0,
            dir,
        }
    }

    fn auditor(&self) -> (Auditor, axum::Router) {
        let faults = FaultSwitch::new("1", true, None);
        let (auditor, api) = Auditor::new(self.shared.clone(), self.store.clone(), self.live.clone(), &faults, 3);
        (auditor, api.into_router())
    }

    /// A verdict on instance 1, published as the judge does it.
    fn verdict(&self, ms: u64, to: Verdict) {
        let from = if to == Verdict::On { Verdict::Off } else { Verdict::On };
        let instance = ReplicaId::new(1).unwrap();
        let reason = Reason::new(ReasonKind::Late, "because");
        let status = InstanceStatus {
            status: to,
            since: stamp(ms),
            ..crate::restart::initial(instance)
        };
        let transition = Transition {
            seq: ms,
            stamp: stamp(ms),
            service: "inventory-svc".to_owned(),
            instance,
            from,
            to,
            phase: Phase::On,
            reason,
            quorum_lost: false,
            quarantine_ms: None,
        };
        self.store.push(Write::Transition(transition.clone().into()));
        self.shared.transition(status, transition);
    }

    /// Oldest first.
    fn shown(&self) -> Vec<(u64, Option<f64>, Option<f64>)> {
        let entries = self.shared.read(|view| view.audit(None, 100));
        let times = |e: AuditEntry| (e.transition.seq, e.ttd_ms, e.ttr_ms);
        entries.into_iter().rev().map(times).collect()
    }

    /// What the database holds once everything was written, oldest first.
    async fn written(&self) -> Vec<(u64, Option<f64>, Option<f64>)> {
        assert_eq!(self.store.close(Duration::from_secs(30)).await, 0);
        let rows = lazy_sqlite(&self.dir.path().join("t.db"))
            .transitions(None, 100)
            .await
            .unwrap();
        let times = |row: tolerancia_store::AuditRow| (row.transition.seq, row.ttd_ms, row.ttr_ms);
        rows.into_iter().rev().map(times).collect()
    }
}

/// What can happen, in an order in which the verdicts at least come one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Active,
    Cleared,
    Off,
    On,
}

fn orders() -> Vec<Vec<Event>> {
    use Event::{Active, Cleared, Off, On};
    let mut orders = vec![vec![Off, On]];
    for event in [Active, Cleared] {
        orders = orders
            .into_iter()
            .flat_map(|order| {
                (0..=order.len()).map(move |at| {
                    let mut order = order.clone();
                    order.insert(at, event);
                    order
                })
            })
            .collect();
    }
    orders
}

#[tokio::test]
async fn whatever_comes_first_the_times_are_the_same() {
    let all = orders();
    assert_eq!(all.len(), 12);
    for order in all {
        let place = Place::new();
        let (mut auditor, _) = place.auditor();
        for event in &order {
            match event {
                Event::Active => auditor.report(fault(FaultName::Latency, 1000, None)),
                Event::Cleared => auditor.report(fault(FaultName::Latency, 1000, Some(1700))),
                Event::Off => place.verdict(1150, Verdict::Off),
                Event::On => place.verdict(3000, Verdict::On),
            }
            auditor.audit(ReplicaId::new(1).unwrap());
        }
        let expected = [(1150, Some(150.0), Some(2000.0)), (3000, None, None)];
        assert_eq!(place.shown(), expected, "{order:?}");
        assert_eq!(place.written().await, expected, "{order:?}");
    }
}

#[tokio::test]
async fn a_report_by_http_and_later_verdicts_meet_in_the_entry() {
    let place = Place::new();
    let (auditor, router) = place.auditor();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(auditor.run(shutdown.clone()));

    // On this host and now, unlike the other tests: the route looks at the clock.
    let activated_at = tolerancia_wire::Stamp::now();
    let report = Activation {
        activated_at,
        ..fault(FaultName::Crash, 0, None)
    };
    place.verdict(1, Verdict::Off);
    place.verdict(2, Verdict::On);
    let request = Request::post("/monitor/faults")
        .header("content-type", "application/json")
        .body(Body::from(serde_json::to_string(&report).unwrap()))
        .unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), 202);
    let mut off = place.shared.read(|view| view.audit(None, 1)).remove(0).transition;
    let after = |ms: i64| tolerancia_wire::Stamp {
        at: jiff::Timestamp::from_microsecond(activated_at.at.as_microsecond() + ms * 1000).unwrap(),
        mono_ns: activated_at.mono_ns + ms.unsigned_abs() * 1_000_000,
    };
    (off.seq, off.stamp, off.from, off.to) = (3, after(9), Verdict::On, Verdict::Off);
    let mut on = off.clone();
    (on.seq, on.stamp, on.from, on.to) = (4, after(1200), Verdict::Off, Verdict::On);
    for transition in [off, on] {
        place.store.push(Write::Transition(transition.clone().into()));
        place
            .shared
            .transition(crate::restart::initial(transition.instance), transition);
    }
    let expected = [
        (1, None, None),
        (2, None, None),
        (3, Some(9.0), Some(1200.0)),
        (4, None, None),
    ];
    let audited = async {
        while place.shown() != expected {
            tokio::task::yield_now().await;
        }
    };
    let audited = tokio::time::timeout(Duration::from_secs(30), audited).await;
    assert!(audited.is_ok(), "{:?}", place.shown());
    shutdown.cancel();
    task.await.unwrap();
    assert_eq!(place.written().await, expected);
}

#[tokio::test]
async fn who_looks_on_hears_of_the_fault_as_it_is_known_and_then_of_the_times() {
    let place = Place::new();
    let (mut auditor, _) = place.auditor();
    let mut heard = place.live.listen();
    let times = |ttd_ms, ttr_ms| {
        let ttd_ms = Some(ttd_ms);
        Some(MonitorEvent::Times(live::Times {
            seq: 1150,
            ttd_ms,
            ttr_ms,
        }))
    };
    let active = fault(FaultName::Latency, 1000, None);
    let cleared = fault(FaultName::Latency, 1000, Some(1700));
    auditor.report(cleared.clone());
    assert_eq!(heard(), Some(MonitorEvent::Fault(cleared.clone())));
    auditor.report(active);
    assert_eq!(heard(), Some(MonitorEvent::Fault(cleared)), "nothing is taken back");
    place.verdict(1150, Verdict::Off);
    auditor.audit_all();
    assert_eq!(heard(), times(150.0, None));
    auditor.audit_all();
    assert_eq!(heard(), None, "nothing is told twice");
    place.verdict(3000, Verdict::On);
    auditor.audit_all();
    assert_eq!(heard(), times(150.0, Some(2000.0)));
    auditor.report(fault(FaultName::Latency, 1100, None));
    assert_eq!(
        heard(),
        Some(MonitorEvent::Fault(fault(FaultName::Latency, 1100, None)))
    );
    assert_eq!(heard(), times(50.0, None));
    auditor.report(Activation {
        instance: ReplicaId::new(9).unwrap(),
        ..fault(FaultName::Latency, 1000, None)
    });
    assert_eq!(heard(), None, "there is no such instance");
}

#[tokio::test]
async fn what_is_told_of_an_entry_takes_the_place_of_all_that_was_known_of_it() {
    let earlier = Place::new();
    earlier.verdict(1150, Verdict::Off);
    let transition = earlier.shared.read(|view| view.audit(None, 1)).remove(0).transition;
    // As a history may hold it, whoever wrote it.
    let half = tolerancia_store::AuditRow {
        ttr_ms: Some(2000.0),
        ..transition.into()
    };
    let place = Place::new();
    place.shared.remember([half], 1150);
    let (mut auditor, _) = place.auditor();
    let mut heard = place.live.listen();
    let active = fault(FaultName::Latency, 1000, None);
    auditor.report(active.clone());
    assert_eq!(place.shown(), [(1150, Some(150.0), Some(2000.0))]);
    assert_eq!(heard(), Some(MonitorEvent::Fault(active)));
    let times = live::Times {
        seq: 1150,
        ttd_ms: Some(150.0),
        ttr_ms: Some(2000.0),
    };
    assert_eq!(heard(), Some(MonitorEvent::Times(times)));
}

#[tokio::test]
async fn another_instance_and_an_unknown_fault_change_nothing() {
    let place = Place::new();
    let (mut auditor, _) = place.auditor();
    place.verdict(1150, Verdict::Off);
    auditor.report(Activation {
        instance: ReplicaId::new(2).unwrap(),
        ..fault(FaultName::Latency, 1000, None)
    });
    auditor.report(Activation {
        instance: ReplicaId::new(9).unwrap(),
        ..fault(FaultName::Latency, 1000, None)
    });
    auditor.audit_all();
    assert_eq!(place.written().await, [(1150, None, None)]);
}

#[tokio::test]
async fn times_that_the_store_does_not_take_are_written_with_the_next_audit() {
    let mut place = Place::new();
    let full = BufferConfig {
        capacity: 0,
        ..BufferConfig::default()
    };
    let store = std::mem::replace(
        &mut place.store,
        Buffer::start(lazy_sqlite(&place.dir.path().join("full.db")), full),
    );
    let (mut auditor, _) = place.auditor();
    place.verdict(1150, Verdict::Off);
    auditor.report(fault(FaultName::Latency, 1000, None));
    assert_eq!(place.shown(), [(1150, Some(150.0), None)]);

    let transition = place.shared.read(|view| view.audit(None, 1)).remove(0).transition;
    store.push(Write::Transition(transition.into()));
    (auditor.store, place.store) = (store.clone(), store);
    auditor.audit_all();
    assert_eq!(place.written().await, [(1150, Some(150.0), None)]);
}

#[tokio::test]
async fn another_fault_that_explains_the_off_brings_times_of_its_own() {
    let place = Place::new();
    let (mut auditor, _) = place.auditor();
    place.verdict(1150, Verdict::Off);
    place.verdict(3000, Verdict::On);
    auditor.report(fault(FaultName::Latency, 1000, Some(1700)));
    assert_eq!(place.shown()[0], (1150, Some(150.0), Some(2000.0)));
    // Reported late, and its end is not known.
    auditor.report(fault(FaultName::Latency, 1100, None));
    let expected = [(1150, Some(50.0), None), (3000, None, None)];
    assert_eq!(place.shown(), expected);
    assert_eq!(place.written().await, expected);
}

#[test]
fn reports_about_one_activation_are_one_and_the_oldest_are_forgotten() {
    let mut activations = Activations::default();
    for cleared in [Some(1800), None, Some(1700), Some(1900)] {
        activations.note(fault(FaultName::Latency, 1000, cleared));
    }
    assert_eq!(activations.0, [fault(FaultName::Latency, 1000, Some(1700))]);
    for n in 0..MOST_ACTIVATIONS as u64 {
        activations.note(fault(FaultName::Latency, 2000 + n, None));
    }
    assert_eq!(activations.0.len(), MOST_ACTIVATIONS);
    assert_eq!(activations.0.back().unwrap().activated_at, stamp(2000));
}
