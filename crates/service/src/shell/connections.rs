//! The connections of a server: how many, and which one goes when there are too many.
//!
//! When all places are taken, the connection that has waited for its client for longest is closed and the new one is
//! served. Refusing the new one instead would hand the service to whoever opened idle connections first, for as long as they like;
//! a client whose idle connection goes just opens another one when it needs one (HTTP/1.1, RFC 9112, section 9.5: either
//! side may close an idle connection at any time). First go connections that have never sent a whole request. One that
//! had answers goes only once it has been idle for a second: a health check that comes every 200 ms is never cut by
//! a flood of connections, however few places there are. Only if every connection is at work, or too young to tell, is a new
//! one refused, with 503 and `Retry-After`, before anything was read of it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::conn::{Clock, Conn, Ms, Order};

/// A connection that has sent no whole request yet is left alone for so long: its request may be on its way.
const YOUNG_MS: Ms = 100;
/// A connection that had an answer is left alone for so long.
const RECENT_MS: Ms = 1000;
/// So many candidates are looked for at a time: looking goes through all connections.
const CANDIDATES: usize = 256;

/// All connections of a server; clones are the same ones.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    clock: Clock,
    last_id: AtomicU64,
    held: Arc<AtomicUsize>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    all: HashMap<u64, Arc<Conn>>,
    /// Told to end, and still there.
    ending: usize,
    /// Who waited for longest when that was last looked for, and since when, the longest first.
    candidates: VecDeque<(u64, Ms)>,
}

/// A place among the connections, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) conn: Arc<Conn>,
    connections: Connections,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.connections.inner();
        inner.all.remove(&self.conn.id);
        if self.conn.told_already() {
            inner.ending = inner.ending.saturating_sub(1);
        }
    }
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                limit: limit.max(1),
                clock: Clock::start(),
                last_id: AtomicU64::new(0),
                held: Arc::default(),
                inner: Mutex::default(),
            }),
        }
    }

    /// Takes a place, for which another connection may have to go; none if none can.
    pub(super) fn enter(&self) -> Option<Seat> {
        let mut inner = self.inner();
        if inner.all.len() - inner.ending >= self.shared.limit && !inner.evict(self.shared.clock.now()) {
            return None;
        }
        let id = self.shared.last_id.fetch_add(1, Relaxed) + 1;
        let conn = Arc::new(Conn::new(id, self.shared.clock, Arc::clone(&self.shared.held)));
        inner.all.insert(id, Arc::clone(&conn));
        Some(Seat {
            conn,
            connections: self.clone(),
        })
    }

    /// Ends the connection that has been idle for longest, if any may go.
    pub(super) fn evict(&self) -> bool {
        self.inner().evict(self.shared.clock.now())
    }

    /// Tells all of them.
    pub(super) fn tell(&self, order: Order) {
        let mut inner = self.inner();
        for conn in inner.all.values() {
            conn.tell(order);
        }
        if order == Order::End {
            inner.ending = inner.all.len();
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.inner().all.len()
    }

    /// Held for a few look-ups, never across an await.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn evict(&mut self, now: Ms) -> bool {
        self.evict_candidate() || {
            self.look_for_candidates(now);
            self.evict_candidate()
        }
    }

    /// A candidate that had a request meanwhile is none any more.
    fn evict_candidate(&mut self) -> bool {
        while let Some((id, since)) = self.candidates.pop_front() {
            let Some(conn) = self.all.get(&id) else { continue };
            if conn.waits().is_some_and(|(_, waits)| waits == since) {
                conn.tell(Order::End);
                self.ending += 1;
                metrics::counter!("http_connections_closed_total", "reason" => "made_room").increment(1);
                return true;
            }
        }
        false
    }

    fn look_for_candidates(&mut self, now: Ms) {
        let waiting = self.all.values().filter_map(|conn| {
            let (known, since) = conn.waits()?;
            let old = now.saturating_sub(since) >= if known { RECENT_MS } else { YOUNG_MS };
            let ends = conn.told_already();
            (old && !ends).then_some((known, since, conn.id))
        });
        let mut waiting: Vec<_> = waiting.collect();
        if waiting.len() > CANDIDATES {
            waiting.select_nth_unstable(CANDIDATES);
            waiting.truncate(CANDIDATES);
        }
        waiting.sort_unstable();
        self.candidates
            .extend(waiting.into_iter().map(|(_, since, id)| (id, since)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::shell::conn::Busy;

    async fn after(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    fn told(seat: &Seat) -> bool {
        seat.conn.told_already()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_has_been_idle_for_longest_makes_room() {
        let all = Connections::new(3);
        let mut seats = Vec::new();
        for _ in 0..3 {
            seats.push(all.enter().unwrap());
            after(10).await;
        }
        // All had an answer, the first one last.
        for seat in [2, 1, 0] {
            after(10).await;
            drop(Busy::new(&seats[seat].conn));
        }
        after(5000).await;
        let _new = all.enter().unwrap();
        assert_eq!(seats.iter().map(told).collect::<Vec<_>>(), [false, false, true]);
        // It has not ended yet, and counts no more.
        assert_eq!(all.len(), 4);
        let _newer = all.enter().unwrap();
        assert_eq!(seats.iter().map(told).collect::<Vec<_>>(), [false, true, true]);
        drop(seats);
        assert_eq!(all.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_connections_cuts_no_work_and_no_health_check() {
        let all = Connections::new(4);
        let (health, works) = (all.enter().unwrap(), all.enter().unwrap());
        let work = Busy::new(&works.conn);
        let mut flood = VecDeque::new();
        for step in 0..1000 {
            if step % 20 == 0 {
                drop(Busy::new(&health.conn));
            }
            after(10).await;
            flood.extend(all.enter());
            flood.retain(|seat| !told(seat));
            assert!(flood.len() <= 2, "{step}");
        }
        assert!(!told(&health) && !told(&works));
        // Those who came when nobody could go were refused.
        assert!(all.shared.last_id.load(Relaxed) > 100);
        drop(work);
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_at_work_a_new_one_is_refused() {
        let all = Connections::new(2);
        let seats = [all.enter().unwrap(), all.enter().unwrap()];
        let work: Vec<_> = seats.iter().map(|seat| Busy::new(&seat.conn)).collect();
        after(100_000).await;
        assert!(all.enter().is_none() && !all.evict());
        // One of them takes nothing of its answer.
        seats[1].conn.wrote(true);
        after(1000).await;
        assert!(all.enter().is_some() && told(&seats[1]));
        drop(work);
    }
}
