//! What the instances said of themselves when they were last asked for their health.

use tokio::sync::watch;
use tolerancia_core::{ReplicaId, quorum};
use tolerancia_wire::health::{Health, HealthState};
use tolerancia_wire::live::ReplicaView;

/// What is shown of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastAnswer {
    at_ns: u64,
    took_ns: u64,
    health: HealthState,
    pid: u32,
    applied: u64,
}

/// Where the checker of an instance leaves its answers. It cannot be read.
#[derive(Debug)]
pub(crate) struct Answers(watch::Sender<Option<LastAnswer>>);

impl Answers {
    pub(super) fn new() -> (Self, watch::Receiver<Option<LastAnswer>>) {
        let (sender, shown) = watch::channel(None);
        (Self(sender), shown)
    }

    /// An answer that came at `at_ns`, whatever state it tells of and whether in time or not.
    pub(crate) fn answered(&self, at_ns: u64, took_ns: u64, health: &Health) {
        self.0.send_replace(Some(LastAnswer {
            at_ns,
            took_ns,
            health: health.status,
            pid: health.pid,
            // The numbers are the instance's.
            applied: health.applied.values().fold(0, |sum, n| sum.saturating_add(*n)),
        }));
    }

    /// The connection was lost. Most likely the process has ended, so nothing is known of what comes after it.
    pub(crate) fn lost(&self) {
        self.0.send_replace(None);
    }
}

/// What is shown at `now_ns`. An instance from which nothing came for `silent_ns` does not answer; its process and its
/// position are still the last that it told.
pub(super) fn views(answers: &[Option<LastAnswer>], now_ns: u64, silent_ns: u64) -> Vec<ReplicaView> {
    let reached = reached(answers);
    let ids = ReplicaId::all(u8::try_from(answers.len()).unwrap_or(u8::MAX));
    ids.zip(answers)
        .map(|(instance, last)| {
            let heard = last.filter(|last| now_ns.saturating_sub(last.at_ns) <= silent_ns);
            let applied = last.map(|last| last.applied);
            ReplicaView {
                instance,
                health: heard.map(|last| last.health),
                pid: last.map(|last| last.pid),
                applied,
                lag: reached
                    .zip(applied)
                    .map(|(reached, applied)| reached.saturating_sub(applied)),
                check_ms: heard.map(|last| last.took_ns as f64 / 1e6),
            }
        })
        .collect()
}

/// The position that a quorum has reached; none if the positions of fewer are known.
fn reached(answers: &[Option<LastAnswer>]) -> Option<u64> {
    let mut positions: Vec<u64> = answers.iter().flatten().map(|last| last.applied).collect();
    positions.sort_unstable_by(|a, b| b.cmp(a));
    positions.get(quorum(answers.len()).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn answer(at_ns: u64, applied: u64) -> Option<LastAnswer> {
        Some(LastAnswer {
            at_ns,
            took_ns: 1_500_000,
            health: HealthState::CatchingUp,
            pid: 7,
            applied,
        })
    }

    #[test]
    fn one_is_behind_what_a_quorum_has_reached_and_nobody_behind_the_first() {
        let lags = |positions: &[Option<u64>]| -> Vec<_> {
            let answers: Vec<_> = positions.iter().map(|p| p.and_then(|p| answer(0, p))).collect();
            views(&answers, 0, SECOND).iter().map(|view| view.lag).collect()
        };
        assert_eq!(
            lags(&[Some(100), Some(50), Some(98)]),
            [Some(0), Some(48), Some(0)],
            "the first is ahead of the quorum"
        );
        assert_eq!(lags(&[Some(100), None, Some(98)]), [Some(0), None, Some(0)]);
        assert_eq!(lags(&[Some(100), None, None]), [None; 3], "no quorum is known");
        assert_eq!(
            lags(&[Some(5), Some(9), Some(9), Some(2), Some(7)]),
            [Some(2), Some(0), Some(0), Some(5), Some(0)]
        );
    }

    #[test]
    fn who_is_silent_does_not_answer_but_was_somewhere() {
        let answers = [answer(0, 5), answer(SECOND, 5), None];
        let views = views(&answers, SECOND + 1, SECOND);
        let state = Some(HealthState::CatchingUp);
        let brief: Vec<_> = views
            .iter()
            .map(|view| {
                (
                    view.instance.number(),
                    view.health,
                    view.check_ms,
                    view.pid,
                    view.applied,
                )
            })
            .collect();
        assert_eq!(
            brief,
            [
                (1, None, None, Some(7), Some(5)),
                (2, state, Some(1.5), Some(7), Some(5)),
                (3, None, None, None, None),
            ]
        );
    }
}
