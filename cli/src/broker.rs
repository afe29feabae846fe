//! `tolerancia broker`: the embedded Kafka-compatible broker in this process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::outcome::Failure;

/// The broker's file in its data directory.
const BROKER_FILE: &str = "kafka.db";

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

/// Serves until `shutdown`.
pub async fn run(args: BrokerArgs, shutdown: CancellationToken) -> Result<(), Failure> {
    let file = args.data_dir.join(BROKER_FILE);
    tokio::select! {
        served = tolerancia_broker::run(SocketAddr::new(args.bind, args.port), &file) => Ok(served?),
        // What was acknowledged is in the file already: nothing is left to be done in order.
        () = shutdown.cancelled() => Ok(()),
    }
}
