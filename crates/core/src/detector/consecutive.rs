//! Misses in a row: the classic rule of load balancers and orchestrators, kept as a reference.
//!
//! It needs no model, and it never sees an instance that fails every other answer.

use super::{Detector, Observation};

/// The detector `consecutive`.
#[derive(Debug, Clone)]
pub struct Consecutive {
    limit: u32,
    row: f64,
}

impl Consecutive {
    /// Trips after `limit` misses in a row; at least 1.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            row: 0.0,
        }
    }
}

impl Detector for Consecutive {
    fn name(&self) -> &'static str {
        "consecutive"
    }

    fn observe(&mut self, observation: Observation) -> bool {
        // A miss that shares its cause with others is a part of one; a good answer of whatever weight ends the row.
        if observation.seen.is_miss() {
            self.row += observation.weight;
        } else if observation.weight > 0.0 {
            self.row = 0.0;
        }
        self.level() >= 1.0
    }

    fn unit(&self) -> &'static str {
        "misses"
    }

    fn good(&mut self, _at_ns: u64, count: u64, _heartbeat: bool) {
        if count > 0 {
            self.row = 0.0;
        }
    }

    fn statistic(&self) -> f64 {
        self.row
    }

    fn limit(&self) -> f64 {
        f64::from(self.limit)
    }

    fn reset(&mut self) {
        self.row = 0.0;
    }
}
