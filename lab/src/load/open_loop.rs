//! The generator against a server that stalls: what a closed loop would hide must be seen.
//!
//! A client that waits for each answer sends one request into a stall of a second, and its histogram has one bad value
//! among thousands of good ones. A thousand requests were due in that second, and a user behind each of them waited, half
//! a second on the average. Gil Tene, "How NOT to Measure Latency", 2015; wrk2 corrects it as it is done here.
//!
//! Bounds from below hold on any host: whoever was due in the stall was not answered before its end. Those from above are
//! wide, since a busy host has stalls of its own.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tolerancia_core::ProductId;
use tolerancia_wire::time::mono_ns;

use super::api::{Api, raise_file_limit};
use super::engine::drive;
use super::schedule::{Schedule, Tick};
use super::stats::{End, Operation, Recorder};

const RPS: f64 = 1000.0;

/// Answers at once; from the request with the number `from` on nobody for `stall`, then everybody.
#[derive(Clone)]
struct Server {
    from: u64,
    stall: Duration,
    arrived: Arc<AtomicU64>,
    over: Arc<OnceLock<Instant>>,
}

impl Server {
    /// Returns its address.
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/inventory/{product}", get(answer))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

async fn answer(State(server): State<Server>) -> Json<Value> {
    if server.arrived.fetch_add(1, Ordering::SeqCst) >= server.from {
        let over = *server.over.get_or_init(|| Instant::now() + server.stall);
        sleep_until(over).await;
    }
    let voted =
        json!({ "product_id": "A", "version": 0, "available": 9, "reserved": 0, "fresh": true, "votes": ["1"] });
    Json(voted)
}

/// What was measured, and how late each request started, in nanoseconds.
async fn measure(server: &Server, seconds: u64) -> (Arc<Recorder>, Vec<u64>) {
    raise_file_limit();
    let url = server.serve().await;
    let (api, product) = (Api::new(&url, &url), "A".parse::<ProductId>().unwrap());
    let (recorder, late) = (Arc::new(Recorder::default()), Arc::new(Mutex::new(Vec::new())));
    let shoot = |tick: Tick| {
        // A request that started before its time would make this overflow.
        late.lock()
            .unwrap()
            .push(mono_ns().checked_sub(tick.intended_ns).unwrap());
        let (api, product, recorder) = (api.clone(), product.clone(), Arc::clone(&recorder));
        async move {
            let end = match api.query(&product).await {
                Ok(_) => End::Success,
                Err(failure) => End::Failed(failure),
            };
            recorder.record(Operation::QueryInventory, mono_ns() - tick.intended_ns, end);
        }
    };
    let schedule = Schedule::from_now(RPS, Some(Duration::from_secs(seconds)));
    let never = CancellationToken::new();
    drive(schedule, never.clone(), never, shoot, |_| panic!("nothing is dropped")).await;
    let late = std::mem::take(&mut *late.lock().unwrap());
    (recorder, late)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_schedule_is_sent_and_none_before_its_time() {
    let server = Server {
        from: u64::MAX,
        stall: Duration::ZERO,
        arrived: Arc::default(),
        over: Arc::default(),
    };
    let (recorder, late) = measure(&server, 2).await;
    let outcome = &recorder.outcome(2.0)[0];
    assert_eq!(
        (outcome.requests, outcome.succeeded),
        (2000, 2000),
        "{:?}",
        outcome.failed
    );
    assert_eq!((server.arrived.load(Ordering::SeqCst), late.len()), (2000, 2000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_of_a_second_is_a_thousand_late_answers_and_not_one() {
    let server = Server {
        from: 500,
        stall: Duration::from_secs(1),
        arrived: Arc::default(),
        over: Arc::default(),
    };
    let (recorder, _) = measure(&server, 3).await;
    let outcome = &recorder.outcome(3.0)[0];
    assert_eq!(
        (outcome.requests, outcome.succeeded),
        (3000, 3000),
        "{:?}",
        outcome.failed
    );
    // The waits of those who were due in the stall are spread evenly from a second down to nothing.
    let later = |ms| recorder.later_than(Operation::QueryInventory, Duration::from_millis(ms));
    for (ms, at_least) in [(10, 985), (100, 895), (250, 745), (500, 495), (750, 245), (900, 95)] {
        assert!(later(ms) >= at_least, "{} later than {ms} ms: {outcome:?}", later(ms));
    }
    assert!(
        later(100) < 2000 && later(500) < 1500 && later(900) < 1000,
        "{outcome:?}"
    );
    assert!(outcome.latency_ms.max >= 990.0, "{outcome:?}");
}
