//! How well the load generator keeps its schedule, and what it makes of a server that stalls.
//!
//! `cargo run --release -p tolerancia-lab --example open_loop [SECONDS]`: 1,000 requests/s for 30 s against an idle server
//! on this host, which notes when each arrives. In all the rate must be within 1 %, and in nine of ten seconds by
//! themselves: a busy host that holds everything up for 20 ms moves as many requests from one second to the next. Then 5 s
//! more, in which the server answers nobody for a second: about 1,000 late answers, evenly spread over that second. wrk2
//! reports the same of such a server; a closed loop, one late answer for each of its connections. Exit code 1: not so.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tolerancia_lab::load::{self, LoadArgs, LoadKind, LoadOutcome};

const RPS: f64 = 1000.0;
/// The stall begins so long after the first request.
const CALM: Duration = Duration::from_secs(2);
const STALL: Duration = Duration::from_secs(1);

/// A server on this host.
#[derive(Clone, Default)]
struct Server {
    stalls: bool,
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

fn product() -> Value {
    json!({ "product_id": "A", "version": 0, "available": 9, "reserved": 0, "fresh": true, "votes": ["1", "2"] })
}

async fn answer(State(server): State<Server>) -> Json<Value> {
    let now = Instant::now();
    let first = {
        let mut arrivals = server.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.push(now);
        arrivals[0]
    };
    let (from, to) = (first + CALM, first + CALM + STALL);
    if server.stalls && (from..to).contains(&now) {
        tokio::time::sleep_until(to.into()).await;
    }
    Json(product())
}

/// Sends load to such a server and returns what was measured and when requests arrived.
async fn measure(stalls: bool, duration: u32) -> anyhow::Result<(LoadOutcome, Vec<Instant>)> {
    let server = Server {
        stalls,
        ..Server::default()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/inventory", get(async || Json(json!({ "products": [product()] }))))
        .route("/inventory/{product}", get(answer))
        .with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let args = LoadArgs {
        kind: LoadKind::QueryInventory,
        rps: RPS,
        duration,
        metrics: false,
        json: false,
        voter_url: url.clone(),
        orders_url: url.clone(),
        monitor_url: url,
        seed: Some(1),
    };
    let outcome = load::run(args, CancellationToken::new()).await?;
    let arrivals = std::mem::take(&mut *server.arrivals.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((outcome, arrivals))
}

/// How far the numbers of arrivals are from the rate, as shares of it: that in all, and that in each second, sorted.
fn deviations(arrivals: &[Instant], seconds: u32) -> (f64, Vec<f64>) {
    let mut counts = vec![0.0; seconds as usize];
    for arrival in arrivals {
        if let Some(count) = counts.get_mut(arrival.duration_since(arrivals[0]).as_secs() as usize) {
            *count += 1.0;
        }
    }
    let off = |count: f64, expected: f64| (count - expected).abs() / expected;
    let mut each: Vec<f64> = counts.iter().map(|count| off(*count, RPS)).collect();
    each.sort_by(f64::total_cmp);
    (off(counts.iter().sum(), RPS * f64::from(seconds)), each)
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let seconds = std::env::args().nth(1).map_or(Ok(30), |text| text.parse())?;
    let (_, arrivals) = measure(false, seconds).await?;
    let (in_all, each) = deviations(&arrivals, seconds);
    let most = each.get(each.len() * 9 / 10).copied().unwrap_or(1.0);
    println!(
        "{} requests arrived; off the schedule by {:.3} % in all, by at most {:.2} % in nine of ten seconds, by {:.2} % in \
         the worst",
        arrivals.len(),
        in_all * 100.0,
        most * 100.0,
        each.last().copied().unwrap_or(1.0) * 100.0
    );

    let (stalled, _) = measure(true, 5).await?;
    let Some(queries) = stalled.operations.first() else {
        anyhow::bail!("nothing was measured");
    };
    // A thousand of 5,000 wait, 1 s to nothing: the longest tenth of all waited for more than half a second.
    let latency = queries.latency_ms;
    println!(
        "a stall of {} s among {} requests: p90 {:.0} ms (500 expected), p95 {:.0} ms (750), p99 {:.0} ms (950)",
        STALL.as_secs(),
        queries.requests,
        latency.p90,
        latency.p95,
        latency.p99
    );
    let is_kept = in_all <= 0.01 && most <= 0.01;
    let is_seen = latency.p90 >= 450.0 && latency.p95 >= 700.0 && latency.p99 >= 900.0;
    Ok(if is_kept && is_seen {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
