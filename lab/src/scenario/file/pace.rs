//! How much of everything.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::super::Pace;
use super::range::{Placed, within};

/// How much of everything with --quick.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "quick")]
pub(super) struct QuickTable {
    /// Trials per fault and detector; without it 3.
    #[schemars(with = "Option<i64>", range(min = 1, max = 1000))]
    pub trials: Option<Spanned<i64>>,
    /// Seconds of measuring the healthy system; without it 6.
    #[schemars(with = "Option<f64>", range(min = 1.0, max = 86_400.0))]
    pub baseline_s: Option<Spanned<f64>>,
    /// Milliseconds that a fault stays after it was detected; without it 500.
    #[schemars(with = "Option<i64>", range(min = 0, max = 600_000))]
    pub hold_ms: Option<Spanned<i64>>,
    /// Milliseconds that all instances are ON before the next trial; without it 300.
    #[schemars(with = "Option<i64>", range(min = 0, max = 600_000))]
    pub settle_ms: Option<Spanned<i64>>,
}

impl QuickTable {
    /// What is not there is as in `default`.
    pub(super) fn check(self, default: Pace) -> Result<Pace, Placed> {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let millis = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        let trials = within(
            "trials",
            self.trials,
            i64::try_from(default.trials).unwrap_or(1),
            1..=1000,
        )?;
        let baseline = within(
            "baseline_s",
            self.baseline_s,
            default.baseline.as_secs_f64(),
            1.0..=86_400.0,
        )?;
        Ok(Pace {
            trials: usize::try_from(trials).unwrap_or(1),
            baseline: Duration::from_secs_f64(baseline),
            hold: millis(within("hold_ms", self.hold_ms, ms(default.hold), 0..=600_000)?),
            settle: millis(within("settle_ms", self.settle_ms, ms(default.settle), 0..=600_000)?),
        })
    }
}
