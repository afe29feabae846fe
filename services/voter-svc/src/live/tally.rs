//! How many votes ended how, second by second.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tolerancia_wire::live::{KEPT_SECONDS, VotesSecond};

use super::standings::Marks;
use crate::voter::Purpose;

/// So little of a second is no second of its own.
const TOO_SHORT: Duration = Duration::from_millis(10);

/// The votes of the current second.
#[derive(Debug, Default)]
pub(super) struct Tally {
    clients: AtomicU64,
    scrubs: AtomicU64,
    agreed: AtomicU64,
    dissenting: AtomicU64,
    stale: AtomicU64,
    missing: AtomicU64,
    no_quorum: AtomicU64,
}

impl Tally {
    /// Counts one vote.
    pub(super) fn add(&self, marks: Marks) {
        for (counter, marked) in [
            (&self.agreed, marks.agreed),
            (&self.dissenting, marks.dissenting),
            (&self.stale, marks.stale),
            (&self.missing, marks.missing),
            (&self.no_quorum, marks.no_quorum),
        ] {
            if marked {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        let purpose = match marks.purpose {
            Purpose::Client => &self.clients,
            Purpose::Scrub => &self.scrubs,
        };
        // Whoever sees the vote sees its marks.
        purpose.fetch_add(1, Ordering::Release);
    }

    /// Takes what was counted; which second it was is not known here. Of a vote that ends at this moment the marks may
    /// be taken now and the vote itself the next time.
    pub(super) fn take(&self) -> VotesSecond {
        let votes = |counter: &AtomicU64| counter.swap(0, Ordering::Acquire);
        let (clients, scrubs) = (votes(&self.clients), votes(&self.scrubs));
        let marks = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        VotesSecond {
            second: 0,
            clients,
            scrubs,
            agreed: marks(&self.agreed),
            dissenting: marks(&self.dissenting),
            stale: marks(&self.stale),
            missing: marks(&self.missing),
            no_quorum: marks(&self.no_quorum),
        }
    }
}

/// The newest seconds, oldest first.
#[derive(Debug, Default)]
pub(super) struct Seconds(VecDeque<VotesSecond>);

impl Seconds {
    /// A second ended: it is `now`, and this was counted since the last one did. Seconds only ever rise, also where the
    /// clock was set back. One that this process slept through is left out, and its votes are in the next.
    pub(super) fn end(&mut self, now: i64, counted: VotesSecond) {
        let before = now - 1;
        let second = self.newest().map_or(before, |newest| before.max(newest + 1));
        if self.0.len() == KEPT_SECONDS {
            self.0.pop_front();
        }
        self.0.push_back(VotesSecond { second, ..counted });
    }

    /// The newest of them, Unix time.
    pub(super) fn newest(&self) -> Option<i64> {
        self.0.back().map(|newest| newest.second)
    }

    /// Those after `second`.
    pub(super) fn after(&self, second: i64) -> impl Iterator<Item = &VotesSecond> {
        let known = self.0.partition_point(|kept| kept.second <= second);
        self.0.range(known..)
    }
}

/// How long the second still lasts that it is at `now_us`, microseconds of Unix time. At its very end, the next one
/// too: a timer that fired a little early must not end a second twice.
pub(super) fn rest_of_second(now_us: i64) -> Duration {
    let second = Duration::from_secs(1);
    let gone = Duration::from_micros(now_us.rem_euclid(1_000_000).unsigned_abs());
    let rest = second - gone;
    if rest < TOO_SHORT { rest + second } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(seconds: &Seconds) -> Vec<i64> {
        seconds.after(i64::MIN).map(|kept| kept.second).collect()
    }

    #[test]
    fn a_vote_counts_once_and_for_all_that_is_marked() {
        let tally = Tally::default();
        let quiet = Marks {
            purpose: Purpose::Scrub,
            agreed: true,
            dissenting: false,
            stale: false,
            missing: false,
            no_quorum: false,
        };
        tally.add(quiet);
        tally.add(Marks {
            purpose: Purpose::Client,
            agreed: false,
            dissenting: true,
            missing: true,
            ..quiet
        });
        let expected = VotesSecond {
            clients: 1,
            scrubs: 1,
            agreed: 1,
            dissenting: 1,
            missing: 1,
            ..VotesSecond::default()
        };
        assert_eq!(tally.take(), expected);
        assert_eq!(tally.take(), VotesSecond::default(), "a quiet second has zeros");
    }

    #[test]
    fn seconds_rise_whatever_the_clock_does() {
        let mut seconds = Seconds::default();
        // On time, late, a little early, set back, still back, set forward.
        for now in [100, 101, 103, 103, 40, 41, 500] {
            seconds.end(now, VotesSecond::default());
        }
        assert_eq!(labels(&seconds), [99, 100, 102, 103, 104, 105, 499]);
        let after = |second| seconds.after(second).map(|kept| kept.second).collect::<Vec<_>>();
        assert_eq!(after(103), [104, 105, 499]);
        assert_eq!(after(200), [499]);
        assert_eq!(after(499), Vec::<i64>::new());
        assert_eq!(after(9999), Vec::<i64>::new());
    }

    #[test]
    fn five_minutes_are_kept() {
        let mut seconds = Seconds::default();
        assert_eq!(seconds.newest(), None);
        for now in 1..=1000 {
            seconds.end(now, VotesSecond::default());
        }
        assert_eq!(labels(&seconds), (700..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_second_ends_at_the_clocks_next_full_second() {
        let rest = |us| rest_of_second(us).as_micros();
        assert_eq!(rest(5_000_000), 1_000_000);
        assert_eq!(rest(5_000_300), 999_700);
        assert_eq!(rest(5_900_000), 100_000);
        assert_eq!(rest(5_999_999), 1_000_001, "the timer fired early");
        assert_eq!(rest(-1_250_000), 250_000, "a clock before 1970");
    }
}
