//! When was a fault detected and repaired? A pure function of the faults that were reported about one instance
//! and of the verdicts on it. It gives what the experiment measures:
//!
//! * *detected*: the first OFF at or after the activation, while the fault is active or shortly after its end;
//! * *recovered*: ON once the fault was cleared, or at that instant if the instance is ON then (a fault that
//!   shows itself only now and then may let it return early). A crash takes its fault with it, so there the
//!   first ON after the OFF counts; so it does where the OFF came after the clearing.
//!
//! The next activation ends what can be attributed to the one before it.
//!
//! **Which clock.** The instants come from the replica (activation, clearing) and from the monitor (verdicts). On
//! one host the monotonic clock is exact, and comparing hosts by it means nothing. A stamp has both clocks: where
//! the two differences between a pair of stamps are within 1 s of each other they are taken to come from one host
//! and the monotonic one counts; otherwise the wall clock does, and the times are as good as the clocks are
//! synchronised. Mistaken for one host are hosts that booted within that second (the error is then below it);
//! for two hosts, one whose wall clock was set meanwhile.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tolerancia_wire::Stamp;
use tolerancia_wire::activation::{Activation, FaultName};
use tolerancia_wire::status::Verdict;

const SECOND: i128 = 1_000_000_000;

/// Two clocks of one host agree about a difference to within this, in nanoseconds.
const SAME_HOST: i128 = SECOND;

/// An OFF this long after the end of the fault is not its detection: the last check has timed out and the last
/// batch of evidence has arrived by then. As long as the experiment waits for the detection of a crash.
const AFTERMATH: i128 = 10 * SECOND;

/// A fault whose end nobody has reported may have ended with its process; by then it is over.
const LONGEST: i128 = 3600 * SECOND;

/// A change of the verdict on the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// The transition's number.
    pub seq: u64,
    /// When.
    pub stamp: Stamp,
    /// To what.
    pub to: Verdict,
}

/// The times of one fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Times {
    /// The OFF that is its detection.
    pub(crate) seq: u64,
    /// Milliseconds from the activation to that OFF; never negative.
    pub(crate) ttd_ms: f64,
    /// Milliseconds from the activation to ON again; at least `ttd_ms`. None as long as it is not known.
    pub(crate) ttr_ms: Option<f64>,
}

/// The times of the faults that were detected, ordered by the OFF. `activations` are those of one instance in any
/// order, `turns` its changes of verdict, oldest first.
pub(super) fn times(activations: &[Activation], turns: &[Turn]) -> Vec<Times> {
    let mut found: BTreeMap<u64, Times> = BTreeMap::new();
    for activation in activations {
        let later = |other: &Activation| offset_ns(activation.activated_at, other.activated_at);
        let next = activations.iter().map(later).filter(|ns| *ns > 0).min();
        let Some(times) = of_one(activation, next.unwrap_or(i128::MAX), turns) else {
            continue;
        };
        match found.entry(times.seq) {
            Entry::Vacant(entry) => drop(entry.insert(times)),
            // Only where the clocks contradict one another: the newest activation explains it best.
            Entry::Occupied(mut entry) if times.ttd_ms < entry.get().ttd_ms => drop(entry.insert(times)),
            Entry::Occupied(_) => {}
        }
    }
    found.into_values().collect()
}

/// The times of one fault; `next` is the offset of the activation after it.
fn of_one(activation: &Activation, next: i128, turns: &[Turn]) -> Option<Times> {
    // Everything is an offset from the activation from here on, so that all comparisons agree.
    let at = |stamp| offset_ns(activation.activated_at, stamp);
    let turns: Vec<_> = turns.iter().map(|turn| (at(turn.stamp), turn)).collect();
    let cleared = activation.cleared_at.map(at);
    let crash = activation.fault == FaultName::Crash;
    let last = match cleared {
        Some(cleared) => cleared + AFTERMATH,
        None if crash => AFTERMATH,
        None => LONGEST,
    };

    let first = turns
        .iter()
        .position(|(ns, turn)| turn.to == Verdict::Off && *ns >= 0)?;
    let turns = &turns[first..];
    let (off, turn) = turns[0];
    if off > last || off >= next {
        return None;
    }
    let since = match cleared {
        Some(cleared) => Some(cleared.max(off)),
        None => crash.then_some(off),
    };
    let recovered = since.and_then(|since| {
        let then = turns.iter().rev().find(|(ns, _)| *ns <= since);
        if then.is_some_and(|(_, turn)| turn.to == Verdict::On) {
            return Some(since);
        }
        let on = turns.iter().find(|(ns, turn)| *ns > since && turn.to == Verdict::On);
        on.map(|(ns, _)| *ns)
    });
    Some(Times {
        seq: turn.seq,
        ttd_ms: ms(off),
        ttr_ms: recovered.filter(|on| *on < next).map(ms),
    })
}

/// Nanoseconds from `from` to `to`; negative if `to` is earlier. See the module for which clock tells them.
pub(super) fn offset_ns(from: Stamp, to: Stamp) -> i128 {
    let mono = i128::from(to.mono_ns) - i128::from(from.mono_ns);
    let wall = to.at.as_nanosecond() - from.at.as_nanosecond();
    if (mono - wall).abs() <= SAME_HOST { mono } else { wall }
}

fn ms(ns: i128) -> f64 {
    ns as f64 / 1e6
}

#[cfg(test)]
pub(super) mod tests;
