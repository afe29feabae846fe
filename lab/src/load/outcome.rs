//! The result of a load, as JSON and as a table.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

use super::LoadKind;
use super::stats::Operation;

/// What was sent and what came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadOutcome {
    /// What was asked for.
    pub kind: LoadKind,
    /// Scheduled requests per second.
    pub rps: f64,
    /// Scheduled duration, in seconds.
    pub duration_s: u32,
    /// Seconds from the first start to the last answer.
    pub elapsed_s: f64,
    /// Whether it was interrupted.
    pub aborted: bool,
    /// Seed of products and quantities.
    pub seed: u64,
    /// By operation.
    pub operations: Vec<OperationOutcome>,
    /// With `--metrics`: what the system measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SystemMetrics>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationOutcome {
    /// Which.
    pub operation: Operation,
    /// All requests, those that were not sent included.
    pub requests: u64,
    /// Requests per second.
    pub per_second: f64,
    /// With the answer that was hoped for.
    pub succeeded: u64,
    /// With another valid answer, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Without a valid answer, by kind.
    pub failed: BTreeMap<String, u64>,
    /// From the intended start to the end of the answer, failed requests included.
    pub latency_ms: Latency,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// What the system measured itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemMetrics {
    /// Share of client votes during the load that a quorum decided; absent if there were none, or the voter
    /// started anew meanwhile.
    pub quorum_rate: Option<f64>,
    /// The voter's `/voting-stats`, or why it could not be read.
    pub voter: serde_json::Value,
    /// The monitor's `/metrics`, or why it could not be read.
    pub monitor: serde_json::Value,
}

impl fmt::Display for LoadOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
        table.set_header([
            "operation",
            "requests",
            "/s",
            "ok",
            "rejected",
            "failed",
            "p50 ms",
            "p90",
            "p95",
            "p99",
            "p99.9",
            "max",
        ]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for o in &self.operations {
            let l = o.latency_ms;
            let mut row = vec![
                name(o.operation).to_owned(),
                o.requests.to_string(),
                format!("{:.1}", o.per_second),
                o.succeeded.to_string(),
                o.rejected.values().sum::<u64>().to_string(),
                o.failed.values().sum::<u64>().to_string(),
            ];
            row.extend([l.p50, l.p90, l.p95, l.p99, l.p999, l.max].map(|ms| format!("{ms:.2}")));
            table.add_row(row);
        }
        let aborted = if self.aborted { " (aborted)" } else { "" };
        writeln!(
            f,
            "{:.1} s at {} requests/s, seed {}{aborted}; latencies count from the intended start",
            self.elapsed_s, self.rps, self.seed
        )?;
        writeln!(f, "{table}")?;
        for o in &self.operations {
            for (what, counts) in [("rejected", &o.rejected), ("failed", &o.failed)] {
                for (kind, count) in counts {
                    writeln!(f, "{} {what}: {kind}: {count}", name(o.operation))?;
                }
            }
        }
        if let Some(metrics) = &self.metrics {
            match metrics.quorum_rate {
                Some(rate) => writeln!(f, "queries with a quorum: {:.2} %", rate * 100.0)?,
                None => writeln!(f, "queries with a quorum: no votes were counted")?,
            }
            writeln!(f, "voter: {:#}", metrics.voter)?;
            writeln!(f, "monitor: {:#}", metrics.monitor)?;
        }
        Ok(())
    }
}

const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::QueryInventory => "query_inventory",
        Operation::CreateOrder => "create_order",
        Operation::CancelOrder => "cancel_order",
    }
}
