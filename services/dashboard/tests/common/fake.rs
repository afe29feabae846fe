//! Services that say what a test wants.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tolerancia_service::fault::FaultSwitch;
use tolerancia_service::shell::{Limits, serve};

use super::LONG;

/// A running server.
struct Server {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Server {
    fn start(port: u16, router: Router, stop: CancellationToken) -> Self {
        let until = stop.clone();
        let running = tokio::spawn(async move {
            serve(
                router,
                SocketAddr::from(([127, 0, 0, 1], port)),
                Limits::default(),
                until,
            )
            .await
            .unwrap();
        });
        Self { stop, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.running).await.unwrap().unwrap();
    }
}

/// What a service with a stream knows.
#[derive(Clone)]
struct Live {
    service: &'static str,
    /// What comes after the hello of each connection.
    begin: Arc<Mutex<String>>,
    events: broadcast::Sender<String>,
    /// The `Last-Event-ID` of each connection.
    asked: mpsc::UnboundedSender<Option<String>>,
    stop: CancellationToken,
}

impl Live {
    fn new(service: &'static str) -> (Self, mpsc::UnboundedReceiver<Option<String>>) {
        let (asked, connections) = mpsc::unbounded_channel();
        let live = Self {
            service,
            begin: Arc::default(),
            events: broadcast::channel(4096).0,
            asked,
            stop: CancellationToken::new(),
        };
        (live, connections)
    }

    fn hello(&self) -> String {
        let hello = json!({ "service": self.service, "version": "1", "pid": 7 });
        format!("event: hello\ndata: {hello}\n\n")
    }

    fn health(&self) -> Router {
        health(self.service)
    }
}

fn health(service: &'static str) -> Router {
    let health =
        json!({ "status": "UP", "service": service, "instance": "1", "pid": 7, "version": "1", "uptime_s": 1.0 });
    Router::new().route("/health", get(move || std::future::ready(Json(health.clone()))))
}

async fn live(State(live): State<Live>, headers: HeaderMap) -> Response {
    let id = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
    let receiver = live.events.subscribe();
    let begin = live.hello() + &live.begin.lock().unwrap();
    let _ = live.asked.send(id);
    let news = stream::unfold(receiver, |mut receiver| async move {
        let text = receiver.recv().await.ok()?;
        Some((text, receiver))
    });
    let texts = stream::iter([begin])
        .chain(news)
        .take_until(live.stop.cancelled_owned());
    Body::from_stream(texts.map(|text| Ok::<_, Infallible>(Bytes::from(text)))).into_response()
}

/// An event as it is sent.
pub fn event(name: &str, id: Option<u64>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}

/// A transition of instance 1 to OFF.
pub fn transition(seq: u64) -> Value {
    json!({ "seq": seq, "at": "2026-01-01T00:00:00.000000Z", "mono_ns": seq, "service": "inventory-svc",
        "instance": "1", "from": "ON", "to": "OFF", "phase": "quarantine", "reason": { "kind": "late", "text": "" },
        "quorum_lost": false })
}

pub struct Monitor {
    pub port: u16,
    pub connections: mpsc::UnboundedReceiver<Option<String>>,
    /// What the audit was told.
    pub reports: mpsc::UnboundedReceiver<Value>,
    live: Live,
    failures: Arc<Mutex<Vec<Value>>>,
    told: mpsc::UnboundedSender<Value>,
    server: Option<Server>,
}

impl Monitor {
    pub fn start(port: u16) -> Self {
        let (live, connections) = Live::new("monitor-svc");
        let (told, reports) = mpsc::unbounded_channel();
        let mut monitor = Self {
            port,
            connections,
            reports,
            live,
            failures: Arc::default(),
            told,
            server: None,
        };
        monitor.again();
        monitor
    }

    /// Starts after [`stop`](Self::stop), at the same place.
    pub fn again(&mut self) {
        self.live.stop = CancellationToken::new();
        let (failures, told) = (Arc::clone(&self.failures), self.told.clone());
        let list = move || {
            let failures = failures.lock().unwrap().clone();
            std::future::ready(Json(json!({ "failures": failures })))
        };
        let take = move |Json(report): Json<Value>| {
            told.send(report).unwrap();
            std::future::ready(StatusCode::ACCEPTED)
        };
        let router = Router::new()
            .route("/live", get(live))
            .with_state(self.live.clone())
            .route("/failures", get(list))
            .route("/faults", post(take))
            .merge(self.live.health());
        self.server = Some(Server::start(self.port, router, self.live.stop.clone()));
    }

    pub async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub fn say(&self, name: &str, id: Option<u64>, data: &Value) {
        self.live.events.send(event(name, id, data)).unwrap();
    }

    /// What the audit knows, newest first.
    pub fn audit(&self, failures: Vec<Value>) {
        *self.failures.lock().unwrap() = failures;
    }
}

pub struct Voter {
    pub port: u16,
    pub connections: mpsc::UnboundedReceiver<Option<String>>,
    live: Live,
    _server: Server,
}

impl Voter {
    pub fn start(port: u16) -> Self {
        let (knowing, connections) = Live::new("voter-svc");
        let router = Router::new().route("/live", get(live)).with_state(knowing.clone());
        let router = router.merge(knowing.health());
        Self {
            port,
            connections,
            _server: Server::start(port, router, knowing.stop.clone()),
            live: knowing,
        }
    }

    /// Tells of the votes of one second.
    pub fn votes(&self, second: u64, clients: u64) {
        let votes = json!({ "second": second, "clients": clients, "scrubs": 0, "agreed": clients, "dissenting": 0,
            "stale": 0, "missing": 0, "no_quorum": 0 });
        self.live.events.send(event("votes", Some(second), &votes)).unwrap();
    }
}

pub struct Orders {
    pub port: u16,
    server: Option<Server>,
}

impl Orders {
    pub fn start(port: u16) -> Self {
        Self::named(port, "orders-svc")
    }

    /// Another service where orders-svc is looked for.
    pub fn named(port: u16, service: &'static str) -> Self {
        let server = Server::start(port, health(service), CancellationToken::new());
        Self {
            port,
            server: Some(server),
        }
    }

    pub async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }
}

/// A replica as far as injectors see it: the switch is the real one.
pub struct Replica {
    pub port: u16,
    server: Option<Server>,
}

impl Replica {
    pub fn start(n: u8, port: u16, token: Option<&str>) -> Self {
        let switch = FaultSwitch::new(&n.to_string(), true, token);
        Self::with(port, switch.routes())
    }

    /// One that was started without fault injection.
    pub fn without_injection(n: u8, port: u16) -> Self {
        let switch = FaultSwitch::new(&n.to_string(), false, None);
        Self::with(port, switch.routes())
    }

    /// One that answers whatever it is asked with this.
    pub fn odd(port: u16, status: u16, body: &'static str) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self::with(port, Router::new().fallback(async move || (status, body)))
    }

    /// One that takes a fault only once it is let.
    pub fn held(n: u8, port: u16) -> (Self, Gate) {
        let gate = Gate {
            arrived: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
        };
        let (arrived, open) = (Arc::clone(&gate.arrived), Arc::clone(&gate.open));
        let hold = move |request: Request, next: Next| {
            let (arrived, open) = (Arc::clone(&arrived), Arc::clone(&open));
            async move {
                if request.method() == Method::POST {
                    arrived.add_permits(1);
                    open.acquire().await.unwrap().forget();
                }
                next.run(request).await
            }
        };
        let switch = FaultSwitch::new(&n.to_string(), true, None);
        (Self::with(port, switch.routes().layer(from_fn(hold))), gate)
    }

    fn with(port: u16, routes: Router) -> Self {
        Self {
            port,
            server: Some(Server::start(port, routes, CancellationToken::new())),
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }
}

/// What holds the faults of a replica up.
pub struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    /// Waits for a fault.
    pub async fn arrived(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets it in.
    pub fn open(&self) {
        self.open.add_permits(1);
    }
}
