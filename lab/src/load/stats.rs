//! What was measured so far: a histogram per operation and failures by kind.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::api::Failure;
use super::outcome::{Latency, OperationOutcome};

/// The longest latency told apart, in microseconds: ten times the timeout, for requests that started late.
const MAX_US: u64 = 60_000_000;

/// The requests there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `GET /inventory/{product}` on the voter.
    QueryInventory,
    /// `POST /orders`.
    CreateOrder,
    /// `POST /orders/{id}/cancel`.
    CancelOrder,
}

/// A request's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// The answer that was hoped for.
    Success,
    /// Another valid answer, with its reason.
    Rejected(String),
    /// No valid answer.
    Failed(Failure),
}

#[derive(Debug)]
struct Tally {
    latencies_us: Histogram<u64>,
    succeeded: u64,
    rejected: BTreeMap<String, u64>,
    failed: BTreeMap<Failure, u64>,
}

/// Counts ends of requests; shared by all of them.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<BTreeMap<Operation, Tally>>);

impl Recorder {
    /// Counts one request. What was never sent has no latency.
    pub(crate) fn record(&self, operation: Operation, latency_ns: u64, end: End) {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry(operation).or_insert_with(Tally::new);
        if end != End::Failed(Failure::Dropped) {
            tally.latencies_us.saturating_record((latency_ns / 1000).max(1));
        }
        match end {
            End::Success => tally.succeeded += 1,
            End::Rejected(reason) => *tally.rejected.entry(reason).or_default() += 1,
            End::Failed(failure) => *tally.failed.entry(failure).or_default() += 1,
        }
    }

    /// Requests, failures, and the 99th percentile in milliseconds over all operations.
    pub(crate) fn live(&self) -> (u64, u64, f64) {
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = tallies.values().map(Tally::requests).sum();
        let failed = tallies.values().flat_map(|tally| tally.failed.values()).sum();
        let p99 = tallies.values().map(|tally| tally.ms(0.99)).fold(0.0, f64::max);
        (requests, failed, p99)
    }

    /// How many requests took longer than that, to three digits.
    #[cfg(test)]
    pub(crate) fn later_than(&self, operation: Operation, limit: std::time::Duration) -> u64 {
        let limit_us = u64::try_from(limit.as_micros()).unwrap_or(MAX_US);
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |tally: &Tally| tally.latencies_us.count_between(limit_us, MAX_US);
        tallies.get(&operation).map_or(0, count)
    }

    /// The result after `elapsed_s` seconds.
    pub(crate) fn outcome(&self, elapsed_s: f64) -> Vec<OperationOutcome> {
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = |(&operation, tally): (&Operation, &Tally)| OperationOutcome {
            operation,
            requests: tally.requests(),
            per_second: tally.requests() as f64 / elapsed_s.max(1e-9),
            succeeded: tally.succeeded,
            rejected: tally.rejected.clone(),
            failed: tally
                .failed
                .iter()
                .map(|(kind, &count)| (kind.to_string(), count))
                .collect(),
            latency_ms: Latency {
                p50: tally.ms(0.5),
                p90: tally.ms(0.9),
                p95: tally.ms(0.95),
                p99: tally.ms(0.99),
                p999: tally.ms(0.999),
                max: tally.ms(1.0),
            },
        };
        tallies.iter().map(outcome).collect()
    }
}

impl Tally {
    fn new() -> Self {
        Self {
            latencies_us: Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are valid"),
            succeeded: 0,
            rejected: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    fn requests(&self) -> u64 {
        self.succeeded + self.rejected.values().sum::<u64>() + self.failed.values().sum::<u64>()
    }

    fn ms(&self, quantile: f64) -> f64 {
        self.latencies_us.value_at_quantile(quantile) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_counted_and_what_was_not_sent_has_no_latency() {
        let recorder = Recorder::default();
        for ms in 1..=100 {
            recorder.record(Operation::CreateOrder, ms * 1_000_000, End::Success);
        }
        recorder.record(
            Operation::CreateOrder,
            5_000_000,
            End::Rejected("insufficient_stock".into()),
        );
        recorder.record(Operation::CreateOrder, 1, End::Failed(Failure::Dropped));
        recorder.record(Operation::CreateOrder, 5_000_000_000, End::Failed(Failure::Timeout));
        let outcome = &recorder.outcome(10.0)[0];
        assert_eq!((outcome.requests, outcome.succeeded), (103, 100));
        assert_eq!(outcome.rejected["insufficient_stock"], 1);
        assert_eq!(outcome.failed["dropped by the generator"], 1);
        assert_eq!(outcome.failed["timeout"], 1);
        let Latency { p50, max, .. } = outcome.latency_ms;
        assert!((49.0..=52.0).contains(&p50), "{p50}");
        assert!((5000.0..=5010.0).contains(&max), "{max}");
        assert_eq!(recorder.live().0, 103);
    }
}
