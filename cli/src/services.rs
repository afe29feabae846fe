//! The services, each as a subcommand.

use clap::Subcommand;
use tolerancia_service::config::name;
use tolerancia_service::{logging, shutdown};

use crate::guard;
use crate::outcome::{DONE, Outcome};

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
    /// Serve the live page: verdicts, votes, faults and experiments.
    Dashboard(tolerancia_dashboard::Args),
    /// Serve the embedded Kafka-compatible broker.
    #[cfg(feature = "embedded")]
    Broker(crate::broker::BrokerArgs),
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
            Self::Dashboard(args) => {
                log(name::DASHBOARD, args.service.log_format);
                tolerancia_dashboard::run(args, shutdown).await?;
            }
            #[cfg(feature = "embedded")]
            Self::Broker(args) => {
                log("broker", logging::LogFormat::default());
                crate::broker::run(args, shutdown).await?;
            }
        }
        Ok(DONE)
    }
}
