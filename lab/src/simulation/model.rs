//! What is simulated, in numbers.

use tolerancia_core::checks::ChecksConfig;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_core::lifecycle::LifecycleConfig;
use tolerancia_core::panel::PanelConfig;

use super::dice::Delay;

/// The most replicas that a system has.
pub(crate) const MOST_REPLICAS: usize = 7;
/// The most products that can be told apart.
pub(crate) const MOST_PRODUCTS: usize = 64;

const MS: u64 = 1_000_000;

/// The system and its load.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    /// Replicas, 3, 5 or 7.
    pub replicas: u8,
    /// The monitor's health checks. The voter's late bound has the same floor and cap.
    pub checks: ChecksConfig,
    /// How long a replica may stay behind the quorum, nanoseconds.
    pub lag_budget_ns: u64,
    /// How long a replica may not have been reading its log, nanoseconds.
    pub idle_budget_ns: u64,
    /// Client queries per second.
    pub queries_rps: f64,
    /// Products, 1 to [`MOST_PRODUCTS`]; each query is about one of them.
    pub products: usize,
    /// Votes per second that the voter holds of its own accord where clients ask for less.
    pub scrub_rate: f64,
    /// Between two reports of the voter while something is wrong, and while nothing is, nanoseconds.
    pub report_every_ns: [u64; 2],
    /// End of a vote, nanoseconds.
    pub vote_timeout_ns: u64,
    /// From a question to the answer of a healthy replica.
    pub service: Delay,
    /// From a report to its arrival at the monitor.
    pub report: Delay,
    /// From the death of a process to the loss of its connections, nanoseconds.
    pub teardown_ns: u64,
    /// Probability that a healthy replica's answer is an error.
    pub healthy_miss: f64,
    /// How often a healthy replica stands still.
    pub stalls_per_hour: f64,
    /// For how long, on average, nanoseconds; exponentially distributed.
    pub stall_mean_ns: f64,
    /// Healthy time before a fault, nanoseconds; up to a second more is added, so that it meets any phase.
    pub warm_up_ns: u64,
    /// A fault that is not detected within this time is missed, nanoseconds.
    pub horizon_ns: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            replicas: 3,
            checks: ChecksConfig::default(),
            lag_budget_ns: 1000 * MS,
            idle_budget_ns: 500 * MS,
            queries_rps: 50.0,
            products: 3,
            scrub_rate: 50.0,
            report_every_ns: [50 * MS, 1000 * MS],
            vote_timeout_ns: 300 * MS,
            service: Delay::LogNormal {
                median_ns: 1e6,
                sigma: 0.5,
            },
            report: Delay::LogNormal {
                median_ns: 6e6,
                sigma: 0.3,
            },
            teardown_ns: 3 * MS,
            healthy_miss: 1e-4,
            stalls_per_hour: 0.0,
            stall_mean_ns: 60e6,
            warm_up_ns: 1000 * MS,
            horizon_ns: 10_000 * MS,
        }
    }
}

impl Model {
    /// The panel's parameters with this detector.
    pub(crate) fn panel(&self, detector: DetectorConfig) -> PanelConfig {
        PanelConfig {
            replicas: self.replicas,
            detector,
            lifecycle: LifecycleConfig::default(),
            lag_budget_ns: self.lag_budget_ns,
            idle_budget_ns: self.idle_budget_ns,
        }
    }

    /// How long a product may go without a vote, nanoseconds; infinite where nothing is scrubbed.
    pub(crate) fn scrub_after_ns(&self) -> f64 {
        self.products as f64 / self.scrub_rate * 1e9
    }

    /// Health checks per second and instance.
    pub(crate) fn checks_per_s(&self) -> f64 {
        1e9 / self.checks.interval_ns.max(1) as f64
    }

    /// Votes per second, those of clients and of the scrub.
    ///
    /// A product is voted on when a client asks for it, or [`Model::scrub_after_ns`] after its last vote. Taking its
    /// clients for a Poisson process of rate r, the mean time to the next vote is (1 − e^(−r·τ)) / r.
    pub(crate) fn votes_per_s(&self) -> f64 {
        let products = self.products as f64;
        let rate = self.queries_rps / products;
        if self.scrub_rate <= 0.0 {
            self.queries_rps
        } else if rate <= 0.0 {
            self.scrub_rate
        } else {
            products * rate / -(-rate * self.scrub_after_ns() / 1e9).exp_m1()
        }
    }

    /// Answers per second of one instance.
    pub(crate) fn answers_per_s(&self) -> f64 {
        self.votes_per_s() + self.checks_per_s()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(queries_rps: f64, scrub_rate: f64) -> f64 {
        Model {
            queries_rps,
            scrub_rate,
            ..Model::default()
        }
        .votes_per_s()
    }

    #[test]
    fn the_scrub_fills_up_what_clients_leave() {
        assert_eq!(votes(0.0, 50.0), 50.0);
        assert_eq!(votes(50.0, 0.0), 50.0);
        assert_eq!(votes(0.0, 0.0), 0.0);
        assert!((votes(1e-9, 50.0) - 50.0).abs() < 1e-6);
        assert!((votes(10_000.0, 50.0) - 10_000.0).abs() < 1e-6, "enough by themselves");
        let both = votes(50.0, 50.0);
        assert!((60.0..100.0).contains(&both), "{both}");
    }
}
