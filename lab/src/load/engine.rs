//! Starts a request at every tick, whatever became of the earlier ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::schedule::{Schedule, Tick, pace};

/// Requests that may be on their way at a time. Beyond that the generator itself would be what is measured.
pub(crate) const MOST_IN_FLIGHT: usize = 10_000;

/// How long requests that are on their way may still take after an interruption.
const GRACE: Duration = Duration::from_secs(1);

/// Runs `shoot` for every tick of `schedule`, at most [`MOST_IN_FLIGHT`] at a time; a tick beyond that is
/// handed to `dropped`, so that it can be counted. Returns when the schedule is over, or `stop` was cancelled,
/// and all requests have ended. When `abort` is cancelled, requests on their way get one more second.
pub(crate) async fn drive<S, F, D>(
    schedule: Schedule,
    stop: CancellationToken,
    abort: CancellationToken,
    mut shoot: S,
    mut dropped: D,
) where
    S: FnMut(Tick) -> F,
    F: Future<Output = ()> + Send + 'static,
    D: FnMut(Tick),
{
    let mut ticks = pace(schedule, stop);
    let places = Arc::new(Semaphore::new(MOST_IN_FLIGHT));
    let requests = TaskTracker::new();
    let abandon = CancellationToken::new();
    let _abandon_on_drop = abandon.clone().drop_guard();
    loop {
        let tick = tokio::select! {
            biased;
            () = abort.cancelled() => None,
            tick = ticks.recv() => tick,
        };
        let Some(tick) = tick else { break };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            dropped(tick);
            continue;
        };
        let (request, abandon) = (shoot(tick), abandon.clone());
        requests.spawn(async move {
            let _place = place;
            tokio::select! {
                () = abandon.cancelled() => {}
                () = request => {}
            }
        });
    }
    requests.close();
    tokio::select! {
        () = requests.wait() => {}
        () = async { abort.cancelled().await; tokio::time::sleep(GRACE).await } => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::sync::Notify;

    fn schedule(rps: f64, count: u64) -> Schedule {
        Schedule {
            count: Some(count),
            ..Schedule::from_now(rps, None)
        }
    }

    /// A server that answers nobody until it has 50 requests: a generator that waits for answers never sends
    /// the second one, and one that counts from the real start sees no wait.
    #[tokio::test]
    async fn a_stalled_server_neither_stops_the_schedule_nor_hides_its_stall() {
        let arrived = Arc::new(AtomicU64::new(0));
        let all_here = Arc::new(Notify::new());
        let latencies = Arc::new(std::sync::Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let shoot = |tick: Tick| {
            let (arrived, all_here, latencies) = (arrived.clone(), all_here.clone(), latencies.clone());
            async move {
                let released = all_here.notified();
                if arrived.fetch_add(1, Ordering::SeqCst) == 49 {
                    all_here.notify_waiters();
                } else {
                    released.await;
                }
                latencies
                    .lock()
                    .unwrap()
                    .push(tolerancia_wire::time::mono_ns() - tick.intended_ns);
            }
        };
        drive(schedule(500.0, 50), stop.clone(), stop, shoot, |_| {
            panic!("nothing is dropped")
        })
        .await;
        let mut latencies = latencies.lock().unwrap().clone();
        latencies.sort_unstable();
        // The first of 50 requests at 500/s was meant to start 98 ms before the last one arrived, and half
        // of them waited for 50 ms or more.
        assert_eq!(latencies.len(), 50);
        assert!(latencies[49] >= 98_000_000, "{latencies:?}");
        assert!(latencies[25] >= 48_000_000, "{latencies:?}");
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted() {
        let release = CancellationToken::new();
        let extra = 7;
        let dropped = AtomicU64::new(0);
        let stop = CancellationToken::new();
        let shoot = |_| release.clone().cancelled_owned();
        let total = MOST_IN_FLIGHT as u64 + extra;
        drive(schedule(1e6, total), stop.clone(), stop, shoot, |_| {
            if dropped.fetch_add(1, Ordering::SeqCst) + 1 == extra {
                release.cancel();
            }
        })
        .await;
        assert_eq!(dropped.load(Ordering::SeqCst), extra);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interruption_waits_for_no_answer() {
        let abort = CancellationToken::new();
        let shoot = |_| {
            abort.cancel();
            std::future::pending()
        };
        drive(schedule(1000.0, u64::MAX), abort.clone(), abort.clone(), shoot, |_| {}).await;
    }
}
