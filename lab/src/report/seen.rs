//! The requests of the load, as the parts of the report ask for them.

use std::collections::BTreeMap;

use super::model::Phase;
use super::rounded;
use crate::experiment::record::{Observation, Window};
use crate::load::stats::End;
use crate::load::{Failure, Operation};
use crate::statistics::{quantile, sorted, wilson};

/// The requests in the order in which they were meant to start.
#[derive(Debug)]
pub(super) struct Seen<'a>(Vec<&'a Observation>);

impl<'a> Seen<'a> {
    pub fn of(observations: &'a [Observation]) -> Self {
        let mut all: Vec<&Observation> = observations.iter().collect();
        all.sort_by_key(|seen| seen.intended_ns);
        Self(all)
    }

    /// Those that were meant to start in the window.
    pub fn within(&self, window: Window) -> &[&'a Observation] {
        let from = self.0.partition_point(|seen| seen.intended_ns < window.from_ns);
        let to = self.0.partition_point(|seen| seen.intended_ns <= window.to_ns);
        self.0.get(from..to).unwrap_or_default()
    }

    /// From when the first to when the last of them was meant to start.
    pub fn span(&self) -> Option<Window> {
        Some(Window {
            from_ns: self.0.first()?.intended_ns,
            to_ns: self.0.last()?.intended_ns,
        })
    }

    /// Those that were meant to start in any of the windows.
    pub fn phase(&self, windows: &[Window]) -> Phase {
        let requests: Vec<&Observation> = merged(windows)
            .into_iter()
            .flat_map(|window| self.within(window).iter().copied())
            .collect();
        let mut failures = BTreeMap::new();
        for seen in &requests {
            if let End::Failed(failure) = seen.end {
                *failures
                    .entry(format!("{}: {failure}", name(seen.operation)))
                    .or_default() += 1;
            }
        }
        let latencies = latencies_ms(&requests);
        let micros = |q: f64| quantile(&latencies, q).map(|ms| rounded(ms, 3));
        let all = requests.len() as u64;
        let succeeded = all - failed(&requests);
        let queries = requests
            .iter()
            .filter(|seen| seen.operation == Operation::QueryInventory);
        let quorums = queries.clone().filter(|seen| seen.end == End::Success).count() as u64;
        let queries = queries.count() as u64;
        Phase {
            requests: all,
            success_rate: rate(succeeded, all),
            success_ci95: interval(succeeded, all),
            p50_ms: micros(0.5),
            p95_ms: micros(0.95),
            p99_ms: micros(0.99),
            max_ms: micros(1.0),
            quorum_rate: rate(quorums, queries),
            quorum_ci95: interval(quorums, queries),
            failed: failures,
        }
    }
}

/// The same times, none of them twice, in order.
fn merged(windows: &[Window]) -> Vec<Window> {
    let mut windows: Vec<Window> = windows
        .iter()
        .copied()
        .filter(|window| window.from_ns <= window.to_ns)
        .collect();
    windows.sort_by_key(|window| window.from_ns);
    let mut merged: Vec<Window> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.from_ns <= last.to_ns => last.to_ns = last.to_ns.max(window.to_ns),
            _ => merged.push(window),
        }
    }
    merged
}

/// How many have no valid answer.
pub(super) fn failed(requests: &[&Observation]) -> u64 {
    let failed = requests.iter().filter(|seen| matches!(seen.end, End::Failed(_)));
    failed.count() as u64
}

/// In ascending order. What was never sent took no time.
pub(super) fn latencies_ms(requests: &[&Observation]) -> Vec<f64> {
    let sent = requests.iter().filter(|seen| seen.end != End::Failed(Failure::Dropped));
    sorted(&sent.map(|seen| seen.latency_ns as f64 / 1e6).collect::<Vec<_>>())
}

/// To nine decimals: as many as any number of requests that fits into memory has use for.
fn rate(good: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| rounded(good as f64 / all as f64, 9))
}

fn interval(good: u64, all: u64) -> Option<[f64; 2]> {
    Some(wilson(good, all)?.map(|end| rounded(end, 6)))
}

const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::QueryInventory => "query",
        Operation::CreateOrder => "order",
        Operation::CancelOrder => "cancel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from_ns: u64, to_ns: u64) -> Window {
        Window { from_ns, to_ns }
    }

    #[test]
    fn overlapping_windows_count_once_and_empty_ones_not_at_all() {
        let windows = [
            window(50, 60),
            window(1, 10),
            window(5, 20),
            window(30, 29),
            window(20, 22),
        ];
        assert_eq!(merged(&windows), [window(1, 22), window(50, 60)]);
        let seen: Vec<Observation> = [70, 20, 5, 21, 30]
            .into_iter()
            .map(|intended_ns| Observation {
                operation: Operation::CreateOrder,
                intended_ns,
                latency_ns: 1_000_000,
                end: End::Success,
                told: None,
            })
            .collect();
        let seen = Seen::of(&seen);
        assert_eq!(seen.phase(&windows).requests, 3);
        assert_eq!(seen.within(window(20, 30)).len(), 3);
        assert_eq!(seen.within(window(31, 69)).len(), 0);
        assert_eq!(seen.span(), Some(window(5, 70)));
        let none = Seen::of(&[]);
        assert_eq!((none.span(), none.phase(&windows)), (None, Phase::default()));
    }
}
