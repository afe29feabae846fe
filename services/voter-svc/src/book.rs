//! What the voter has found out about each replica: totals since the start, and what the monitor has not
//! been told yet.
//!
//! * **Nothing is held against a replica in the voter's first half second** until it has answered: the voter's own
//!   connections are not made yet. Later a replica that never answered is reported like any other, or one that hangs
//!   on queries alone would be forgotten with a restart of the voter.
//! * **A lost connection is one piece of evidence**, however many requests it fails: at most one failure
//!   per [`CUT`] and replica is counted for it.
//! * Good and stale answers wait for the next regular batch; anything bad is urgent, and so is a shadow
//!   vote that agrees: as long as a replica is OFF something is wrong, and its way back waits for it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_wire::evidence::Batch;
use tolerancia_wire::inventory::InstanceStats;

use crate::round::Finding;

/// Lost connections count at most once per this time, in nanoseconds.
const CUT: u64 = 50_000_000;
/// How long a replica may take to answer this process for the first time, in nanoseconds.
const GRACE: u64 = 500_000_000;
/// No bad finding yet.
const NONE: u32 = u32::MAX;
/// Products named per batch of shadow votes.
const MOST_AGREED: usize = 64;

/// One kind of finding: since the start, since the last batch, and for Prometheus.
struct Tally {
    total: AtomicU64,
    pending: AtomicU32,
    exported: metrics::Counter,
}

impl Tally {
    fn new(replica: ReplicaId, result: &'static str) -> Self {
        Self {
            total: AtomicU64::new(0),
            pending: AtomicU32::new(0),
            exported: metrics::counter!("voter_answers_total", "instance" => replica.to_string(), "result" => result),
        }
    }

    fn add(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.exported.increment(1);
    }

    fn take(&self) -> u32 {
        self.pending.swap(0, Ordering::Relaxed)
    }
}

/// Findings that are named one by one in a batch.
struct Named {
    /// The lies; nothing else in it is filled in yet.
    lies: Batch,
    agreed: BTreeSet<ProductId>,
}

impl Named {
    const fn new(replica: ReplicaId) -> Self {
        Self {
            lies: Batch::new(replica),
            agreed: BTreeSet::new(),
        }
    }
}

struct Page {
    replica: ReplicaId,
    good: Tally,
    late: Tally,
    failed: Tally,
    stale: Tally,
    dissents: Tally,
    named: Mutex<Named>,
    /// How many good answers were pending when the first bad finding since the last batch came; [`NONE`]: none came.
    good_first: AtomicU32,
    /// When an answer was last found late, on the caller's clock.
    late_at: AtomicU64,
    /// It has given a valid answer since this process started.
    met: AtomicBool,
    /// When a lost connection was last counted, on the caller's clock.
    cut_at: AtomicU64,
}

impl Page {
    fn named(&self) -> MutexGuard<'_, Named> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One page per replica.
pub struct Book {
    pages: Vec<Page>,
    /// When it was opened, on the caller's clock.
    opened_ns: u64,
    urgent: Notify,
    dropped: AtomicU64,
}

impl Book {
    /// Empty pages for `replicas` replicas, opened at `now_ns` on the clock of [`Book::note`].
    #[must_use]
    pub fn new(replicas: u8, now_ns: u64) -> Self {
        let page = |replica| Page {
            replica,
            good: Tally::new(replica, "good"),
            late: Tally::new(replica, "late"),
            failed: Tally::new(replica, "failed"),
            stale: Tally::new(replica, "stale"),
            dissents: Tally::new(replica, "dissent"),
            named: Mutex::new(Named::new(replica)),
            good_first: AtomicU32::new(NONE),
            late_at: AtomicU64::new(0),
            met: AtomicBool::new(false),
            cut_at: AtomicU64::new(0),
        };
        Self {
            pages: ReplicaId::all(replicas).map(page).collect(),
            opened_ns: now_ns,
            urgent: Notify::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Writes down one finding, made at `now_ns` on a monotonic clock.
    pub fn note(&self, replica: ReplicaId, finding: Finding, now_ns: u64) {
        let page = &self.pages[replica.index()];
        let met = page.met.load(Ordering::Relaxed);
        match finding {
            Finding::Late | Finding::Failed | Finding::Unreachable
                if !met && now_ns.saturating_sub(self.opened_ns) < GRACE =>
            {
                return;
            }
            Finding::Unreachable if !page.cut_counts(now_ns) => return,
            Finding::Late => {
                page.late_at.store(now_ns, Ordering::Relaxed);
                page.bad(&page.late);
            }
            Finding::Failed | Finding::Unreachable => page.bad(&page.failed),
            Finding::Good | Finding::Stale => {
                if !met {
                    page.met.store(true, Ordering::Relaxed);
                }
                let tally = if finding == Finding::Good {
                    &page.good
                } else {
                    &page.stale
                };
                tally.add();
                return;
            }
            Finding::Dissent(dissent) => {
                page.met.store(true, Ordering::Relaxed);
                page.dissents.add();
                page.named().lies.add_dissent(dissent);
            }
            Finding::Agreed(product) => {
                let mut named = page.named();
                if named.agreed.len() < MOST_AGREED {
                    named.agreed.insert(product);
                }
            }
        }
        self.urgent.notify_one();
    }

    /// Waits until something urgent was written down. It may have been taken meanwhile.
    pub async fn urgent(&self) {
        self.urgent.notified().await;
    }

    /// Takes what the monitor has not been told yet at `now_ns`; replicas of which nothing was seen are left out.
    #[must_use]
    pub fn take(&self, now_ns: u64) -> Vec<Batch> {
        self.pages
            .iter()
            .map(|page| page.take(now_ns))
            .filter(|batch| !batch.is_empty())
            .collect()
    }

    /// Counts a record of evidence that could not be sent.
    pub fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// How many records of evidence could not be sent.
    #[must_use]
    pub fn count_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The totals of one replica.
    #[must_use]
    pub fn stats(&self, replica: ReplicaId, on: bool, connected: bool) -> InstanceStats {
        let page = &self.pages[replica.index()];
        let total = |tally: &Tally| tally.total.load(Ordering::Relaxed);
        InstanceStats {
            instance: replica,
            on,
            connected,
            good: total(&page.good),
            late: total(&page.late),
            failed: total(&page.failed),
            stale: total(&page.stale),
            dissents: total(&page.dissents),
        }
    }
}

impl Page {
    /// Counts a finding that is not good, and what was before the first of them.
    fn bad(&self, tally: &Tally) {
        if self.good_first.load(Ordering::Relaxed) == NONE {
            let good = self.good.pending.load(Ordering::Relaxed);
            // Another finding may have been first by now: as good a first.
            let _ = self
                .good_first
                .compare_exchange(NONE, good, Ordering::Relaxed, Ordering::Relaxed);
        }
        tally.add();
    }

    fn take(&self, now_ns: u64) -> Batch {
        let named = std::mem::replace(&mut *self.named(), Named::new(self.replica));
        let late = self.late.take();
        // The named ones carry the dissents; the tally's pending count only has to start anew.
        self.dissents.take();
        Batch {
            good: self.good.take(),
            good_first: Some(self.good_first.swap(NONE, Ordering::Relaxed)).filter(|first| *first != NONE),
            late,
            late_us_ago: (late > 0).then(|| {
                let ago_ns = now_ns.saturating_sub(self.late_at.load(Ordering::Relaxed));
                u32::try_from(ago_ns / 1000).unwrap_or(u32::MAX)
            }),
            failed: self.failed.take(),
            stale: self.stale.take(),
            agreed: named.agreed.into_iter().collect(),
            ..named.lies
        }
    }

    fn cut_counts(&self, now_ns: u64) -> bool {
        let last = self.cut_at.load(Ordering::Relaxed);
        (last == 0 || now_ns.saturating_sub(last) >= CUT)
            && self
                .cut_at
                .compare_exchange(last, now_ns, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tolerancia_wire::evidence::{Dissent, MOST_LIES};

    use super::*;

    const MS: u64 = 1_000_000;

    fn id(n: u8) -> ReplicaId {
        ReplicaId::new(n).unwrap()
    }

    fn dissent(version: u64) -> Finding {
        Finding::Dissent(Dissent::Stock {
            product: "PROD-001".parse().unwrap(),
            version,
            said: None,
            agreed: None,
            robust_z: None,
        })
    }

    #[test]
    fn a_batch_counts_since_the_last_one_and_the_totals_since_the_start() {
        let book = Book::new(3, 0);
        for finding in [
            Finding::Good,
            Finding::Good,
            Finding::Late,
            Finding::Failed,
            Finding::Stale,
        ] {
            book.note(id(2), finding, MS);
        }
        let batches = book.take(0);
        let [batch] = &batches[..] else {
            panic!("only replica 2 was seen: {batches:?}")
        };
        assert_eq!(
            (batch.instance, batch.good, batch.late, batch.failed, batch.stale),
            (id(2), 2, 1, 1, 1)
        );
        assert_eq!(book.take(0), []);
        book.note(id(2), Finding::Good, MS);
        assert_eq!(book.take(0)[0].good, 1);
        assert_eq!(book.stats(id(2), true, true).good, 3);
    }

    #[test]
    fn a_batch_says_how_many_good_answers_came_before_the_first_bad_one() {
        let book = Book::new(3, 0);
        let first = |book: &Book| book.take(0).remove(0).good_first;
        book.note(id(1), Finding::Good, 0);
        assert_eq!(first(&book), None);
        for finding in [
            Finding::Good,
            Finding::Good,
            Finding::Late,
            Finding::Good,
            Finding::Failed,
        ] {
            book.note(id(1), finding, 0);
        }
        assert_eq!(first(&book), Some(2));
        book.note(id(1), Finding::Failed, 0);
        assert_eq!(first(&book), Some(0));
    }

    #[test]
    fn a_batch_says_how_long_ago_the_last_answer_was_late() {
        let book = Book::new(3, 0);
        book.note(id(1), Finding::Good, 0);
        book.note(id(1), Finding::Late, 90 * MS);
        book.note(id(1), Finding::Late, 110 * MS);
        book.note(id(1), Finding::Failed, 130 * MS);
        let ago = |book: &Book| book.take(150 * MS).remove(0).late_us_ago;
        assert_eq!(ago(&book), Some(40_000));
        book.note(id(1), Finding::Failed, 140 * MS);
        assert_eq!(ago(&book), None, "none was late since");
    }

    #[test]
    fn a_cut_connection_is_one_piece_of_evidence() {
        let book = Book::new(3, 0);
        book.note(id(1), Finding::Good, 0);
        for now in 0..1000 {
            book.note(id(1), Finding::Unreachable, 1000 * MS + now * MS / 10);
        }
        assert_eq!(book.take(0)[0].failed, 2, "100 ms, one per 50 ms");
    }

    #[test]
    fn a_replica_that_never_answered_is_accused_once_it_had_time() {
        let bad = || [Finding::Late, Finding::Failed, Finding::Unreachable];
        let opened = 7000 * MS;
        let book = Book::new(3, opened);
        for (finding, at) in bad().into_iter().zip([opened, opened + MS, opened + GRACE - 1]) {
            book.note(id(1), finding, at);
        }
        assert_eq!(book.take(0), [], "the voter has only just begun");
        for finding in bad() {
            book.note(id(1), finding, opened + GRACE);
        }
        let batch = book.take(0).remove(0);
        assert_eq!((batch.late, batch.failed), (1, 2));
    }

    #[test]
    fn what_is_spelt_out_is_bounded() {
        let book = Book::new(3, 0);
        for n in 0..1000 {
            book.note(id(1), dissent(n), MS);
            book.note(id(2), Finding::Agreed(format!("P{n}").parse().unwrap()), MS);
            book.note(id(3), Finding::Agreed("P".parse().unwrap()), MS);
        }
        let batches = book.take(0);
        assert_eq!((batches[0].dissents.len(), batches[0].lies()), (MOST_LIES, 1000));
        assert_eq!(batches[1].agreed.len(), MOST_AGREED);
        assert_eq!(batches[2].agreed.len(), 1, "each product once");
        assert_eq!(book.stats(id(1), true, true).dissents, 1000);
    }
}
