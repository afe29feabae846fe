//! What a report that comes late still says.
//!
//! A report may wait for a broker, and a monitor that stood still reads at one instant what was said meanwhile. By then
//! the instance may have been well for long, or have been turned OFF for it and come back.
//!
//! | made | counts of answers | shadow votes that agreed | proven lies |
//! | --- | --- | --- | --- |
//! | before an instance that is ON came back | no | no | no: they led to the last verdict |
//! | more than [`OLD_NS`] ago, or nobody knows when | no | no | yes: who has lied has lied |
//! | since | yes | yes | yes |
//!
//! Nothing is lost by it: what still goes wrong is told in the next report, and seen by the monitor's own checks.

use super::Panel;
use crate::ReplicaId;

/// What was counted longer ago than this (2 s) says nothing about now. Reporters give up sending after as long.
pub const OLD_NS: u64 = 2_000_000_000;

/// What of a report still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// All of it.
    All {
        /// How long ago it was made by one's own clock, at least, in nanoseconds.
        age_ns: u64,
    },
    /// Proven lies only.
    Proofs,
    /// Nothing.
    Nothing,
}

impl Panel {
    /// What counts of a report about `instance` that comes from `reporter` at `now_ns` and was made at `made_ns` by the
    /// monotonic clock of its host, both in nanoseconds.
    pub fn worth(&mut self, now_ns: u64, instance: ReplicaId, reporter: &str, made_ns: u64) -> Worth {
        let made_ns = self.clocks.made_ns(reporter, now_ns, made_ns);
        let lifecycle = self.members.get(instance.index()).map(|member| &member.lifecycle);
        let Some(made_ns) = made_ns else {
            return Worth::Proofs;
        };
        if lifecycle.is_some_and(|l| l.is_on() && made_ns < l.on_since_ns()) {
            Worth::Nothing
        } else {
            match now_ns.saturating_sub(made_ns) {
                age_ns @ ..=OLD_NS => Worth::All { age_ns },
                _ => Worth::Proofs,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::DetectorConfig;
    use crate::lifecycle::LifecycleConfig;
    use crate::panel::PanelConfig;

    const MS: u64 = 1_000_000;
    const SEC: u64 = 1_000 * MS;

    fn id(n: u8) -> ReplicaId {
        ReplicaId::new(n).expect("from 1")
    }

    fn panel(on: bool) -> Panel {
        let config = PanelConfig {
            replicas: 3,
            detector: DetectorConfig::default(),
            lifecycle: LifecycleConfig::default(),
            lag_budget_ns: SEC,
            idle_budget_ns: SEC / 2,
        };
        Panel::new(config, 100 * SEC, |_| on)
    }

    #[test]
    fn counts_of_long_ago_say_nothing_about_now_and_a_lie_stays_one() {
        // Of an instance that is OFF too: it must not begin its way back anew for what was before.
        for on in [true, false] {
            for apart in [0, 7_000 * SEC] {
                let mut panel = panel(on);
                let made = 200 * SEC;
                // It has been heard before.
                panel.worth(150 * SEC, id(1), "voter-svc", 150 * SEC + apart);
                let mut worth = |now, made| panel.worth(now, id(2), "voter-svc", made + apart);
                let all = |age_ms: u64| Worth::All { age_ns: age_ms * MS };
                assert_eq!(worth(made + MS, made), all(1));
                assert_eq!(worth(made + 1900 * MS, made), all(1900));
                assert_eq!(worth(made + 8 * SEC, made), Worth::Proofs, "{on}, {apart}");
                assert_eq!(worth(made + 8 * SEC, made + 7 * SEC), all(1000));
            }
        }
    }

    #[test]
    fn what_was_before_an_instance_came_back_counts_for_nothing() {
        let mut panel = panel(true);
        let now = 100 * SEC + 500 * MS;
        assert_eq!(panel.worth(now, id(1), "voter-svc", 100 * SEC - MS), Worth::Nothing);
        let age_ns = 500 * MS;
        assert_eq!(panel.worth(now, id(1), "voter-svc", 100 * SEC), Worth::All { age_ns });
    }
}
