//! When, by one's own clock, others made what they sent.
//!
//! Evidence says when it was made, and some of it is too old to count. The sender's wall clock cannot tell: it may be
//! hours off, or be set while it runs, and then all that it sends would be old, or nothing. Its monotonic clock runs as
//! fast as one's own and differs by a constant, as long as its host runs.
//!
//! * On the same host there is one monotonic clock, and nothing to find out. A stamp that is of the last second by it is
//!   taken to be of this host.
//! * Otherwise the difference is that of the message which was the quickest of late (the minimum filter of NTP, RFC
//!   5905, section 10): it holds the delay of that message, so an estimate is late by that, never early. It is
//!   forgotten after one to two [`WINDOW_NS`], so that a sender whose host started again is understood soon.
//! * Until a sender has been heard for [`KNOWN_NS`] the quickest of its messages may have waited for long too: then
//!   nothing is known.
//! * Who has stood still reads at one instant what others said meanwhile, and none of it was quick. So a window ends only
//!   when as much time has passed by the sender's clock too.

use std::collections::BTreeMap;

/// How long the quickest message counts, at least (30 s).
pub const WINDOW_NS: u64 = 30_000_000_000;
/// How long a sender on another host must have been heard before anything is known of its clock (2 s).
pub const KNOWN_NS: u64 = 2_000_000_000;
/// What is older by one's own monotonic clock, or of the future, was not made on this host (1 s).
const SAME_HOST_NS: i128 = 1_000_000_000;
/// Senders that are remembered at most. Beyond it a new one takes the place of the one that is last by name.
const MOST_SENDERS: usize = 64;

/// The clocks of all senders.
#[derive(Debug, Clone, Default)]
pub struct Clocks {
    senders: BTreeMap<String, Quickest>,
}

/// The least of (time of arrival − stamp), in this window and in the one before.
#[derive(Debug, Clone)]
struct Quickest {
    /// When it was first heard.
    first_ns: u64,
    /// When this window began, by one's own clock and by the sender's.
    window_ns: u64,
    window_made_ns: u64,
    this: i128,
    before: i128,
}

impl Clocks {
    /// Nothing known yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            senders: BTreeMap::new(),
        }
    }

    /// A message of `sender` comes at `now_ns` and says that it was made at `made_ns` by the monotonic clock of its
    /// maker, all in nanoseconds. Returns when that was by one's own clock, at the latest; none if that is not known yet.
    pub fn made_ns(&mut self, sender: &str, now_ns: u64, made_ns: u64) -> Option<u64> {
        let apart = i128::from(now_ns) - i128::from(made_ns);
        if !self.senders.contains_key(sender) && self.senders.len() >= MOST_SENDERS {
            self.senders.pop_last();
        }
        let quickest = self.senders.entry(sender.to_owned()).or_insert(Quickest {
            first_ns: now_ns,
            window_ns: now_ns,
            window_made_ns: made_ns,
            this: apart,
            before: apart,
        });
        let passed_ns = now_ns
            .saturating_sub(quickest.window_ns)
            .min(made_ns.abs_diff(quickest.window_made_ns));
        if passed_ns >= WINDOW_NS {
            quickest.before = if passed_ns < 2 * WINDOW_NS {
                quickest.this
            } else {
                apart
            };
            quickest.this = apart;
            quickest.window_ns = now_ns;
            quickest.window_made_ns = made_ns;
        }
        quickest.this = quickest.this.min(apart);
        if (0..=SAME_HOST_NS).contains(&apart) {
            return Some(made_ns);
        }
        if now_ns.saturating_sub(quickest.first_ns) < KNOWN_NS {
            return None;
        }
        let least = quickest.this.min(quickest.before);
        // Never later than now: `least` is at most `apart`.
        Some(u64::try_from(i128::from(made_ns) + least).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const SEC: u64 = 1_000 * MS;

    #[test]
    fn on_the_same_host_a_stamp_is_what_it_says() {
        let mut clocks = Clocks::new();
        assert_eq!(
            clocks.made_ns("voter", 500 * SEC, 500 * SEC - 3 * MS),
            Some(500 * SEC - 3 * MS)
        );
    }

    #[test]
    fn what_waited_for_a_broker_is_known_to_be_old_whatever_the_other_clock_says() {
        for apart in [-400 * i128::from(SEC), 9_000 * i128::from(SEC)] {
            let theirs = |ns: u64| u64::try_from(i128::from(ns) + apart).expect("after their start");
            let mut clocks = Clocks::new();
            for n in 0..10 {
                let sent = 1000 * SEC + n * SEC;
                clocks.made_ns("voter", sent + 2 * MS, theirs(sent));
            }
            let made = clocks.made_ns("voter", 1030 * SEC, theirs(1012 * SEC));
            assert_eq!(made, Some(1012 * SEC + 2 * MS), "{apart}");
        }
    }

    #[test]
    fn what_was_said_while_oneself_stood_still_is_known_to_be_old() {
        for apart in [0, 9_000 * SEC] {
            for stood in [8, 45, 70, 200] {
                let mut clocks = Clocks::new();
                for n in 0..10 {
                    let sent = 1000 * SEC + n * SEC;
                    clocks.made_ns("voter", sent + 2 * MS, sent + apart);
                }
                let woke = 1010 * SEC + stood * SEC;
                for ms in (0..stood * 1000).step_by(50) {
                    let sent = 1010 * SEC + ms * MS;
                    let made = clocks.made_ns("voter", woke, sent + apart).expect("it is known");
                    assert!(
                        made.abs_diff(sent) <= 2 * MS,
                        "{apart}, stood for {stood} s: {ms} ms became {made}"
                    );
                }
            }
        }
    }

    #[test]
    fn of_a_sender_that_was_never_heard_before_nothing_is_known() {
        for apart in [0, 9_000 * SEC] {
            let mut clocks = Clocks::new();
            let woke = 1008 * SEC;
            for ms in (0..6000).step_by(50) {
                let made = clocks.made_ns("voter", woke, 1000 * SEC + ms * MS + apart);
                assert_eq!(made, None, "{apart}: {ms} ms");
            }
            let sent = woke + KNOWN_NS;
            assert_eq!(
                clocks
                    .made_ns("voter", sent + MS, sent + apart)
                    .map(|made| made.abs_diff(sent) <= MS),
                Some(true)
            );
        }
    }

    #[test]
    fn a_host_that_started_again_is_understood_after_two_windows() {
        let mut clocks = Clocks::new();
        clocks.made_ns("voter", 1000 * SEC, 50_000 * SEC);
        let mut made = None;
        for n in 1..=61 {
            made = clocks.made_ns("voter", 1000 * SEC + n * SEC, 10 * SEC + n * SEC);
        }
        assert_eq!(made, Some(1061 * SEC));
    }

    #[test]
    fn senders_are_bounded() {
        let mut clocks = Clocks::new();
        for n in 0..1000 {
            clocks.made_ns(&n.to_string(), 1000 * SEC, 1);
        }
        assert_eq!(clocks.senders.len(), MOST_SENDERS);
    }

    proptest! {
        /// However far the clocks are apart: an estimate is never of the future, never earlier than the truth, and
        /// late by no more than the quickest message was under way.
        #[test]
        fn an_estimate_lies_between_the_truth_and_the_arrival(
            apart in -900_000 * i128::from(SEC)..900_000 * i128::from(SEC),
            messages in prop::collection::vec((0..SEC, 0..20 * SEC), 1..60),
        ) {
            let mut clocks = Clocks::new();
            let (mut now, mut quickest) = (1_000_000 * SEC, u64::MAX);
            for (pause, delay) in messages {
                now += pause;
                quickest = quickest.min(delay);
                let truth = now - delay;
                let theirs = u64::try_from(i128::from(truth) + apart).expect("after their start");
                let Some(made) = clocks.made_ns("voter", now, theirs) else {
                    continue;
                };
                // Clocks that are less than a second apart by chance are taken for one.
                if apart.unsigned_abs() > 25 * u128::from(SEC) {
                    prop_assert!(truth <= made && made <= now);
                }
            }
        }
    }
}
