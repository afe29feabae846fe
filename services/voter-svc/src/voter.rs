//! The replicas, who of them counts, and everything that outlives a single vote.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tolerancia_core::ahead::{Ahead, FalseClaim};
use tolerancia_core::ballot::Reply;
use tolerancia_core::{ProductId, ReplicaId, Stock, quorum};
use tolerancia_service::link::{Link, LinkState};
use tolerancia_wire::evidence::Dissent;
use tolerancia_wire::inventory::{InstanceStats, VotingStats};
use tolerancia_wire::time::mono_ns;

use crate::book::Book;
use crate::catalogue::Catalogue;
use crate::late::LateBound;
use crate::live::Live;
use crate::round::{Finding, Seat};
use crate::stall::Stalls;
use crate::stats::Stats;

/// Votes that may wait for late replies at a time. Above it late replies are dropped uncounted: when so
/// many are late there is evidence enough.
pub const MOST_COLLECTORS: usize = 4096;

/// The bounds of waiting for a reply: floor ≤ cap ≤ timeout.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// An answer that takes longer than its replica's adaptive bound counts as late; the lowest that this may be.
    pub late_floor: Duration,
    /// The highest that it may be.
    pub late_cap: Duration,
    /// End of the vote.
    pub timeout: Duration,
}

/// The parameters of voting.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The bounds of waiting for a reply.
    pub patience: Patience,
    /// How long a version that nobody else reaches may be lag.
    pub lag_budget: Duration,
    /// Shadow votes per second that a replica which is OFF is asked for at most, from 1.
    pub shadow_rate: u32,
}

/// Why a vote is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A client asked.
    Client,
    /// The scrub looks for lies that nobody asked for.
    Scrub,
}

/// One replica as the voter sees it.
pub struct Replica {
    /// Which one.
    pub id: ReplicaId,
    /// Its number as text.
    pub label: String,
    /// The connection to it.
    pub link: Link,
    /// How long its answers may take.
    pub late: LateBound,
    on: AtomicBool,
    /// When a client's vote last asked it although it was OFF.
    shadow_at: AtomicU64,
}

impl Replica {
    fn shadow_is_due(&self, now_ns: u64, gap_ns: u64) -> bool {
        let last = self.shadow_at.load(Ordering::Relaxed);
        now_ns.saturating_sub(last) >= gap_ns
            && self
                .shadow_at
                .compare_exchange(last, now_ns, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// The voter.
pub struct Voter {
    replicas: Vec<Replica>,
    rules: Rules,
    collectors: Arc<Semaphore>,
    ahead: Mutex<Ahead>,
    /// What was found out about each replica.
    pub book: Arc<Book>,
    /// How votes ended.
    pub stats: Stats,
    /// How they ended by second, and where replicas disagreed, for those who watch.
    pub live: Arc<Live>,
    /// Whether this process itself stood still.
    pub stalls: Stalls,
    /// The products.
    pub catalogue: Catalogue,
}

impl Voter {
    /// A voter over these connections, one per replica in the order of their numbers. Until the monitor
    /// has said otherwise all replicas are ON.
    ///
    /// # Panics
    /// When the floor of the late bound is above its cap.
    #[must_use]
    pub fn new(links: Vec<Link>, rules: Rules) -> Self {
        let count = u8::try_from(links.len()).expect("replicas are numbered by one byte");
        let replicas = ReplicaId::all(count).zip(links).map(|(id, link)| Replica {
            id,
            label: id.to_string(),
            link,
            late: LateBound::new(rules.patience.late_floor, rules.patience.late_cap),
            on: AtomicBool::new(true),
            shadow_at: AtomicU64::new(0),
        });
        let budget = u64::try_from(rules.lag_budget.as_nanos()).unwrap_or(u64::MAX);
        Self {
            replicas: replicas.collect(),
            rules,
            collectors: Arc::new(Semaphore::new(MOST_COLLECTORS)),
            ahead: Mutex::new(Ahead::new(usize::from(count), budget)),
            book: Arc::new(Book::new(count, mono_ns())),
            stats: Stats::default(),
            live: Arc::default(),
            stalls: Stalls::default(),
            catalogue: Catalogue::default(),
        }
    }

    /// The parameters.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// All replicas, in the order of their numbers.
    #[must_use]
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The monitor's verdict on a replica. One that is not configured is ignored.
    pub fn set_on(&self, replica: ReplicaId, on: bool) {
        if let Some(replica) = self.replicas.get(replica.index())
            && replica.on.swap(on, Ordering::Relaxed) != on
        {
            tracing::info!(instance = %replica.label, on, "the monitor turned a replica {}", if on { "ON" } else { "OFF" });
        }
    }

    /// How many replicas are ON, and how many of them make a quorum.
    #[must_use]
    pub fn on_and_quorum(&self) -> (usize, usize) {
        let on = self.replicas.iter().filter(|r| r.on.load(Ordering::Relaxed)).count();
        (on, quorum(self.replicas.len()))
    }

    /// Waits until a quorum of the replicas is connected, at most `limit`.
    pub async fn connected(&self, limit: Duration) {
        let (_, quorum) = self.on_and_quorum();
        let up: FuturesUnordered<_> = self
            .replicas
            .iter()
            .map(|replica| async {
                let mut changes = replica.link.changes();
                let up = changes.wait_for(|state| matches!(state, LinkState::Up { .. })).await;
                up.is_ok()
            })
            .collect();
        let _ = tokio::time::timeout(limit, up.take(quorum).count()).await;
    }

    /// Who takes part in a vote that begins now. Replicas that are OFF are asked too, for their shadow
    /// votes, but on behalf of clients only so often that one which hangs costs next to nothing. Where the late bound does
    /// not adapt it is its cap.
    #[must_use]
    pub fn seats(&self, purpose: Purpose, now_ns: u64, adapts: bool) -> Vec<Seat> {
        let gap_ns = 1_000_000_000 / u64::from(self.rules.shadow_rate.max(1));
        self.replicas
            .iter()
            .map(|replica| {
                let on = replica.on.load(Ordering::Relaxed);
                let asked = on || purpose == Purpose::Scrub || replica.shadow_is_due(now_ns, gap_ns);
                let late = if adapts {
                    replica.late.get()
                } else {
                    self.rules.patience.late_cap
                };
                Seat::new(replica.id, on, asked, late)
            })
            .collect()
    }

    /// Leave to wait for late replies; `None` when too many votes do already.
    #[must_use]
    pub fn collector(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.collectors).try_acquire_owned().ok();
        if permit.is_none() {
            metrics::counter!("voter_late_replies_dropped_total").increment(1);
        }
        permit
    }

    /// Votes that wait for late replies.
    #[must_use]
    pub fn collecting(&self) -> usize {
        MOST_COLLECTORS - self.collectors.available_permits()
    }

    /// Looks for claims in a finished vote that nobody else confirms. Returns whose the vote proves false.
    pub fn watch_claims(&self, product: &ProductId, replies: &[Reply]) -> Vec<ReplicaId> {
        let now_ns = mono_ns();
        let lies = self.ahead().observe(now_ns, product, replies);
        let liars = lies.iter().map(|lie| lie.replica).collect();
        for lie in lies {
            let claim = replies
                .iter()
                .filter(|r| r.replica == lie.replica)
                .find_map(|r| r.versions.iter().find(|v| v.version == lie.version));
            self.accuse(now_ns, lie, claim.map(|v| v.stock));
        }
        liars
    }

    /// Whether a claim is older than the lag budget, so that the end of the log must settle it.
    #[must_use]
    pub fn claims_are_due(&self) -> bool {
        self.ahead().is_due(mono_ns())
    }

    /// Settles such claims with the ends of the log as they were asked for at `asked_ns`.
    pub fn settle_claims(&self, asked_ns: u64, end_of: impl Fn(&ProductId) -> Option<u64>) {
        let lies = self.ahead().settle(asked_ns, end_of);
        for lie in lies {
            self.accuse(mono_ns(), lie, None);
        }
    }

    fn accuse(&self, now_ns: u64, lie: FalseClaim, said: Option<Stock>) {
        let dissent = Dissent::Stock {
            product: lie.product,
            version: lie.version,
            said,
            agreed: None,
            robust_z: None,
        };
        self.book.note(lie.replica, Finding::Dissent(dissent), now_ns);
    }

    /// Held for a few look-ups, never across an await.
    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of `GET /voting-stats`.
    #[must_use]
    pub fn voting_stats(&self) -> VotingStats {
        let instances: Vec<InstanceStats> = self
            .replicas
            .iter()
            .map(|r| {
                self.book
                    .stats(r.id, r.on.load(Ordering::Relaxed), r.link.is_connected())
            })
            .collect();
        self.stats.view(instances, self.book.count_dropped())
    }
}
