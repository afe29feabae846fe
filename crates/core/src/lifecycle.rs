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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn product(name: &str) -> ProductId {
        name.parse().expect("valid")
    }

    /// Drives good checks every 200 ms until ON; returns the time it took in milliseconds.
    fn back_after(lifecycle: &mut Lifecycle, from: u64) -> u64 {
        (1..10_000)
            .map(|i| from + i * 10 * MS)
            .find(|&now| {
                lifecycle.tick(now);
                (now - from).is_multiple_of(200 * MS) && lifecycle.check(now, true)
            })
            .map(|now| (now - from) / MS)
            .expect("comes back")
    }

    #[test]
    fn five_good_checks_bring_it_back_and_a_miss_starts_again() {
        let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
        assert!(lifecycle.turn_off(0));
        assert!(!lifecycle.turn_off(1), "it is OFF already");
        assert!(!lifecycle.check(100 * MS, true), "quarantine");
        assert!(lifecycle.tick(200 * MS));
        for i in 0..4 {
            assert!(!lifecycle.check((1300 + i) * MS, true));
        }
        assert!(!lifecycle.check(1400 * MS, false));
        for i in 0..4 {
            assert!(!lifecycle.check((2300 + i) * MS, true));
        }
        assert!(lifecycle.check(2400 * MS, true));
        assert!(lifecycle.is_on());
    }

    #[test]
    fn a_miss_that_others_saw_starts_the_clean_time_again() {
        let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
        lifecycle.turn_off(0);
        lifecycle.tick(200 * MS);
        let checks = |lifecycle: &mut Lifecycle, from: u64| (0..5).any(|i| lifecycle.check((from + i) * MS, true));
        assert!(!checks(&mut lifecycle, 790), "five good checks, but not yet 0.8 s");
        lifecycle.missed(1000 * MS);
        assert!(!checks(&mut lifecycle, 1790));
        assert!(lifecycle.check(1800 * MS, true));
    }

    #[test]
    fn the_clean_time_doubles_with_a_relapse_up_to_its_bound() {
        let config = LifecycleConfig::default();
        let mut lifecycle = Lifecycle::new(config, 0);
        let mut asked = Vec::new();
        let mut now = 60_000 * MS;
        for _ in 0..3 {
            lifecycle.turn_off(now);
            asked.push(lifecycle.clean_ns() / MS);
            now += back_after(&mut lifecycle, now) * MS + 500 * MS;
        }
        lifecycle.turn_off(now + 120_000 * MS);
        asked.push(lifecycle.clean_ns() / MS);
        assert_eq!(asked, [800, 1600, 1700, 800]);
    }

    #[test]
    fn a_liar_must_agree_about_what_it_lied_about() {
        let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
        lifecycle.turn_off(0);
        lifecycle.lied(Some(&product("A")));
        lifecycle.tick(200 * MS);
        (0..10).for_each(|i| assert!(!lifecycle.check((2001 + i) * MS, true)));
        (0..10).for_each(|_| lifecycle.agreed(&product("B")));
        assert!(!lifecycle.check(2300 * MS, true), "nothing said about A yet");
        lifecycle.agreed(&product("A"));
        assert!(lifecycle.check(2301 * MS, true));
    }

    #[test]
    fn a_lie_about_an_order_needs_agreement_too() {
        let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
        lifecycle.turn_off(0);
        lifecycle.lied(None);
        lifecycle.tick(200 * MS);
        (0..10).for_each(|i| assert!(!lifecycle.check((2001 + i) * MS, true)));
        (0..5).for_each(|_| lifecycle.agreed(&product("A")));
        assert!(lifecycle.check(2300 * MS, true));
    }

    #[test]
    fn a_name_that_only_the_liar_knew_does_not_keep_it_out_for_ever() {
        let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
        lifecycle.turn_off(0);
        lifecycle.lied(Some(&product("GHOST")));
        lifecycle.tick(200 * MS);
        (0..999).for_each(|_| lifecycle.agreed(&product("A")));
        assert!(lifecycle.must_agree());
        lifecycle.agreed(&product("A"));
        assert!(!lifecycle.must_agree());
    }

    #[test]
    fn a_restart_of_the_monitor_clears_no_liar() {
        let mut lifecycle = Lifecycle::off(LifecycleConfig::default(), 0);
        (0..10).for_each(|i| assert!(!lifecycle.check(i * MS, true)));
        (0..5).for_each(|_| lifecycle.agreed(&product("A")));
        assert!(lifecycle.check(2020 * MS, true));
    }

    #[test]
    fn a_lie_in_probation_starts_the_rows_again() {
        let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
        lifecycle.turn_off(0);
        lifecycle.lied(Some(&product("A")));
        lifecycle.tick(200 * MS);
        (0..9).for_each(|_| lifecycle.agreed(&product("A")));
        assert!(!lifecycle.must_agree());
        lifecycle.lied(Some(&product("A")));
        assert!(lifecycle.must_agree());
    }

    #[test]
    fn quarantine_doubles_on_relapse_and_decays() {
        let config = LifecycleConfig::default();
        let mut lifecycle = Lifecycle::new(config, 0);
        let mut now = 60_000 * MS;
        let mut took = Vec::new();
        for _ in 0..4 {
            lifecycle.turn_off(now);
            let ms = back_after(&mut lifecycle, now);
            took.push(ms);
            now += ms * MS + 500 * MS;
        }
        assert!(took.windows(2).all(|pair| pair[1] > pair[0]), "{took:?}");
        assert_eq!(lifecycle.quarantine_ns, 1600 * MS);
        lifecycle.turn_off(now + 120_000 * MS);
        assert_eq!(
            lifecycle.quarantine_ns, config.quarantine_min_ns,
            "two minutes of health are forgiven"
        );
    }

    proptest! {
        #[test]
        fn never_on_without_the_row(checks in prop::collection::vec(any::<bool>(), 0..100)) {
            let mut lifecycle = Lifecycle::new(LifecycleConfig::default(), 0);
            lifecycle.turn_off(0);
            lifecycle.tick(200 * MS);
            let mut row = 0;
            for (i, good) in checks.into_iter().enumerate() {
                row = if good { row + 1 } else { 0 };
                // Five good checks that are 200 ms apart take 0.8 s after the last miss.
                let on = lifecycle.check(300 * MS + i as u64 * 200 * MS, good);
                prop_assert_eq!(on, row == 5);
                if on { break; }
            }
        }

        #[test]
        fn quarantine_stays_in_its_range(gaps in prop::collection::vec(0u64..100_000, 1..60)) {
            let config = LifecycleConfig::default();
            let mut lifecycle = Lifecycle::new(config, 0);
            let mut now = 0;
            for gap in gaps {
                now += gap * MS;
                lifecycle.turn_off(now);
                prop_assert!((config.quarantine_min_ns..=config.quarantine_max_ns).contains(&lifecycle.quarantine_ns));
                now += back_after_any(&mut lifecycle, now);
            }
        }
    }

    fn back_after_any(lifecycle: &mut Lifecycle, from: u64) -> u64 {
        let Phase::Quarantine { until_ns } = lifecycle.phase() else {
            panic!("it was just turned OFF")
        };
        lifecycle.tick(until_ns);
        let back_ns = until_ns.max(from + lifecycle.clean_ns());
        (0..5).for_each(|_| {
            lifecycle.check(back_ns, true);
        });
        assert!(lifecycle.is_on());
        back_ns - from
    }
}
