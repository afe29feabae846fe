//! Request metrics: every answer of this process is counted, and once a second what was counted in the last one
//! leaves as one row per endpoint and status.
//!
//! ```text
//! shell::observe ──record──▶ Aggregate (one short lock) ──once a second──▶ rows ──▶ Sink: Kafka, or the database
//! ```
//!
//! Nothing here waits for whoever takes the rows, and only a few seconds of them are kept.
//!
//! A row belongs to the service's name and instance (`SERVICE_NAME`, `INSTANCE_ID`). Of two rows for the same second,
//! endpoint and status the database keeps the one with the larger count, so processes of one service must have
//! different instances, or all but the busiest of each second are missing.

mod aggregate;
mod kafka;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::serialization::V2Serializer;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};
use tolerancia_wire::metrics::RequestRow;

use aggregate::Aggregate;
pub use kafka::to_kafka;

/// How often rows leave.
const EVERY: Duration = Duration::from_secs(1);

/// Takes the rows of one second (Unix time), without waiting.
pub type Sink = Box<dyn FnMut(i64, Vec<RequestRow>) + Send>;

/// Counts the answers of one process; clones share the sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Aggregate>>);

/// A series of a [`Recorder`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series(usize);

impl Recorder {
    /// A new series. `None`: there are too many, and its requests are not counted here.
    pub(crate) fn series(&self, endpoint: &str, status: u16) -> Option<Series> {
        let number = self.lock().series(endpoint, status);
        if number.is_none() {
            tracing::warn!(
                endpoint,
                status,
                "too many endpoints and statuses: no request metrics for this one"
            );
        }
        number.map(Series)
    }

    /// Counts one answer that took `elapsed` and is given now.
    pub(crate) fn record(&self, Series(number): Series, elapsed: Duration) {
        let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let mut aggregate = self.lock();
        // The clock is read under the lock, so that seconds come in order.
        aggregate.record(number, unix_second(), us);
    }

    /// Hands the seconds that ended to `sink`: all but `now`.
    fn flush(&self, now: Option<i64>, encoder: &mut V2Serializer, sink: &mut Sink) {
        let (ended, names, lost) = {
            let mut aggregate = self.lock();
            (aggregate.take(now), aggregate.names(), aggregate.lost())
        };
        if lost > 0 {
            metrics::counter!("request_metrics_lost_total").increment(lost);
        }
        for second in ended {
            let (second, rows, used) = second.into_rows(&names, encoder);
            self.lock().reuse(used);
            sink(second, rows);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Aggregate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that hands rows to a sink once a second. It ends with [`Requests::close`], or when this is dropped.
#[derive(Debug)]
pub struct Requests {
    recorder: Recorder,
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Requests {
    /// Starts with nothing counted. [`Shell::requests`](crate::shell::Shell::requests) counts.
    ///
    /// It takes no shutdown token: answers that are given while the server drains are counted too.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(sink: Sink) -> Self {
        let (recorder, stop) = (Recorder::default(), CancellationToken::new());
        let task = tokio::spawn(hand_over(recorder.clone(), sink, stop.clone()));
        Self {
            recorder,
            stop: stop.drop_guard(),
            task,
        }
    }

    /// Where answers are counted.
    pub(crate) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Hands over what was counted to the end. Called when the server has ended, before the sink's own flush.
    pub async fn close(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the last request metrics are lost");
        }
    }
}

async fn hand_over(recorder: Recorder, mut sink: Sink, stop: CancellationToken) {
    let mut encoder = V2Serializer::new();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        recorder.flush(Some(unix_second()), &mut encoder, &mut sink);
    }
    recorder.flush(None, &mut encoder, &mut sink);
}

fn unix_second() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
