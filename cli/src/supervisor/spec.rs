//! What the system consists of: which processes, in which order, with which arguments and environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser as _;
use tolerancia_bus::BusConfig;
use tolerancia_lab::torture::Clocks;
use tolerancia_service::config::{Ports, ServiceArgs, name};
use tolerancia_wire::core::ReplicaId;

use super::ready::Probe;
use crate::outcome::Failure;

/// The embedded broker's name in the log.
pub const BROKER: &str = "broker";
/// The embedded broker listens this far above the base port.
pub const BROKER_OFFSET: u16 = 91;
/// The highest base port that leaves room for the broker's.
pub const MAX_BASE_PORT: u16 = u16::MAX - BROKER_OFFSET;

/// How long a process may take to stop in order.
const GRACE: Duration = Duration::from_secs(5);
/// How long the dashboard may: an experiment that it has started clears its faults first, for which it gets 10 s before the
/// dashboard lets it go.
const DASHBOARD_GRACE: Duration = Duration::from_secs(15);

/// A system on this host.
#[derive(Clone)]
pub struct System {
    /// Everything that must survive a restart; absolute.
    pub data_dir: PathBuf,
    /// Where the services listen.
    pub ports: Ports,
    /// How to reach Kafka.
    pub bus: BusConfig,
    /// Whether that is the embedded broker, which then belongs to the system.
    pub embedded: bool,
    /// Whether faults may be injected.
    pub fault_injection: bool,
    /// What `/fault` asks for.
    pub fault_token: Option<String>,
    /// PostgreSQL; none: SQLite files in the data directory.
    pub postgres: Option<String>,
    /// The page about it, if it is to have one.
    pub dashboard: Option<Dashboard>,
    /// Further variables of all services, which know what of it is theirs. They take the place of the supervisor's own.
    pub parameters: Vec<(&'static str, String)>,
    /// Wall clocks that can be set, one for each process.
    pub clocks: Option<FakeClocks>,
}

/// `libfaketime` for the processes.
#[derive(Debug, Clone)]
pub struct FakeClocks {
    /// The libraries to load, in this order.
    pub libraries: Vec<PathBuf>,
    /// From which the processes take how far their clocks are off.
    pub clocks: Clocks,
}

impl FakeClocks {
    /// What the process with this name needs in its environment. `CLOCK_MONOTONIC` stays what it is.
    pub fn environment(&self, process: &str) -> [(&'static str, String); 5] {
        let look = Clocks::LOOK.as_secs().to_string();
        let libraries: Vec<_> = self.libraries.iter().map(|library| library.to_string_lossy()).collect();
        [
            ("LD_PRELOAD", libraries.join(":")),
            (
                "FAKETIME_TIMESTAMP_FILE",
                self.clocks.file(process).to_string_lossy().into_owned(),
            ),
            ("FAKETIME_CACHE_DURATION", look),
            // The second name is that of older versions.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// What the page shows and starts besides the system.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// The folders of experiments.
    pub results_dir: PathBuf,
    /// The scenarios to choose from.
    pub scenarios_dir: PathBuf,
}

/// One process of the system.
#[derive(Clone)]
pub struct Spec {
    /// `inventory-svc/2`: in the log and in the table.
    pub name: String,
    /// Started after all of the lower stages are ready, stopped before them.
    pub stage: u8,
    /// Where it listens.
    pub port: u16,
    /// Arguments of this binary. What is worth seeing in `ps` is here, the rest is in the environment.
    pub args: Vec<String>,
    /// Variables to set, or to unset, besides those of the supervisor.
    pub env: Vec<(&'static str, Option<String>)>,
    /// How to see that it is ready.
    pub probe: Probe,
    /// How long it may take to stop in order.
    pub grace: Duration,
}

/// The services' reading of the environment, for what the supervisor and the laboratory share with them.
#[derive(Debug, clap::Parser)]
struct Environment {
    #[command(flatten)]
    service: ServiceArgs,
}

/// How to reach Kafka: at `external`, or else the embedded broker of the system on these ports.
///
/// # Errors
/// When a variable that the services read has a value that they will refuse.
pub fn bus(external: Option<&str>, ports: Ports) -> Result<BusConfig, Failure> {
    let environment = Environment::try_parse_from(["tolerancia"]).map_err(|error| {
        Failure::cannot(format!(
            "the environment does not fit: {}",
            first_line(&error.to_string())
        ))
    })?;
    let mut bus = environment.service.bus();
    bus.client_id = "tolerancia".to_owned();
    bus.bootstrap = match external {
        Some(bootstrap) => bootstrap.to_owned(),
        None => format!("127.0.0.1:{}", ports.base + BROKER_OFFSET),
    };
    Ok(bus)
}

fn first_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ")
}

// Both without what is in the environment: passwords and tokens are.
impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("data_dir", &self.data_dir)
            .field("ports", &self.ports)
            .field("bus", &self.bus)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

impl System {
    /// All processes, in the order of their start.
    pub fn specs(&self) -> Vec<Spec> {
        let ports = self.ports;
        let mut specs = Vec::new();
        if self.embedded {
            specs.push(self.broker());
        }
        specs.push(self.service(1, name::ORDERS, None, ports.orders()));
        for id in ReplicaId::all(ports.replicas) {
            specs.push(self.service(2, name::INVENTORY, Some(id), ports.inventory(id)));
        }
        specs.push(self.service(3, name::MONITOR, None, ports.monitor()));
        specs.push(self.service(3, name::VOTER, None, ports.voter()));
        // The last: an experiment that it has started needs all the others to clean up.
        specs.extend(self.dashboard.as_ref().map(|dashboard| self.page(dashboard)));
        if let Some(clocks) = &self.clocks {
            for spec in &mut specs {
                let environment = clocks.environment(&spec.name);
                spec.env.extend(environment.map(|(name, value)| (name, Some(value))));
            }
        }
        specs
    }

    fn broker(&self) -> Spec {
        let port = self.ports.base + BROKER_OFFSET;
        Spec {
            name: BROKER.to_owned(),
            stage: 0,
            port,
            args: self.args(BROKER, port),
            env: vec![("POSTGRES_URL", None)],
            probe: Probe::Kafka(self.bus.clone()),
            grace: GRACE,
        }
    }

    fn page(&self, dashboard: &Dashboard) -> Spec {
        let mut spec = self.service(4, name::DASHBOARD, None, self.ports.dashboard());
        let dir = |dir: &PathBuf| Some(dir.to_string_lossy().into_owned());
        spec.env.extend([
            ("RESULTS_DIR", dir(&dashboard.results_dir)),
            ("SCENARIOS_DIR", dir(&dashboard.scenarios_dir)),
            // It is about this system.
            ("MONITOR_URL", None),
            ("VOTER_URL", None),
            ("ORDERS_URL", None),
        ]);
        spec.grace = DASHBOARD_GRACE;
        spec
    }

    fn service(&self, stage: u8, service: &str, replica: Option<ReplicaId>, port: u16) -> Spec {
        let mut args = self.args(service, port);
        let mut name = service.to_owned();
        if let Some(id) = replica {
            args.extend(["--instance-id".to_owned(), id.to_string()]);
            name = format!("{service}/{id}");
        }
        let fault_injection = if self.fault_injection { "on" } else { "off" };
        // It holds a password: in the environment, not in `ps`, and only where it is used.
        let postgres = matches!(service, name::ORDERS | name::MONITOR)
            .then(|| self.postgres.clone())
            .flatten();
        let mut env = vec![
            ("SERVICE_NAME", Some(service.to_owned())),
            ("INSTANCE_ID", replica.map(|id| id.to_string())),
            ("REPLICAS", Some(self.ports.replicas.to_string())),
            ("BASE_PORT", Some(self.ports.base.to_string())),
            ("INVENTORY_URLS", None),
            ("KAFKA_BOOTSTRAP_SERVERS", Some(self.bus.bootstrap.clone())),
            ("FAULT_INJECTION", Some(fault_injection.to_owned())),
            ("FAULT_TOKEN", self.fault_token.clone()),
            ("POSTGRES_URL", postgres),
        ];
        let parameters = self.parameters.iter();
        env.extend(parameters.map(|(name, value)| (*name, Some(value.clone()))));
        Spec {
            name,
            stage,
            port,
            args,
            env,
            probe: Probe::Health(format!("http://127.0.0.1:{port}/health")),
            grace: GRACE,
        }
    }

    fn args(&self, subcommand: &str, port: u16) -> Vec<String> {
        let data_dir = self.data_dir.to_string_lossy().into_owned();
        let args = [subcommand, "--port", &port.to_string(), "--data-dir", &data_dir];
        args.map(str::to_owned).to_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn system(kafka: Option<&str>, replicas: u8) -> Vec<Spec> {
        described(kafka, replicas).specs()
    }

    fn described(kafka: Option<&str>, replicas: u8) -> System {
        let ports = Ports { base: 7001, replicas };
        System {
            data_dir: "/d".into(),
            ports,
            bus: bus(kafka, ports).expect("the test's environment is clean"),
            embedded: kafka.is_none(),
            fault_injection: true,
            fault_token: None,
            postgres: None,
            dashboard: Some(Dashboard {
                results_dir: "r".into(),
                scenarios_dir: "s".into(),
            }),
            parameters: Vec::new(),
            clocks: None,
        }
    }

    fn var<'a>(spec: &'a Spec, name: &str) -> Option<&'a str> {
        spec.env.iter().find(|(key, _)| *key == name)?.1.as_deref()
    }

    #[test]
    fn the_broker_is_first_and_every_service_has_its_port() {
        let specs = system(None, 3);
        let all: Vec<_> = specs.iter().map(|spec| (spec.name.as_str(), spec.port)).collect();
        assert_eq!(
            all,
            [
                ("broker", 7092),
                ("orders-svc", 7006),
                ("inventory-svc/1", 7001),
                ("inventory-svc/2", 7002),
                ("inventory-svc/3", 7003),
                ("monitor-svc", 7004),
                ("voter-svc", 7005),
                ("dashboard", 7007),
            ]
        );
        assert!(specs.is_sorted_by_key(|spec| spec.stage));
        assert_eq!(system(None, 7).last().map(|page| page.port), Some(7011));
    }

    #[test]
    fn the_page_is_there_if_wanted_and_knows_its_directories() {
        let mut system = described(None, 3);
        let specs = system.specs();
        let page = specs.last().unwrap();
        assert_eq!(
            (var(page, "RESULTS_DIR"), var(page, "SCENARIOS_DIR")),
            (Some("r"), Some("s"))
        );
        // Its experiments clean up before anything else is stopped, and get the time that they need.
        assert!(
            specs
                .iter()
                .all(|spec| spec.name == page.name || spec.stage < page.stage)
        );
        assert!(
            specs
                .iter()
                .all(|spec| spec.name == page.name || spec.grace < page.grace)
        );
        system.dashboard = None;
        assert!(system.specs().iter().all(|spec| spec.name != "dashboard"));
    }

    #[test]
    fn the_services_get_the_broker_that_belongs_to_them() {
        for spec in &system(None, 3)[1..] {
            assert_eq!(var(spec, "KAFKA_BOOTSTRAP_SERVERS"), Some("127.0.0.1:7092"));
        }
        let external = system(Some("kafka:9092"), 3);
        assert!(external.iter().all(|spec| spec.name != BROKER));
        for spec in &external {
            assert_eq!(var(spec, "KAFKA_BOOTSTRAP_SERVERS"), Some("kafka:9092"));
        }
    }

    #[test]
    fn every_service_knows_whether_faults_may_be_injected() {
        // The monitor too: its audit takes reports then, and asks for the same token.
        let mut system = described(None, 3);
        system.fault_token = Some("secret".to_owned());
        for allowed in [true, false] {
            system.fault_injection = allowed;
            for spec in &system.specs()[1..] {
                let word = if allowed { "on" } else { "off" };
                assert_eq!(var(spec, "FAULT_INJECTION"), Some(word), "{}", spec.name);
                assert_eq!(var(spec, "FAULT_TOKEN"), Some("secret"), "{}", spec.name);
            }
        }
    }

    #[test]
    fn every_service_gets_the_parameters() {
        let mut system = described(None, 3);
        system.parameters = vec![("LATE_CAP_MS", "150".to_owned())];
        for spec in &system.specs()[1..] {
            assert_eq!(var(spec, "LATE_CAP_MS"), Some("150"), "{}", spec.name);
        }
    }

    #[test]
    fn only_those_that_write_to_the_database_get_its_url() {
        let url = "postgres://user:secret@db/tolerancia";
        let mut system = described(None, 3);
        system.postgres = Some(url.to_owned());
        for spec in system.specs() {
            let writes = ["orders-svc", "monitor-svc"].contains(&spec.name.as_str());
            assert_eq!(var(&spec, "POSTGRES_URL"), writes.then_some(url), "{}", spec.name);
            assert!(!spec.args.iter().any(|arg| arg.contains("secret")), "{}", spec.name);
            // The supervisor's own must not reach them either.
            assert!(spec.env.iter().any(|(key, _)| *key == "POSTGRES_URL"), "{}", spec.name);
        }
    }
}
