//! The panel: all evidence about all instances in, verdicts out.
//!
//! It holds one detector and one lifecycle per instance, weighs misses that come together, notices who
//! stays behind, and keeps the account of evidence that a verdict is explained with. Proven dissent is a
//! verdict at once. An instance is turned OFF even when fewer than a quorum stay ON: no unverified answer is
//! served then, and [`Panel::quorum_lost`] is the alarm.
//!
//! [`Panel::tick`] must be called every [`TICK_NS`]. If it, and all evidence, is much later than that, the observer
//! itself stood still, and the silence meanwhile is no evidence against anybody.

mod account;
mod member;
mod worth;

pub use account::Piece;
pub use worth::{OLD_NS, Worth};

use account::Account;
use member::{HEALTH_CHECK, Member};

use crate::clocks::Clocks;
use crate::detector::{Bursts, DetectorConfig, Seen};
use crate::lifecycle::{Lifecycle, LifecycleConfig, Phase};
use crate::planted::{self, Planted};
use crate::staleness::Staleness;
use crate::{ProductId, ReplicaId, quorum};

/// Parameters of the panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PanelConfig {
    /// Configured replicas, 3, 5 or 7.
    pub replicas: u8,
    /// The detector and its parameters.
    pub detector: DetectorConfig,
    /// The way back.
    pub lifecycle: LifecycleConfig,
    /// How long a replica may stay behind the quorum, nanoseconds.
    pub lag_budget_ns: u64,
    /// How long a replica may not have been reading its log, nanoseconds.
    pub idle_budget_ns: u64,
}

/// How often [`Panel::tick`] is called: 20 ms.
pub const TICK_NS: u64 = 20_000_000;

/// Beyond that, a gap this long (30 ms) between two calls is a stall of the observer itself.
const OWN_STALL_NS: u64 = 30_000_000;

/// How far a replica is with its log, as its health answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Events that it has applied in all.
    pub applied: u64,
    /// How long it has not been reading its log, nanoseconds.
    pub idle_ns: u64,
}

/// What kind of evidence led to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CauseKind {
    /// Mostly this kind of miss.
    Misses(Seen),
    /// A proven lie.
    Dissent,
    /// The quarantine is over.
    QuarantineOver,
    /// Good checks, and shadow votes where needed.
    Recovered,
}

/// A change of one instance's phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Who.
    pub instance: ReplicaId,
    /// Whether it was ON before.
    pub was_on: bool,
    /// Where it is now.
    pub phase: Phase,
    /// The kind of evidence.
    pub kind: CauseKind,
    /// The evidence in words.
    pub text: String,
    /// The evidence piece by piece, oldest first; empty where it is not a matter of statistics.
    pub evidence: Vec<Piece>,
    /// The length of the quarantine that begins, nanoseconds; none where none does.
    pub quarantine_ns: Option<u64>,
}

impl Change {
    /// Whether its votes count now.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        matches!(self.phase, Phase::On)
    }
}

/// What one reporter saw of one instance's answers since its last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers {
    /// Right and in time.
    pub good: u32,
    /// How many of those came before the first that was not; none: not known.
    pub good_first: Option<u32>,
    /// Late or missing.
    pub late: u32,
    /// How long ago the last of those was noticed, nanoseconds; 0 where it is not known. Not only until it was reported:
    /// where the host is busy, reports are late too.
    pub late_ago_ns: u64,
    /// Errors.
    pub failed: u32,
}

/// All instances.
#[derive(Debug)]
pub struct Panel {
    members: Vec<Member>,
    quorum: usize,
    bursts: Bursts,
    staleness: Staleness,
    clocks: Clocks,
    needed_checks: u32,
    idle_budget_ns: u64,
    /// When anything was last called.
    last_ns: u64,
    stall: Option<u64>,
}

/// Misses of one batch that are counted at most: far more than any threshold needs.
const MOST_MISSES: u32 = 50;

impl Panel {
    /// A panel at `now_ns`. `on` says the verdict that each instance had before, if any; OFF ones have to
    /// prove themselves again.
    #[must_use]
    pub fn new(config: PanelConfig, now_ns: u64, on: impl Fn(ReplicaId) -> bool) -> Self {
        let member = |id| Member {
            detector: config.detector.build(),
            lifecycle: if on(id) {
                Lifecycle::new(config.lifecycle, now_ns)
            } else {
                Lifecycle::off(config.lifecycle, now_ns)
            },
            account: Account::default(),
            behind: None,
        };
        Self {
            members: ReplicaId::all(config.replicas).map(member).collect(),
            quorum: quorum(config.replicas.into()),
            bursts: Bursts::new(),
            staleness: Staleness::new(config.replicas.into(), config.lag_budget_ns),
            clocks: Clocks::new(),
            needed_checks: config.lifecycle.good_checks,
            idle_budget_ns: config.idle_budget_ns,
            last_ns: now_ns,
            stall: None,
        }
    }

    /// Whether there is such an instance.
    #[must_use]
    pub fn has(&self, instance: ReplicaId) -> bool {
        instance.index() < self.members.len()
    }

    /// Where an instance is. `None`: there is no such instance.
    #[must_use]
    pub fn phase(&self, instance: ReplicaId) -> Option<Phase> {
        self.members.get(instance.index()).map(|m| m.lifecycle.phase())
    }

    /// Suspicion of an instance as a fraction of what trips its detector; 0 for an unknown one.
    #[must_use]
    pub fn level(&self, instance: ReplicaId) -> f64 {
        self.members.get(instance.index()).map_or(0.0, |m| m.detector.level())
    }

    /// How many instances are ON.
    #[must_use]
    pub fn on(&self) -> usize {
        self.members.iter().filter(|m| m.lifecycle.is_on()).count()
    }

    /// Whether fewer than a quorum are ON.
    #[must_use]
    pub fn quorum_lost(&self) -> bool {
        self.on() < self.quorum
    }

    /// Judges by another detector from now on. Evidence so far is forgotten, verdicts stay.
    pub fn set_detector(&mut self, config: &DetectorConfig) {
        for member in &mut self.members {
            member.detector = config.build();
            member.account.clear();
        }
    }

    /// How long the observer itself stood still, nanoseconds, if it did since this was last asked.
    pub fn take_stall(&mut self) -> Option<u64> {
        self.stall.take()
    }

    /// Takes the result of one health check, or the loss of the connection ([`Seen::Unreachable`]). `position` is
    /// how far the instance is with its log, if it answered. Returns what the check was taken for, which is
    /// [`Seen::Stale`] for a good answer from too old a position, and the change of the verdict, if any.
    pub fn check(
        &mut self,
        now_ns: u64,
        instance: ReplicaId,
        seen: Seen,
        position: Option<Position>,
    ) -> (Seen, Option<Change>) {
        self.notice(now_ns);
        let behind = position.and_then(|position| self.behind(now_ns, instance, position));
        let seen = if seen == Seen::Good && behind.is_some() {
            Seen::Stale
        } else {
            seen
        };
        let needed = self.needed_checks;
        let Some(member) = self.members.get_mut(instance.index()) else {
            return (seen, None);
        };
        member.behind = behind;
        // Of an instance that is OFF too: that it is late together with others tells that the host is the cause.
        let weight = self.bursts.weigh(now_ns, instance, seen);
        if member.lifecycle.is_on() {
            return (seen, member.observe(now_ns, instance, HEALTH_CHECK, seen, weight, 1));
        }
        let clean_s = member.lifecycle.clean_ns() as f64 / 1e9;
        let kept_out = planted::is(Planted::NoWayBack) && instance.number() == 3;
        let back = !kept_out && member.lifecycle.check(now_ns, !seen.is_miss());
        let recovered = back.then(|| {
            member.detector.reset();
            member.account.clear();
            Change {
                instance,
                was_on: false,
                phase: Phase::On,
                kind: CauseKind::Recovered,
                text: format!("{needed} good checks in a row and {clean_s:.1} s without a miss"),
                evidence: Vec::new(),
                quarantine_ns: None,
            }
        });
        (seen, recovered)
    }

    /// How an instance at `position` is behind, if it is.
    fn behind(&mut self, now_ns: u64, instance: ReplicaId, position: Position) -> Option<String> {
        let events = self.staleness.observe(now_ns, instance, position.applied);
        if position.idle_ns > self.idle_budget_ns {
            let ms = position.idle_ns / 1_000_000;
            return Some(format!("It has not read its log for {ms} ms"));
        }
        (events > 0).then(|| format!("It is {events} events behind what a quorum had applied one lag budget ago"))
    }

    /// Takes what `reporter` saw of an instance's answers since its last report.
    pub fn answers(&mut self, now_ns: u64, instance: ReplicaId, reporter: &str, answers: Answers) -> Option<Change> {
        self.notice(now_ns);
        let member = self.members.get_mut(instance.index())?;
        if !member.lifecycle.is_on() {
            // Health may look fine while queries fail: that is no way back.
            if answers.late > 0 || answers.failed > 0 {
                member.lifecycle.missed(now_ns);
            }
            return None;
        }
        let late = (answers.late > 0).then(|| {
            (
                Seen::Late,
                // When it was noticed, not when it was told: the end of a pause may be told long after it.
                self.bursts
                    .weigh(now_ns.saturating_sub(answers.late_ago_ns), instance, Seen::Late),
                answers.late,
            )
        });
        let failed = answers.failed.min(MOST_MISSES);
        let misses = late.into_iter().chain((0..failed).map(|_| (Seen::Error, 1.0, 1)));
        // What came before the first miss must not be set off against it. Beyond that the batch does not say in
        // which order they came: the good ones are spread evenly, or a large batch with three failures in it would
        // look like three in a row.
        //
        // Many late answers are thinned to one piece of evidence. So are the good ones beside them, or an instance that
        // answers a share of its many requests late would earn more by the rest than it loses.
        let thin = |good: u32| good / answers.late.max(1).max(answers.failed.div_ceil(MOST_MISSES));
        let parts = failed + u32::from(late.is_some());
        let (first, rest) = match answers.good_first {
            Some(first) => (first.min(answers.good), answers.good.saturating_sub(first)),
            None => {
                let first = share(answers.good, 0, parts + 1);
                (first, answers.good - first)
            }
        };
        let (first, rest) = (thin(first), thin(rest));
        member.good(now_ns, first);
        for (nth, (seen, weight, count)) in (0..).zip(misses) {
            let change = member.observe(now_ns, instance, reporter, seen, weight, count);
            if change.is_some() {
                return change;
            }
            member.good(now_ns, share(rest, nth, parts));
        }
        if parts == 0 {
            member.good(now_ns, rest);
        }
        None
    }

    /// Takes a proven lie, in words, about `product` (`None`: about an order).
    pub fn dissent(
        &mut self,
        now_ns: u64,
        instance: ReplicaId,
        product: Option<&ProductId>,
        text: String,
    ) -> Option<Change> {
        self.notice(now_ns);
        let member = self.members.get_mut(instance.index())?;
        let turned = member.lifecycle.turn_off(now_ns);
        member.lifecycle.lied(product);
        turned.then(|| Change {
            instance,
            was_on: true,
            phase: member.lifecycle.phase(),
            kind: CauseKind::Dissent,
            text,
            evidence: Vec::new(),
            quarantine_ns: Some(member.lifecycle.quarantine_ns()),
        })
    }

    /// Takes a shadow vote of an OFF instance that agreed with the quorum about `product`.
    pub fn agreed(&mut self, instance: ReplicaId, product: &ProductId) {
        if let Some(member) = self.members.get_mut(instance.index()) {
            member.lifecycle.agreed(product);
        }
    }

    /// Time passes: quarantines may end, and silence may have lasted too long.
    pub fn tick(&mut self, now_ns: u64) -> Vec<Change> {
        self.notice(now_ns);
        let mut changes = Vec::new();
        for (member, number) in self.members.iter_mut().zip(1..) {
            let Ok(instance) = ReplicaId::new(number) else {
                continue;
            };
            if member.lifecycle.is_on() {
                if member.detector.tick(now_ns) {
                    changes.extend(member.turn_off(now_ns, instance, Seen::Late));
                }
            } else if member.lifecycle.tick(now_ns) {
                changes.push(Change {
                    instance,
                    was_on: false,
                    phase: Phase::Probation,
                    kind: CauseKind::QuarantineOver,
                    text: "the quarantine is over; good checks in a row bring it back".to_owned(),
                    evidence: Vec::new(),
                    quarantine_ns: None,
                });
            }
        }
        changes
    }

    /// Notices that the observer itself stood still, before anything is judged.
    fn notice(&mut self, now_ns: u64) {
        let gap_ns = now_ns.saturating_sub(self.last_ns);
        self.last_ns = self.last_ns.max(now_ns);
        let stood_ns = gap_ns.saturating_sub(TICK_NS);
        if stood_ns > OWN_STALL_NS {
            self.members.iter_mut().for_each(|m| m.detector.stalled(stood_ns));
            self.stall = Some(self.stall.unwrap_or(0).saturating_add(stood_ns));
        }
    }
}

/// The `nth` of `parts` nearly equal parts of `whole`; all of them together are `whole`.
fn share(whole: u32, nth: u32, parts: u32) -> u32 {
    let upto = |n: u32| u64::from(whole) * u64::from(n) / u64::from(parts);
    u32::try_from(upto(nth + 1) - upto(nth)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
