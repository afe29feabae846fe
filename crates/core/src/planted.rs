//! Bugs that are planted on purpose, to show that the checks of this project can fail.
//!
//! A check that never failed may be a check that cannot. With the cargo feature `planted-bugs` one of these bugs can be
//! switched on at run time; whoever hunts for violations must then find it. Without the feature [`is`] is `false` at
//! compile time and the sites cost nothing.
//!
//! | bug | where it sits |
//! | --- | --- |
//! | [`LostOrder`](Planted::LostOrder) | orders-svc, before the append |
//! | [`DoubleApply`](Planted::DoubleApply), [`Oversell`](Planted::Oversell), [`HalfCancel`](Planted::HalfCancel) | [`crate::ledger`] |
//! | [`MinorityValue`](Planted::MinorityValue), [`StaleRead`](Planted::StaleRead), [`LagIsALie`](Planted::LagIsALie) | [`crate::ballot`] |
//! | [`SkippedEvent`](Planted::SkippedEvent) | inventory-svc, before an event is applied |
//! | [`DeafMonitor`](Planted::DeafMonitor), [`NervousMonitor`](Planted::NervousMonitor), [`NoWayBack`](Planted::NoWayBack) | [`crate::panel`] |

use std::fmt;
use std::str::FromStr;

/// One bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Planted {
    /// orders-svc acknowledges one order in eight that it never appended.
    LostOrder,
    /// A repeated reserve is applied again, by all replicas alike.
    DoubleApply,
    /// A reserve beyond stock is accepted and takes what there is.
    Oversell,
    /// A cancel gives back one unit less than was taken.
    HalfCancel,
    /// The ballot decides on the first reply.
    MinorityValue,
    /// The ballot serves an older version that a quorum supports, although the first quorum claims a newer one.
    StaleRead,
    /// A replica that lags is reported as dissenting.
    LagIsALie,
    /// Replica 2 leaves out one event in a hundred.
    SkippedEvent,
    /// The monitor takes no note of misses.
    DeafMonitor,
    /// A single miss, or now and then nothing at all, turns a replica OFF.
    NervousMonitor,
    /// The monitor does not take replica 3 back once it was OFF.
    NoWayBack,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::LostOrder,
        Self::DoubleApply,
        Self::Oversell,
        Self::HalfCancel,
        Self::MinorityValue,
        Self::StaleRead,
        Self::LagIsALie,
        Self::SkippedEvent,
        Self::DeafMonitor,
        Self::NervousMonitor,
        Self::NoWayBack,
    ];

    /// Its name on the command line and in the environment.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LostOrder => "lost-order",
            Self::DoubleApply => "double-apply",
            Self::Oversell => "oversell",
            Self::HalfCancel => "half-cancel",
            Self::MinorityValue => "minority-value",
            Self::StaleRead => "stale-read",
            Self::LagIsALie => "lag-is-a-lie",
            Self::SkippedEvent => "skipped-event",
            Self::DeafMonitor => "deaf-monitor",
            Self::NervousMonitor => "nervous-monitor",
            Self::NoWayBack => "no-way-back",
        }
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Planted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|bug| bug.name() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|bug| bug.name()).collect();
            format!("there is no planted bug named {text:?}; there are {}", known.join(", "))
        })
    }
}

/// The bug that is planted in this process, as its number from 1; 0: none.
#[cfg(feature = "planted-bugs")]
static BUG: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a bug in this process, or takes it out.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Planted>) {
    BUG.store(bug.map_or(0, |bug| bug as u8 + 1), std::sync::atomic::Ordering::Relaxed);
}

/// Whether this bug is planted in this process.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn is(bug: Planted) -> bool {
    BUG.load(std::sync::atomic::Ordering::Relaxed) == bug as u8 + 1
}

/// Whether this bug is planted in this process: never, in a build without the feature `planted-bugs`.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn is(bug: Planted) -> bool {
    let _ = bug;
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own_and_is_found_by_it() {
        for bug in Planted::ALL {
            assert_eq!(bug.to_string().parse(), Ok(bug));
        }
        let error = "no-such-bug".parse::<Planted>().expect_err("there is none");
        assert!(
            error.contains("no-such-bug") && error.contains("half-cancel"),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_planted_unless_somebody_does() {
        assert!(Planted::ALL.iter().all(|bug| !is(*bug)));
    }
}
