//! One replica's part in a vote: what it was asked, until when, and what came back.

use std::time::Duration;

use tolerancia_core::ReplicaId;
use tolerancia_wire::live::Standing;

/// How often a replica that answered with a server error is asked again in one vote: more would turn an
/// overload into a storm.
pub(super) const MOST_RETRIES: u8 = 3;

/// The last that is known of a replica in a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    NotAsked,
    Waiting,
    Valid,
    Invalid,
    Error(u16),
    Unreachable,
}

/// One replica's part in a vote. All times are since the start of the vote.
#[derive(Debug, Clone)]
pub struct Seat {
    pub(super) replica: ReplicaId,
    pub(super) counts: bool,
    pub(super) last: Last,
    /// It has counted as late in this vote.
    pub(super) late: bool,
    /// How its replies stand to what was decided; none as long as they were not judged.
    pub(super) judged: Option<Standing>,
    asked_at: Duration,
    bound: Duration,
    late_at: Duration,
    renewed: bool,
    retries: u8,
}

impl Seat {
    /// A seat for a replica whose answers are late after `bound`, and that is asked when the vote starts if `asked`.
    #[must_use]
    pub const fn new(replica: ReplicaId, counts: bool, asked: bool, bound: Duration) -> Self {
        Self {
            replica,
            counts,
            last: if asked { Last::Waiting } else { Last::NotAsked },
            late: false,
            judged: None,
            asked_at: Duration::ZERO,
            bound,
            late_at: bound,
            renewed: false,
            retries: 0,
        }
    }

    /// The replica.
    #[must_use]
    pub const fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// How its replies stand to what was decided, as far as is known.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.last {
            Last::NotAsked => Standing::NotAsked,
            Last::Valid => self.judged.unwrap_or(Standing::Undecided),
            Last::Waiting | Last::Invalid | Last::Error(_) | Last::Unreachable => Standing::Missing,
        }
    }

    /// Whether an answer is outstanding.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.last == Last::Waiting
    }

    /// It is asked again at `at`.
    pub(super) fn ask(&mut self, at: Duration) {
        self.retries += u8::from(self.is_overloaded());
        self.last = Last::Waiting;
        self.asked_at = at;
        self.late_at = at + self.bound;
        self.renewed = false;
    }

    /// When an outstanding answer will count as late; none if it has already.
    pub(super) fn late_at(&self) -> Option<Duration> {
        (self.is_waiting() && !self.late).then_some(self.late_at)
    }

    /// The voter itself stood still until `ended`, so an answer to a question from before may wait unread: it has
    /// its bound anew from then. Once per question: one that is never answered must be late all the same.
    pub(super) fn renew(&mut self, ended: Duration) {
        if !self.renewed && self.asked_at < ended && self.late_at().is_some() {
            self.renewed = true;
            self.late_at = self.late_at.max(ended + self.bound);
        }
    }

    /// Whether it counts as late from `at` on. Says so once in a vote.
    pub(super) fn becomes_late(&mut self, at: Duration) -> bool {
        let late = self.late_at().is_some_and(|late_at| at >= late_at);
        self.late |= late;
        late
    }

    /// Whether it must be waited for beyond the end of the vote: the bound was given anew and has not passed.
    pub(super) fn is_owed_time(&self) -> bool {
        self.renewed && self.late_at().is_some()
    }

    /// How long the answer that comes at `at` took; none if this process stood still meanwhile, because then
    /// the time is its own.
    pub(super) fn took(&self, at: Duration) -> Option<Duration> {
        (!self.renewed).then(|| at.saturating_sub(self.asked_at))
    }

    /// Whether it failed in a way that another attempt may mend.
    pub(super) const fn is_worth_a_retry(&self) -> bool {
        self.counts && self.is_overloaded() && self.retries < MOST_RETRIES
    }

    const fn is_overloaded(&self) -> bool {
        matches!(self.last, Last::Error(500..))
    }

    pub(super) fn answer(&self) -> String {
        match self.last {
            Last::NotAsked => "not asked".to_owned(),
            Last::Waiting => "timeout".to_owned(),
            Last::Valid => "ok".to_owned(),
            Last::Invalid => "malformed".to_owned(),
            Last::Error(status) => format!("error {status}"),
            Last::Unreachable => "unreachable".to_owned(),
        }
    }
}
