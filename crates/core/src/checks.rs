//! When to check the health of one instance, and when an unanswered check counts.
//!
//! * Checks begin at a regular pace and overlap: none waits for another.
//! * A check that is unanswered at the *late* bound ([`Lateness`]) counts as a miss then. It is waited for until
//!   the timeout only to learn how slow the instance is.
//! * After a miss of an instance that is ON, whoever saw it, the next check follows at once instead of with the
//!   next tick: one miss is a hint, and the quickest way to know is to ask again.
//! * After a miss of a check itself it takes [`ROW`] good ones in a row to go back to the regular pace: an instance whose
//!   health alone is bad half of the time would else be asked again only once, and pass every second time. What others
//!   saw is followed by one check: where its health is good, more good checks would only speak for it.
//! * The observer's own host may stall. A wake-up that comes late is the sign of it: open checks then get their
//!   bound anew instead of being called late, because their answers may wait unread. At most
//!   [`MOST_RENEWALS`] times each, so that a host that is always late still sees an instance that never answers.
//!
//! Pure: the monitor's I/O and the simulation drive the same code.

use std::collections::VecDeque;

use crate::detector::UNREACHABLE_SPAN_NS;
use crate::lateness::Lateness;

/// From a miss to the check after it (2.5 ms): just long enough that a connection that is refused twice counts twice.
pub const RECHECK_NS: u64 = UNREACHABLE_SPAN_NS + 500_000;
/// Good checks in a row after which one that missed is followed no longer.
pub const ROW: u8 = 5;
/// A wake-up that comes later than this (10 ms) was held up by the observer's own host.
pub const OWN_STALL_NS: u64 = 10_000_000;
/// How often the bound of one check is given anew after such a wake-up.
pub const MOST_RENEWALS: u8 = 2;
/// Checks of one instance under way at most; beyond it ticks are left out.
const MOST_OPEN: usize = 32;

/// Parameters of the health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChecksConfig {
    /// Between two checks, nanoseconds, above 0.
    pub interval_ns: u64,
    /// After which a check is abandoned, nanoseconds.
    pub timeout_ns: u64,
    /// Lowest late bound, nanoseconds.
    pub late_floor_ns: u64,
    /// Highest late bound, nanoseconds; at least the lowest, at most the timeout.
    pub late_cap_ns: u64,
}

impl Default for ChecksConfig {
    fn default() -> Self {
        Self {
            interval_ns: 200_000_000,
            timeout_ns: 1_000_000_000,
            late_floor_ns: 50_000_000,
            late_cap_ns: 200_000_000,
        }
    }
}

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(pub u64);

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask.
    Start(CheckId),
    /// It counts as late; go on waiting.
    Late(CheckId),
    /// Wait no longer.
    Abandon(CheckId),
}

#[derive(Debug, Clone, Copy)]
struct Open {
    id: CheckId,
    started_ns: u64,
    /// When it counts as late; none once it has.
    late_ns: Option<u64>,
    renewals: u8,
}

/// The checks of one instance.
#[derive(Debug, Clone)]
pub struct Checks {
    config: ChecksConfig,
    lateness: Lateness,
    on: bool,
    open: VecDeque<Open>,
    tick_ns: u64,
    recheck_ns: Option<u64>,
    /// Good checks in a row that are still wanted at once.
    wanted: u8,
    serial: u64,
}

impl Checks {
    /// The first check is due at `now_ns`; the instance counts as ON.
    ///
    /// # Panics
    /// When the floor of the late bound is above its cap.
    #[must_use]
    pub fn new(config: ChecksConfig, now_ns: u64) -> Self {
        Self {
            lateness: Lateness::new(config.late_floor_ns, config.late_cap_ns),
            config,
            on: true,
            open: VecDeque::new(),
            tick_ns: now_ns,
            recheck_ns: None,
            wanted: 0,
            serial: 0,
        }
    }

    /// When [`Checks::poll`] must be called next at the latest.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        let open = self.open.iter().map(|check| {
            check
                .late_ns
                .unwrap_or(check.started_ns.saturating_add(self.config.timeout_ns))
        });
        open.chain(self.recheck_ns).fold(self.tick_ns, u64::min)
    }

    /// Time passes: what is to be done at `now_ns`, in this order.
    pub fn poll(&mut self, now_ns: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        self.poll_into(now_ns, &mut steps);
        steps
    }

    /// As [`Checks::poll`], appending to `steps`.
    pub fn poll_into(&mut self, now_ns: u64, steps: &mut Vec<Step>) {
        let bound_ns = self.lateness.bound_ns();
        if now_ns > self.next_ns().saturating_add(OWN_STALL_NS) {
            for check in self.open.iter_mut().filter(|check| check.renewals < MOST_RENEWALS) {
                if let Some(late_ns) = check.late_ns.as_mut() {
                    *late_ns = now_ns.saturating_add(bound_ns).max(*late_ns);
                    check.renewals += 1;
                }
            }
        }
        let mut missed = false;
        for check in &mut self.open {
            if check.late_ns.is_some_and(|late_ns| now_ns >= late_ns) {
                check.late_ns = None;
                missed = true;
                steps.push(Step::Late(check.id));
            }
        }
        let timeout_ns = self.config.timeout_ns;
        self.open.retain(|check| {
            let over = check.late_ns.is_none() && now_ns >= check.started_ns.saturating_add(timeout_ns);
            if over {
                steps.push(Step::Abandon(check.id));
            }
            !over
        });
        if missed {
            self.missed(now_ns);
        }
        let ticked = now_ns >= self.tick_ns;
        if ticked {
            self.tick_ns = now_ns.saturating_add(self.config.interval_ns.max(1));
        }
        let rechecked = self.recheck_ns.is_some_and(|at_ns| now_ns >= at_ns);
        if rechecked {
            self.recheck_ns = None;
        }
        if (ticked || rechecked) && self.open.len() < MOST_OPEN {
            self.serial += 1;
            let id = CheckId(self.serial);
            self.open.push_back(Open {
                id,
                started_ns: now_ns,
                late_ns: Some(now_ns.saturating_add(bound_ns)),
                renewals: 0,
            });
            steps.push(Step::Start(id));
        }
    }

    /// An answer, or the news that there is none to come, at `now_ns`. Returns the time that it took in
    /// nanoseconds; none if the check has counted as late already, or is not known.
    pub fn answered(&mut self, now_ns: u64, id: CheckId, good: bool) -> Option<u64> {
        let at = self.open.iter().position(|check| check.id == id)?;
        let check = self.open.remove(at)?;
        let took_ns = now_ns.saturating_sub(check.started_ns);
        // An answer that waited for the observer says nothing about the instance.
        if good && check.renewals == 0 {
            self.lateness.sample(took_ns);
        }
        let counts = check.late_ns.is_some();
        if counts && !good {
            self.missed(now_ns);
        } else if counts && self.wanted > 0 {
            self.wanted -= 1;
            if self.wanted > 0 {
                self.hasten(now_ns);
            }
        }
        counts.then_some(took_ns)
    }

    fn missed(&mut self, now_ns: u64) {
        self.wanted = ROW;
        self.hasten(now_ns);
    }

    /// Somebody saw a miss of this instance at `now_ns`: if it is ON, the next check follows at once.
    pub fn hasten(&mut self, now_ns: u64) {
        if self.on {
            self.recheck_ns.get_or_insert(now_ns.saturating_add(RECHECK_NS));
        }
    }

    /// The verdict on the instance.
    pub fn set_on(&mut self, on: bool) {
        self.on = on;
        if !on {
            self.recheck_ns = None;
            self.wanted = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    /// Polls exactly when it asks for it, until `until_ns`; nothing is ever answered.
    fn run(checks: &mut Checks, until_ns: u64) -> Vec<(u64, Step)> {
        let mut all = Vec::new();
        while checks.next_ns() <= until_ns {
            let now_ns = checks.next_ns();
            all.extend(checks.poll(now_ns).into_iter().map(|step| (now_ns, step)));
        }
        all
    }

    #[test]
    fn an_instance_that_hangs_is_late_again_every_bound() {
        let mut checks = Checks::new(ChecksConfig::default(), 0);
        let steps = run(&mut checks, 165 * MS);
        let late: Vec<_> = steps
            .iter()
            .filter(|(_, step)| matches!(step, Step::Late(_)))
            .map(|(at, _)| at / MS)
            .collect();
        assert_eq!(
            late,
            [50, 102, 155],
            "one after the other, each asked at once after the last"
        );
    }

    #[test]
    fn an_off_instance_is_asked_at_the_regular_pace_only() {
        let mut checks = Checks::new(ChecksConfig::default(), 0);
        checks.set_on(false);
        checks.hasten(0);
        let steps = run(&mut checks, 1999 * MS);
        let starts = steps.iter().filter(|(_, step)| matches!(step, Step::Start(_))).count();
        assert_eq!(starts, 10);
        let abandoned = steps
            .iter()
            .filter(|(_, step)| matches!(step, Step::Abandon(_)))
            .count();
        assert_eq!(abandoned, 5, "after a second each");
    }

    #[test]
    fn a_miss_that_others_saw_hastens_the_next_check() {
        let mut checks = Checks::new(ChecksConfig::default(), 0);
        assert_eq!(checks.poll(0), [Step::Start(CheckId(1))]);
        assert_eq!(checks.answered(MS, CheckId(1), true), Some(MS));
        checks.hasten(60 * MS);
        checks.hasten(61 * MS);
        assert_eq!(checks.next_ns(), 60 * MS + RECHECK_NS);
        assert_eq!(checks.poll(checks.next_ns()), [Step::Start(CheckId(2))]);
        assert_eq!(
            checks.answered(64 * MS, CheckId(2), true),
            Some(64 * MS - 60 * MS - RECHECK_NS)
        );
        assert_eq!(checks.next_ns(), 200 * MS);
    }

    /// All are answered at once; the second and the fifth are bad.
    #[test]
    fn a_check_that_missed_is_followed_until_five_in_a_row_are_good() {
        let mut checks = Checks::new(ChecksConfig::default(), 0);
        let mut asked = Vec::new();
        while checks.next_ns() <= 500 * MS {
            let now_ns = checks.next_ns();
            for step in checks.poll(now_ns) {
                let Step::Start(id) = step else {
                    panic!("all are answered: {step:?}")
                };
                asked.push(now_ns as f64 / MS as f64);
                checks.answered(now_ns, id, ![2, 5].contains(&asked.len()));
            }
        }
        assert_eq!(
            asked,
            [
                0.0, 200.0, 202.5, 205.0, 207.5, 210.0, 212.5, 215.0, 217.5, 220.0, 400.0
            ]
        );
    }

    /// The monitor is stopped for five seconds with checks open; their answers wait unread.
    #[test]
    fn an_own_stall_makes_nobody_late() {
        let mut checks = Checks::new(ChecksConfig::default(), 0);
        assert_eq!(checks.poll(0), [Step::Start(CheckId(1))]);
        let steps = checks.poll(5000 * MS);
        assert_eq!(steps, [Step::Start(CheckId(2))]);
        assert!(checks.answered(5001 * MS, CheckId(1), true).is_some());
        assert!(checks.answered(5001 * MS, CheckId(2), true).is_some());
        assert!(
            checks.lateness.bound_ns() < 52 * MS,
            "nor is it learnt as an instance's latency"
        );
    }

    #[test]
    fn a_late_answer_is_not_counted_twice() {
        let mut checks = Checks::new(ChecksConfig::default(), 0);
        checks.set_on(false);
        checks.poll(0);
        assert_eq!(checks.poll(50 * MS), [Step::Late(CheckId(1))]);
        assert_eq!(checks.answered(60 * MS, CheckId(1), false), None);
        assert_eq!(checks.answered(60 * MS, CheckId(1), false), None, "not known any more");
    }

    proptest! {
        /// However late the wake-ups come, an instance that never answers is late within a second.
        #[test]
        fn silence_is_seen_even_by_a_host_that_is_always_late(delays in prop::collection::vec(0u64..120, 200)) {
            let mut checks = Checks::new(ChecksConfig::default(), 0);
            let mut first = None;
            for delay in delays {
                let now_ns = checks.next_ns() + delay * MS;
                if checks.poll(now_ns).iter().any(|step| matches!(step, Step::Late(_))) {
                    first.get_or_insert(now_ns);
                }
            }
            prop_assert!(first.expect("late") <= 1000 * MS);
        }

        /// Every check ends exactly once: answered, or late and then abandoned. Never too many are open.
        #[test]
        fn checks_do_not_pile_up(waits in prop::collection::vec((0u64..400, any::<bool>()), 1..300)) {
            let mut checks = Checks::new(ChecksConfig::default(), 0);
            let mut open = std::collections::BTreeSet::new();
            let mut now_ns = 0;
            for (wait, answer) in waits {
                now_ns += wait * MS;
                for step in checks.poll(now_ns) {
                    match step {
                        Step::Start(id) => prop_assert!(open.insert(id)),
                        Step::Late(id) => prop_assert!(open.contains(&id)),
                        Step::Abandon(id) => prop_assert!(open.remove(&id)),
                    }
                }
                if answer && let Some(id) = open.pop_first() {
                    checks.answered(now_ns, id, true);
                }
                prop_assert!(open.len() <= MOST_OPEN);
            }
        }
    }
}
