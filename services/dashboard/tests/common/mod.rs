//! A dashboard over real sockets, with services that say what a test wants.
// Not every test program needs all of it.
#![allow(dead_code)]

pub mod fake;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::Parser as _;
use reqwest::{Method, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tolerancia_client::http;
use tolerancia_client::sse::{Event, Listener};
use tolerancia_dashboard::Args;

use fake::{Monitor, Orders, Replica, Voter};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// A port that nobody listens on, below those that connections get.
pub async fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let n = std::process::id()
            .wrapping_mul(101)
            .wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + n % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
}

/// A dashboard, and all that it is about.
pub struct System {
    pub monitor: Monitor,
    pub voter: Voter,
    pub orders: Orders,
    pub replicas: Vec<Replica>,
    pub port: u16,
    pub token: Option<&'static str>,
    stop: CancellationToken,
    running: Option<JoinHandle<anyhow::Result<()>>>,
    _results: TempDir,
}

impl System {
    pub async fn start() -> Self {
        Self::with(&["--fault-injection", "on"], None).await
    }

    /// With these flags of the dashboard, and replicas and a monitor that ask for this token.
    pub async fn with(flags: &[&str], token: Option<&'static str>) -> Self {
        let monitor = Monitor::start(free_port().await);
        let voter = Voter::start(free_port().await);
        let orders = Orders::start(free_port().await);
        let mut replicas = Vec::new();
        for n in 1..=3 {
            replicas.push(Replica::start(n, free_port().await, token));
        }
        let results = tempfile::tempdir().unwrap();
        let port = free_port().await;
        let urls: Vec<String> = replicas
            .iter()
            .map(|replica| format!("127.0.0.1:{}", replica.port))
            .collect();
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        let mut all = vec![
            "dashboard".to_owned(),
            format!("--port={port}"),
            format!("--monitor-url={}", at(monitor.port)),
            format!("--voter-url={}", at(voter.port)),
            format!("--orders-url={}", at(orders.port)),
            format!("--inventory-urls={}", urls.join(",")),
            format!("--results-dir={}", results.path().display()),
            format!("--scenarios-dir={}", results.path().display()),
        ];
        all.extend(token.map(|token| format!("--fault-token={token}")));
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let args = Cli::try_parse_from(all).unwrap().args;
        let stop = CancellationToken::new();
        let running = tokio::spawn(tolerancia_dashboard::run(args, stop.clone()));
        let system = Self {
            monitor,
            voter,
            orders,
            replicas,
            port,
            token,
            stop,
            running: Some(running),
            _results: results,
        };
        system.until_health("UP").await;
        system
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = http::client(LONG).request(method, self.url(path));
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    /// Waits until the dashboard says that it is so.
    pub async fn until_health(&self, state: &str) {
        let client = http::client(LONG);
        let mut last = None;
        let asking = async {
            loop {
                let health = http::get_json::<Value>(&client, &self.url("/health")).await;
                if health.as_ref().is_ok_and(|health| health["status"] == state) {
                    return;
                }
                last = Some(health);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let seen = tokio::time::timeout(LONG, asking).await.is_ok();
        assert!(seen, "{state}: {last:?}");
    }

    pub async fn browser(&self) -> Browser {
        self.browser_after(None).await
    }

    pub async fn browser_after(&self, last_id: Option<&str>) -> Browser {
        let client = http::streaming(LONG);
        let listener = Listener::connect(&client, &self.url("/api/live"), last_id)
            .await
            .unwrap();
        Browser {
            listener,
            waiting: VecDeque::new(),
        }
    }

    /// Ends it, as SIGTERM does, and waits until it has ended.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.begin_to_stop();
        let running = self.running.take().unwrap();
        tokio::time::timeout(LONG, running).await.unwrap().unwrap()
    }

    /// Asks it to end.
    pub fn begin_to_stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A page that is open.
pub struct Browser {
    listener: Listener,
    waiting: VecDeque<Event>,
}

impl Browser {
    /// The next event, whatever it is.
    pub async fn any(&mut self) -> Event {
        let next = async {
            loop {
                if let Some(event) = self.waiting.pop_front() {
                    return event;
                }
                self.waiting
                    .extend(self.listener.next().await.unwrap().expect("the stream goes on"));
            }
        };
        tokio::time::timeout(LONG, next).await.expect("an event")
    }

    /// The data of the next event of this name.
    pub async fn next(&mut self, name: &str) -> Value {
        self.find(name, |_| true).await
    }

    /// The data of the next event of this name of which that holds.
    pub async fn find(&mut self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.find_event(name, holds).await.1
    }

    /// The same with its id.
    pub async fn find_event(&mut self, name: &str, holds: impl Fn(&Value) -> bool) -> (Option<String>, Value) {
        let mut seen = Vec::new();
        let finding = async {
            loop {
                let event = self.any().await;
                if event.name == name {
                    let data = serde_json::from_str(&event.data).unwrap();
                    if holds(&data) {
                        return (event.id, data);
                    }
                }
                seen.push(event.name);
            }
        };
        let found = tokio::time::timeout(LONG, finding).await;
        found.unwrap_or_else(|_| panic!("no such {name} among {seen:?}"))
    }

    /// Waits for the end of the stream.
    pub async fn end(&mut self) {
        let ending = async { while matches!(self.listener.next().await, Ok(Some(_))) {} };
        tokio::time::timeout(LONG, ending).await.expect("an end");
    }
}
