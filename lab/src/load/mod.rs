//! `tolerancia load`: requests on a schedule that does not wait for answers.
//!
//! A client that sends its next request only after the last answer stops measuring exactly while the
//! system stalls (coordinated omission, Gil Tene, "How NOT to Measure Latency", 2015). So the instants at
//! which requests start are fixed beforehand, evenly spaced as wrk2 does, and a latency counts from the
//! *intended* start: what a stall held up shows up with the whole time that it waited. `cargo run --release -p
//! tolerancia-lab --example open_loop` shows it, and how well the schedule is kept.
//!
//! Every confirmed order is cancelled later, so that stock lasts for runs of any length: at most
//! [`KEPT_ORDERS`] orders stay open, and the last ones are cancelled at the end. A cancel is sent right
//! after the confirmation that makes it due, beside the schedule, and is reported apart.

pub(crate) mod api;
pub(crate) mod engine;
#[cfg(test)]
mod open_loop;
mod outcome;
pub(crate) mod pool;
mod run;
pub(crate) mod schedule;
pub(crate) mod stats;

use tokio_util::sync::CancellationToken;

pub use api::Failure;
pub use outcome::{Latency, LoadOutcome, OperationOutcome, SystemMetrics};
pub use stats::Operation;

/// Confirmed orders that are kept open at a time, per run.
pub const KEPT_ORDERS: usize = 50;

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum LoadKind {
    /// Voted queries of random products.
    QueryInventory,
    /// Orders of 1 to 3 units of random products.
    CreateOrder,
    /// Queries and orders in turn.
    Both,
}

/// Arguments of `tolerancia load`.
#[derive(Debug, Clone, clap::Args)]
// The command line may have a struct of the same name around this one.
#[group(skip)]
pub struct LoadArgs {
    /// What to send.
    #[arg(value_enum)]
    pub kind: LoadKind,

    /// Requests per second, 0.1 to 100000.
    #[arg(long, default_value_t = 50.0, value_parser = parse_rps)]
    pub rps: f64,

    /// For how many seconds, 1 to 86400.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub duration: u32,

    /// Add what the monitor and the voter measured meanwhile.
    #[arg(long)]
    pub metrics: bool,

    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,

    /// Where the voter is.
    #[arg(long, env = "VOTER_URL", default_value = "http://127.0.0.1:5005", value_parser = parse_url)]
    pub voter_url: String,

    /// Where the orders service is.
    #[arg(long, env = "ORDERS_URL", default_value = "http://127.0.0.1:5006", value_parser = parse_url)]
    pub orders_url: String,

    /// Where the monitor is (for `--metrics`).
    #[arg(long, env = "MONITOR_URL", default_value = "http://127.0.0.1:5004", value_parser = parse_url)]
    pub monitor_url: String,

    /// Seed of the products and quantities; random if absent, and printed.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Sends the load, prints the result on standard output and returns it. When `shutdown` is cancelled, the
/// result is what was measured until then, marked as aborted.
///
/// Exit codes of the command: 0 when the load was sent, whatever the answers were; 2 when it could not be
/// sent at all; 130 when it was interrupted.
///
/// # Errors
/// When the voter does not answer at the start: the products to ask for are unknown then.
pub async fn run(args: LoadArgs, shutdown: CancellationToken) -> anyhow::Result<LoadOutcome> {
    run::run(args, shutdown).await
}

fn parse_rps(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rps) if (0.1..=100_000.0).contains(&rps) => Ok(rps),
        _ => Err("requests per second are a number from 0.1 to 100000".to_owned()),
    }
}

/// An address without the slash at its end.
fn parse_url(text: &str) -> Result<String, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("an address looks like http://127.0.0.1:5005".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_addresses_are_checked() {
        for bad in ["0", "-1", "0.09", "100001", "nan", "inf", "fast", ""] {
            assert!(parse_rps(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_rps("0.1"), Ok(0.1));
        for bad in ["", "5005", "127.0.0.1:5005", "https://x", "ftp://x"] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_url("http://h:1/").as_deref(), Ok("http://h:1"));
    }
}
