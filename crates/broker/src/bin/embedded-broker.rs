//! The embedded broker alone, for tests and for looking at it: `embedded-broker PORT FILE`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args_os().skip(1);
    let usage = "usage: embedded-broker PORT FILE";
    let port = args
        .next()
        .and_then(|port| port.to_str()?.parse().ok())
        .context(usage)?;
    let file = args.next().map(PathBuf::from).context(usage)?;
    tolerancia_broker::run(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &file).await
}
