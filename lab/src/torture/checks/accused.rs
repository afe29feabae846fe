//! Lag is never called a lie.
//!
//! When the monitor says *dissent* of a replica, in whatever step of its way, then that replica lied: the fault `incorrect`
//! was active in it at that moment, or had been less than 5 s before. Where voter, monitor or broker were away meanwhile,
//! what was seen is told after their return, so their absence, and 10 s after it, does not count.
//!
//! Nothing else is an excuse: a replica that is killed, stopped, slow, stale, that comes back, or whose disk is full, is
//! behind at worst.

use tolerancia_wire::status::ReasonKind;

use super::Checked;
use super::excuse::{SECOND, merged};
use crate::torture::action::{Kind, Target};
use crate::torture::evidence::Evidence;
use crate::torture::shortest;

/// How long after its end a lie may be told of.
const GRACE_NS: u64 = 5 * SECOND;
/// How long after the return of who tells it.
const RETURN_NS: u64 = 10 * SECOND;

/// Looks at every verdict and at every accusation among them.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("no_false_accusation");
    let away = evidence
        .windows
        .iter()
        .filter(|window| window.applied && matches!(window.target, Target::Voter | Target::Monitor | Target::Broker));
    let away = merged(away.map(|window| (window.from_ns, window.to_ns + RETURN_NS)).collect());
    for change in &evidence.verdicts {
        checked.looked_at += 1;
        if change.reason != ReasonKind::Dissent {
            continue;
        }
        let lied = evidence.windows.iter().any(|window| {
            let is_lie =
                window.applied && window.kind == Kind::Incorrect && window.target.replica() == Some(change.instance);
            is_lie && window.from_ns <= change.at_ns && change.at_ns <= told_by(&away, window.to_ns)
        });
        if !lied {
            let what = format!(
                "instance {} was accused of a lie ({}), and it told none",
                change.instance, change.text
            );
            checked.violation(what, || {
                let (from, to) = (change.at_ns.saturating_sub(15 * SECOND), change.at_ns + 2 * SECOND);
                shortest::of_replica(evidence, change.instance, from, to)
            });
        }
    }
    checked
}

/// Until when a lie that ended at `to_ns` may be told of.
fn told_by(away: &[(u64, u64)], to_ns: u64) -> u64 {
    let mut until = to_ns + GRACE_NS;
    for (from, to) in away {
        if *from <= until && *to > to_ns {
            until = until.max(*to);
        }
    }
    until
}

#[cfg(test)]
mod tests {
    use tolerancia_wire::status::Verdict;

    use super::*;
    use crate::torture::checks::world::World;

    fn judged(target: Target, kind: Kind, away: Option<(u64, u64)>, accused_at_s: u64) -> Checked {
        let mut world = World::new();
        world.window(target, kind, None, 5, 10);
        if let Some((from, to)) = away {
            world.window(Target::Monitor, Kind::Stop, None, from, to);
        }
        world.verdict(2, accused_at_s, Verdict::Off, ReasonKind::Dissent);
        check(&world.evidence())
    }

    #[test]
    fn a_liar_may_be_called_one() {
        let liar = World::replica(2);
        assert!(judged(liar, Kind::Incorrect, None, 6).holds());
        assert!(judged(liar, Kind::Incorrect, None, 14).holds());
        assert!(judged(liar, Kind::Incorrect, Some((9, 20)), 25).holds());
    }

    #[test]
    fn nobody_else_may() {
        let other = World::replica(2);
        for kind in [
            Kind::Stale,
            Kind::Latency,
            Kind::Kill,
            Kind::Stop,
            Kind::DiskFull,
            Kind::Freeze,
        ] {
            assert!(!judged(other, kind, None, 6).holds(), "{kind}");
        }
        assert!(!judged(World::replica(1), Kind::Incorrect, None, 6).holds());
        assert!(!judged(other, Kind::Incorrect, None, 4).holds());
        assert!(!judged(other, Kind::Incorrect, None, 16).holds());
        assert!(!judged(other, Kind::Incorrect, Some((1, 2)), 16).holds());
    }

    #[test]
    fn other_reasons_are_no_accusation() {
        let mut world = World::new();
        world.verdict(2, 6, Verdict::Off, ReasonKind::Stale);
        let checked = check(&world.evidence());
        assert!(checked.holds());
        assert_eq!(checked.looked_at, 1);
    }
}
