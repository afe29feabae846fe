#![allow(clippy::unwrap_used)]

use axum::http::Request;
use http_body_util::BodyExt as _;
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::Seen;
use tolerancia_wire::Problem;
use tower::ServiceExt as _;

use super::*;
use crate::checker::Checked;
use crate::judge::Judge;
use crate::tests::{self, lie, panel_config, report};

struct System {
    judge: Judge,
    router: axum::Router,
    shutdown: CancellationToken,
    _dir: tempfile::TempDir,
}

impl System {
    fn new() -> Self {
        let (judge, dir) = tests::judge();
        let shutdown = CancellationToken::new();
        let router = routes(
            judge.tracer.clone(),
            judge.shared.clone(),
            panel_config(),
            ChecksConfig::default(),
            shutdown.clone(),
        );
        Self {
            judge,
            router: router.into_router(),
            shutdown,
            _dir: dir,
        }
    }

    async fn ask(&self, path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn follow(&self) -> Reader {
        let answer = self.ask("/trace").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], NDJSON);
        Reader(answer.into_body())
    }
}

struct Reader(Body);

impl Reader {
    /// The next line; none at the end.
    async fn next(&mut self) -> Option<TraceLine> {
        let frame = self.0.frame().await?.unwrap().into_data().unwrap();
        let (end, line) = frame.split_last().unwrap();
        assert_eq!(*end, b'\n');
        Some(serde_json::from_slice(line).unwrap())
    }
}

const fn lost(lines: u64) -> TraceLine {
    TraceLine::Lost { lines }
}

#[tokio::test]
async fn all_that_the_judge_takes_and_decides_is_a_line() {
    let mut system = System::new();
    let mut reader = system.follow().await;
    let Some(TraceLine::Begin {
        schema,
        replicas,
        detector,
        interval_ms,
        lag_budget_ms,
        mono_ns,
        ..
    }) = reader.next().await
    else {
        panic!("the first line is another")
    };
    assert_eq!((schema, replicas, interval_ms, lag_budget_ms), (SCHEMA, 3, 200, 1000));
    assert_eq!(detector, system.judge.shared.detector());

    let instance = ReplicaId::new(2).unwrap();
    let at_ns = mono_ns + 1_000_000;
    system.judge.checked(&Checked {
        instance,
        at_ns,
        seen: Seen::Error,
        took_ns: Some(812_999),
        health: None,
    });
    let check = TraceLine::Check {
        at_ns,
        instance,
        seen: Seen::Error,
        took_us: Some(812),
    };
    assert_eq!(reader.next().await, Some(check));

    let mut batch = lie(2);
    (batch.good, batch.late, batch.failed) = (71, 1, 2);
    let record = report(vec![batch]);
    let made_ns = record.mono_ns;
    system.judge.evidence(record);
    let Some(TraceLine::Report {
        made_ns: made,
        instance: about,
        from,
        good,
        late,
        failed,
        lies,
        ..
    }) = reader.next().await
    else {
        panic!("no report")
    };
    assert_eq!((made, about, from.as_str()), (made_ns, instance, "voter-svc"));
    assert_eq!((good, late, failed, lies), (71, 1, 2, 1));
    let verdict = reader.next().await;
    assert!(
        matches!(verdict, Some(TraceLine::Verdict { on: false, instance: about, .. }) if about == instance),
        "{verdict:?}"
    );

    let now_ns = tolerancia_wire::time::mono_ns() + 1_000_000_000;
    system.judge.tick(now_ns);
    let stall = reader.next().await;
    assert!(
        matches!(stall, Some(TraceLine::Stall { at_ns, for_ns }) if at_ns == now_ns && for_ns > 500_000_000),
        "{stall:?}"
    );
}

#[tokio::test]
async fn a_reader_who_is_too_slow_is_told_what_is_missing_and_goes_on() {
    let system = System::new();
    let mut reader = system.follow().await;
    let kept = BACKLOG as u64;
    for n in 0..kept + 10 {
        system.judge.tracer.write(|| lost(1000 + n));
    }
    assert!(matches!(reader.next().await, Some(TraceLine::Begin { .. })));
    assert_eq!(reader.next().await, Some(lost(10)));
    for n in 10..kept + 10 {
        assert_eq!(reader.next().await, Some(lost(1000 + n)));
    }
    system.judge.tracer.write(|| lost(7));
    assert_eq!(reader.next().await, Some(lost(7)));
}

#[tokio::test]
async fn a_line_that_nobody_reads_is_not_made() {
    let system = System::new();
    let line = || -> TraceLine { panic!("nobody reads") };
    system.judge.tracer.write(line);
    drop(system.follow().await);
    system.judge.tracer.write(line);
}

#[tokio::test]
async fn readers_are_few_and_leave_their_place() {
    let system = System::new();
    let mut readers = Vec::new();
    for _ in 0..MOST_READERS {
        readers.push(system.follow().await);
    }
    for path in ["/trace", "/monitor/trace"] {
        let answer = system.ask(path).await;
        assert_eq!(answer.status(), 503);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert!(problem.detail.contains("end one of them"), "{}", problem.detail);
    }
    readers.pop();
    system.follow().await;
}

#[tokio::test]
async fn it_ends_at_shutdown() {
    let system = System::new();
    let mut reader = system.follow().await;
    assert!(matches!(reader.next().await, Some(TraceLine::Begin { .. })));
    system.shutdown.cancel();
    assert_eq!(reader.next().await, None);
}
