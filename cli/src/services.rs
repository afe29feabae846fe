//! The services, each as a subcommand.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Subcommand;
use tolerancia_service::config::name;
use tolerancia_service::logging::LogFormat;
use tolerancia_service::{logging, shutdown};

use crate::guard;
use crate::outcome::{DONE, Failure, Outcome};

/// One service in this process. Every flag has an environment variable.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Serve orders: create, cancel, look up.
    OrdersSvc(tolerancia_orders_svc::Args),
    /// Serve one inventory replica.
    InventorySvc(tolerancia_inventory_svc::Args),
    /// Watch the replicas and decide whose votes count.
    MonitorSvc(tolerancia_monitor_svc::Args),
    /// Answer inventory queries by majority vote.
    VoterSvc(tolerancia_voter_svc::Args),
    /// Serve the embedded Kafka-compatible broker.
    #[cfg(feature = "embedded")]
    Broker(BrokerArgs),
}

/// Arguments of `tolerancia broker`.
#[derive(Debug, clap::Args)]
pub struct BrokerArgs {
    /// Address to listen on.
    #[arg(long, env = "BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,

    /// Port to listen on.
    #[arg(long, env = "PORT", default_value_t = 5092)]
    pub port: u16,

    /// Directory of the log, which survives a restart.
    #[arg(long, env = "DATA_DIR", default_value = ".tolerancia")]
    pub data_dir: PathBuf,
}

impl Service {
    /// Serves until a signal, or until the supervisor is gone.
    pub async fn run(self) -> Outcome {
        let shutdown = shutdown::signals();
        let log = |name, format| {
            logging::init(name, format);
            guard::arm(shutdown.clone());
        };
        match self {
            Self::OrdersSvc(args) => {
                log(name::ORDERS, args.service.log_format);
                tolerancia_orders_svc::run(args, shutdown).await?;
            }
            Self::InventorySvc(args) => {
                log(name::INVENTORY, args.service.log_format);
                tolerancia_inventory_svc::run(args, shutdown).await?;
            }
            Self::MonitorSvc(args) => {
                log(name::MONITOR, args.service.log_format);
                tolerancia_monitor_svc::run(args, shutdown).await?;
            }
            Self::VoterSvc(args) => {
                log(name::VOTER, args.service.log_format);
                tolerancia_voter_svc::run(args, shutdown).await?;
            }
            #[cfg(feature = "embedded")]
            Self::Broker(args) => {
                log("broker", LogFormat::default());
                broker(args, shutdown).await?;
            }
        }
        Ok(DONE)
    }
}

/// The broker's file in its data directory.
#[cfg(feature = "embedded")]
const BROKER_FILE: &str = "kafka.db";

#[cfg(feature = "embedded")]
async fn broker(args: BrokerArgs, shutdown: tokio_util::sync::CancellationToken) -> Result<(), Failure> {
    let dir = &args.data_dir;
    tokio::fs::create_dir_all(dir)
        .await
        .map_err(|error| Failure::cannot(format!("the data directory {} cannot be used ({error})", dir.display())))?;
    let file = dir.join(BROKER_FILE);
    tokio::select! {
        served = tolerancia_broker::run(SocketAddr::new(args.bind, args.port), &file) => Ok(served?),
        // What was acknowledged is in the file already: nothing is left to be done in order.
        () = shutdown.cancelled() => Ok(()),
    }
}
