//! A system of the test's own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};
use tolerancia_service::config::Ports;
use tolerancia_wire::core::ReplicaId;
use tolerancia_wire::inventory::VotedProduct;
use tolerancia_wire::order::OrderView;
use tolerancia_wire::status::{Failures, SystemStatus, Transition};

use super::process::Guard;
use super::{Kafka, LIMIT, Postgres, Run, eventually, leftovers, signal, tolerancia};

/// Whose turn it is to run a system.
static TURN: Mutex<()> = Mutex::const_new(());

/// A running system, which is gone when this is dropped.
pub struct System {
    supervisor: Child,
    _guard: Guard,
    ports: Ports,
    dir: TempDir,
    /// Kafka, if it is not the embedded broker.
    kafka: Option<String>,
    /// Variables that every process of this system gets.
    env: Vec<(String, String)>,
    /// For requests.
    pub http: reqwest::Client,
    /// None if the servers that it runs on have the turn.
    _turn: Option<MutexGuard<'static, ()>>,
}

/// Waits for this test's turn.
pub async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// A base port with all ports of a system free.
pub fn free_base() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(7919);
    (0..1000)
        .map(|_| 20_000 + ((start + u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) * 100) % 12_000) as u16)
        .find(|&base| {
            let mut ports = (base..base + 11).chain([base + 91]);
            ports.all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        })
        .expect("some ports are free")
}

impl System {
    /// Starts a system and waits until it is ready.
    pub async fn up() -> Self {
        Self::up_with(|_| {}).await
    }

    /// Starts a system with further arguments or variables.
    pub async fn up_with(adjust: impl FnOnce(&mut Command)) -> Self {
        let mut system = Self::start(adjust).await;
        system.ready().await;
        system
    }

    /// Starts a system on servers of its own and waits until it is ready. It is the test's turn since they started.
    pub async fn up_on(kafka: &Kafka, postgres: Option<&Postgres>, env: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut all: Vec<_> = env.iter().map(own).collect();
        all.push(own(&("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap())));
        all.extend(kafka.properties().cloned());
        all.extend(postgres.map(|postgres| own(&("POSTGRES_URL", postgres.url()))));
        let mut system = Self::start_with(Some(kafka.bootstrap().to_owned()), all, |_| {}).await;
        system.ready().await;
        system
    }

    /// Starts a system and does not wait.
    pub async fn start(adjust: impl FnOnce(&mut Command)) -> Self {
        Self::start_with(None, Vec::new(), adjust).await
    }

    async fn start_with(kafka: Option<String>, env: Vec<(String, String)>, adjust: impl FnOnce(&mut Command)) -> Self {
        let turn = if kafka.is_none() { Some(turn().await) } else { None };
        let dir = tempfile::Builder::new().prefix("tolerancia-test-").tempdir().unwrap();
        let ports = Ports {
            base: free_base(),
            replicas: 3,
        };
        let (supervisor, guard) = launch(dir.path(), ports, &env, adjust);
        Self {
            supervisor,
            _guard: guard,
            ports,
            dir,
            kafka,
            env,
            http: tolerancia_client::http::client(Duration::from_secs(10)),
            _turn: turn,
        }
    }

    /// Waits until `up` says that it is ready.
    pub async fn ready(&mut self) {
        let mut lines = BufReader::new(self.supervisor.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("ready in") {
                    return true;
                }
            }
            false
        };
        let ready = tokio::time::timeout(LIMIT, ready).await;
        assert!(ready == Ok(true), "not ready: {ready:?}\n{}", self.log());
    }

    /// What the processes have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The directory of everything that belongs to this system.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its ports.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Address of a replica.
    pub fn inventory(&self, number: u8) -> String {
        at(self.ports.inventory(replica(number)))
    }

    /// Address of the monitor.
    pub fn monitor(&self) -> String {
        at(self.ports.monitor())
    }

    /// Address of the voter.
    pub fn voter(&self) -> String {
        at(self.ports.voter())
    }

    /// Address of orders.
    pub fn orders(&self) -> String {
        at(self.ports.orders())
    }

    /// Address of the dashboard.
    pub fn dashboard(&self) -> String {
        at(self.ports.dashboard())
    }

    /// The directory of the results of experiments that the dashboard starts.
    pub fn results_dir(&self) -> PathBuf {
        self.dir.path().join("results")
    }

    /// The directory of the scenarios that the dashboard offers.
    pub fn scenarios_dir(&self) -> PathBuf {
        self.dir.path().join("scenarios")
    }

    /// `HOST:PORT` of Kafka.
    pub fn bootstrap(&self) -> String {
        let embedded = || format!("127.0.0.1:{}", self.ports.base + 91);
        self.kafka.clone().unwrap_or_else(embedded)
    }

    /// Addresses of all services.
    pub fn all(&self) -> Vec<String> {
        let replicas = (1..=3).map(|number| self.inventory(number));
        let others = [self.monitor(), self.voter(), self.orders(), self.dashboard()];
        replicas.chain(others).collect()
    }

    /// A command about this system.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = tolerancia(args);
        command
            .env("DATA_DIR", self.data_dir())
            .env("BASE_PORT", self.ports.base.to_string())
            .env("TMPDIR", self.dir.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command about this system.
    pub async fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args)).await
    }

    /// `tolerancia inject`, which must succeed.
    pub async fn inject(&self, args: &[&str]) -> Run {
        self.run(&[&["inject"], args].concat()).await.code(0)
    }

    /// The JSON behind an address, which must answer 200.
    pub async fn get<T: DeserializeOwned>(&self, url: &str) -> T {
        let (status, body) = self.look(url).await.unwrap_or_else(|| panic!("{url} does not answer"));
        assert_eq!(status, 200, "{url}: {body}");
        serde_json::from_value(body).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// Status and JSON behind an address, if anything answers.
    pub async fn look(&self, url: &str) -> Option<(u16, Value)> {
        let answer = self.http.get(url).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.unwrap_or_default()))
    }

    /// The voted stock of a product.
    pub async fn stock(&self, product: &str) -> VotedProduct {
        self.get(&format!("{}/inventory/{product}", self.voter())).await
    }

    /// Orders, and must be answered 201.
    pub async fn order(&self, product: &str, quantity: u64) -> OrderView {
        let body = json!({"product_id": product, "quantity": quantity});
        let answer = self
            .http
            .post(format!("{}/orders", self.orders()))
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 201, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The monitor's view.
    pub async fn status(&self) -> SystemStatus {
        self.get(&format!("{}/status", self.monitor())).await
    }

    /// What the monitor noticed about a replica, newest first.
    pub async fn failures(&self, number: u8) -> Vec<Transition> {
        let url = format!("{}/failures?instance={number}&limit=1000", self.monitor());
        self.get::<Failures>(&url).await.failures
    }

    /// Waits until the votes of all replicas count.
    pub async fn all_on(&self) {
        let url = format!("{}/status", self.monitor());
        eventually("all replicas are ON", async || {
            let (_, status) = self.look(&url).await?;
            (status["on"] == 3).then_some(())
        })
        .await;
    }

    /// Waits until all services are healthy and all replicas count.
    pub async fn steady(&self) {
        for url in self.all() {
            let url = format!("{url}/health");
            eventually(&format!("{url} is UP"), async || {
                let (_, health) = self.look(&url).await?;
                (health["status"] == "UP").then_some(())
            })
            .await;
        }
        self.all_on().await;
    }

    /// Waits until the monitor's database has what the monitor knows: it writes behind, so that what was shown a moment
    /// before a SIGKILL may not be kept.
    pub async fn monitor_has_written(&self) {
        let url = format!("{}/metrics", self.monitor());
        eventually("the monitor has written everything", async || {
            let request = self.http.get(&url).header("accept", "text/plain");
            let text = request.send().await.ok()?.text().await.ok()?;
            text.contains("\nqueue_length{queue=\"store_writes\"} 0\n")
                .then_some(())
        })
        .await;
    }

    /// The process of a service.
    pub fn pid(&self, name: &str) -> u32 {
        let pids = std::fs::read_to_string(self.data_dir().join("pids")).unwrap();
        let line = pids.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {pids}")).parse().unwrap()
    }

    /// Sends a signal to the supervisor.
    pub fn signal(&self, which: Signal) {
        signal(self.supervisor.id().expect("it was not waited for"), which);
    }

    /// Waits for the supervisor's end.
    pub async fn ended(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(LIMIT, self.supervisor.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("`up` does not end\n{}", self.log()))
            .unwrap()
            .code()
    }

    /// Stops the system in order; [`again`](Self::again) starts it again.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended().await, Some(0), "{}", self.log());
    }

    /// Stops the system in order, and starts it again in the same place.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.again().await;
    }

    /// Starts a system that has ended again in the same place.
    pub async fn again(&mut self) {
        (self.supervisor, self._guard) = launch(self.dir.path(), self.ports, &self.env, |_| {});
        self.ready().await;
    }

    /// Stops the system in order and checks that nothing is left of it.
    pub async fn down(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended().await, Some(0), "{}", self.log());
        assert_eq!(leftovers(self.dir()), [""; 0]);
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "the system's last lines:\n{}",
                lines[lines.len().saturating_sub(60)..].join("\n")
            );
        }
        let Some(pid) = self.supervisor.id() else {
            return;
        };
        signal(pid, Signal::KILL);
        // Its children go with it. The next test should have the processor for itself.
        let began = Instant::now();
        while !leftovers(self.dir()).is_empty() && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn launch(dir: &Path, ports: Ports, env: &[(String, String)], adjust: impl FnOnce(&mut Command)) -> (Child, Guard) {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .unwrap();
    let mut command = tolerancia(&["up"]);
    command
        .env("DATA_DIR", dir.join("data"))
        .env("BASE_PORT", ports.base.to_string())
        .env("RESULTS_DIR", dir.join("results"))
        .env("SCENARIOS_DIR", dir.join("scenarios"))
        // As commands about it have it: there they find out about one another.
        .env("TMPDIR", dir)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(log);
    adjust(&mut command);
    let supervisor = command.spawn().unwrap();
    let guard = Guard::over(supervisor.id().expect("it was not waited for"), dir);
    (supervisor, guard)
}

fn at(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A replica by its number.
pub fn replica(number: u8) -> ReplicaId {
    ReplicaId::new(number).unwrap()
}
