//! One instance on the panel: its detector, its way back, and the account of evidence against it.

use super::account::{Account, explain};
use super::{CauseKind, Change};
use crate::ReplicaId;
use crate::detector::{Detector, Observation, Seen};
use crate::lifecycle::Lifecycle;
use crate::planted::{self, Planted};

/// Who reports the results of health checks.
pub(super) const HEALTH_CHECK: &str = "health check";

#[derive(Debug)]
pub(super) struct Member {
    pub(super) detector: Box<dyn Detector>,
    pub(super) lifecycle: Lifecycle,
    pub(super) account: Account,
    /// How it is behind with its log, if it is.
    pub(super) behind: Option<String>,
}

impl Member {
    /// Good answers that were reported.
    pub(super) fn good(&mut self, now_ns: u64, count: u32) {
        if count > 0 {
            self.detector.good(now_ns, count.into(), false);
            self.forget_if_clear();
        }
    }

    fn forget_if_clear(&mut self) {
        if self.detector.level() == 0.0 {
            self.account.clear();
        }
    }

    pub(super) fn observe(
        &mut self,
        now_ns: u64,
        instance: ReplicaId,
        reporter: &str,
        seen: Seen,
        weight: f64,
        count: u32,
    ) -> Option<Change> {
        if seen.is_miss() && planted::is(Planted::DeafMonitor) {
            return None;
        }
        let before = self.detector.statistic();
        let suspected = self.detector.observe(Observation {
            at_ns: now_ns,
            seen,
            weight,
            heartbeat: reporter == HEALTH_CHECK,
        });
        if seen.is_miss() {
            let gain = self.detector.statistic() - before;
            self.account.add(now_ns, seen, reporter, count, weight, gain);
        } else {
            self.forget_if_clear();
        }
        // Now and then: one observation in 256, by the microsecond that it was made in.
        let nervous = planted::is(Planted::NervousMonitor) && (seen.is_miss() || (now_ns / 1000).is_multiple_of(256));
        if suspected || nervous {
            self.turn_off(now_ns, instance, seen)
        } else {
            None
        }
    }

    pub(super) fn turn_off(&mut self, now_ns: u64, instance: ReplicaId, seen: Seen) -> Option<Change> {
        let evidence = self.account.pieces(now_ns);
        let text = explain(&*self.detector, &evidence, self.behind.as_deref());
        let kind = self.account.mostly().unwrap_or(seen);
        self.lifecycle.turn_off(now_ns).then(|| Change {
            instance,
            was_on: true,
            phase: self.lifecycle.phase(),
            kind: CauseKind::Misses(kind),
            text,
            evidence,
            quarantine_ns: Some(self.lifecycle.quarantine_ns()),
        })
    }
}
