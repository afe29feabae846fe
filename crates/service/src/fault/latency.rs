//! Every answer sleeps first.

use std::time::Duration;

use rand::Rng as _;
use tolerancia_core::fault::latency_ms;

/// How long this answer sleeps.
pub(super) fn delay(mean_ms: Option<u64>) -> Duration {
    Duration::from_secs_f64(latency_ms(mean_ms, rand::rng().random()) / 1e3)
}
