//! The bounded write-behind queue between a service and its database.
//!
//! The rule: a service never waits for the database. `push` takes a lock for the time of a queue
//! operation; one task owns the database's write side. While the database is dead, writes wait up to the
//! capacity, then new ones are dropped and counted: the oldest history is kept, and memory is bounded.
//! A write that the database refuses for what it is (not for how the database is) is dropped and counted
//! alone, so that it cannot hold up the others.

mod queue;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tolerancia_wire::Stamp;

use crate::store::{Store, Write};
use queue::Queue;
use writer::Writer;

/// The buffer's parameters.
#[derive(Debug, Clone)]
pub struct BufferConfig {
    /// Writes that can wait, those of the transaction under way included.
    pub capacity: usize,
    /// Writes per transaction.
    pub batch: usize,
    /// How long a write may wait for others to share its transaction. Verdicts and what comes before them wait for
    /// nothing.
    pub linger: Duration,
    /// The pause after a first failure; it doubles with each further one …
    pub retry_min: Duration,
    /// … up to this.
    pub retry_max: Duration,
    /// How often an idle database is asked whether it is alive.
    pub ping_every: Duration,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            batch: 500,
            linger: Duration::from_millis(20),
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(5),
            ping_every: Duration::from_secs(2),
        }
    }
}

/// How the database is, as the buffer sees it. `Display` gives the text for `/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BufferState {
    /// It answers.
    Up,
    /// It does not, or has not yet; writes wait.
    Degraded {
        /// Since when.
        since: Stamp,
        /// The newest error.
        error: String,
        /// Writes that wait.
        queued: usize,
        /// Writes dropped since the start of the process.
        dropped: u64,
    },
}

impl BufferState {
    /// Whether the database answers.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

impl fmt::Display for BufferState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Degraded {
                since,
                error,
                queued,
                dropped,
            } => write!(
                f,
                "{error} (since {:.3}; {queued} writes wait, {dropped} were dropped)",
                since.at
            ),
        }
    }
}

/// The handle on the queue; clones share it. Dropping the last one stops the writer after one more
/// attempt: [`Buffer::close`] is the orderly end.
#[derive(Clone)]
pub struct Buffer {
    owner: Arc<Owner>,
}

struct Owner {
    queue: Arc<Queue>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.queue.stop.cancel();
    }
}

impl Buffer {
    /// Starts the writer task, which first asks `store` whether it is alive. Needs a tokio runtime.
    ///
    /// It takes no shutdown token: what the servers push while they drain must still be written, so the
    /// buffer ends with [`Buffer::close`], after them.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, config: BufferConfig) -> Self {
        let queue = Arc::new(Queue::new(config.capacity));
        let writer = Writer::new(store, Arc::clone(&queue), config);
        Self {
            owner: Arc::new(Owner {
                queue,
                task: Mutex::new(Some(tokio::spawn(writer.run()))),
            }),
        }
    }

    /// Queues a write and returns at once. `false`: the queue is full or closed; the write was dropped and
    /// counted.
    pub fn push(&self, write: Write) -> bool {
        self.owner.queue.push(write)
    }

    /// How the database is. Cheap.
    #[must_use]
    pub fn state(&self) -> BufferState {
        self.owner.queue.state()
    }

    /// Writes that wait, those of the transaction under way included.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.owner.queue.queued()
    }

    /// Writes that may wait.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.owner.queue.capacity()
    }

    /// Writes dropped since the start, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.owner.queue.dropped()
    }

    /// Takes no more writes, tries for at most `bound` to write those that wait, and ends the writer.
    /// Returns how many could not be written; they are counted as dropped. A second call does nothing.
    pub async fn close(&self, bound: Duration) -> u64 {
        let until = Instant::now() + bound;
        let queue = &self.owner.queue;
        queue.close(until);
        let task = self.owner.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return 0 };
        if timeout_at(until, &mut task).await.is_err() {
            task.abort();
            // Aborted or ended meanwhile: either way it no longer touches the queue.
            let _ = task.await;
        }
        queue.abandon()
    }
}
