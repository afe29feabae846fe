//! A broker in a process of its own, replicas made of the ledger alone, and orders-svc between them.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::Request;
use axum::http::request::Builder;
use clap::Parser;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, Consumer, Producer, Start};
use tolerancia_core::ReplicaId;
use tolerancia_core::ledger::{Event, Ledger, Outcome};
use tolerancia_orders_svc::Args;
use tolerancia_wire::record::{InventoryResult, OrderEvent, ResultBody};
use tolerancia_wire::topic;

const PORT: &str = "ORDERS_TEST_BROKER_PORT";
const FILE: &str = "ORDERS_TEST_BROKER_FILE";

/// Becomes a broker if this process was started as one: the test binary is its own broker.
pub fn be_a_broker() {
    let (Ok(port), Ok(file)) = (std::env::var(PORT), std::env::var(FILE)) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listen = (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into();
    runtime.block_on(tolerancia_broker::run(listen, file.as_ref())).unwrap();
}

/// A port that nobody listens on, below those that the system gives to connections: a client that looks for
/// a dead broker there could be given that very port, connect to itself, and keep the broker from returning.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..30_000))
        .find(free)
        .unwrap()
}

/// A broker, killed when dropped.
pub struct Broker {
    pub port: u16,
    child: Child,
}

impl Broker {
    /// `test` is the test function that calls [`be_a_broker`].
    pub fn start(test: &str, port: u16, dir: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(PORT, port.to_string())
            .env(FILE, dir.join("broker.db"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { port, child }
    }

    pub fn bus(&self, client: &str) -> BusConfig {
        BusConfig {
            bootstrap: format!("127.0.0.1:{}", self.port),
            client_id: client.to_owned(),
            fetch_wait: Duration::from_millis(100),
            partitions: 2,
            replication: 1,
            extra: Vec::new(),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A replica without a snapshot: applies the log from its beginning and reports.
pub struct Replica {
    pub lies: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Replica {
    pub fn start(number: u8, bus: BusConfig) -> Self {
        let lies = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(replicate(ReplicaId::new(number).unwrap(), bus, Arc::clone(&lies)));
        Self { lies, task }
    }

    pub fn kill(self) {
        self.task.abort();
    }
}

async fn replicate(instance: ReplicaId, bus: BusConfig, lies: Arc<AtomicBool>) {
    let producer = Producer::new(&bus, Duration::from_secs(30)).unwrap();
    let mut consumer = Consumer::new(&bus, topic::ORDER_EVENTS, Start::Beginning)
        .await
        .unwrap();
    let mut ledger = Ledger::new();
    loop {
        for message in consumer.recv_batch(1000).await.unwrap() {
            let event = OrderEvent::from_bytes(&message.payload).unwrap().body;
            let mut outcome = ledger.apply(message.partition, message.offset, &event).outcome;
            let (order_id, product_id) = match event {
                Event::Reserve { order_id, .. } | Event::Release { order_id } => (Some(order_id), None),
                Event::Restock { product_id, .. } => (None, Some(product_id)),
            };
            if lies.load(Ordering::Relaxed) {
                outcome = Outcome::Conflict;
            }
            let body = ResultBody::Result {
                instance,
                partition: message.partition,
                offset: message.offset,
                order_id,
                product_id,
                outcome,
            };
            let record = InventoryResult::new(format!("inventory-svc/{instance}"), body).to_bytes();
            let key = order_id.map(|id| id.to_string()).unwrap_or_default();
            producer
                .send_forget(topic::INVENTORY_RESULTS, None, Some(key.as_bytes()), record)
                .unwrap();
        }
    }
}

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// What orders-svc answered.
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub retry_after: Option<String>,
    pub body: Value,
}

/// orders-svc, in this process.
pub struct Orders {
    url: String,
    client: Client<HttpConnector, String>,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Orders {
    /// Starts it and waits until it answers.
    pub async fn start(bus: &BusConfig, dir: &Path) -> Self {
        let port = free_port();
        let port_text = port.to_string();
        let dir = dir.display().to_string();
        let args = [
            "orders-svc",
            "--port",
            &port_text,
            "--data-dir",
            &dir,
            "--kafka-partitions",
            "2",
        ];
        let args = args.into_iter().chain(["--kafka-bootstrap-servers", &bus.bootstrap]);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(tolerancia_orders_svc::run(Cli::parse_from(args).args, shutdown.clone()));
        let orders = Self {
            url: format!("http://127.0.0.1:{port}"),
            client: Client::builder(TokioExecutor::new()).build_http(),
            shutdown,
            task,
        };
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            assert!(!orders.task.is_finished(), "orders-svc did not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        orders
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(format!("{}{path}", self.url)), String::new())
            .await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.send(Request::post(format!("{}{path}", self.url)), String::new())
            .await
    }

    pub async fn order(&self, key: Option<&str>, product: &str, quantity: u64) -> Answer {
        let body = json!({"product_id": product, "quantity": quantity}).to_string();
        let mut request = Request::post(format!("{}/orders", self.url)).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request, body).await
    }

    async fn send(&self, request: Builder, body: String) -> Answer {
        let response = self.client.request(request.body(body).unwrap()).await.unwrap();
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        Answer {
            status: response.status().as_u16(),
            location: header("location"),
            retry_after: header("retry-after"),
            body: serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap(),
        }
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}
