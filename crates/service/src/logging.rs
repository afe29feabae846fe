//! The log, on stderr: stdout belongs to what a command prints.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is shown when `RUST_LOG` does not say otherwise. The embedded broker's libraries tell every record at `info`.
const DEFAULT: &str = "info,tansu=warn";

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging for this process. `RUST_LOG` filters; unset, `info` and worse is shown. `service` is told
/// in the first line. A second call changes nothing.
pub fn init(service: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    let first = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => builder.json().finish().try_init(),
    };
    if first.is_ok() {
        tracing::info!(
            service,
            pid = std::process::id(),
            version = env!("CARGO_PKG_VERSION"),
            "starting"
        );
    }
}
