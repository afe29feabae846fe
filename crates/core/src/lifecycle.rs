//! From ON to OFF and back: OFF → quarantine → probation → ON.
//!
//! A small state machine with named phases, in the manner of a circuit breaker (Nygard, "Release It!", 2nd
//! edition, 2018, chapter 5), with memory so that an instance which fails half the time does not flap:
//!
//! * **Quarantine** lasts at least the minimum and doubles with each relapse, an OFF soon after an ON. Time
//!   spent ON halves it again.
//! * **Probation** asks for good checks in a row, and for a *clean time* in which nobody saw a miss, be it in a
//!   check or in an answer to a (shadow) query. One miss starts both again. A row of checks alone lets an instance
//!   pass that fails a tenth of its answers: five good ones in a row come three times out of five. In a second
//!   it answers a hundred shadow votes, and all of those are good once in forty thousand. The clean time doubles with
//!   a relapse too, up to a bound, so that an instance which is well again returns within the quarantine and 2 s.
//! * After **dissent** it also asks for shadow votes in a row that agree with the quorum, with every
//!   product the instance lied about among them: a liar answers its health checks perfectly.
//!
//! Nothing here depends on client traffic: checks and scrub votes come without it.

use std::collections::BTreeMap;

use crate::ProductId;

/// Parameters of the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// Good checks in a row that readmit.
    pub good_checks: u32,
    /// Agreeing shadow votes in a row that readmit after dissent.
    pub shadow_votes: u32,
    /// Shortest quarantine, nanoseconds.
    pub quarantine_min_ns: u64,
    /// Longest quarantine, nanoseconds.
    pub quarantine_max_ns: u64,
    /// Time ON that halves the next quarantine, nanoseconds.
    pub decay_ns: u64,
    /// Time without any miss that readmits, nanoseconds; doubles with each relapse.
    pub clean_min_ns: u64,
    /// The longest such time, nanoseconds.
    pub clean_max_ns: u64,
}

impl Default for LifecycleConfig {
    fn default() -> Self {
        Self {
            good_checks: 5,
            shadow_votes: 5,
            quarantine_min_ns: 200_000_000,
            quarantine_max_ns: 30_000_000_000,
            decay_ns: 10_000_000_000,
            clean_min_ns: 800_000_000,
            clean_max_ns: 1_700_000_000,
        }
    }
}

/// Where an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its votes count.
    On,
    /// OFF until this instant, whatever it answers.
    Quarantine {
        /// End, nanoseconds.
        until_ns: u64,
    },
    /// OFF, and proving itself.
    Probation,
}

/// An OFF this many quarantines after an ON is a relapse.
const RELAPSE_FACTOR: u64 = 10;

/// A row of agreement this many times the needed length stands for products that nobody votes on.
const FORGIVENESS: u32 = 200;

/// Lied-about products that are remembered; a liar about more must agree about these.
const MOST_LIES: usize = 64;

/// One instance on its way.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    config: LifecycleConfig,
    phase: Phase,
    /// Length of the last quarantine, decayed by time ON.
    quarantine_ns: u64,
    on_since_ns: u64,
    good_row: u32,
    /// Length of the clean time that the present OFF asks for.
    clean_ns: u64,
    /// When it last missed while OFF.
    missed_at_ns: u64,
    /// Whether it lied since the last ON, or may have: then shadow votes must agree.
    dissented: bool,
    /// Products lied about since the last ON, and whether a shadow vote in the present row agreed on them.
    lies: BTreeMap<ProductId, bool>,
    agree_row: u32,
}

impl Lifecycle {
    /// An instance that is ON since `now_ns`.
    #[must_use]
    pub const fn new(config: LifecycleConfig, now_ns: u64) -> Self {
        Self {
            config,
            phase: Phase::On,
            quarantine_ns: 0,
            on_since_ns: now_ns,
            good_row: 0,
            clean_ns: config.clean_min_ns,
            missed_at_ns: now_ns,
            dissented: false,
            lies: BTreeMap::new(),
            agree_row: 0,
        }
    }

    /// An instance that was OFF when the monitor stopped: it proves itself again from `now_ns` on, by shadow
    /// votes too, since what it was OFF for is not known for certain any more.
    #[must_use]
    pub fn off(config: LifecycleConfig, now_ns: u64) -> Self {
        Self {
            phase: Phase::Probation,
            dissented: true,
            quarantine_ns: config.quarantine_min_ns,
            ..Self::new(config, now_ns)
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Length of the present quarantine, or of the last one, in nanoseconds.
    #[must_use]
    pub const fn quarantine_ns(&self) -> u64 {
        self.quarantine_ns
    }

    /// Length of the clean time that the present OFF asks for, in nanoseconds.
    #[must_use]
    pub const fn clean_ns(&self) -> u64 {
        self.clean_ns
    }

    /// Since when it is ON, or was last, in nanoseconds.
    #[must_use]
    pub const fn on_since_ns(&self) -> u64 {
        self.on_since_ns
    }

    /// Whether its votes count.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        matches!(self.phase, Phase::On)
    }

    /// Turns the instance OFF; `true` if it was ON.
    pub fn turn_off(&mut self, now_ns: u64) -> bool {
        if !self.is_on() {
            return false;
        }
        let on_for = now_ns.saturating_sub(self.on_since_ns);
        let LifecycleConfig {
            quarantine_min_ns: min,
            quarantine_max_ns: max,
            decay_ns,
            ..
        } = self.config;
        // An instance that was never OFF cannot relapse: `quarantine_ns` is 0 then.
        let relapse = on_for < self.quarantine_ns.saturating_mul(RELAPSE_FACTOR);
        let halvings = u32::try_from(on_for / decay_ns.max(1)).unwrap_or(u32::MAX);
        let length = if relapse {
            self.quarantine_ns.saturating_mul(2)
        } else {
            self.quarantine_ns.checked_shr(halvings).unwrap_or(0)
        };
        self.quarantine_ns = length.clamp(min, max);
        self.phase = Phase::Quarantine {
            until_ns: now_ns.saturating_add(self.quarantine_ns),
        };
        let clean = if relapse {
            self.clean_ns.saturating_mul(2)
        } else {
            self.config.clean_min_ns
        };
        self.clean_ns = clean.clamp(
            self.config.clean_min_ns,
            self.config.clean_max_ns.max(self.config.clean_min_ns),
        );
        self.missed_at_ns = now_ns;
        self.good_row = 0;
        self.agree_row = 0;
        self.dissented = false;
        self.lies.clear();
        true
    }

    /// A proven lie about `product` (or about an order: `None`). The caller turns the instance OFF; this
    /// says what it must agree about before it comes back, and starts its rows again.
    pub fn lied(&mut self, product: Option<&ProductId>) {
        if self.is_on() {
            return;
        }
        self.dissented = true;
        self.good_row = 0;
        self.agree_row = 0;
        self.lies.values_mut().for_each(|agreed| *agreed = false);
        let full = self.lies.len() >= MOST_LIES;
        match product {
            Some(product) if !full => {
                self.lies.insert(product.clone(), false);
            }
            _ => {}
        }
    }

    /// Whether shadow votes are still needed.
    #[must_use]
    pub fn must_agree(&self) -> bool {
        if self.is_on() || !self.dissented {
            return false;
        }
        let row = self.config.shadow_votes;
        // A name that only the liar knew is never voted on; a long row stands for it.
        let forgiven = self.agree_row >= row.saturating_mul(FORGIVENESS);
        self.agree_row < row || (!forgiven && self.lies.values().any(|agreed| !agreed))
    }

    /// A shadow vote that agreed with the quorum about `product`.
    pub fn agreed(&mut self, product: &ProductId) {
        if self.phase != Phase::Probation {
            return;
        }
        self.agree_row = self.agree_row.saturating_add(1);
        if let Some(agreed) = self.lies.get_mut(product) {
            *agreed = true;
        }
    }

    /// Time passes: a quarantine may end. `true` if it did.
    pub fn tick(&mut self, now_ns: u64) -> bool {
        match self.phase {
            Phase::Quarantine { until_ns } if now_ns >= until_ns => {
                self.phase = Phase::Probation;
                self.good_row = 0;
                true
            }
            _ => false,
        }
    }

    /// Somebody saw a miss while the instance is OFF: it starts to prove itself again.
    pub fn missed(&mut self, now_ns: u64) {
        if !self.is_on() {
            self.missed_at_ns = now_ns;
            self.good_row = 0;
        }
    }

    /// The result of one health check while OFF. `true` if the instance is ON now.
    pub fn check(&mut self, now_ns: u64, good: bool) -> bool {
        if !good {
            self.missed(now_ns);
        }
        if self.phase != Phase::Probation || !good {
            return false;
        }
        self.good_row = self.good_row.saturating_add(1);
        let clean = now_ns.saturating_sub(self.missed_at_ns) >= self.clean_ns;
        if self.good_row < self.config.good_checks || !clean || self.must_agree() {
            return false;
        }
        self.phase = Phase::On;
        self.on_since_ns = now_ns;
        self.dissented = false;
        self.lies.clear();
        true
    }
}

#[cfg(test)]
mod tests;
