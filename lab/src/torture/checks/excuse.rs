//! What excuses what, in one place: stretches of time in which something could not be expected.

use tolerancia_core::{ReplicaId, quorum};

use crate::torture::action::{Kind, Target, Window};
use crate::torture::evidence::Evidence;

/// A stretch of time, from and to, in nanoseconds of `CLOCK_MONOTONIC`.
pub(super) type Stretch = (u64, u64);

/// A second in nanoseconds.
pub(super) const SECOND: u64 = 1_000_000_000;
/// Whoever was away has its connections and its evidence again so long after its return: consumers reconnect within a second
/// or two, statistics need a few observations.
pub(super) const RETURN_NS: u64 = 3 * SECOND;
/// What came late because this host stood still has come so long after it ran again.
const STALL_NS: u64 = SECOND;

/// When records may have been held up by a step of the wall clock of one of these parts, or, during the step, by one back to
/// where it was: librdkafka times some of its waits by the wall clock, so what it sends and fetches may come seconds late.
pub(super) fn stepped(evidence: &Evidence, targets: &[Target]) -> Vec<Stretch> {
    let windows = evidence.windows.iter();
    let steps =
        windows.filter(|window| window.applied && targets.contains(&window.target) && window.kind == Kind::ClockStep);
    steps.map(|window| (window.from_ns, window.to_ns + RETURN_NS)).collect()
}

/// When one of these parts was away, and somewhat longer.
pub(super) fn away(evidence: &Evidence, targets: &[Target]) -> Vec<Stretch> {
    let windows = evidence.windows.iter();
    let away =
        windows.filter(|window| window.applied && targets.contains(&window.target) && window.kind != Kind::ClockStep);
    away.map(|window| (window.from_ns, window.to_ns + RETURN_NS)).collect()
}

/// When this host had no time for who wanted to run.
pub(super) fn stalled(evidence: &Evidence) -> Vec<Stretch> {
    let stalls = evidence.stalls.iter();
    stalls.map(|stall| (stall.from_ns, stall.to_ns + STALL_NS)).collect()
}

/// When too many of the others were in trouble for a quorum of them to contradict this replica.
pub(super) fn without_quorum(evidence: &Evidence, replica: ReplicaId) -> Vec<Stretch> {
    let replicas = usize::from(evidence.replicas);
    // So many of the others may be in trouble while the rest are a quorum.
    let spare = (replicas - 1).saturating_sub(quorum(replicas));
    let others: Vec<Vec<Stretch>> = ReplicaId::all(evidence.replicas)
        .filter(|other| *other != replica)
        .map(|other| merged(away(evidence, &[Target::Replica(other)])))
        .collect();
    let mut edges: Vec<(u64, i32)> = others
        .iter()
        .flatten()
        .flat_map(|&(from, to)| [(from, 1), (to, -1)])
        .collect();
    edges.sort_unstable();
    let (mut troubled, mut since, mut stretches) = (0, None, Vec::new());
    for (at, step) in edges {
        troubled += step;
        let too_many = usize::try_from(troubled).unwrap_or(0) > spare;
        match since {
            None if too_many => since = Some(at),
            Some(from) if !too_many => {
                stretches.push((from, at));
                since = None;
            }
            _ => {}
        }
    }
    stretches
}

/// Stretches that overlap, as one.
pub(super) fn merged(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_unstable();
    let mut merged: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for (from, to) in stretches {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// What is left of a stretch without the excused ones.
pub(super) fn without((from, to): Stretch, excused: Vec<Stretch>) -> Vec<Stretch> {
    let (mut left, mut at) = (Vec::new(), from);
    for (begin, end) in merged(excused) {
        if begin > at {
            left.push((at, begin.min(to)));
        }
        at = at.max(end);
        if at >= to {
            return left;
        }
    }
    left.push((at, to));
    left
}

/// Whether orders may have forgotten a key between these times at which it was sent: it was killed, and before that the
/// database took no writes, or had no time to.
pub(super) fn memory_was_lost(evidence: &Evidence, times: &[u64]) -> bool {
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
        return false;
    };
    let is = |window: &&Window, target| window.applied && window.target == target;
    let mut deaths = evidence
        .windows
        .iter()
        .filter(|window| is(window, Target::Orders) && window.kind == Kind::Kill);
    deaths.any(|death| {
        let between = death.from_ns >= *first && death.from_ns <= *last;
        let mut outages = evidence.windows.iter().filter(|window| is(window, Target::Database));
        let unwritten = outages
            .any(|outage| outage.from_ns <= death.to_ns + RETURN_NS && outage.to_ns + RETURN_NS >= death.from_ns);
        // What was not written at once is lost with the process.
        let just_sent = times
            .iter()
            .any(|sent| *sent <= death.from_ns && sent + SECOND >= death.from_ns);
        between && (unwritten || just_sent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_is_not_excused() {
        assert_eq!(without((10, 20), vec![]), [(10, 20)]);
        assert_eq!(without((10, 20), vec![(0, 5), (30, 40)]), [(10, 20)]);
        assert_eq!(
            without((10, 20), vec![(12, 13), (15, 16)]),
            [(10, 12), (13, 15), (16, 20)]
        );
        assert_eq!(without((10, 20), vec![(15, 30)]), [(10, 15)]);
        assert_eq!(without((10, 20), vec![(5, 30)]), []);
        assert_eq!(without((10, 20), vec![(5, 12), (11, 14)]), [(14, 20)]);
    }

    #[test]
    fn stretches_that_overlap_are_one() {
        assert_eq!(merged(vec![(5, 9), (1, 3), (2, 4), (9, 10)]), [(1, 4), (5, 10)]);
    }
}
