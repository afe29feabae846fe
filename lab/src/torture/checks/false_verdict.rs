//! No replica is turned OFF without a fault.
//!
//! When the monitor turns a replica from ON to OFF, then at that moment, or less than a grace before, something was done to
//! that replica, or to something that its verdict depends on:
//!
//! | window | grace after its end |
//! | --- | --- |
//! | any on the replica itself, but `clock_step` | 3 s: evidence of its last moments may come that late |
//! | voter, killed or stopped | 3 s |
//! | monitor, killed or stopped | 3 s |
//! | broker, killed or stopped | 10 s: replicas come back to it at different times, up to some seconds apart, and whoever is last is behind the others |
//! | this host stood still for 75 ms or more | 1.5 s |
//! | somebody on this host had to wait for a processor for more than half of a second (Linux's pressure stall information), and the reason is *late*: the replica was | 1.5 s |
//!
//! Nothing else is an excuse: not a step of anybody's clock, not an outage of the database, not what happens to orders or to
//! another replica, not load.

use tolerancia_wire::status::ReasonKind;

use super::Checked;
use super::excuse::SECOND;
use crate::torture::action::{Kind, Target, Window};
use crate::torture::evidence::{Change, Evidence, Stall};
use crate::torture::shortest;

/// Looks at every verdict.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("no_false_verdict");
    let mut late = 0_u64;
    for change in evidence.turned_off() {
        checked.looked_at += 1;
        let has_cause = evidence.windows.iter().any(|window| causes(window, change));
        let stood_still = within(&evidence.stalls, change.at_ns);
        let was_busy = change.reason == ReasonKind::Late && within(&evidence.busy, change.at_ns);
        if was_busy && !has_cause && !stood_still {
            late += 1;
        }
        if has_cause || stood_still || was_busy {
            continue;
        }
        let what = format!(
            "instance {} was turned OFF ({:?}: {}), and nothing had been done to it",
            change.instance, change.reason, change.text
        );
        checked.violation(what, || {
            let (from, to) = (change.at_ns.saturating_sub(15 * SECOND), change.at_ns + 2 * SECOND);
            shortest::of_replica(evidence, change.instance, from, to)
        });
    }
    if late > 0 {
        let note = format!("{late} verdicts as late while this host had too much to do: run it on a quieter one");
        checked.notes.push(note);
    }
    checked
}

fn within(stalls: &[Stall], at_ns: u64) -> bool {
    let mut stalls = stalls.iter();
    stalls.any(|stall| (stall.from_ns..=stall.to_ns + 3 * SECOND / 2).contains(&at_ns))
}

fn causes(window: &Window, change: &Change) -> bool {
    let grace_s = match (window.target, window.kind) {
        (_, Kind::ClockStep) => return false,
        (Target::Replica(replica), _) if replica == change.instance => 3,
        (Target::Voter | Target::Monitor, _) => 3,
        (Target::Broker, _) => 10,
        (Target::Replica(_) | Target::Orders | Target::Database, _) => return false,
    };
    window.applied && (window.from_ns..=window.to_ns + grace_s * SECOND).contains(&change.at_ns)
}

#[cfg(test)]
mod tests {
    use tolerancia_wire::status::Verdict;

    use super::*;
    use crate::torture::checks::world::World;

    fn judged(windows: &[(Target, Kind, u64, u64)], off_at_s: u64) -> Checked {
        let mut world = World::new();
        for (target, kind, from, to) in windows {
            world.window(*target, *kind, None, *from, *to);
        }
        world.verdict(2, off_at_s, Verdict::Off, ReasonKind::Late);
        check(&world.evidence())
    }

    #[test]
    fn a_verdict_with_a_fault_is_none_of_ours() {
        let replica = World::replica(2);
        assert!(judged(&[(replica, Kind::Latency, 5, 10)], 7).holds());
        assert!(judged(&[(replica, Kind::Kill, 5, 10)], 12).holds());
        assert!(judged(&[(Target::Broker, Kind::Stop, 5, 10)], 19).holds());
        assert!(judged(&[(Target::Monitor, Kind::Stop, 5, 10)], 11).holds());
        assert_eq!(judged(&[(replica, Kind::Latency, 5, 10)], 7).looked_at, 1);
    }

    #[test]
    fn on_a_busy_host_late_is_late_and_nothing_else_is() {
        for (reason, holds) in [
            (ReasonKind::Late, true),
            (ReasonKind::Errors, false),
            (ReasonKind::Dissent, false),
        ] {
            let mut world = World::new();
            world.verdict(2, 7, Verdict::Off, reason);
            let mut evidence = world.evidence();
            evidence.busy.push(Stall {
                from_ns: 5 * SECOND,
                to_ns: 6 * SECOND,
            });
            assert_eq!(check(&evidence).holds(), holds, "{reason:?}");
        }
    }

    #[test]
    fn one_without_is_false() {
        let replica = World::replica(2);
        for windows in [
            vec![],
            vec![(World::replica(1), Kind::Latency, 5, 10)],
            vec![(replica, Kind::ClockStep, 5, 10)],
            vec![(Target::Database, Kind::DatabaseOutage, 5, 10)],
            vec![(Target::Orders, Kind::Kill, 5, 10)],
            vec![(replica, Kind::Latency, 8, 10)],
            vec![(replica, Kind::Latency, 1, 3)],
        ] {
            assert!(!judged(&windows, 7).holds(), "{windows:?}");
        }
    }
}
