//! Attempts that were refused, counted until somebody is told.
//!
//! Whoever may not inject faults may still try a million times a second. Neither memory, nor the log, nor the database may
//! grow with that: attempts of one kind are one entry with a count, there are few kinds, and entries are told of one by one
//! only as long as there is an allowance for it. Beyond it what is left of an attempt is its reason and that it was made.

use std::net::IpAddr;
use std::time::Duration;

use tolerancia_wire::denial::{ANYTHING, Denial, Why};

/// Kinds of attempts that are counted apart at a time.
const MOST_KINDS: usize = 16;
/// Entries that may be told of at once after a quiet time.
const ALLOWANCE: u32 = 32;
/// How long it takes until there may be one more.
const EARNED: Duration = Duration::from_secs(10);
/// Time between two times of telling …
const PAUSE: Duration = Duration::from_secs(1);
/// … and once the allowance is used up. 9,000 entries a day come one by one then, and 6,000 that sum up.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// What is counted apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub peer: Option<IpAddr>,
    pub tried: String,
    pub why: Why,
}

/// The counts. Time is passed in, counted from any fixed instant.
#[derive(Debug)]
pub(super) struct Tally {
    entries: Vec<Denial>,
    allowance: u32,
    earned: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            entries: Vec::with_capacity(MOST_KINDS),
            allowance: ALLOWANCE,
            earned: Duration::ZERO,
        }
    }
}

impl Tally {
    /// Counts an attempt.
    pub(super) fn note(&mut self, attempt: Attempt) {
        let Attempt { peer, tried, why } = attempt;
        let is_new = |one: &Denial| one.why != why || one.peer != peer || one.tried != tried;
        if self.entries.len() < MOST_KINDS || !self.entries.iter().all(is_new) {
            add(
                &mut self.entries,
                Denial {
                    peer,
                    tried,
                    why,
                    count: 1,
                },
            );
        } else {
            add(&mut self.entries, summed(why, 1));
        }
    }

    /// Takes what is to be told at `now`, and says how long to wait before the next time.
    pub(super) fn take(&mut self, now: Duration) -> (Vec<Denial>, Duration) {
        let earned = now.saturating_sub(self.earned).as_nanos() / EARNED.as_nanos();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.earned = if self.allowance.saturating_add(earned) >= ALLOWANCE {
            now
        } else {
            self.earned + EARNED * earned
        };
        self.allowance = self.allowance.saturating_add(earned).min(ALLOWANCE);
        let mut told = Vec::new();
        for entry in self.entries.drain(..) {
            match self.allowance.checked_sub(1) {
                // Of several there is no one to name.
                Some(less) => {
                    self.allowance = less;
                    add(&mut told, entry);
                }
                None => add(&mut told, summed(entry.why, entry.count)),
            }
        }
        (told, if self.allowance == 0 { LONG_PAUSE } else { PAUSE })
    }
}

/// An entry for attempts that are not counted apart.
fn summed(why: Why, count: u64) -> Denial {
    Denial {
        peer: None,
        tried: ANYTHING.to_owned(),
        why,
        count,
    }
}

/// Adds an entry to those of its kind, or beside the others.
fn add(entries: &mut Vec<Denial>, new: Denial) {
    let is_same = |one: &&mut Denial| one.why == new.why && one.peer == new.peer && one.tried == new.tried;
    match entries.iter_mut().find(is_same) {
        Some(known) => known.count = known.count.saturating_add(new.count),
        None => entries.push(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attempt(peer: u8, tried: &str, why: Why) -> Attempt {
        Attempt {
            peer: Some(IpAddr::from([192, 0, 2, peer])),
            tried: tried.to_owned(),
            why,
        }
    }

    #[test]
    fn attempts_of_one_kind_are_one_entry() {
        let mut tally = Tally::default();
        for _ in 0..1000 {
            tally.note(attempt(1, "PUT /fault", Why::WrongToken));
        }
        tally.note(attempt(1, "PUT /fault", Why::NoToken));
        tally.note(attempt(2, "PUT /fault", Why::WrongToken));
        let (told, pause) = tally.take(Duration::ZERO);
        assert_eq!(told.iter().map(|one| one.count).collect::<Vec<_>>(), [1000, 1, 1]);
        assert_eq!((told[0].peer, pause), (Some(IpAddr::from([192, 0, 2, 1])), PAUSE));
        assert_eq!(tally.take(PAUSE).0, []);
    }

    #[test]
    fn a_flood_from_everywhere_for_a_day_is_a_few_entries_and_no_attempt_is_lost() {
        let (mut tally, mut now, mut entries, mut attempts, mut tried) = (Tally::default(), Duration::ZERO, 0, 0, 0);
        let day = Duration::from_secs(24 * 60 * 60);
        while now < day {
            for peer in 0..=u8::MAX {
                tally.note(attempt(peer, "PUT /fault", Why::WrongToken));
                tally.note(attempt(peer, "PUT /fault", Why::NoToken));
                tried += 2;
            }
            assert!(tally.entries.len() <= MOST_KINDS + Why::ALL.len());
            let (told, pause) = tally.take(now);
            attempts += told.iter().map(|one| one.count).sum::<u64>();
            entries += told.len();
            now += pause;
        }
        assert_eq!(attempts, tried);
        assert!((1000..16_000).contains(&entries), "{entries}");
    }

    #[test]
    fn after_a_quiet_time_attempts_are_told_one_by_one_again() {
        let mut tally = Tally::default();
        let mut now = Duration::ZERO;
        while tally.allowance > 0 {
            tally.note(attempt(1, "PUT /fault", Why::NoToken));
            now += tally.take(now).1;
        }
        tally.note(attempt(7, "PUT /fault", Why::NoToken));
        now += EARNED * ALLOWANCE;
        let (told, pause) = tally.take(now);
        assert_eq!((told.len(), told[0].tried.as_str(), pause), (1, "PUT /fault", PAUSE));
    }

    proptest! {
        /// Whatever comes when: every attempt is in the counts, under its reason.
        #[test]
        fn nothing_is_forgotten(all in prop::collection::vec((0u8..40, 0usize..3, 0usize..4, 0u64..100_000), 0..300)) {
            let (mut tally, mut now) = (Tally::default(), Duration::ZERO);
            let (mut noted, mut told) = ([0; 4], [0; 4]);
            let mut tell = |tally: &mut Tally, now| {
                for one in tally.take(now).0 {
                    told[Why::ALL.iter().position(|why| *why == one.why).expect("listed")] += one.count;
                }
            };
            for (peer, tried, why, ms) in all {
                tally.note(attempt(peer, ["PUT /fault", "POST /fault", "PUT /detector"][tried], Why::ALL[why]));
                noted[why] += 1;
                if ms % 3 == 0 {
                    now += Duration::from_millis(ms);
                    tell(&mut tally, now);
                }
            }
            tell(&mut tally, now);
            prop_assert_eq!(noted, told);
        }
    }
}
