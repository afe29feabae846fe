//! Saves snapshots beside the work: neither applying nor queries wait for the disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::snapshot::{Delta, NotSaved, Snapshot};

/// Between two attempts to write to a disk that does not take it.
const RETRY: Duration = Duration::from_secs(1);
/// A write that takes longer is told of: a disk that does not answer is as good as none.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long stopping may take.
const CLOSE: Duration = Duration::from_secs(2);

/// Changes to save once everything in `sending` is out.
struct Job {
    delta: Delta,
    sending: JoinSet<()>,
}

/// Why nothing is saved at present, in words for the user; none while all is well.
#[derive(Debug, Default)]
pub(crate) struct Failing(Mutex<Option<String>>);

impl Failing {
    /// Why nothing is saved at present.
    pub(crate) fn why(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells once when it begins and once when it ends, not for every attempt.
    fn set(&self, why: Option<String>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*slot, &why) {
            (Some(_), None) => tracing::info!("the snapshot is saved again"),
            (None, Some(why)) => {
                tracing::warn!("the snapshot {why}; the replica goes on with its state in memory and tries again")
            }
            _ => {}
        }
        *slot = why;
    }
}

/// The task that owns the snapshot file.
pub(crate) struct Saver {
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<()>,
    /// Whether changes are of no use, because what they change is lost.
    baseless: Arc<AtomicBool>,
}

impl Saver {
    pub(crate) fn spawn(snapshot: Snapshot, failing: Arc<Failing>) -> Self {
        let (jobs, receiver) = mpsc::channel(1);
        let baseless = Arc::default();
        Self {
            jobs,
            task: tokio::spawn(run(Arc::new(snapshot), receiver, failing, Arc::clone(&baseless))),
            baseless,
        }
    }

    /// Whether the next job must be the whole state, because the file was lost. Says so once.
    pub(crate) fn wants_everything(&self) -> bool {
        self.baseless.swap(false, Ordering::AcqRel)
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
        let Self { jobs, task, .. } = self;
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

async fn run(snapshot: Arc<Snapshot>, mut jobs: mpsc::Receiver<Job>, failing: Arc<Failing>, baseless: Arc<AtomicBool>) {
    while let Some(Job { delta, mut sending }) = jobs.recv().await {
        while sending.join_next().await.is_some() {}
        let delta = Arc::new(delta);
        loop {
            let started = Instant::now();
            let saved = write(&snapshot, &delta, &failing).await;
            metrics::histogram!("inventory_snapshot_seconds").record(started.elapsed().as_secs_f64());
            match saved {
                Ok(()) => {
                    failing.set(None);
                    break;
                }
                Err(NotSaved::Refused(error)) => {
                    failing.set(Some(format!("cannot be saved ({error}); free the disk or mend it")));
                }
                Err(NotSaved::Baseless(error)) => {
                    failing.set(Some(format!(
                        "was damaged ({error}) and is written anew; look after the disk"
                    )));
                    baseless.store(true, Ordering::Release);
                    break;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// One attempt. A write that hangs is told of and waited for: it still owns the file.
async fn write(snapshot: &Arc<Snapshot>, delta: &Arc<Delta>, failing: &Failing) -> Result<(), NotSaved> {
    let (snapshot, delta) = (Arc::clone(snapshot), Arc::clone(delta));
    let mut writing = tokio::task::spawn_blocking(move || snapshot.save(&delta));
    let written = match tokio::time::timeout(PATIENCE, &mut writing).await {
        Ok(written) => written,
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            failing.set(Some(format!(
                "has not been written for {seconds} s; look after the disk"
            )));
            writing.await
        }
    };
    written.unwrap_or_else(|error| Err(NotSaved::Refused(error.to_string())))
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
            since: None,
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
        (dir, Saver::spawn(snapshot, Arc::default()))
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

    async fn eventually(what: &str, mut look: impl FnMut() -> bool) {
        let began = Instant::now();
        while !look() {
            assert!(began.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn changes_of_a_state_that_is_lost_are_not_saved_and_everything_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (snapshot, _) = Snapshot::open(dir.path()).unwrap();
        let failing = Arc::new(Failing::default());
        let saver = Saver::spawn(snapshot, Arc::clone(&failing));
        saver.save(
            Delta {
                since: Some([(0, 5)].into()),
                ..delta(7)
            },
            JoinSet::new(),
        );
        eventually("the loss is told of", || failing.why().is_some()).await;
        assert!(failing.why().unwrap().contains("damaged"), "{:?}", failing.why());
        assert!(saver.wants_everything());
        assert!(!saver.wants_everything(), "it says so once");

        saver.save(delta(8), JoinSet::new());
        eventually("all is well again", || failing.why().is_none()).await;
        saver.save(
            Delta {
                since: Some([(0, 8)].into()),
                ..delta(9)
            },
            JoinSet::new(),
        );
        saver.close(None).await;
        assert_eq!(position(&dir), Some(9));
    }
}
