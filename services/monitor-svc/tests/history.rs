//! The way of history into the database: a service that counts its answers, a real broker, the monitor, SQLite.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use clap::Parser;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, Producer};
use tolerancia_core::Stock;
use tolerancia_service::config::{ServiceArgs, name};
use tolerancia_service::link::{Link, LinkState};
use tolerancia_service::requests::{self, Requests};
use tolerancia_service::shell::{Shell, serve};
use tolerancia_store::{RequestMetricsRow, Store, VotingKind, open_sqlite};
use tolerancia_wire::evidence::{Batch, Dissent, ErrorBody, ErrorRecord};
use tolerancia_wire::health::HealthState;
use tolerancia_wire::topic;

const PORT: &str = "MONITOR_TEST_BROKER_PORT";
const FILE: &str = "MONITOR_TEST_BROKER_FILE";
/// Longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

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
fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..30_000))
        .find(free)
        .unwrap()
}

struct Broker(Child);

impl Broker {
    fn start(port: u16, dir: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "broker", "--nocapture"])
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
struct Server {
    link: Link,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    async fn connected(port: u16, shutdown: CancellationToken, task: JoinHandle<anyhow::Result<()>>) -> Self {
        let link = Link::spawn(format!("127.0.0.1:{port}"), CancellationToken::new());
        let mut changes = link.changes();
        let up = changes.wait_for(|state| matches!(state, LinkState::Up { .. }));
        tokio::time::timeout(PATIENCE, up).await.unwrap().unwrap();
        Self { link, shutdown, task }
    }

    async fn get(&self, path: &str) -> u16 {
        self.link.get(path).await.unwrap().status
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A broker, and arguments for services that use it.
struct System {
    dir: TempDir,
    kafka: u16,
    _broker: Broker,
}

impl System {
    fn start() -> Self {
        let (dir, kafka) = (tempfile::tempdir().unwrap(), free_port());
        let _broker = Broker::start(kafka, dir.path());
        Self { dir, kafka, _broker }
    }

    fn args(&self, port: u16) -> Vec<String> {
        let (kafka, port) = (format!("127.0.0.1:{}", self.kafka), port.to_string());
        let dir = self.dir.path().display().to_string();
        // Nobody's replicas, and no database of the tester's shell.
        let replicas = ["127.0.0.1:1"; 3].join(",");
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

    fn bus(&self) -> BusConfig {
        let args = [vec!["x".to_owned()], self.args(1)].concat();
        ServiceCli::parse_from(args).service.bus()
    }

    async fn monitor(&self) -> Server {
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
    async fn service(&self, instance: &str) -> Server {
        let (port, shutdown) = (free_port(), CancellationToken::new());
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
            let routes = Router::new().route("/inventory/{product}", get(|| async { "here it is" }));
            let router = Shell::new(move || service.health(HealthState::Up))
                .routes(routes)
                .requests(&requests)
                .into_router();
            let served = serve(router, addr, stop).await;
            requests.close().await;
            producer.flush(PATIENCE).await;
            served
        });
        Server::connected(port, shutdown, task).await
    }

    async fn store(&self) -> std::sync::Arc<dyn Store> {
        open_sqlite(&self.dir.path().join("tolerancia.db")).await.unwrap()
    }
}

/// Waits until `look` finds something.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
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

fn count(rows: &[RequestMetricsRow], service: &str, instance: &str) -> BTreeMap<(String, u16), u64> {
    let mut counts = BTreeMap::new();
    for row in rows
        .iter()
        .filter(|row| (&*row.service, &*row.instance) == (service, instance))
    {
        *counts.entry((row.endpoint.clone(), row.status)).or_default() += row.count;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_become_one_row_per_endpoint_status_and_second() {
    let system = System::start();
    let monitor = system.monitor().await;
    // What nobody of this system wrote stops nothing.
    let stranger = Producer::new(&system.bus(), Duration::from_secs(30)).unwrap();
    for bytes in [&b"\xff"[..], b"{}", br#"{"type":"request_metrics","rows":[]}"#] {
        let sent = stranger
            .send(topic::REQUEST_METRICS, Some(0), None, bytes.to_vec())
            .await;
        sent.unwrap();
    }

    let service = system.service("2").await;
    for n in 0..40 {
        assert_eq!(service.get(&format!("/inventory/PROD-{n}")).await, 200);
    }
    for n in 0..3 {
        assert_eq!(service.get(&format!("/elsewhere/{n}")).await, 404);
    }
    assert_eq!(service.get("/health").await, 200);
    let expected: BTreeMap<_, _> = [
        (("/inventory/{product}".to_owned(), 200), 40),
        (("unmatched".to_owned(), 404), 3),
        (("/health".to_owned(), 200), 1),
    ]
    .into();
    // The last second leaves when the service ends.
    service.stop().await;
    let store = system.store().await;
    let rows = eventually("the rows are in the database", async || {
        let rows = store.request_metrics(i64::MIN, i64::MAX).await.unwrap();
        (count(&rows, "inventory-svc", "2") == expected).then_some(rows)
    })
    .await;
    let mut keys: Vec<_> = rows
        .iter()
        .map(|row| (row.second, &row.service, &row.instance, &row.endpoint, row.status))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), rows.len());
    for row in &rows {
        let times: Histogram<u64> = Deserializer::new().deserialize(&mut &row.histogram[..]).unwrap();
        assert_eq!((times.len(), times.max()), (row.count, row.max_us));
        assert_eq!(times.value_at_quantile(0.99), row.p99_us);
    }

    // The monitor's own answers take no topic, and those of its last second are written when it ends.
    assert_eq!(monitor.get("/status").await, 200);
    assert_eq!(monitor.get("/status/orders-svc/1").await, 404);
    monitor.stop().await;
    let rows = store.request_metrics(i64::MIN, i64::MAX).await.unwrap();
    let own: BTreeMap<_, _> = [
        (("/status".to_owned(), 200), 1),
        (("/status/{service}/{instance}".to_owned(), 404), 1),
    ]
    .into();
    let mut counted = count(&rows, "monitor-svc", "1");
    counted.retain(|(endpoint, _), _| endpoint != "/health");
    assert_eq!(counted, own);
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_become_counts_and_every_different_lie_an_event() {
    let system = System::start();
    let monitor = system.monitor().await;
    let reporter = Producer::new(&system.bus(), Duration::from_secs(30)).unwrap();
    let lie = |version| Dissent::Stock {
        product: "PROD-001".parse().unwrap(),
        version,
        said: Some(Stock {
            available: 9,
            reserved: 0,
        }),
        agreed: None,
        robust_z: None,
    };
    for _ in 0..10 {
        let mut liar = Batch::new("3".parse().unwrap());
        (0..100).for_each(|n| liar.add_dissent(lie(n % 20)));
        let honest = Batch {
            good: 7,
            ..Batch::new("1".parse().unwrap())
        };
        let [honest, liar] = [honest, liar].map(|batch| {
            let batches = vec![batch];
            ErrorRecord::new("voter-svc", ErrorBody::Evidence { batches }).to_bytes()
        });
        // A record that is read twice is the same events.
        for record in [honest, liar.clone(), liar] {
            let sent = reporter.send(topic::ERROR_QUEUE, None, None, record).await;
            sent.unwrap();
        }
    }
    let store = system.store().await;
    let events = eventually("all events are in the database", async || {
        let events = store.voting_events(1000).await.unwrap();
        let (lies, honest): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| matches!(event.kind, VotingKind::Disagreement { .. }));
        (lies.len() >= 200 && !honest.is_empty()).then_some(lies)
    })
    .await;
    assert_eq!(events.len(), 200, "20 different lies in each of 10 records");
    for event in &events {
        assert_eq!((event.source.as_str(), event.instance.number()), ("voter-svc", 3));
        assert!(
            matches!(event.kind, VotingKind::Disagreement { count: 5, .. }),
            "{event:?}"
        );
    }
    monitor.stop().await;
    let events = store.voting_events(1000).await.unwrap();
    let agreed: u64 = events
        .iter()
        .filter(|event| event.instance.number() == 1)
        .map(|event| match event.kind {
            VotingKind::Agreements { count } => count,
            VotingKind::Disagreement { .. } => panic!("{event:?}"),
        })
        .sum();
    assert_eq!(agreed, 10 * 7);
}
