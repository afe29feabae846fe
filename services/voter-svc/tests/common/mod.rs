//! A system of test replicas with switchable behaviour, spoken to over loopback as the real ones are.
// Not every test program needs all of it.
#![allow(dead_code)]

pub mod watcher;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tolerancia_core::ReplicaId;
use tolerancia_service::link::{Link, LinkState};
use tolerancia_service::openapi::Api;
use tolerancia_voter_svc::live;
use tolerancia_voter_svc::reporter::{self, Sink};
use tolerancia_voter_svc::voter::{Patience, Rules, Voter};
use tolerancia_wire::evidence::{Batch, ErrorBody, ErrorRecord};
use tower::ServiceExt as _;

/// Newest first: (version, available).
pub type Versions = Vec<(u64, u64)>;

#[derive(Clone)]
pub enum Manner {
    /// Answers as it knows.
    Honest,
    /// Reports this many units too many, of the newest version.
    Lies(u64),
    /// Answers nothing until the gate lets it, one permit per answer.
    Gated(Arc<Semaphore>),
    /// Answers with this status and an empty body.
    Error(u16),
    /// Answers 200 with this text.
    Says(String),
    /// Lists only versions older than its newest one for this many more answers.
    Lags(u32),
}

pub struct Known {
    pub products: BTreeMap<String, Versions>,
    pub manner: Manner,
    /// Queries about a single product so far.
    pub asked: u32,
}

pub struct Replica {
    instance: u8,
    pub known: Arc<Mutex<Known>>,
    pub alive: CancellationToken,
}

impl Replica {
    pub fn set(&self, manner: Manner) {
        self.known.lock().unwrap().manner = manner;
    }

    pub fn stock(&self, product: &str, versions: &[(u64, u64)]) {
        self.known
            .lock()
            .unwrap()
            .products
            .insert(product.to_owned(), versions.to_vec());
    }

    pub fn asked(&self) -> u32 {
        self.known.lock().unwrap().asked
    }
}

#[derive(Clone)]
struct Shared(u8, Arc<Mutex<Known>>);

fn describe(n: u8, product: &str, versions: &[(u64, u64)], lie: u64) -> Value {
    // An honest replica lists all that it has applied.
    let applied = versions.first().map_or(0, |(newest, _)| newest + 1);
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(i, (version, available))| {
            json!({"version": version, "available": available + if i == 0 { lie } else { 0 }, "reserved": 0})
        })
        .collect();
    json!({"product_id": product, "instance": n.to_string(), "partition": 0, "applied": applied, "versions": versions})
}

async fn manner(known: &Mutex<Known>) -> Result<(u64, bool), Response> {
    let manner = known.lock().unwrap().manner.clone();
    match manner {
        Manner::Honest => Ok((0, false)),
        Manner::Lies(by) => Ok((by, false)),
        Manner::Gated(gate) => {
            gate.acquire().await.unwrap().forget();
            Ok((0, false))
        }
        Manner::Error(status) => Err(StatusCode::from_u16(status).unwrap().into_response()),
        Manner::Says(text) => Err(text.into_response()),
        Manner::Lags(0) => Ok((0, false)),
        Manner::Lags(left) => {
            known.lock().unwrap().manner = Manner::Lags(left - 1);
            Ok((0, true))
        }
    }
}

async fn one(State(Shared(n, known)): State<Shared>, Path(product): Path<String>) -> Response {
    known.lock().unwrap().asked += 1;
    let (lie, lags) = match manner(&known).await {
        Ok(manner) => manner,
        Err(response) => return response,
    };
    let mut versions = known
        .lock()
        .unwrap()
        .products
        .get(&product)
        .cloned()
        .unwrap_or_default();
    if lags {
        versions.remove(0);
    }
    let status = if versions.is_empty() {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    (status, axum::Json(describe(n, &product, &versions, lie))).into_response()
}

async fn all(State(Shared(n, known)): State<Shared>) -> Response {
    let (lie, _) = match manner(&known).await {
        Ok(manner) => manner,
        Err(response) => return response,
    };
    let products = known.lock().unwrap().products.clone();
    let products: Vec<Value> = products
        .iter()
        .map(|(name, versions)| describe(n, name, versions, lie))
        .collect();
    axum::Json(json!({"instance": n.to_string(), "products": products})).into_response()
}

pub struct System {
    pub replicas: Vec<Replica>,
    pub voter: Arc<Voter>,
    pub router: Router,
    /// The same, for a shell.
    pub api: Api,
    pub addrs: Vec<String>,
    evidence: mpsc::Receiver<Vec<u8>>,
    seen: Vec<Batch>,
    pub shutdown: CancellationToken,
}

impl Drop for System {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    voter: tolerancia_voter_svc::Args,
}

/// The service's arguments, as the command line gives them.
pub fn args(flags: &[&str]) -> tolerancia_voter_svc::Args {
    <Cli as clap::Parser>::parse_from([&["voter-svc"], flags].concat()).voter
}

impl System {
    /// Arguments of the service itself, over these replicas, on a free port and without Kafka.
    pub fn service(&self) -> tolerancia_voter_svc::Args {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let (port, replicas) = (free.port().to_string(), self.addrs.join(","));
        let places = ["--port", &port, "--inventory-urls", &replicas];
        args(&[&["--kafka-bootstrap-servers", "127.0.0.1:1"], &places[..]].concat())
    }

    /// Three replicas that know PROD-001 (version 7, 10 units; before that 11), all connected.
    pub async fn start() -> Self {
        let timeout = Duration::from_millis(300);
        Self::with(Duration::from_millis(200), timeout).await
    }

    /// The same with a late bound that does not adapt, and another end of votes.
    pub async fn with(late: Duration, timeout: Duration) -> Self {
        let shutdown = CancellationToken::new();
        let (mut replicas, mut links, mut addrs) = (vec![], vec![], vec![]);
        for instance in 1..=3 {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap().to_string();
            links.push(Link::spawn(&addr, shutdown.clone()));
            addrs.push(addr);
            let known = Arc::new(Mutex::new(Known {
                products: BTreeMap::from([("PROD-001".to_owned(), vec![(7, 10), (5, 11)])]),
                manner: Manner::Honest,
                asked: 0,
            }));
            let router = Router::new()
                .route("/inventory", get(all))
                .route("/inventory/{product}", get(one))
                .with_state(Shared(instance, known.clone()));
            let alive = shutdown.child_token();
            tokio::spawn(
                alive
                    .clone()
                    .run_until_cancelled_owned(serve(listener, router, alive.clone())),
            );
            replicas.push(Replica { instance, known, alive });
        }
        for link in &links {
            link.changes()
                .wait_for(|state| matches!(state, LinkState::Up { .. }))
                .await
                .unwrap();
        }
        let rules = Rules {
            patience: Patience {
                late_floor: late,
                late_cap: late,
                timeout,
            },
            lag_budget: Duration::from_secs(1),
            shadow_rate: 10_000,
        };
        let voter = Arc::new(Voter::new(links, rules));
        let (sender, evidence) = mpsc::channel(1024);
        let sink: Sink = Box::new(move |record| sender.try_send(record).is_ok());
        tokio::spawn(reporter::report(
            voter.book.clone(),
            "voter-svc".to_owned(),
            sink,
            shutdown.clone(),
        ));
        tokio::spawn(live::run(voter.live.clone(), shutdown.clone()));
        let api =
            tolerancia_voter_svc::http::routes(voter.clone()).merge(live::routes(voter.live.clone(), shutdown.clone()));
        Self {
            replicas,
            voter,
            router: api.clone().into_router(),
            api,
            addrs,
            evidence,
            seen: vec![],
            shutdown,
        }
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.response(path).await;
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub async fn response(&self, path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Serves the voter on a port of its own, to which it is cut off when the system ends.
    pub async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let alive = self.shutdown.child_token();
        let serving = serve(listener, self.router.clone(), CancellationToken::new());
        tokio::spawn(async move { alive.run_until_cancelled(serving).await });
        addr
    }

    /// Kills a replica: its connections break and its port refuses.
    pub async fn kill(&self, n: usize) {
        self.replicas[n - 1].alive.cancel();
        let mut changes = self.voter.replicas()[n - 1].link.changes();
        changes
            .wait_for(|state| matches!(state, LinkState::Down { .. }))
            .await
            .unwrap();
    }

    /// Waits for evidence until some batch about replica `n` satisfies `wanted`.
    pub async fn evidence(&mut self, n: u8, wanted: impl Fn(&Batch) -> bool) -> Batch {
        let found = async {
            loop {
                if let Some(at) = self.seen.iter().position(|b| b.instance.number() == n && wanted(b)) {
                    return self.seen.remove(at);
                }
                let bytes = self.evidence.recv().await.expect("the reporter runs");
                let ErrorBody::Evidence { batches } = ErrorRecord::from_bytes(&bytes).unwrap().body else {
                    panic!("not evidence");
                };
                self.seen.extend(batches);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found)
            .await
            .expect("the evidence arrives")
    }

    /// All evidence that has come so far and was not asked for.
    pub fn other_evidence(&mut self) -> Vec<Batch> {
        while let Ok(bytes) = self.evidence.try_recv() {
            if let ErrorBody::Evidence { batches } = ErrorRecord::from_bytes(&bytes).unwrap().body {
                self.seen.extend(batches);
            }
        }
        self.seen.drain(..).collect()
    }
}

pub fn id(n: u8) -> ReplicaId {
    ReplicaId::new(n).unwrap()
}

/// Serves until killed; then connections are cut off, not closed politely.
async fn serve(listener: tokio::net::TcpListener, router: Router, alive: CancellationToken) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let alive = alive.clone();
        tokio::spawn(async move {
            let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let connection = builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            alive.run_until_cancelled(connection).await;
        });
    }
}

impl Replica {
    pub fn number(&self) -> u8 {
        self.instance
    }
}
