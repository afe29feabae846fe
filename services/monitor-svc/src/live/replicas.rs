//! What the instances said of themselves when they were last asked for their health.

mod reached;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tolerancia_core::{ReplicaId, quorum};
use tolerancia_wire::health::{Health, HealthState};
use tolerancia_wire::live::ReplicaView;

use reached::Reached;

/// What is shown of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastAnswer {
    at_ns: u64,
    took_ns: u64,
    health: HealthState,
    pid: u32,
    applied: u64,
    /// Events behind what a quorum was known to have reached when it was asked, if anything was known.
    lag: Option<u64>,
}

/// What is known of the instances; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Replicas(Arc<Mutex<Board>>);

#[derive(Debug)]
struct Board {
    /// By instance.
    last: Vec<Option<LastAnswer>>,
    reached: Reached,
}

/// Where the checker of an instance leaves its answers. It cannot be read.
#[derive(Debug)]
pub(crate) struct Answers {
    instance: usize,
    board: Replicas,
}

impl Replicas {
    /// Nothing is known of so many yet; what their checkers write to, in the order of the instances.
    pub(super) fn new(replicas: u8) -> (Self, Vec<Answers>) {
        let board = Self(Arc::new(Mutex::new(Board {
            last: vec![None; replicas.into()],
            reached: Reached::default(),
        })));
        let answers = (0..replicas.into()).map(|instance| Answers {
            instance,
            board: board.clone(),
        });
        (board.clone(), answers.collect())
    }

    /// What is shown at `now_ns`. An instance from which nothing came for `silent_ns` does not answer; its process and
    /// its position are still the last that it told.
    pub(super) fn views(&self, now_ns: u64, silent_ns: u64) -> Vec<ReplicaView> {
        let (answers, reached) = {
            let board = self.board();
            (board.last.clone(), board.reached.newest())
        };
        let ids = ReplicaId::all(u8::try_from(answers.len()).unwrap_or(u8::MAX));
        ids.zip(answers)
            .map(|(instance, last)| {
                let heard = last.filter(|last| now_ns.saturating_sub(last.at_ns) <= silent_ns);
                let applied = last.map(|last| last.applied);
                // One that is silent may be further than it said, but nothing shows it.
                let unheard = || Some(reached?.saturating_sub(applied?));
                ReplicaView {
                    instance,
                    health: heard.map(|last| last.health),
                    pid: last.map(|last| last.pid),
                    applied,
                    lag: heard.map_or_else(unheard, |last| last.lag),
                    check_ms: heard.map(|last| last.took_ns as f64 / 1e6),
                }
            })
            .collect()
    }

    /// Held for a look or a copy, never across an await.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// An answer that came at `at_ns`, whatever state it tells of and whether in time or not.
    pub(crate) fn answered(&self, at_ns: u64, took_ns: u64, health: &Health) {
        // The numbers are the instance's.
        let applied = health.applied.values().fold(0, |sum: u64, n| sum.saturating_add(*n));
        let mut board = self.board.board();
        // The instance looked at its position at some time between the question and the answer, so one that keeps up
        // had by then all that was known at the question. The others told of theirs at other times.
        let reached = board.reached.by(at_ns.saturating_sub(took_ns));
        board.last[self.instance] = Some(LastAnswer {
            at_ns,
            took_ns,
            health: health.status,
            pid: health.pid,
            applied,
            lag: reached.map(|reached| reached.saturating_sub(applied)),
        });
        if let Some(position) = of_a_quorum(&board.last) {
            board.reached.note(at_ns, position);
        }
    }

    /// The connection was lost. Most likely the process has ended, so nothing is known of what comes after it.
    pub(crate) fn lost(&self) {
        self.board.board().last[self.instance] = None;
    }
}

/// The position that a quorum has told; none if the positions of fewer are known.
fn of_a_quorum(answers: &[Option<LastAnswer>]) -> Option<u64> {
    let mut positions: Vec<u64> = answers.iter().flatten().map(|last| last.applied).collect();
    positions.sort_unstable_by(|a, b| b.cmp(a));
    positions.get(quorum(answers.len()).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests;
