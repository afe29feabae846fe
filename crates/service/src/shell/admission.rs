//! How many requests are worked on at a time, and what happens to the rest.
//!
//! A server that takes on all that comes is slower for everybody the more comes, until every answer is too late to be of
//! use. So a fixed number of requests is worked on at a time: enough to keep the host busy (throughput is that number
//! divided by the latency, Little's law), few enough that each is answered soon. What comes beyond that waits or is refused at
//! once, before its body is read, with a prepared 503.
//!
//! The queue tells apart a burst, which a queue is for, from overload, in which it only makes everybody late (Nichols and
//! Jacobson, "Controlling Queue Delay", ACM Queue 2012; Maurer, "Fail at Scale", ACM Queue 2015). While it has been empty
//! within the last 100 ms, [`BURST`] requests may wait. One that stands for longer is overload, and takes a quarter of the
//! limit, so that who is accepted waits hardly longer than the work itself takes; that lasts until nobody had to be refused for
//! half a second.
//!
//! A limit that adapts to measured latencies (TCP Vegas, as in Netflix's concurrency-limits) was not chosen. What takes long here is mostly
//! a replica that hangs, not work that piles up: such a limit would shrink just when each request needs its place for longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::conn::{Clock, Ms};

/// Requests that may wait for a place while that queue is sometimes empty.
pub(super) const BURST: usize = 1024;
/// A queue that was not empty for so long stands.
const STANDS_MS: Ms = 100;
/// A burst may wait again when nobody was refused for so long.
const CALM_MS: Ms = 500;
/// No request waits for a place for longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Places for requests that are worked on; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Requests that were let in, but have not asked for a place yet. Over HTTP/2 a hundred may be read in one go, and each is
    /// a task of its own, which has not begun when the next one is decided upon.
    coming: AtomicUsize,
    clock: Clock,
    /// When nobody waited before who came.
    empty_at: AtomicU64,
    /// When somebody was last refused; never is 0.
    refused_at: AtomicU64,
}

/// Work on one request.
pub(super) type Place = OwnedSemaphorePermit;

/// A request that was let in, until it asks for a place. To be dropped just before that, with nothing to wait for between.
#[derive(Debug)]
pub(super) struct Coming(Arc<Shared>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.coming.fetch_sub(1, Relaxed);
    }
}

impl Admission {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            shared: Arc::new(Shared {
                limit,
                places: Arc::new(Semaphore::new(limit)),
                waiting: AtomicUsize::new(0),
                coming: AtomicUsize::new(0),
                clock: Clock::start(),
                empty_at: AtomicU64::new(1),
                refused_at: AtomicU64::new(0),
            }),
        }
    }

    /// Whether a request that comes now is refused.
    pub(super) fn is_full(&self) -> bool {
        let Shared {
            places,
            waiting,
            coming,
            ..
        } = &*self.shared;
        let coming = coming.load(Relaxed);
        let free = places.available_permits();
        let full = free <= coming && {
            let ahead = waiting.load(Relaxed) + coming - free;
            ahead > 0 && ahead >= self.room()
        };
        if full {
            self.refused();
        }
        full
    }

    /// Lets a request in, unless there are too many.
    pub(super) fn let_in(&self) -> Option<Coming> {
        if self.is_full() {
            return None;
        }
        self.shared.coming.fetch_add(1, Relaxed);
        Some(Coming(Arc::clone(&self.shared)))
    }

    fn refused(&self) {
        let Shared { clock, refused_at, .. } = &*self.shared;
        refused_at.store(clock.now(), Relaxed);
    }

    /// A place, perhaps after a while; none if too many wait for one.
    pub(super) async fn enter(&self) -> Option<Place> {
        let Shared {
            places,
            empty_at,
            clock,
            waiting,
            ..
        } = &*self.shared;
        // Who waits comes first, so a place is only free if nobody does.
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            empty_at.store(clock.now(), Relaxed);
            return Some(place);
        }
        let room = self.room();
        let before = waiting.fetch_add(1, Relaxed);
        let _leaves = Waiting(waiting);
        if before == 0 {
            empty_at.store(clock.now(), Relaxed);
        }
        if before >= room {
            self.refused();
            return None;
        }
        timeout(PATIENCE, Arc::clone(places).acquire_owned()).await.ok()?.ok()
    }

    fn room(&self) -> usize {
        let Shared {
            limit,
            clock,
            empty_at,
            refused_at,
            waiting,
            ..
        } = &*self.shared;
        let now = clock.now();
        let within = |at: &AtomicU64, ms| now.saturating_sub(at.load(Relaxed)) <= ms;
        let stands = waiting.load(Relaxed) > 0 && !within(empty_at, STANDS_MS);
        let refuses = refused_at.load(Relaxed) > 0 && within(refused_at, CALM_MS);
        if stands || refuses { (limit / 4).max(1) } else { BURST }
    }

    pub(super) fn limit(&self) -> usize {
        self.shared.limit
    }

    /// Requests that are worked on.
    pub(super) fn working(&self) -> usize {
        self.shared.limit.saturating_sub(self.shared.places.available_permits())
    }

    /// Requests that wait for a place.
    pub(super) fn waiting(&self) -> usize {
        self.shared.waiting.load(Relaxed)
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::task::JoinSet;
    use tokio::time::{Instant, advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_served_whole() {
        let admission = Admission::new(10);
        let mut all = JoinSet::new();
        for _ in 0..10 + BURST + 5 {
            let admission = admission.clone();
            all.spawn(async move {
                let _place = admission.enter().await?;
                sleep(Duration::from_millis(1)).await;
                Some(())
            });
        }
        let served = all.join_all().await.into_iter().flatten().count();
        assert_eq!((served, admission.working(), admission.waiting()), (10 + BURST, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_stands_becomes_short_and_a_pause_makes_it_long_again() {
        let admission = Admission::new(8);
        let mut all = JoinSet::new();
        // Five times what can be done: 8 places, 4 ms each, are 2 requests/ms; 10 come.
        for step in 0..2000 {
            for _ in 0..10 {
                if admission.is_full() {
                    continue;
                }
                let admission = admission.clone();
                all.spawn(async move {
                    let came = Instant::now();
                    let _place = admission.enter().await?;
                    let waited = came.elapsed();
                    sleep(Duration::from_millis(4)).await;
                    Some((step, waited))
                });
            }
            sleep(Duration::from_millis(1)).await;
        }
        let served: Vec<_> = all.join_all().await.into_iter().flatten().collect();
        let late: Vec<_> = served.iter().filter(|(step, _)| *step >= 1000).collect();
        assert!(
            (1950..=2050).contains(&late.len()),
            "{} of 2,000 that can be served",
            late.len()
        );
        let longest = late.iter().map(|(_, waited)| *waited).max().unwrap();
        assert!(longest <= Duration::from_millis(12), "{longest:?}");
        // All is normal again as soon as nobody waits.
        assert!(!admission.is_full());
        assert!(admission.enter().await.is_some());
        assert_eq!(admission.room(), 2);
        advance(Duration::from_secs(1)).await;
        assert_eq!(admission.room(), BURST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_too_while_all_places_have_long_been_taken() {
        let admission = Admission::new(8);
        let mut places = Vec::new();
        for _ in 0..8 {
            places.push(admission.enter().await.unwrap());
        }
        advance(Duration::from_millis(STANDS_MS + 100)).await;
        let mut all = JoinSet::new();
        for _ in 0..BURST {
            let admission = admission.clone();
            all.spawn(async move { admission.enter().await.map(drop) });
        }
        sleep(Duration::from_millis(1)).await;
        drop(places);
        let served = all.join_all().await.into_iter().flatten().count();
        assert_eq!(served, BURST);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_come_together_are_no_more_than_those_that_come_one_by_one() {
        let admission = Admission::new(10);
        let mut coming: Vec<_> = std::iter::from_fn(|| admission.let_in()).take(2 * BURST).collect();
        assert_eq!(coming.len(), 10 + BURST);
        // Who gives up makes room.
        advance(Duration::from_secs(1)).await;
        coming.pop();
        coming.push(admission.let_in().unwrap());
        assert!(admission.let_in().is_none());
        // Who gets a place does not.
        advance(Duration::from_secs(1)).await;
        let mut places = Vec::new();
        for one in coming.drain(..10) {
            drop(one);
            places.push(admission.enter().await.unwrap());
        }
        assert!(admission.let_in().is_none());
        coming.clear();
        assert_eq!((admission.working(), admission.waiting()), (10, 0));
        assert!(admission.let_in().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let admission = Admission::new(1);
        let _place = admission.enter().await.unwrap();
        let came = Instant::now();
        assert!(admission.enter().await.is_none());
        assert_eq!(came.elapsed(), PATIENCE);
        assert_eq!(admission.waiting(), 0);
    }
}
