//! The load over time.

use serde::{Deserialize, Serialize};

/// The requests of the whole run, in buckets of equal length by when they were meant to start. The lists have an entry
/// for each bucket, at most 1200.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// The length of a bucket, a whole number of seconds.
    pub bucket_s: f64,
    /// The beginning of each bucket, seconds from the start of the experiment.
    pub start_s: Vec<f64>,
    /// Requests.
    pub requests: Vec<u64>,
    /// Those of them without a valid answer.
    pub failed: Vec<u64>,
    /// Median latency in milliseconds; null where nothing was sent, as in the others.
    pub p50_ms: Vec<Option<f64>>,
    /// 95th percentile.
    pub p95_ms: Vec<Option<f64>>,
    /// 99th percentile.
    pub p99_ms: Vec<Option<f64>>,
    /// The longest.
    pub max_ms: Vec<Option<f64>>,
}
