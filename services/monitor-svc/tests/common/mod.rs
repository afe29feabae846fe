//! A real broker, the monitor, and a service that counts its answers, for tests from outside.
#![allow(clippy::unwrap_used, dead_code)]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, Producer};
use tolerancia_service::config::{ServiceArgs, name};
use tolerancia_service::link::{Link, LinkState};
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::requests::{self, Requests};
use tolerancia_service::shell::{Limits, Shell, serve};
use tolerancia_store::{Store, open_sqlite};
use tolerancia_wire::health::HealthState;

const PORT: &str = "MONITOR_TEST_BROKER_PORT";
const FILE: &str = "MONITOR_TEST_BROKER_FILE";
/// Longer than anything here takes; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Becomes a broker if this process was started as one: the test binary is its own broker.
#[test]
fn broker() {
    let (Ok(port), Ok(file)) = (std::env::var(PORT), std::env::var(FILE)) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listen = (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into();
    runtime.block_on(tolerancia_broker::run(listen, file.as_ref())).unwrap();
}

/// A port that nobody listens on, below those that the system gives to connections.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..30_000))
        .find(free)
        .unwrap()
}

struct Broker(Child);

impl Broker {
    fn start(port: u16, dir: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "common::broker", "--nocapture"])
            .env(PORT, port.to_string())
            .env(FILE, dir.join("broker.db"))
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Debug, Parser)]
struct ServiceCli {
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Debug, Parser)]
struct MonitorCli {
    #[command(flatten)]
    args: tolerancia_monitor_svc::Args,
}

/// A running server.
pub struct Server {
    /// Where it listens.
    pub port: u16,
    pub link: Link,
    pub shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    async fn connected(port: u16, shutdown: CancellationToken, task: JoinHandle<anyhow::Result<()>>) -> Self {
        let link = Link::spawn(format!("127.0.0.1:{port}"), CancellationToken::new());
        let mut changes = link.changes();
        let up = changes.wait_for(|state| matches!(state, LinkState::Up { .. }));
        tokio::time::timeout(PATIENCE, up).await.unwrap().unwrap();
        Self {
            port,
            link,
            shutdown,
            task,
        }
    }

    pub async fn get(&self, path: &str) -> u16 {
        self.link.get(path).await.unwrap().status
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A broker, and arguments for services that use it.
pub struct System {
    pub dir: TempDir,
    /// Where the monitor finds the replicas: nowhere, unless it is said.
    pub replicas: Vec<String>,
    kafka: u16,
    _broker: Broker,
}

impl System {
    pub fn start() -> Self {
        let (dir, kafka) = (tempfile::tempdir().unwrap(), free_port());
        let _broker = Broker::start(kafka, dir.path());
        Self {
            dir,
            replicas: vec!["127.0.0.1:1".to_owned(); 3],
            kafka,
            _broker,
        }
    }

    fn args(&self, port: u16) -> Vec<String> {
        let (kafka, port) = (format!("127.0.0.1:{}", self.kafka), port.to_string());
        let dir = self.dir.path().display().to_string();
        // No replicas and no database of the tester's shell.
        let replicas = self.replicas.join(",");
        [
            ["--kafka-bootstrap-servers", &kafka],
            ["--port", &port],
            ["--data-dir", &dir],
            ["--inventory-urls", &replicas],
            ["--postgres-url", ""],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    pub fn bus(&self) -> BusConfig {
        let args = [vec!["x".to_owned()], self.args(1)].concat();
        ServiceCli::parse_from(args).service.bus()
    }

    pub async fn monitor(&self) -> Server {
        let (port, shutdown) = (free_port(), CancellationToken::new());
        let args = [vec!["monitor-svc".to_owned()], self.args(port)].concat();
        let args = MonitorCli::parse_from(args).args;
        let task = tokio::spawn(tolerancia_monitor_svc::run(args, shutdown.clone()));
        let monitor = Server::connected(port, shutdown, task).await;
        // It does not wait for that before it starts.
        eventually("request metrics are read", async || {
            let health = monitor.link.get("/health").await.unwrap().body;
            let health: serde_json::Value = serde_json::from_slice(&health).unwrap();
            health["details"].get("metrics").is_none().then_some(())
        })
        .await;
        monitor
    }

    /// A service that does nothing but answer and count, as the real ones do.
    pub async fn service(&self, instance: &str, port: u16) -> Server {
        let shutdown = CancellationToken::new();
        let args = [
            vec!["x".to_owned()],
            self.args(port),
            ["--instance-id", instance].map(str::to_owned).to_vec(),
        ];
        let service = ServiceCli::parse_from(args.concat()).service;
        let service = service.prepared(name::INVENTORY).unwrap();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move {
            let producer = Producer::new(&service.bus(), Duration::from_secs(30)).unwrap();
            let requests = Requests::start(requests::to_kafka(producer.clone(), &service));
            let addr = service.addr();
            let about = Operation::new("product", "A product")
                .path::<String>("product", "Its name.", "PROD-001")
                .answer(Answer::text(200, "text/plain", "It."));
            let routes = Api::new().get("/inventory/{product}", || async { "here it is" }, about);
            let router = Shell::new(move || service.health(HealthState::Up))
                .routes(routes)
                .requests(&requests)
                .into_router();
            let served = serve(router, addr, Limits::default(), stop).await;
            requests.close().await;
            producer.flush(PATIENCE).await;
            served
        });
        Server::connected(port, shutdown, task).await
    }

    pub async fn store(&self) -> std::sync::Arc<dyn Store> {
        open_sqlite(&self.dir.path().join("tolerancia.db")).await.unwrap()
    }
}

/// Waits until `look` finds something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    found.unwrap_or_else(|_| panic!("not in time: {what}"))
}
