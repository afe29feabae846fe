//! The voter's counters since its start.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tolerancia_wire::inventory::{InstanceStats, VotingStats};

/// The longest decision time that is told apart, in µs. Votes end long before.
const LONGEST_US: u64 = 60_000_000;

/// How a vote on behalf of a client ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A quorum decided, at the newest version claimed.
    Fresh,
    /// A quorum decided, but something newer may exist.
    NotFresh,
    /// No quorum: no answer.
    NoQuorum,
}

/// The counters.
pub struct Stats {
    decided: AtomicU64,
    not_fresh: AtomicU64,
    no_quorum: AtomicU64,
    unanimous: AtomicU64,
    scrubs: AtomicU64,
    /// Decision times in µs, to three digits: some 100 KiB whatever the number of votes.
    times: Mutex<Histogram<u64>>,
    exported: [metrics::Counter; 3],
    exported_scrubs: metrics::Counter,
}

impl Default for Stats {
    fn default() -> Self {
        let exported = |result: &'static str| metrics::counter!("voter_votes_total", "result" => result);
        Self {
            decided: AtomicU64::new(0),
            not_fresh: AtomicU64::new(0),
            no_quorum: AtomicU64::new(0),
            unanimous: AtomicU64::new(0),
            scrubs: AtomicU64::new(0),
            times: Mutex::new(Histogram::new_with_max(LONGEST_US, 3).expect("three digits up to a minute are valid")),
            exported: [exported("fresh"), exported("not_fresh"), exported("no_quorum")],
            exported_scrubs: metrics::counter!("voter_scrub_votes_total"),
        }
    }
}

impl Stats {
    /// Counts `votes` votes of one client request that ended after `took`.
    pub fn ended(&self, ending: Ending, votes: u64, took: Duration) {
        if votes == 0 {
            return;
        }
        let tally = match ending {
            Ending::Fresh => &self.decided,
            Ending::NotFresh => {
                self.not_fresh.fetch_add(votes, Ordering::Relaxed);
                &self.decided
            }
            Ending::NoQuorum => &self.no_quorum,
        };
        tally.fetch_add(votes, Ordering::Relaxed);
        self.exported[ending as usize].increment(votes);
        if ending != Ending::NoQuorum {
            let us = u64::try_from(took.as_micros()).unwrap_or(LONGEST_US);
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            times.saturating_record_n(us.max(1), votes);
        }
    }

    /// Counts client votes in which all configured replicas turned out to agree.
    pub fn unanimous(&self, votes: u64) {
        self.unanimous.fetch_add(votes, Ordering::Relaxed);
    }

    /// Counts votes of the scrub.
    pub fn scrubbed(&self, votes: u64) {
        self.scrubs.fetch_add(votes, Ordering::Relaxed);
        self.exported_scrubs.increment(votes);
    }

    /// The body of `GET /voting-stats`.
    #[must_use]
    pub fn view(&self, instances: Vec<InstanceStats>, evidence_dropped: u64) -> VotingStats {
        let decided = self.decided.load(Ordering::Relaxed);
        let no_quorum = self.no_quorum.load(Ordering::Relaxed);
        let votes = decided + no_quorum;
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
        VotingStats {
            votes,
            scrub_votes: self.scrubs.load(Ordering::Relaxed),
            decided,
            unanimous: self.unanimous.load(Ordering::Relaxed),
            not_fresh: self.not_fresh.load(Ordering::Relaxed),
            no_quorum,
            quorum_rate: if votes == 0 { 1.0 } else { decided as f64 / votes as f64 },
            p50_ms: ms(0.5),
            p95_ms: ms(0.95),
            p99_ms: ms(0.99),
            evidence_dropped,
            instances,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let stats = Stats::default();
        assert!(
            (stats.view(vec![], 0).quorum_rate - 1.0).abs() < 1e-9,
            "no vote, no complaint"
        );
        for ms in 1..=97 {
            stats.ended(Ending::Fresh, 1, Duration::from_millis(ms));
        }
        stats.ended(Ending::NotFresh, 2, Duration::from_millis(300));
        stats.ended(Ending::NoQuorum, 1, Duration::from_secs(1000));
        let view = stats.view(vec![], 3);
        assert_eq!(
            (view.votes, view.decided, view.not_fresh, view.no_quorum),
            (100, 99, 2, 1)
        );
        assert!((view.quorum_rate - 0.99).abs() < 1e-9);
        assert!((view.p50_ms - 50.0).abs() < 1.0, "{}", view.p50_ms);
        assert!((view.p99_ms - 300.0).abs() < 1.0, "{}", view.p99_ms);
    }
}
