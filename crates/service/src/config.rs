//! The parameters that all services have. Each has a flag and an environment variable; the flag wins.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::builder::{BoolishValueParser, TypedValueParser as _};
use tolerancia_bus::BusConfig;
use tolerancia_core::ReplicaId;
use tolerancia_wire::health::{Health, HealthState};

use crate::fault::{FaultSwitch, MOST_TOKEN};
use crate::logging::LogFormat;
use crate::secret::Secret;
use crate::shell::Limits;

mod kafka;

use kafka::kafka_properties;

/// Names of the services, as they appear in `/health`, in records and on the command line.
pub mod name {
    /// The replicated inventory.
    pub const INVENTORY: &str = "inventory-svc";
    /// Health checks and verdicts.
    pub const MONITOR: &str = "monitor-svc";
    /// The majority vote.
    pub const VOTER: &str = "voter-svc";
    /// Orders.
    pub const ORDERS: &str = "orders-svc";
    /// The live page.
    pub const DASHBOARD: &str = "dashboard";
}

/// Where Kafka is looked for when nothing says so: its usual port on this host.
const KAFKA_DEFAULT: &str = "127.0.0.1:9092";

/// What every service can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct ServiceArgs {
    /// Address to listen on.
    #[arg(long, env = "BIND", default_value = "127.0.0.1")]
    pub bind: IpAddr,

    /// Port to listen on; by default the service's place after the base port.
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,

    /// Name of the service in `/health`, records and metrics; by default the subcommand's.
    #[arg(long, env = "SERVICE_NAME")]
    pub service_name: Option<String>,

    /// Which instance of the service this is, counted from 1. Replicas must be told.
    #[arg(long, env = "INSTANCE_ID")]
    pub instance_id: Option<String>,

    /// Directory for everything that must survive a restart.
    #[arg(long, env = "DATA_DIR", default_value = ".tolerancia")]
    pub data_dir: PathBuf,

    /// Number of inventory replicas: 3, 5 or 7; the same for all services.
    #[arg(long, env = "REPLICAS", default_value = "3",
          value_parser = clap::builder::PossibleValuesParser::new(["3", "5", "7"]).map(|n| n.parse::<u8>().unwrap_or(3)))]
    pub replicas: u8,

    /// First port of the system: the replicas' from here on, then the monitor's, the voter's, the orders' and the dashboard's.
    #[arg(long, env = "BASE_PORT", default_value_t = 5001, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub base_port: u16,

    /// `HOST:PORT` of every replica, in order, separated by commas; by default on this host after the base port.
    #[arg(long, env = "INVENTORY_URLS", value_delimiter = ',')]
    pub inventory_urls: Vec<String>,

    /// Kafka, `HOST:PORT`, several separated by commas; by default 127.0.0.1:9092.
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS")]
    pub kafka_bootstrap_servers: Option<String>,

    /// How long a broker may hold a fetch that finds nothing, in milliseconds.
    #[arg(long, env = "KAFKA_FETCH_WAIT_MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=300_000))]
    pub kafka_fetch_wait_ms: u64,

    /// Partitions of `order-events` and `inventory-results` when they are created.
    #[arg(long, env = "KAFKA_PARTITIONS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub kafka_partitions: u16,

    /// Copies of each partition when the topics are created; at most the number of brokers.
    #[arg(long, env = "KAFKA_REPLICATION", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=15))]
    pub kafka_replication: i32,

    /// PostgreSQL for orders, status and audit; without it a SQLite file in the data directory.
    #[arg(long, env = "POSTGRES_URL", hide_env_values = true)]
    pub postgres_url: Option<Secret>,

    /// Whether faults may be injected into this service: on or off.
    #[arg(long, env = "FAULT_INJECTION", default_value = "off", action = clap::ArgAction::Set, value_name = "on|off", value_parser = BoolishValueParser::new())]
    pub fault_injection: bool,

    /// Bearer token that `/fault` asks for; without it, none.
    #[arg(long, env = "FAULT_TOKEN", hide_env_values = true)]
    pub fault_token: Option<Secret>,

    /// Connections at a time, from 8; beyond it the one that has been idle for longest is closed. By default 16384, and never more
    /// than the process may have open files.
    #[arg(long, env = "MAX_CONNECTIONS", value_parser = clap::value_parser!(u32).range(8..=1_000_000))]
    pub max_connections: Option<u32>,

    /// Requests worked on at a time; beyond it, and a short queue, they are answered with 503. By default 128 in the voter,
    /// 1024 elsewhere.
    #[arg(long, env = "MAX_IN_FLIGHT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_in_flight: Option<u32>,

    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl ServiceArgs {
    /// These arguments for the service `name` (one of [`name`]): its name and port are filled in where none
    /// were given, what was given empty counts as not given, and contradictions are found. A service calls
    /// this first.
    ///
    /// # Errors
    /// When the number of `INVENTORY_URLS` is not that of the replicas, when a replica is not told which one it
    /// is, or when a Kafka property is set that must stay as it is.
    pub fn prepared(mut self, name: &str) -> Result<Self> {
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        self.service_name = Some(given(self.service_name).unwrap_or_else(|| name.to_owned()));
        self.instance_id = given(self.instance_id);
        self.kafka_bootstrap_servers = given(self.kafka_bootstrap_servers);
        let given = |text: Option<Secret>| text.filter(|text| !text.trim().is_empty());
        self.postgres_url = given(self.postgres_url);
        // Whoever sends it cannot send the end of the line that a file puts behind it.
        self.fault_token = given(self.fault_token).map(|token| Secret::from(token.trim().to_owned()));
        if self.fault_token.as_ref().is_some_and(|token| token.len() > MOST_TOKEN) {
            bail!(
                "FAULT_TOKEN is longer than {MOST_TOKEN} bytes, and a longer one is never the right one: set a shorter one"
            );
        }
        if breakable(name) {
            self.warn_if_open();
        }
        self.inventory_urls = self.inventory_urls.iter().filter_map(|url| authority(url)).collect();
        if !self.inventory_urls.is_empty() && self.inventory_urls.len() != usize::from(self.replicas) {
            bail!(
                "INVENTORY_URLS names {} replicas, REPLICAS says {}: name each replica once, in order",
                self.inventory_urls.len(),
                self.replicas
            );
        }
        kafka_properties(std::env::vars_os())?;
        let ports = self.ports();
        let place = match name {
            name::INVENTORY => ports.inventory(self.replica()?),
            name::MONITOR => ports.monitor(),
            name::VOTER => ports.voter(),
            name::ORDERS => ports.orders(),
            name::DASHBOARD => ports.dashboard(),
            _ => ports.base,
        };
        self.port.get_or_insert(place);
        uptime();
        Ok(self)
    }

    /// Says so where anybody in the network may break this service. It is no error: in a container every address is
    /// listened on, and who comes that far is a matter of its network, which is not seen from here.
    fn warn_if_open(&self) {
        if self.fault_injection && self.fault_token.is_none() && !self.bind.to_canonical().is_loopback() {
            tracing::warn!(
                bind = %self.bind,
                "WHOEVER REACHES THIS ADDRESS MAY INJECT FAULTS: set FAULT_TOKEN (openssl rand -hex 24) here and wherever \
                 faults are injected from, or FAULT_INJECTION=off, or listen on 127.0.0.1 (--bind)"
            );
        }
    }

    /// Which replica this is.
    ///
    /// # Errors
    /// When `INSTANCE_ID` is missing or is not one of the configured replicas.
    pub fn replica(&self) -> Result<ReplicaId> {
        let last = self.replicas;
        let Some(id) = &self.instance_id else {
            bail!("which replica is this? set INSTANCE_ID or --instance-id to a number from 1 to {last}");
        };
        match id.parse::<ReplicaId>() {
            Ok(id) if id.number() <= last => Ok(id),
            _ => bail!("there is no instance {id:?}: set INSTANCE_ID to a number from 1 to {last}, or REPLICAS higher"),
        }
    }

    /// The ports of the system.
    #[must_use]
    pub const fn ports(&self) -> Ports {
        Ports {
            base: self.base_port,
            replicas: self.replicas,
        }
    }

    /// Where this service listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port.unwrap_or(self.base_port))
    }

    /// Where a replica listens, `HOST:PORT`. A name is looked up each time it is connected to.
    #[must_use]
    pub fn replica_addr(&self, replica: ReplicaId) -> String {
        match self.inventory_urls.get(replica.index()) {
            Some(addr) => addr.clone(),
            None => format!("127.0.0.1:{}", self.ports().inventory(replica)),
        }
    }

    /// How to reach Kafka. Variables `KAFKA_PROP_…` are librdkafka's properties, the name in upper case with `_` for
    /// each dot; one that the promises rest on is left out here and refused by [`prepared`](Self::prepared).
    #[must_use]
    pub fn bus(&self) -> BusConfig {
        BusConfig {
            bootstrap: self
                .kafka_bootstrap_servers
                .clone()
                .unwrap_or_else(|| KAFKA_DEFAULT.to_owned()),
            client_id: self.source().replace('/', "-"),
            fetch_wait: Duration::from_millis(self.kafka_fetch_wait_ms),
            partitions: self.kafka_partitions,
            replication: self.kafka_replication,
            extra: kafka_properties(std::env::vars_os()).unwrap_or_default(),
        }
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.service_name.as_deref().unwrap_or("tolerancia")
    }

    /// The service's instance; `1` where there is only one.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.instance_id.as_deref().unwrap_or("1")
    }

    /// The `source` of this service's records: `monitor-svc`, `inventory-svc/2`.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.instance_id {
            Some(instance) => format!("{}/{instance}", self.name()),
            None => self.name().to_owned(),
        }
    }

    /// A health answer with this state and no details.
    #[must_use]
    pub fn health(&self, status: HealthState) -> Health {
        Health {
            status,
            service: self.name().to_owned(),
            instance: self.instance().to_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: uptime().as_secs_f64(),
            applied: Default::default(),
            digest: None,
            idle_ms: None,
            database: None,
            details: Default::default(),
        }
    }

    /// Which database keeps the history of a service that has one, as in [`Health::database`].
    #[must_use]
    pub fn database(&self) -> String {
        let name = if self.postgres_url.is_some() {
            "postgres"
        } else {
            "sqlite"
        };
        name.to_owned()
    }

    /// How much this service takes on; without `MAX_IN_FLIGHT` so many requests at a time as it says itself.
    #[must_use]
    pub fn limits(&self, in_flight: usize) -> Limits {
        let given = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
        Limits::new(
            given(self.max_connections),
            given(self.max_in_flight).or(Some(in_flight)),
        )
    }

    /// The switch of this service's faults.
    #[must_use]
    pub fn faults(&self) -> FaultSwitch {
        FaultSwitch::new(self.instance(), self.fault_injection, self.fault_token.as_deref())
    }
}

/// The ports of a system on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The first replica's port.
    pub base: u16,
    /// The number of replicas.
    pub replicas: u8,
}

impl Ports {
    /// A replica's port: 5001 to 5003 with the defaults.
    #[must_use]
    pub const fn inventory(self, replica: ReplicaId) -> u16 {
        self.base + replica.number() as u16 - 1
    }

    /// The monitor's port: 5004 with the defaults.
    #[must_use]
    pub const fn monitor(self) -> u16 {
        self.base + self.replicas as u16
    }

    /// The voter's port: 5005 with the defaults.
    #[must_use]
    pub const fn voter(self) -> u16 {
        self.monitor() + 1
    }

    /// The orders' port: 5006 with the defaults.
    #[must_use]
    pub const fn orders(self) -> u16 {
        self.monitor() + 2
    }

    /// The dashboard's port: 5007 with the defaults.
    #[must_use]
    pub const fn dashboard(self) -> u16 {
        self.monitor() + 3
    }
}

/// Whether a service has routes that break something.
fn breakable(service: &str) -> bool {
    [name::INVENTORY, name::MONITOR, name::DASHBOARD].contains(&service)
}

/// Time since this process first asked.
fn uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// `HOST:PORT` out of `http://HOST:PORT/`, or nothing.
fn authority(url: &str) -> Option<String> {
    let url = url.trim();
    let url = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    (!url.is_empty()).then(|| url.to_owned())
}

#[cfg(test)]
mod tests;
