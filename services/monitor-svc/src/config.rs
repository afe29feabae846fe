//! The monitor's parameters. Every flag has an environment variable; the flag wins.

mod detector;

use std::time::Duration;

use anyhow::{Result, bail};
use tolerancia_core::checks::ChecksConfig;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_core::lifecycle::LifecycleConfig;
use tolerancia_core::panel::PanelConfig;
use tolerancia_service::config::ServiceArgs;

pub use detector::DetectorArgs;

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

    /// Highest value of that bound, in milliseconds; without it 200, or the timeout of a check if that is less.
    #[arg(long, env = "LATE_CAP_MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub late_cap_ms: Option<u64>,

    /// Which detector, and how.
    #[command(flatten)]
    pub detection: DetectorArgs,

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

    /// Time without any miss that an instance needs besides to be ON again, in milliseconds; it doubles with each
    /// relapse.
    #[arg(long, env = "PROBATION_CLEAN_MS", default_value_t = 800, value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    pub probation_clean_ms: u64,

    /// Longest such time, in milliseconds.
    #[arg(long, env = "PROBATION_CLEAN_MAX_MS", default_value_t = 1700, value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    pub probation_clean_max_ms: u64,

    /// How long a replica may stay behind the quorum before that counts as misses, in milliseconds.
    #[arg(long, env = "LAG_BUDGET_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub lag_budget_ms: u64,

    /// How long a replica may not be reading its log before that counts as misses, in milliseconds.
    #[arg(long, env = "IDLE_BUDGET_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub idle_budget_ms: u64,

    /// Hours for which request metrics and voting events are kept in the database; 0: for ever.
    #[arg(long, env = "METRICS_RETENTION_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub metrics_retention_hours: u32,
}

const NS_PER_MS: u64 = 1_000_000;
/// The cap of the late bound, unless a check times out sooner.
const LATE_CAP_MS: u64 = 200;

impl Args {
    /// The rules' parameters.
    ///
    /// # Errors
    /// When parameters contradict one another; the message names them.
    pub(crate) fn panel(&self) -> Result<PanelConfig> {
        if self.quarantine_min_ms > self.quarantine_max_ms {
            bail!(
                "QUARANTINE_MIN_MS ({}) is above QUARANTINE_MAX_MS ({}): lower the first or raise the second",
                self.quarantine_min_ms,
                self.quarantine_max_ms
            );
        }
        if self.probation_clean_ms > self.probation_clean_max_ms {
            bail!(
                "PROBATION_CLEAN_MS ({}) is above PROBATION_CLEAN_MAX_MS ({}): lower the first or raise the second",
                self.probation_clean_ms,
                self.probation_clean_max_ms
            );
        }
        Ok(PanelConfig {
            replicas: self.service.replicas,
            detector: self.detection.config(self.health_check_interval_ms * NS_PER_MS)?,
            lifecycle: LifecycleConfig {
                good_checks: self.recovery_threshold,
                shadow_votes: self.shadow_votes,
                quarantine_min_ns: self.quarantine_min_ms * NS_PER_MS,
                quarantine_max_ns: self.quarantine_max_ms * NS_PER_MS,
                decay_ns: self.quarantine_decay_ms * NS_PER_MS,
                clean_min_ns: self.probation_clean_ms * NS_PER_MS,
                clean_max_ns: self.probation_clean_max_ms * NS_PER_MS,
            },
            lag_budget_ns: self.lag_budget_ms * NS_PER_MS,
            idle_budget_ns: self.idle_budget_ms * NS_PER_MS,
        })
    }

    /// The detector in force and its parameters in words, for the log.
    pub(crate) fn describe_detector(&self, config: &DetectorConfig) -> String {
        self.detection.describe(config)
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
    pub(crate) fn checks(&self) -> Result<ChecksConfig> {
        let (late_cap_ms, cap) = match self.late_cap_ms {
            Some(ms) => (ms, "LATE_CAP_MS"),
            None if self.health_check_timeout_ms < LATE_CAP_MS => {
                (self.health_check_timeout_ms, "HEALTH_CHECK_TIMEOUT_MS")
            }
            None => (LATE_CAP_MS, "LATE_CAP_MS"),
        };
        if self.late_floor_ms > late_cap_ms {
            bail!(
                "LATE_FLOOR_MS ({}) is above {cap} ({late_cap_ms}): lower the first or raise the second",
                self.late_floor_ms
            );
        }
        if late_cap_ms > self.health_check_timeout_ms {
            bail!(
                "LATE_CAP_MS ({}) is above HEALTH_CHECK_TIMEOUT_MS ({}): lower the first or raise the second",
                late_cap_ms,
                self.health_check_timeout_ms
            );
        }
        Ok(ChecksConfig {
            interval_ns: self.health_check_interval_ms * NS_PER_MS,
            timeout_ns: self.health_check_timeout_ms * NS_PER_MS,
            late_floor_ns: self.late_floor_ms * NS_PER_MS,
            late_cap_ns: late_cap_ms * NS_PER_MS,
        })
    }
}

#[cfg(test)]
mod tests;
