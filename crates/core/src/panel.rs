//! The panel: all evidence about all instances in, verdicts out.
//!
//! It holds one detector and one lifecycle per instance, weighs misses that come together, notices who
//! stays behind, and keeps the account of evidence that a verdict is explained with. Proven dissent is a
//! verdict at once. An instance is turned OFF even when fewer than a quorum stay ON: no unverified answer is
//! served then, and [`Panel::quorum_lost`] is the alarm.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::detector::{Bursts, Detector, DetectorConfig, Observation, Seen};
use crate::lifecycle::{Lifecycle, LifecycleConfig, Phase};
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Late or missing.
    pub late: u32,
    /// Errors.
    pub failed: u32,
}

#[derive(Debug)]
struct Member {
    detector: Box<dyn Detector>,
    lifecycle: Lifecycle,
    /// Misses since the level was last zero, by reporter and kind.
    account: BTreeMap<(String, Seen), u32>,
    account_since_ns: u64,
}

/// All instances.
#[derive(Debug)]
pub struct Panel {
    members: Vec<Member>,
    quorum: usize,
    bursts: Bursts,
    staleness: Staleness,
    needed_checks: u32,
}

/// Good answers in a row that are counted at most: the level is zero long before.
const MOST_GOOD: u32 = 200;
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
            account: BTreeMap::new(),
            account_since_ns: now_ns,
        };
        Self {
            members: ReplicaId::all(config.replicas).map(member).collect(),
            quorum: quorum(config.replicas.into()),
            bursts: Bursts::new(),
            staleness: Staleness::new(config.replicas.into(), config.lag_budget_ns),
            needed_checks: config.lifecycle.good_checks,
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

    /// Takes the result of one health check, or the loss of the connection ([`Seen::Unreachable`]).
    /// `applied` is the number of events the instance has applied in all, if it answered.
    pub fn check(&mut self, now_ns: u64, instance: ReplicaId, seen: Seen, applied: Option<u64>) -> Option<Change> {
        let behind = applied.map_or(0, |applied| self.staleness.observe(now_ns, instance, applied));
        let seen = if seen == Seen::Good && behind > 0 {
            Seen::Stale
        } else {
            seen
        };
        let needed = self.needed_checks;
        let member = self.members.get_mut(instance.index())?;
        // Of an instance that is OFF too: that it is late together with others tells that the host is the cause.
        let weight = self.bursts.weigh(now_ns, instance, seen);
        if member.lifecycle.is_on() {
            return member.observe(now_ns, instance, "health check", seen, weight, 1);
        }
        member.lifecycle.check(now_ns, !seen.is_miss()).then(|| {
            member.detector.reset();
            member.account.clear();
            Change {
                instance,
                was_on: false,
                phase: Phase::On,
                kind: CauseKind::Recovered,
                text: format!("{needed} good checks in a row"),
            }
        })
    }

    /// Takes what `reporter` saw of an instance's answers since its last report.
    pub fn answers(&mut self, now_ns: u64, instance: ReplicaId, reporter: &str, answers: Answers) -> Option<Change> {
        let member = self.members.get_mut(instance.index())?;
        if !member.lifecycle.is_on() {
            // Health may look fine while queries fail: that is no way back.
            if answers.late > 0 || answers.failed > 0 {
                member.lifecycle.check(now_ns, false);
            }
            return None;
        }
        // The batch does not say in which order they came: spread the good ones evenly between the others, or a
        // large batch with three failures in it would look like three in a row.
        let late = (answers.late > 0).then(|| {
            (
                Seen::Late,
                self.bursts.weigh(now_ns, instance, Seen::Late),
                answers.late,
            )
        });
        let failed = answers.failed.min(MOST_MISSES);
        let misses = late.into_iter().chain((0..failed).map(|_| (Seen::Error, 1.0, 1)));
        let gaps = failed + u32::from(late.is_some()) + 1;
        for (nth, (seen, weight, count)) in (0..).zip(misses) {
            member.good(now_ns, share(answers.good, nth, gaps));
            let change = member.observe(now_ns, instance, reporter, seen, weight, count);
            if change.is_some() {
                return change;
            }
        }
        member.good(now_ns, share(answers.good, gaps - 1, gaps));
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
        let member = self.members.get_mut(instance.index())?;
        let turned = member.lifecycle.turn_off(now_ns);
        member.lifecycle.lied(product);
        turned.then(|| Change {
            instance,
            was_on: true,
            phase: member.lifecycle.phase(),
            kind: CauseKind::Dissent,
            text,
        })
    }

    /// Takes a shadow vote of an OFF instance that agreed with the quorum about `product`.
    pub fn agreed(&mut self, instance: ReplicaId, product: &ProductId) {
        if let Some(member) = self.members.get_mut(instance.index()) {
            member.lifecycle.agreed(product);
        }
    }

    /// Time passes: quarantines may end.
    pub fn tick(&mut self, now_ns: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        for (member, number) in self.members.iter_mut().zip(1..) {
            if member.lifecycle.tick(now_ns)
                && let Ok(instance) = ReplicaId::new(number)
            {
                changes.push(Change {
                    instance,
                    was_on: false,
                    phase: Phase::Probation,
                    kind: CauseKind::QuarantineOver,
                    text: "the quarantine is over; good checks in a row bring it back".to_owned(),
                });
            }
        }
        changes
    }
}

/// The `nth` of `parts` nearly equal parts of `whole`; all of them together are `whole`.
fn share(whole: u32, nth: u32, parts: u32) -> u32 {
    let upto = |n: u32| u64::from(whole) * u64::from(n) / u64::from(parts);
    u32::try_from(upto(nth + 1) - upto(nth)).unwrap_or(u32::MAX)
}

impl Member {
    /// Good answers. Beyond [`MOST_GOOD`] the level is zero in any case.
    fn good(&mut self, now_ns: u64, count: u32) {
        for _ in 0..count.min(MOST_GOOD) {
            self.detector.observe(Observation {
                at_ns: now_ns,
                seen: Seen::Good,
                weight: 1.0,
            });
        }
    }

    fn observe(
        &mut self,
        now_ns: u64,
        instance: ReplicaId,
        reporter: &str,
        seen: Seen,
        weight: f64,
        count: u32,
    ) -> Option<Change> {
        if self.detector.level() == 0.0 {
            self.account.clear();
            self.account_since_ns = now_ns;
        }
        if seen.is_miss() {
            *self.account.entry((reporter.to_owned(), seen)).or_default() += count;
        }
        if !self.detector.observe(Observation {
            at_ns: now_ns,
            seen,
            weight,
        }) {
            return None;
        }
        let text = self.explain(now_ns);
        let mut kinds: BTreeMap<Seen, u32> = BTreeMap::new();
        for ((_, kind), n) in &self.account {
            *kinds.entry(*kind).or_default() += n;
        }
        let kind = kinds.into_iter().max_by_key(|(_, n)| *n).map_or(seen, |(kind, _)| kind);
        self.lifecycle.turn_off(now_ns).then(|| Change {
            instance,
            was_on: true,
            phase: self.lifecycle.phase(),
            kind: CauseKind::Misses(kind),
            text,
        })
    }

    fn explain(&self, now_ns: u64) -> String {
        let ms = now_ns.saturating_sub(self.account_since_ns) as f64 / 1e6;
        let mut text = format!(
            "{} at {:.2} of its threshold within {ms:.0} ms:",
            self.detector.name(),
            self.detector.level()
        );
        for (i, ((reporter, seen), n)) in self.account.iter().enumerate() {
            let what = match seen {
                Seen::Good => "good",
                Seen::Unreachable => "unreachable",
                Seen::Late => "late",
                Seen::Error => "error",
                Seen::Stale => "behind the quorum",
            };
            let comma = if i == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(text, "{comma} {n} × {what} ({reporter})");
        }
        text
    }
}

#[cfg(test)]
mod tests;
