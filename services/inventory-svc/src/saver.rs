//! Saves snapshots beside the work: neither applying nor queries wait for the disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::snapshot::{Delta, Snapshot};

/// Between two attempts to write to a disk that does not take it.
const RETRY: Duration = Duration::from_secs(1);
/// How long stopping may take.
const CLOSE: Duration = Duration::from_secs(2);

/// Changes to save once everything in `sending` is out.
struct Job {
    delta: Delta,
    sending: JoinSet<()>,
}

/// The last failure to save, if the last attempt failed.
pub(crate) type Failing = Arc<Mutex<Option<String>>>;

/// The task that owns the snapshot file.
pub(crate) struct Saver {
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<()>,
}

impl Saver {
    pub(crate) fn spawn(snapshot: Snapshot, failing: Failing) -> Self {
        let (jobs, receiver) = mpsc::channel(1);
        Self {
            jobs,
            task: tokio::spawn(run(Arc::new(snapshot), receiver, failing)),
        }
    }

    /// Whether a job would be taken now. While none is, changes gather where they are.
    pub(crate) fn is_free(&self) -> bool {
        self.jobs.capacity() > 0
    }

    /// Saves `delta` after all of `sending`; only when [`is_free`](Self::is_free).
    pub(crate) fn save(&self, delta: Delta, sending: JoinSet<()>) {
        if self.jobs.try_send(Job { delta, sending }).is_err() {
            // The caller is the only sender, so only a task that is gone refuses.
            tracing::error!("the snapshot is no longer saved: the next start reads more of the log");
        }
    }

    /// Saves the last changes, if any, and ends. What takes too long is left out: the log has it.
    pub(crate) async fn close(self, last: Option<(Delta, JoinSet<()>)>) {
        let Self { jobs, task } = self;
        let abort = task.abort_handle();
        let finish = async {
            if let Some((delta, sending)) = last
                && jobs.send(Job { delta, sending }).await.is_err()
            {
                return;
            }
            drop(jobs);
            if let Err(error) = task.await {
                tracing::error!(%error, "saving the snapshot failed");
            }
        };
        if tokio::time::timeout(CLOSE, finish).await.is_err() {
            abort.abort();
            tracing::warn!("the last snapshot was not saved in time: the next start reads a little more of the log");
        }
    }
}

async fn run(snapshot: Arc<Snapshot>, mut jobs: mpsc::Receiver<Job>, failing: Failing) {
    while let Some(Job { delta, mut sending }) = jobs.recv().await {
        while sending.join_next().await.is_some() {}
        let delta = Arc::new(delta);
        loop {
            let started = Instant::now();
            let (snapshot, job) = (Arc::clone(&snapshot), Arc::clone(&delta));
            let saved = tokio::task::spawn_blocking(move || snapshot.save(&job)).await;
            let failure = match saved {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            metrics::histogram!("inventory_snapshot_seconds").record(started.elapsed().as_secs_f64());
            let before = std::mem::replace(
                &mut *failing.lock().unwrap_or_else(PoisonError::into_inner),
                failure.clone(),
            );
            match (before, failure) {
                (None, None) => break,
                (Some(_), None) => {
                    tracing::info!("the snapshot is saved again");
                    break;
                }
                (None, Some(error)) => {
                    tracing::warn!(error, "the snapshot cannot be saved: free the disk; trying again")
                }
                (Some(_), Some(_)) => {}
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::pending;

    use tempfile::TempDir;

    use super::*;
    use crate::snapshot::Restored;

    fn delta(position: u64) -> Delta {
        Delta {
            products: Vec::new(),
            orders: Vec::new(),
            positions: [(0, position)].into(),
            last: std::collections::BTreeMap::new(),
            digest: Restored::default().ledger.digest(),
        }
    }

    fn start() -> (TempDir, Saver) {
        let dir = tempfile::tempdir().unwrap();
        let (snapshot, _) = Snapshot::open(dir.path()).unwrap();
        (dir, Saver::spawn(snapshot, Failing::default()))
    }

    fn position(dir: &TempDir) -> Option<u64> {
        Snapshot::open(dir.path()).unwrap().1.positions.get(&0).copied()
    }

    #[tokio::test]
    async fn a_position_is_saved_once_its_outcomes_are_out() {
        let (dir, saver) = start();
        let (out, waiting) = tokio::sync::oneshot::channel::<()>();
        let mut sending = JoinSet::new();
        sending.spawn(async { waiting.await.unwrap() });
        saver.save(delta(5), sending);
        out.send(()).unwrap();
        saver.close(Some((delta(7), JoinSet::new()))).await;
        assert_eq!(position(&dir), Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_position_is_not_saved_before_its_outcomes_are_out() {
        let (dir, saver) = start();
        saver.save(delta(5), JoinSet::new());
        let mut sending = JoinSet::new();
        sending.spawn(pending());
        // Gives up when stopping takes too long; the position before stands.
        saver.close(Some((delta(7), sending))).await;
        tokio::task::yield_now().await;
        assert_eq!(position(&dir), Some(5));
    }
}
