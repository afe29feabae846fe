#![allow(clippy::unwrap_used)]

use std::sync::mpsc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use tower::ServiceExt as _;

use super::*;
use crate::fault::FaultSwitch;
use crate::shell::Shell;

type Told = (i64, RequestRow);

fn start() -> (Requests, mpsc::Receiver<Told>) {
    let (sender, receiver) = mpsc::channel();
    let sink: Sink = Box::new(move |second, rows| {
        rows.into_iter().for_each(|row| sender.send((second, row)).unwrap());
    });
    (Requests::start(sink), receiver)
}

async fn number(Path(number): Path<u8>) -> String {
    number.to_string()
}

async fn ask(router: &Router, method: &str, path: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn every_answer_is_in_one_row_when_the_service_has_ended() {
    let (requests, told) = start();
    let health = || unreachable!("not asked here");
    let router = Shell::new(health)
        .routes(Router::new().route("/numbers/{number}", get(number)))
        .faults(FaultSwitch::new("1", true, None))
        .requests(&requests)
        .into_router();
    let before = unix_second();
    for n in 0..20 {
        assert_eq!(ask(&router, "GET", &format!("/numbers/{n}")).await, 200);
        assert_eq!(ask(&router, "GET", &format!("/elsewhere/{n}")).await, 404);
    }
    assert_eq!(ask(&router, "GET", "/numbers/x").await, 400);
    assert_eq!(ask(&router, "DELETE", "/numbers/1").await, 405);
    let after = unix_second();
    requests.close().await;

    let told: Vec<Told> = told.try_iter().collect();
    let count = |endpoint: &str, status: u16| -> u64 {
        let rows = told
            .iter()
            .filter(|(_, row)| row.endpoint == endpoint && row.status == status);
        rows.map(|(_, row)| row.count).sum()
    };
    assert_eq!(count("/numbers/{number}", 200), 20);
    assert_eq!(count("/numbers/{number}", 400), 1);
    assert_eq!(count("/numbers/{number}", 405), 1);
    assert_eq!(count("unmatched", 404), 20);
    assert_eq!(told.iter().map(|(_, row)| row.count).sum::<u64>(), 42);
    assert!(told.iter().all(|(second, _)| (before..=after).contains(second)));
    let mut keys: Vec<_> = told.iter().map(|(s, row)| (s, &row.endpoint, row.status)).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), told.len(), "one row per second, endpoint and status");
}

#[tokio::test]
async fn nothing_tells_that_somebody_asked_for_a_fault() {
    let (requests, told) = start();
    let router = Shell::new(|| unreachable!("not asked here"))
        .routes(Router::new().route("/monitor/faults", post(|| async {})))
        .faults(FaultSwitch::new("1", true, None))
        .requests(&requests)
        .into_router();
    for method in ["GET", "DELETE", "PUT", "POST"] {
        ask(&router, method, "/fault").await;
        ask(&router, method, "/monitor/faults").await;
    }
    requests.close().await;
    assert_eq!(told.try_iter().next(), None);
}

#[tokio::test(start_paused = true)]
async fn rows_leave_while_the_service_runs() {
    let (requests, told) = start();
    let series = requests.recorder().series("/", 200).unwrap();
    requests.recorder().record(series, Duration::from_micros(5));
    // The clock of seconds is the real one, the ticks are not: so many that a real second passes.
    let began = Instant::now();
    let row = loop {
        tokio::time::sleep(EVERY).await;
        if let Ok(row) = told.try_recv() {
            break row;
        }
        assert!(began.elapsed() < Duration::from_secs(30));
    };
    assert_eq!((row.1.count, row.1.max_us), (1, 5));
    drop(requests);
    // Its task ends and drops the sink.
    while told.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
        tokio::task::yield_now().await;
    }
}

/// `cargo test -p tolerancia-service requests -- --ignored --nocapture` prints what counting costs.
#[test]
#[ignore = "a measurement, not a check"]
fn what_counting_costs() {
    const EACH: u32 = 2_000_000;
    for threads in [1, 2, 4] {
        let recorder = Recorder::default();
        let series = recorder.series("/", 200).unwrap();
        let began = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let recorder = &recorder;
                scope.spawn(move || {
                    for n in 0..EACH {
                        recorder.record(series, Duration::from_micros(u64::from(n % 5000 + thread)));
                    }
                });
            }
        });
        let ns = began.elapsed().as_nanos() / u128::from(EACH * threads);
        println!("{threads} threads that do nothing else: {ns} ns per answer");
    }
}
