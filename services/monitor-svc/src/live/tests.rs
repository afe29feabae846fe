#![allow(clippy::unwrap_used)]

mod harness;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::Problem;
use tolerancia_wire::activation::FaultName;
use tolerancia_wire::evidence::Batch as Reported;
use tolerancia_wire::live::{Hello, RequestsSecond};
use tower::ServiceExt as _;

use super::*;
use crate::control::Command;
use crate::tests::{lie, report};
use harness::{Listener, PATIENCE, System};

fn fault(instance: u8, cleared: bool) -> Activation {
    let activated_at = Stamp {
        at: Timestamp::UNIX_EPOCH,
        mono_ns: 1,
    };
    Activation {
        instance: ReplicaId::new(instance).unwrap(),
        fault: FaultName::Freeze,
        activated_at,
        cleared_at: cleared.then_some(activated_at),
    }
}

fn row(second: i64) -> RequestMetricsRow {
    RequestMetricsRow {
        service: "voter-svc".to_owned(),
        instance: "1".to_owned(),
        endpoint: "/inventory/{product}".to_owned(),
        status: 200,
        second,
        count: 1,
        p50_us: 100,
        p95_us: 100,
        p99_us: 100,
        max_us: 100,
        histogram: vec![],
    }
}

fn requests(second: i64, count: u64) -> RequestsSecond {
    RequestsSecond {
        second,
        service: "voter-svc".to_owned(),
        count,
        failed: 0,
        p50_us: 100,
        p95_us: 100,
        p99_us: 100,
        max_us: 100,
    }
}

#[tokio::test]
async fn it_begins_with_what_is_known_and_goes_on_with_what_happens() {
    let mut system = System::start().await;
    system.judge.evidence(report(vec![lie(2)]));
    let now = Timestamp::now().as_second();
    system.live.requests(&[row(now)], now);
    system.live.fault(fault(1, false));
    system.live.fault(fault(3, false));
    system.live.fault(fault(1, true));
    for path in ["/live", "/monitor/live"] {
        let mut listener = Listener::connect(system.addr, path, None).await;
        assert!(
            listener.head.contains("content-type: text/event-stream"),
            "{}",
            listener.head
        );
        let hello = listener.told().await;
        assert!(
            matches!(&hello, MonitorEvent::Hello(hello) if hello.service == "monitor-svc" && hello.pid == 7),
            "{hello:?}"
        );
        let MonitorEvent::Status(status) = listener.told().await else {
            panic!("no status")
        };
        assert_eq!(status, system.judge.shared.read(|view| view.status.clone()));
        assert_eq!(status.on, 2);
        let MonitorEvent::Replicas(replicas) = listener.told().await else {
            panic!("no replicas")
        };
        assert_eq!((replicas.len(), replicas[0].health), (3, None));
        let MonitorEvent::Suspicion(suspicion) = listener.told().await else {
            panic!("no suspicion")
        };
        assert_eq!(suspicion.levels, [0.0; 3]);
        assert_eq!(listener.told().await, MonitorEvent::Requests(vec![requests(now, 1)]));
        assert_eq!(listener.told().await, MonitorEvent::Fault(fault(1, true)));
        assert_eq!(listener.told().await, MonitorEvent::Fault(fault(3, false)));

        system.live.fault(fault(3, true));
        assert_eq!(listener.told().await, MonitorEvent::Fault(fault(3, true)));
        system.live.fault(fault(3, false));
        assert_eq!(listener.told().await, MonitorEvent::Fault(fault(3, false)));
        let times = Times {
            seq: 101,
            ttd_ms: Some(12.5),
            ttr_ms: None,
        };
        system.live.times(times);
        assert_eq!(listener.told().await, MonitorEvent::Times(times));
    }
}

#[tokio::test]
async fn transitions_resume_and_none_is_missing_or_doubled() {
    let mut system = System::start().await;
    system.judge.evidence(report(vec![lie(1)]));
    system.judge.evidence(report(vec![lie(2)]));
    let (mut new, mut old) = (system.listen().await, system.resume(101).await);
    let mut first = system.resume(100).await;
    system.judge.evidence(report(vec![lie(3)]));
    assert_eq!(new.transition().await, 103);
    assert_eq!([old.transition().await, old.transition().await], [102, 103]);
    let heard = [
        first.transition().await,
        first.transition().await,
        first.transition().await,
    ];
    assert_eq!(heard, [101, 102, 103]);
    // Nothing is left over in between.
    for change in system.judge.panel.tick(mono_ns()) {
        system.judge.publish(change);
    }
    for listener in [&mut new, &mut old, &mut first] {
        assert_eq!(listener.transition().await, 104);
    }
}

#[tokio::test]
async fn what_follows_from_a_transition_comes_after_it() {
    let mut system = System::start().await;
    let mut listener = system.listen().await;
    listener.begin().await;
    let (done, _) = oneshot::channel();
    let kind = DetectorKind::Window;
    let times = Times {
        seq: 101,
        ttd_ms: Some(1.0),
        ttr_ms: None,
    };
    // All before the listener is served again.
    system.judge.obey(Command::Detector { kind, done });
    system.judge.evidence(report(vec![lie(2)]));
    system.live.times(times);
    assert_eq!(listener.transition().await, 101);
    let MonitorEvent::Status(status) = listener.told().await else {
        panic!("no status")
    };
    assert_eq!(
        (status.detector.as_str(), status.on),
        ("window", 2),
        "no older than the transition"
    );
    assert_eq!(listener.told().await, MonitorEvent::Times(times));
}

#[tokio::test]
async fn a_change_of_the_detector_is_told_with_the_status_and_in_its_unit() {
    let mut system = System::start().await;
    let mut listener = system.listen().await;
    listener.begin().await;
    let failed = Reported {
        failed: 1,
        ..Reported::new(ReplicaId::new(2).unwrap())
    };
    let good = Reported {
        good: 100,
        failed: 0,
        ..failed.clone()
    };
    system.judge.evidence(report(vec![failed.clone(), good]));
    assert_eq!(system.judge.panel.level(ReplicaId::new(2).unwrap()), 0.0);
    system.judge.tell_levels();
    let MonitorEvent::Suspicion(told) = listener.told().await else {
        panic!("no suspicion")
    };
    assert_eq!((told.detector, told.threshold), (DetectorKind::Accrual, 14.7));
    assert!(
        (told.levels[1] - 5.704).abs() < 0.001,
        "it was that high meanwhile: {told:?}"
    );
    system.judge.tell_levels();
    let MonitorEvent::Suspicion(told) = listener.told().await else {
        panic!("no suspicion")
    };
    assert_eq!(told.levels, [0.0; 3]);

    let (done, _) = oneshot::channel();
    let kind = DetectorKind::Consecutive;
    system.judge.obey(Command::Detector { kind, done });
    system.judge.evidence(report(vec![failed]));
    system.judge.tell_levels();
    let MonitorEvent::Status(status) = listener.told().await else {
        panic!("no status")
    };
    assert_eq!(status.detector, "consecutive");
    let MonitorEvent::Suspicion(told) = listener.told().await else {
        panic!("no suspicion")
    };
    assert_eq!((told.detector, told.threshold), (DetectorKind::Consecutive, 3.0));
    assert_eq!(told.levels, [0.0, 1.0, 0.0]);
    // Who comes now begins with that.
    let mut late = system.listen().await;
    let begin = [
        late.told().await,
        late.told().await,
        late.told().await,
        late.told().await,
    ];
    assert_eq!(begin[3], MonitorEvent::Suspicion(told));
}

#[tokio::test(start_paused = true)]
async fn replicas_are_told_every_second_and_requests_when_some_came() {
    let system = System::start().await;
    let mut heard = system.live.listen();
    let task = tokio::spawn(system.live.clone().run(system.shutdown.clone()));
    let now = Timestamp::now().as_second();
    system.live.requests(&[row(now), row(now)], now);
    system.live.requests(&[row(now)], now);
    tokio::time::sleep(Duration::from_millis(3900)).await;
    let (mut replicas, mut rows) = (0, Vec::new());
    while let Some(event) = heard() {
        match event {
            MonitorEvent::Replicas(all) => replicas += usize::from(all.len() == 3),
            MonitorEvent::Requests(some) => rows.push(some),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((replicas, rows), (4, vec![vec![requests(now, 3)]]));
    system.shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn listeners_are_few_and_leave_their_place() {
    let system = System::start().await;
    let mut listeners = Vec::new();
    for _ in 0..stream::MOST_LISTENERS {
        listeners.push(system.listen().await);
    }
    let mut refused = Listener::connect(system.addr, "/monitor/live", None).await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 5"), "{}", refused.head);
    let body = refused.lines.next_line().await.unwrap().unwrap();
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert!(problem.detail.contains("end one of them"), "{}", problem.detail);
    listeners.pop();
    let freed = async {
        while Listener::connect(system.addr, "/live", None).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
}

#[tokio::test]
async fn it_ends_at_shutdown() {
    let system = System::start().await;
    let mut listener = system.listen().await;
    listener.begin().await;
    system.shutdown.cancel();
    assert_eq!(listener.next().await, None);
}

#[tokio::test]
async fn who_falls_behind_is_cut_off_after_what_was_known() {
    let mut system = System::start().await;
    let ask = || {
        system
            .router
            .clone()
            .oneshot(Request::get("/live").body(Body::empty()).unwrap())
    };
    // Asked for nothing while much happens: a socket would take some of it.
    let (behind, ahead) = (ask().await.unwrap(), ask().await.unwrap());
    for _ in 0..BACKLOG {
        system.judge.tell_levels();
    }
    let events = |body: Vec<u8>| String::from_utf8(body).unwrap().matches("event: ").count();
    let mut body = ahead.into_body();
    let mut heard = Vec::new();
    while events(heard.clone()) < 5 + BACKLOG {
        heard.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    system.judge.tell_levels();
    let heard = behind.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(events(heard.into()), 5, "and then the end");
}

/// Whoever reads the stream finds the events by the names of the type.
#[tokio::test]
async fn events_are_named_as_their_type_says() {
    let mut system = System::start().await;
    system.judge.evidence(report(vec![lie(2)]));
    let transition = system
        .judge
        .shared
        .read(|view| view.audit(None, 1))
        .remove(0)
        .transition;
    let status = system.judge.shared.read(|view| view.status.clone());
    let (_, known) = system.live.begin();
    let hello = Hello {
        service: String::new(),
        version: String::new(),
        pid: 1,
    };
    let times = Times {
        seq: 1,
        ttd_ms: None,
        ttr_ms: None,
    };
    let others = [
        MonitorEvent::Hello(hello),
        MonitorEvent::Status(status),
        MonitorEvent::Transition(transition),
        MonitorEvent::Times(times),
        MonitorEvent::Fault(fault(1, true)),
    ];
    for event in known.into_iter().chain(others) {
        let sent = axum::response::sse::Sse::new(futures_util::stream::iter([Ok::<_, std::convert::Infallible>(
            stream::to_event(&event),
        )]));
        let body = axum::response::IntoResponse::into_response(sent).into_body();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
        let field = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(field, _)| *field == name).unwrap().1.to_owned()
        };
        let data: Value = serde_json::from_str(&field("data")).unwrap();
        let wire = json!({ "event": field("event"), "data": data });
        assert_eq!(wire, serde_json::to_value(&event).unwrap());
    }
}
