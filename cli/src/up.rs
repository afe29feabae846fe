//! `tolerancia up`: the whole system, until Ctrl-C.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser as _};
use tolerancia_service::config::Ports;
use tolerancia_wire::core::ReplicaId;

use crate::experiment::turn::{self, Holder};
use crate::outcome::{DONE, Failure, Outcome};
use crate::signals::{self, Signals};
use crate::supervisor::log::Log;
use crate::supervisor::spec::{self, Dashboard, MAX_BASE_PORT, System};
use crate::supervisor::{Start, Supervisor};

/// Room for `inventory-svc/1` in the log.
pub const NAME_WIDTH: usize = 15;

/// How long an experiment is waited for whose system is gone. It gives up on who is gone after 3 s, and writes its report.
const EXPERIMENT: Duration = Duration::from_secs(10);
/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// Arguments of `tolerancia up`.
#[derive(Debug, clap::Args)]
pub struct UpArgs {
    /// Directory for everything that survives a restart. Delete it to begin anew.
    #[arg(long, env = "DATA_DIR", default_value = ".tolerancia")]
    data_dir: PathBuf,

    #[command(flatten)]
    place: Place,

    /// Whether `tolerancia inject` may break the replicas: on or off.
    #[arg(long, env = "FAULT_INJECTION", default_value = "on", num_args = 1, hide_possible_values = true, value_parser = BoolishValueParser::new())]
    fault_injection: bool,

    /// Token that `tolerancia inject` must then present; without it, none.
    #[arg(long, env = "FAULT_TOKEN", hide_env_values = true)]
    fault_token: Option<String>,

    #[command(flatten)]
    backends: Backends,

    /// Whether the system has a dashboard, the live page: on or off.
    #[arg(long, env = "DASHBOARD", default_value = "on", num_args = 1, hide_possible_values = true, value_parser = BoolishValueParser::new())]
    dashboard: bool,

    /// Where experiments that are started from the dashboard leave their folders; it shows those that are there.
    #[arg(long, env = "RESULTS_DIR", value_name = "DIR", default_value = "results")]
    results_dir: PathBuf,

    /// Scenario files that the dashboard offers; without such a directory it offers `classic`.
    #[arg(long, env = "SCENARIOS_DIR", value_name = "DIR", default_value = "scenarios")]
    scenarios_dir: PathBuf,
}

/// So many replicas, where nothing says otherwise.
pub const DEFAULT_REPLICAS: u8 = 3;

/// Which system on this host is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// First port: the replicas' from here on, then the monitor's, the voter's, the orders' and the dashboard's; the
    /// embedded broker's is 91 above it.
    #[arg(long, env = "BASE_PORT", default_value_t = 5001, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_BASE_PORT)))]
    base_port: u16,

    /// Number of inventory replicas: 3, 5 or 7.
    #[arg(long, env = "REPLICAS", default_value = "3",
          value_parser = PossibleValuesParser::new(["3", "5", "7"]).map(|count| count.parse::<u8>().unwrap_or(3)))]
    replicas: u8,
}

impl Place {
    /// Its ports.
    pub const fn ports(&self) -> Ports {
        Ports {
            base: self.base_port,
            replicas: self.replicas,
        }
    }
}

/// What the system stands on.
#[derive(Debug, Clone, clap::Args)]
pub struct Backends {
    /// Apache Kafka, `HOST:PORT`, several separated by commas; without it, the embedded broker.
    #[arg(
        long = "kafka-bootstrap-servers",
        env = "KAFKA_BOOTSTRAP_SERVERS",
        value_name = "HOST:PORT"
    )]
    kafka: Option<String>,

    /// PostgreSQL for orders, status and audit; without it, SQLite in the data directory.
    #[arg(
        long = "postgres-url",
        env = "POSTGRES_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    postgres: Option<String>,
}

impl Backends {
    /// Apache Kafka, if it is to be used. What is given empty is not given.
    pub fn kafka(&self) -> Option<&str> {
        self.kafka.as_deref().filter(|text| !text.trim().is_empty())
    }

    /// PostgreSQL, if it is to be used.
    pub fn postgres(&self) -> Option<&str> {
        self.postgres.as_deref().filter(|text| !text.trim().is_empty())
    }

    /// A system on these, with fault injection and without a dashboard.
    ///
    /// # Errors
    /// When there is no Kafka in this build and none is given, or a variable does not fit.
    pub fn system(&self, data_dir: PathBuf, ports: Ports) -> Result<System, Failure> {
        let embedded = self.kafka().is_none();
        if embedded && !cfg!(feature = "embedded") {
            return Err(Failure::cannot(
                "this build has no embedded broker: set KAFKA_BOOTSTRAP_SERVERS to a running Kafka",
            ));
        }
        Ok(System {
            data_dir,
            ports,
            bus: spec::bus(self.kafka(), ports)?,
            embedded,
            fault_injection: true,
            fault_token: None,
            postgres: self.postgres().map(str::to_owned),
            dashboard: None,
            parameters: Vec::new(),
            clocks: None,
        })
    }
}

/// Runs the system until a signal.
pub async fn run(args: UpArgs) -> Outcome {
    let began = Instant::now();
    let signals = signals::watch()?;
    let mut system = args.backends.system(args.data_dir, args.place.ports())?;
    system.fault_injection = args.fault_injection;
    system.fault_token = args.fault_token;
    system.dashboard = args.dashboard.then_some(Dashboard {
        results_dir: args.results_dir,
        scenarios_dir: args.scenarios_dir,
    });
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (log, writer) = Log::to(std::io::stderr(), colour, NAME_WIDTH);
    let outcome = serve(system, &log, &signals, began).await;
    // The last lines first: the reason of a failure comes after them.
    drop(log);
    writer.finish();
    outcome
}

async fn serve(system: System, log: &Log, signals: &Signals, began: Instant) -> Outcome {
    let (table, base_port) = (table(&system), system.ports.base);
    match Supervisor::start(system, log.clone(), signals).await? {
        Start::Interrupted => {}
        Start::Ready(supervisor) => {
            let seconds = began.elapsed().as_secs_f64();
            // Whoever does not read it does not miss it.
            let _ = writeln!(std::io::stdout(), "{table}\nready in {seconds:.1} s; Ctrl-C stops it");
            signals.stop.cancelled().await;
            log.say("stopping; Ctrl-C once more does not wait");
            supervisor.stop().await;
            last_experiment(base_port, log, signals).await;
        }
    }
    log.say("stopped");
    Ok(DONE)
}

/// Waits for an experiment that the dashboard has let go: with its system gone it has nothing to clean up any more, and
/// notices that soon. One that somebody else started is theirs.
async fn last_experiment(base_port: u16, log: &Log, signals: &Signals) {
    let running = || turn::holder(base_port).filter(|holder| holder.tied);
    let Some(Holder { pid, .. }) = running() else { return };
    log.say(&format!("waiting for the experiment (process {pid})"));
    let gone = async {
        while running().is_some() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = gone => {}
        () = tokio::time::sleep(EXPERIMENT) => {
            log.say(&format!("the experiment (process {pid}) still runs: it ends by itself within a minute"));
        }
        () = signals.kill.cancelled() => {}
    }
}

/// The addresses of the system.
fn table(system: &System) -> String {
    let ports = system.ports;
    let mut lines = Vec::new();
    let mut line =
        |name: &str, port: u16, job: &str| lines.push(format!("  {name:<16} http://127.0.0.1:{port:<6} {job}"));
    if system.dashboard.is_some() {
        line("dashboard", ports.dashboard(), "the live page: open it in a browser");
    }
    line("orders-svc", ports.orders(), "POST /orders, POST /orders/{id}/cancel");
    line("voter-svc", ports.voter(), "GET /inventory, GET /voting-stats");
    line(
        "monitor-svc",
        ports.monitor(),
        "GET /status, /failures, /metrics, /events",
    );
    for id in ReplicaId::all(ports.replicas) {
        line(
            &format!("inventory-svc/{id}"),
            ports.inventory(id),
            "GET /inventory, /fault",
        );
    }
    let kafka = if system.embedded { "Kafka (embedded)" } else { "Kafka" };
    lines.push(format!("  {kafka:<16} {}", system.bus.bootstrap));
    lines.join("\n")
}
