//! The processes, and where they live.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};
use tolerancia_bus::BusConfig;
use tolerancia_core::ReplicaId;

use super::{PARTITIONS, Plan, REPLICAS};

/// The embedded broker listens so far above the base port, as in every system on one host.
const BROKER_OFFSET: u16 = 91;
/// Variables that the processes keep; all others might change what is tested.
const KEPT: [&str; 5] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "RUST_LOG"];

/// Where the processes live.
#[derive(Debug, Clone)]
pub(super) struct Place {
    binary: PathBuf,
    dir: PathBuf,
    base: u16,
}

impl Place {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let binary = plan.binary.canonicalize();
        let binary =
            binary.with_context(|| format!("{}: build it with `cargo build -p tolerancia`", plan.binary.display()))?;
        let dir = plan
            .dir
            .canonicalize()
            .with_context(|| plan.dir.display().to_string())?;
        Ok(Self {
            binary,
            dir,
            base: plan.base_port,
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.base + BROKER_OFFSET)
    }

    pub(super) fn bus(&self) -> BusConfig {
        BusConfig {
            bootstrap: self.bootstrap(),
            client_id: "kills".to_owned(),
            fetch_wait: Duration::from_millis(100),
            partitions: PARTITIONS,
            replication: 1,
            extra: Vec::new(),
        }
    }

    pub(super) fn replica_url(&self, id: ReplicaId) -> String {
        format!("http://127.0.0.1:{}", self.base + u16::from(id.number()) - 1)
    }

    pub(super) fn orders_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.base + u16::from(REPLICAS) + 2)
    }

    pub(super) fn broker(&self) -> Result<Child> {
        let port = (self.base + BROKER_OFFSET).to_string();
        self.spawn("broker", &["broker", "--port", &port])
    }

    pub(super) fn orders(&self) -> Result<Child> {
        self.spawn("orders-svc", &["orders-svc"])
    }

    /// A replica that saves as often as it can.
    pub(super) fn replica(&self, id: ReplicaId) -> Result<Child> {
        let number = id.to_string();
        let args = [
            "inventory-svc",
            "--instance-id",
            &number,
            "--snapshot-interval-ms",
            "10",
        ];
        self.spawn(&format!("inventory-svc-{id}"), &args)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }

    fn spawn(&self, name: &str, args: &[&str]) -> Result<Child> {
        let log = File::options().create(true).append(true).open(self.log(name))?;
        let kept = KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut command = Command::new(&self.binary);
        command
            .args(args)
            .env_clear()
            .envs(kept)
            .env("DATA_DIR", self.dir.join("data"))
            .env("BASE_PORT", self.base.to_string())
            .env("REPLICAS", REPLICAS.to_string())
            .env("KAFKA_BOOTSTRAP_SERVERS", self.bootstrap())
            .env("KAFKA_PARTITIONS", PARTITIONS.to_string())
            .env(
                "CATALOGUE",
                "PROD-001=1000000000,PROD-002=1000000000,PROD-003=1000000000",
            )
            // Nobody may wait long for a quorum that is being killed.
            .env("ORDER_TIMEOUT_MS", "1000")
            .env("ORDER_DELIVERY_TIMEOUT_MS", "1000")
            // As `up` does: whoever starts these processes takes them along when it ends, however that happens.
            .env("TOLERANCIA_SUPERVISED", std::process::id().to_string())
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        command.spawn().with_context(|| format!("{name} cannot be started"))
    }

    /// That nobody kills this process, and it is still there.
    pub(super) fn lives(&self, name: &str, child: &mut Child) -> Result<()> {
        match child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{name} ended by itself ({status}):\n{}", self.last_lines(name)),
        }
    }

    /// The end of a process's log, for people.
    pub(super) fn last_lines(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.log(name)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// How many starts of replicas went on from a snapshot, and how many snapshots were set aside.
    pub(super) fn logs(&self) -> Result<(usize, usize)> {
        let (mut from_snapshot, mut aside) = (0, 0);
        for id in ReplicaId::all(REPLICAS) {
            let text = std::fs::read_to_string(self.log(&format!("inventory-svc-{id}")))?;
            let starts = text.lines().filter(|line| line.contains("catching up with the log"));
            from_snapshot += starts.filter(|line| !line.contains("from={0: 0, 1: 0}")).count();
            aside += text.lines().filter(|line| line.contains("set aside")).count();
        }
        Ok((from_snapshot, aside))
    }
}
