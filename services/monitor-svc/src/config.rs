//! The monitor's parameters. Every flag has an environment variable; the flag wins.

use std::time::Duration;

use anyhow::{Result, bail};
use tolerancia_core::detector::{AccrualConfig, DetectorConfig, DetectorKind};
use tolerancia_core::lifecycle::LifecycleConfig;
use tolerancia_core::panel::PanelConfig;
use tolerancia_service::config::ServiceArgs;

/// Arguments of `tolerancia monitor-svc`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Milliseconds between two health checks of an instance.
    #[arg(long, env = "HEALTH_CHECK_INTERVAL_MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub health_check_interval_ms: u64,

    /// Milliseconds after which a health check is abandoned.
    #[arg(long, env = "HEALTH_CHECK_TIMEOUT_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub health_check_timeout_ms: u64,

    /// Lowest value of the adaptive bound after which an answer is late, in milliseconds.
    #[arg(long, env = "LATE_FLOOR_MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub late_floor_ms: u64,

    /// Highest value of that bound, in milliseconds.
    #[arg(long, env = "LATE_CAP_MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub late_cap_ms: u64,

    /// Which detector turns instances OFF: accrual or consecutive.
    #[arg(long, env = "DETECTOR", default_value = "accrual")]
    pub detector: DetectorKind,

    /// Misses in a row that turn an instance OFF (detector `consecutive`).
    #[arg(long, env = "CONSECUTIVE_FAILURES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub consecutive_failures: u32,

    /// Probability that a healthy instance's answer is a miss (detector `accrual`).
    #[arg(long, env = "ACCRUAL_P0", default_value_t = 0.001)]
    pub accrual_p0: f64,

    /// Probability that a faulty instance's answer is a miss (detector `accrual`).
    #[arg(long, env = "ACCRUAL_P1", default_value_t = 0.3)]
    pub accrual_p1: f64,

    /// Sum of log-likelihood ratios that turns an instance OFF (detector `accrual`).
    #[arg(long, env = "ACCRUAL_THRESHOLD", default_value_t = 13.8)]
    pub accrual_threshold: f64,

    /// Good health checks in a row that turn an instance ON again.
    #[arg(long, env = "RECOVERY_THRESHOLD", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub recovery_threshold: u32,

    /// Agreeing shadow votes in a row that an instance needs besides, after it lied.
    #[arg(long, env = "SHADOW_VOTES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub shadow_votes: u32,

    /// Shortest quarantine after an OFF, in milliseconds; it doubles with each relapse.
    #[arg(long, env = "QUARANTINE_MIN_MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub quarantine_min_ms: u64,

    /// Longest quarantine, in milliseconds.
    #[arg(long, env = "QUARANTINE_MAX_MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub quarantine_max_ms: u64,

    /// Time ON that halves the next quarantine, in milliseconds.
    #[arg(long, env = "QUARANTINE_DECAY_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub quarantine_decay_ms: u64,

    /// How long a replica may stay behind the quorum before that counts as misses, in milliseconds.
    #[arg(long, env = "LAG_BUDGET_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub lag_budget_ms: u64,

    /// Hours for which request metrics and voting events are kept in the database; 0: for ever.
    #[arg(long, env = "METRICS_RETENTION_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub metrics_retention_hours: u32,
}

const NS_PER_MS: u64 = 1_000_000;

/// What the health checks need to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckConfig {
    pub interval: Duration,
    pub timeout: Duration,
    pub late_floor_ns: u64,
    pub late_cap_ns: u64,
}

impl Args {
    /// The rules' parameters.
    ///
    /// # Errors
    /// When parameters contradict one another; the message names them.
    pub(crate) fn panel(&self) -> Result<PanelConfig> {
        let accrual = AccrualConfig {
            p0: self.accrual_p0,
            p1: self.accrual_p1,
            threshold: self.accrual_threshold,
        };
        if let Err(problem) = accrual.check() {
            bail!("{problem}; set ACCRUAL_P0, ACCRUAL_P1 and ACCRUAL_THRESHOLD accordingly");
        }
        if self.quarantine_min_ms > self.quarantine_max_ms {
            bail!(
                "QUARANTINE_MIN_MS ({}) is above QUARANTINE_MAX_MS ({})",
                self.quarantine_min_ms,
                self.quarantine_max_ms
            );
        }
        Ok(PanelConfig {
            replicas: self.service.replicas,
            detector: DetectorConfig {
                kind: self.detector,
                misses: self.consecutive_failures,
                accrual,
            },
            lifecycle: LifecycleConfig {
                good_checks: self.recovery_threshold,
                shadow_votes: self.shadow_votes,
                quarantine_min_ns: self.quarantine_min_ms * NS_PER_MS,
                quarantine_max_ns: self.quarantine_max_ms * NS_PER_MS,
                decay_ns: self.quarantine_decay_ms * NS_PER_MS,
            },
            lag_budget_ns: self.lag_budget_ms * NS_PER_MS,
        })
    }

    /// How long request metrics and voting events are kept; none: for ever.
    pub(crate) fn retention(&self) -> Option<Duration> {
        let hours = u64::from(self.metrics_retention_hours);
        (hours > 0).then(|| Duration::from_secs(hours * 60 * 60))
    }

    /// The parameters of health checks.
    ///
    /// # Errors
    /// When parameters contradict one another; the message names them.
    pub(crate) fn checks(&self) -> Result<CheckConfig> {
        if self.late_floor_ms > self.late_cap_ms {
            bail!(
                "LATE_FLOOR_MS ({}) is above LATE_CAP_MS ({})",
                self.late_floor_ms,
                self.late_cap_ms
            );
        }
        if self.late_cap_ms > self.health_check_timeout_ms {
            bail!(
                "LATE_CAP_MS ({}) is above HEALTH_CHECK_TIMEOUT_MS ({})",
                self.late_cap_ms,
                self.health_check_timeout_ms
            );
        }
        Ok(CheckConfig {
            interval: Duration::from_millis(self.health_check_interval_ms),
            timeout: Duration::from_millis(self.health_check_timeout_ms),
            late_floor_ns: self.late_floor_ms * NS_PER_MS,
            late_cap_ns: self.late_cap_ms * NS_PER_MS,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn history_is_kept_for_a_day_or_as_long_as_is_said() {
        let keep =
            |args: &[&str]| Cli::try_parse_from([&["monitor-svc"], args].concat()).map(|cli| cli.args.retention());
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        assert_eq!(keep(&[]).unwrap(), hours(24));
        assert_eq!(keep(&["--metrics-retention-hours", "1"]).unwrap(), hours(1));
        assert_eq!(keep(&["--metrics-retention-hours", "0"]).unwrap(), None);
        assert!(keep(&["--metrics-retention-hours", "-1"]).is_err());
    }
}
