//! Which detector judges, and the parameters of all: they can be changed for one another at run time.

use anyhow::{Context as _, Result, bail};
use tolerancia_core::detector::calibrate::{self, Target};
use tolerancia_core::detector::{AccrualConfig, DetectorConfig, DetectorKind, PhiConfig, WindowConfig};

use super::NS_PER_MS;

/// Arguments about detectors.
#[derive(Debug, Clone, clap::Args)]
pub struct DetectorArgs {
    /// Which detector turns instances OFF: accrual, consecutive, phi or window.
    #[arg(long, env = "DETECTOR", default_value = "accrual")]
    pub detector: DetectorKind,

    /// Misses in a row that turn an instance OFF (detector `consecutive`).
    #[arg(long, env = "CONSECUTIVE_FAILURES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub consecutive_failures: u32,

    /// Probability that a healthy instance's answer is a miss (detector `accrual`).
    #[arg(long, env = "ACCRUAL_P0", default_value_t = AccrualConfig::default().p0)]
    pub accrual_p0: f64,

    /// Probability that a faulty instance's answer is a miss (detector `accrual`).
    #[arg(long, env = "ACCRUAL_P1", default_value_t = AccrualConfig::default().p1)]
    pub accrual_p1: f64,

    /// Sum of log-likelihood ratios that turns an instance OFF, in nats (detector `accrual`). Without it, it is
    /// calculated from the three parameters below.
    #[arg(long, env = "ACCRUAL_THRESHOLD")]
    pub accrual_threshold: Option<f64>,

    /// False alarms per instance and year that are acceptable (detector `accrual`).
    #[arg(long, env = "ACCRUAL_FALSE_ALARMS_PER_YEAR", default_value_t = Target::default().false_alarms_per_year)]
    pub accrual_false_alarms_per_year: f64,

    /// Share of a healthy instance's answers that really are misses, as measured (detector `accrual`).
    #[arg(long, env = "ACCRUAL_MISS_RATE", default_value_t = Target::default().miss_rate)]
    pub accrual_miss_rate: f64,

    /// Answers of one instance that are observed per second (detector `accrual`).
    #[arg(long, env = "ACCRUAL_ANSWERS_PER_S", default_value_t = Target::default().answers_per_s)]
    pub accrual_answers_per_s: f64,

    /// Suspicion that turns an instance OFF: 8 is a silence that comes once in 10⁸ (detector `phi`).
    #[arg(long, env = "PHI_THRESHOLD", default_value_t = PhiConfig::default().threshold)]
    pub phi_threshold: f64,

    /// Intervals between good checks that the estimate rests on (detector `phi`).
    #[arg(long, env = "PHI_WINDOW", default_value_t = PhiConfig::default().samples)]
    pub phi_window: usize,

    /// Least standard deviation of those intervals, in milliseconds (detector `phi`).
    #[arg(long, env = "PHI_MIN_STD_MS", default_value_t = PhiConfig::default().min_deviation_ns / NS_PER_MS, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub phi_min_std_ms: u64,

    /// Length of the window, in milliseconds (detector `window`).
    #[arg(long, env = "WINDOW_MS", default_value_t = WindowConfig::default().span_ns / NS_PER_MS, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub window_ms: u64,

    /// Answers within the window below which nothing is concluded (detector `window`).
    #[arg(long, env = "WINDOW_MIN_VOLUME", default_value_t = WindowConfig::default().volume, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub window_min_volume: u32,

    /// Share of misses within the window that turns an instance OFF (detector `window`).
    #[arg(long, env = "WINDOW_FAILURE_SHARE", default_value_t = WindowConfig::default().share)]
    pub window_failure_share: f64,
}

impl DetectorArgs {
    /// The detector and its parameters, where an instance is checked every `interval_ns`.
    ///
    /// # Errors
    /// When a parameter is out of range or contradicts another; the message names what to set.
    pub(super) fn config(&self, interval_ns: u64) -> Result<DetectorConfig> {
        let config = DetectorConfig {
            kind: self.detector,
            misses: self.consecutive_failures,
            accrual: AccrualConfig {
                p0: self.accrual_p0,
                p1: self.accrual_p1,
                threshold: self.threshold()?,
            },
            phi: PhiConfig {
                threshold: self.phi_threshold,
                samples: self.phi_window,
                min_deviation_ns: self.phi_min_std_ms * NS_PER_MS,
                interval_ns,
            },
            window: WindowConfig {
                span_ns: self.window_ms * NS_PER_MS,
                volume: self.window_min_volume,
                share: self.window_failure_share,
            },
        };
        let checks: [(Result<(), String>, &str); 3] = [
            (config.accrual.check(), "ACCRUAL_P0, ACCRUAL_P1 and ACCRUAL_THRESHOLD"),
            (config.phi.check(), "PHI_THRESHOLD, PHI_WINDOW and PHI_MIN_STD_MS"),
            (
                config.window.check(),
                "WINDOW_MS, WINDOW_MIN_VOLUME and WINDOW_FAILURE_SHARE",
            ),
        ];
        for (checked, variables) in checks {
            if let Err(problem) = checked {
                bail!("{problem}: set {variables} accordingly");
            }
        }
        // What else there may be to check.
        config.check().map_err(anyhow::Error::msg)?;
        Ok(config)
    }

    fn threshold(&self) -> Result<f64> {
        if let Some(threshold) = self.accrual_threshold {
            return Ok(threshold);
        }
        let target = Target {
            miss_rate: self.accrual_miss_rate,
            answers_per_s: self.accrual_answers_per_s,
            false_alarms_per_year: self.accrual_false_alarms_per_year,
        };
        if target.miss_rate >= self.accrual_p1 {
            bail!(
                "a healthy instance that misses {} of its answers (ACCRUAL_MISS_RATE) cannot be told from a faulty one \
                 that misses {} (ACCRUAL_P1): raise ACCRUAL_P1, or set ACCRUAL_MISS_RATE to what was measured",
                target.miss_rate,
                self.accrual_p1
            );
        }
        calibrate::threshold(self.accrual_p0, self.accrual_p1, target)
            .map_err(anyhow::Error::msg)
            .context(
                "ACCRUAL_THRESHOLD is not set and cannot be calculated from ACCRUAL_P0, ACCRUAL_P1, ACCRUAL_MISS_RATE, \
                 ACCRUAL_ANSWERS_PER_S and ACCRUAL_FALSE_ALARMS_PER_YEAR",
            )
    }

    /// The detector in force and its parameters in words, for the log.
    pub(super) fn describe(&self, config: &DetectorConfig) -> String {
        let DetectorConfig {
            kind,
            misses,
            accrual,
            phi,
            window,
        } = config;
        match kind {
            DetectorKind::Consecutive => format!("{kind}: {misses} misses in a row"),
            DetectorKind::Accrual => {
                let from = match self.accrual_threshold {
                    Some(_) => "as set".to_owned(),
                    None => format!(
                        "for at most {} false alarms per instance and year at {} answers/s of which a healthy instance \
                         misses {}",
                        self.accrual_false_alarms_per_year, self.accrual_answers_per_s, self.accrual_miss_rate
                    ),
                };
                let AccrualConfig { p0, p1, threshold } = accrual;
                format!("{kind}: p0 {p0}, p1 {p1}, threshold {threshold} nats, {from}")
            }
            DetectorKind::Phi => format!(
                "{kind}: threshold {}, {} intervals, standard deviation at least {} ms",
                phi.threshold,
                phi.samples,
                phi.min_deviation_ns / NS_PER_MS
            ),
            DetectorKind::Window => format!(
                "{kind}: {} of at least {} answers within {} ms",
                window.share,
                window.volume,
                window.span_ns / NS_PER_MS
            ),
        }
    }
}
