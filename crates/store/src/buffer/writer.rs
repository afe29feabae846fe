//! The one task that writes: batches, retries with growing pauses, never out of order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::BufferConfig;
use super::queue::Queue;
use crate::error::{Result, StoreError};
use crate::store::{Store, Write};

/// See the module.
pub(super) struct Writer {
    store: Arc<dyn Store>,
    queue: Arc<Queue>,
    config: BufferConfig,
    /// Taken from the queue and not yet settled, oldest first.
    pending: Vec<Write>,
    /// Writes of the next transaction at most. It is halved when the database does not answer, since that may be
    /// because there were too many of them for the time a call has, and doubled again when it does.
    most: usize,
}

impl Writer {
    pub(super) fn new(store: Arc<dyn Store>, queue: Arc<Queue>, config: BufferConfig) -> Self {
        Self {
            store,
            queue,
            most: config.batch.max(1),
            config,
            pending: Vec::new(),
        }
    }

    /// Runs until the queue is stopped and either empty or out of time.
    pub(super) async fn run(mut self) {
        let mut pause = self.config.retry_min;
        loop {
            let outcome = if self.pending.is_empty() {
                self.store.ping().await
            } else {
                self.write_pending().await
            };
            match outcome {
                Ok(()) => {
                    self.queue.up();
                    pause = self.config.retry_min;
                    if self.pending.is_empty() && !self.next_batch().await {
                        return;
                    }
                }
                Err(error) => {
                    self.queue.down(&error);
                    if !self.pause(&mut pause).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for writes and takes them, or leaves none and returns to ping an idle database. `false`:
    /// stopped, and nothing is left.
    async fn next_batch(&mut self) -> bool {
        let stop = &self.queue.stop;
        let pinged = Instant::now();
        loop {
            let waiting = self.queue.queued();
            if 0 < waiting && waiting < self.config.batch && !stop.is_cancelled() {
                tokio::select! {
                    () = sleep(self.config.linger) => {}
                    () = self.queue.hurry.notified() => {}
                    () = stop.cancelled() => {}
                }
            }
            self.pending = self.queue.take(self.config.batch);
            if !self.pending.is_empty() {
                return true;
            }
            if stop.is_cancelled() {
                return false;
            }
            tokio::select! {
                () = self.queue.wake.notified() => {}
                () = stop.cancelled() => {}
                () = tokio::time::sleep_until(pinged + self.config.ping_every) => return true,
            }
        }
    }

    /// Writes the oldest of what is pending in one transaction; if one of the writes is to blame, one by one without
    /// it.
    async fn write_pending(&mut self) -> Result<()> {
        let n = self.pending.len().min(self.most);
        let (outcome, settled) = match self.store.apply(&self.pending[..n]).await {
            Ok(()) => {
                self.queue.written(n);
                (Ok(()), n)
            }
            Err(error @ StoreError::Unavailable(_)) => (Err(error), 0),
            Err(_) => {
                let mut settled = 0;
                (self.write_singly(n, &mut settled).await, settled)
            }
        };
        self.pending.drain(..settled);
        self.most = match outcome {
            Ok(()) => (self.most * 2).min(self.config.batch),
            Err(_) => n / 2,
        }
        .max(1);
        outcome
    }

    async fn write_singly(&self, n: usize, settled: &mut usize) -> Result<()> {
        for write in &self.pending[..n] {
            match self.store.apply(std::slice::from_ref(write)).await {
                Ok(()) => self.queue.written(1),
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, ?write, "the database refuses this write for good; dropped");
                    self.queue.rejected();
                }
            }
            *settled += 1;
        }
        Ok(())
    }

    /// Waits before the next attempt. `false`: stopped, and there is no time for another one.
    async fn pause(&self, pause: &mut Duration) -> bool {
        let stop = &self.queue.stop;
        let longer = (*pause * 2).min(self.config.retry_max);
        if stop.is_cancelled() {
            let in_time = self
                .queue
                .retry_until()
                .is_some_and(|until| Instant::now() + *pause < until);
            if in_time {
                sleep(*pause).await;
                *pause = longer;
            }
            return in_time;
        }
        tokio::select! {
            () = sleep(*pause) => *pause = longer,
            // One more attempt at once, then what time is left is used with short pauses.
            () = stop.cancelled() => *pause = self.config.retry_min,
        }
        true
    }
}
