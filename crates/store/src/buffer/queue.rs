//! What the pushing services and the writer task share: the queue, its counters and the known state.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tolerancia_wire::Stamp;

use super::BufferState;
use crate::error::StoreError;
use crate::store::Write;

/// See the module.
pub(super) struct Queue {
    capacity: usize,
    inner: Mutex<Inner>,
    /// Something was pushed.
    pub(super) wake: Notify,
    /// Something was pushed that is not to wait for company.
    pub(super) hurry: Notify,
    /// The writer is to write what is left and end.
    pub(super) stop: CancellationToken,
}

struct Inner {
    waiting: VecDeque<Write>,
    /// Taken by the writer and neither written nor dropped yet. Counts against the capacity.
    in_flight: usize,
    closed: bool,
    /// Once stopped: until when failures are retried. `None`: not at all.
    retry_until: Option<Instant>,
    dropped: u64,
    outage: Option<Outage>,
}

struct Outage {
    since: Stamp,
    error: String,
    /// The outage, and that the queue is full, are each logged once.
    logged: bool,
    full_logged: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::new(Inner {
                waiting: VecDeque::new(),
                in_flight: 0,
                closed: false,
                retry_until: None,
                dropped: 0,
                outage: Some(Outage {
                    since: Stamp::now(),
                    error: "the database has not answered yet".to_owned(),
                    logged: false,
                    full_logged: false,
                }),
            }),
            wake: Notify::new(),
            hurry: Notify::new(),
            stop: CancellationToken::new(),
        }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, write: Write) -> bool {
        let mut inner = self.lock();
        let full = inner.queued() >= self.capacity;
        if full || inner.closed {
            inner.drop_writes(1, if full { "full" } else { "closed" });
            if full
                && inner
                    .outage
                    .as_mut()
                    .is_some_and(|o| !std::mem::replace(&mut o.full_logged, true))
            {
                tracing::warn!(capacity = self.capacity, "{FULL}");
            }
            return false;
        }
        let urgent = write.is_urgent();
        inner.waiting.push_back(write);
        inner.gauge();
        drop(inner);
        if urgent {
            self.hurry.notify_one();
        }
        self.wake.notify_one();
        true
    }

    /// Moves up to `max` writes, oldest first, into the writer's hands.
    pub(super) fn take(&self, max: usize) -> Vec<Write> {
        let mut inner = self.lock();
        let n = inner.waiting.len().min(max);
        inner.in_flight += n;
        inner.waiting.drain(..n).collect()
    }

    /// `n` writes in the writer's hands were committed.
    pub(super) fn written(&self, n: usize) {
        let mut inner = self.lock();
        inner.in_flight -= n;
        inner.gauge();
        metrics::counter!("store_written_total").increment(n as u64);
    }

    /// A write in the writer's hands can never be committed.
    pub(super) fn rejected(&self) {
        let mut inner = self.lock();
        inner.in_flight -= 1;
        inner.drop_writes(1, "rejected");
        inner.gauge();
    }

    pub(super) fn up(&self) {
        let mut inner = self.lock();
        let (queued, dropped) = (inner.queued(), inner.dropped);
        if inner.outage.take().is_some_and(|outage| outage.logged) {
            tracing::info!(queued, dropped, "the database answers again; writing what waited");
        }
    }

    pub(super) fn down(&self, error: &StoreError) {
        let mut inner = self.lock();
        let outage = inner.outage.get_or_insert_with(|| Outage {
            since: Stamp::now(),
            error: String::new(),
            logged: false,
            full_logged: false,
        });
        outage.error = error.to_string();
        if !std::mem::replace(&mut outage.logged, true) {
            tracing::warn!(%error, "the database is unavailable; writes wait in the buffer, nothing else is affected");
        }
    }

    pub(super) fn state(&self) -> BufferState {
        let inner = self.lock();
        inner
            .outage
            .as_ref()
            .map_or(BufferState::Up, |outage| BufferState::Degraded {
                since: outage.since,
                error: outage.error.clone(),
                queued: inner.queued(),
                dropped: inner.dropped,
            })
    }

    pub(super) fn queued(&self) -> usize {
        self.lock().queued()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(super) fn retry_until(&self) -> Option<Instant> {
        self.lock().retry_until
    }

    /// Takes no more; what waits is to be written, with retries until `until`.
    pub(super) fn close(&self, until: Instant) {
        {
            let mut inner = self.lock();
            inner.closed = true;
            inner.retry_until = Some(until);
        }
        self.stop.cancel();
    }

    /// Gives up what is left, counted as dropped, and says how much it was.
    pub(super) fn abandon(&self) -> u64 {
        let mut inner = self.lock();
        inner.closed = true;
        let left = inner.queued() as u64;
        if left > 0 {
            inner.waiting.clear();
            inner.in_flight = 0;
            inner.drop_writes(left, "closed");
            inner.gauge();
            tracing::warn!(left, "writes were lost: the database did not take them before the end");
        }
        left
    }
}

const FULL: &str = "the write buffer is full: new writes are dropped and counted (store_dropped_total) until the \
                    database answers";

impl Inner {
    fn queued(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    fn drop_writes(&mut self, n: u64, reason: &'static str) {
        self.dropped += n;
        metrics::counter!("store_dropped_total", "reason" => reason).increment(n);
    }

    fn gauge(&self) {
        metrics::gauge!("store_queued").set(self.queued() as f64);
    }
}
