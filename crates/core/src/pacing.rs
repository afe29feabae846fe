//! When a reporter sends what it has found out.
//!
//! Detection waits for bad findings, so the first one after a quiet time is due at once. While something is wrong
//! batches keep the *busy* time apart, so that a replica which fails every answer does not cost a record for each.
//! Good findings alone wait for the *quiet* time from the first of them: nobody is waiting for them, and a batch is
//! cheaper than what is in it.
//!
//! | found | due |
//! | --- | --- |
//! | nothing | never |
//! | good only | quiet after the first of them |
//! | bad | at once, but not before busy has passed since the last batch |
//!
//! Pure: the services' reporters and the simulation drive the same code.

/// When the next batch of one reporter is due. All times are of one monotonic clock, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    busy_ns: u64,
    quiet_ns: u64,
    sent_ns: Option<u64>,
    /// The first finding of either kind that is not sent yet.
    good_ns: Option<u64>,
    bad_ns: Option<u64>,
}

impl Pacing {
    /// Nothing found and nothing sent yet. Batches are at least `busy_ns` apart while something is wrong and
    /// `quiet_ns` otherwise, both in nanoseconds; a quiet time below the busy one counts as that.
    #[must_use]
    pub const fn new(busy_ns: u64, quiet_ns: u64) -> Self {
        Self {
            busy_ns,
            quiet_ns: if quiet_ns < busy_ns { busy_ns } else { quiet_ns },
            sent_ns: None,
            good_ns: None,
            bad_ns: None,
        }
    }

    /// Something was found at `now_ns`: `bad`, or good.
    pub fn noted(&mut self, now_ns: u64, bad: bool) {
        let first = if bad { &mut self.bad_ns } else { &mut self.good_ns };
        first.get_or_insert(now_ns);
    }

    /// When all that was found must be sent; none while nothing was.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        let open_ns = self.sent_ns.map_or(0, |sent_ns| sent_ns.saturating_add(self.busy_ns));
        let good = self.good_ns.map(|good_ns| good_ns.saturating_add(self.quiet_ns));
        let due = good.into_iter().chain(self.bad_ns).min();
        due.map(|due_ns| due_ns.max(open_ns))
    }

    /// All that was found was sent at `now_ns`.
    pub const fn sent(&mut self, now_ns: u64) {
        self.nothing();
        self.sent_ns = Some(now_ns);
    }

    /// There was nothing to send after all: what was found has gone with an earlier batch.
    pub const fn nothing(&mut self) {
        self.good_ns = None;
        self.bad_ns = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const BUSY: u64 = 50 * MS;
    const QUIET: u64 = 1000 * MS;

    #[test]
    fn the_first_bad_finding_goes_at_once_and_the_next_ones_together() {
        let mut pacing = Pacing::new(BUSY, QUIET);
        assert_eq!(pacing.due_ns(), None, "nothing was found");
        pacing.noted(0, false);
        assert_eq!(pacing.due_ns(), Some(QUIET));
        pacing.noted(7 * MS, true);
        pacing.noted(8 * MS, true);
        assert_eq!(pacing.due_ns(), Some(7 * MS), "good ones go along");
        pacing.sent(7 * MS);
        assert_eq!(pacing.due_ns(), None);
        pacing.noted(9 * MS, true);
        assert_eq!(pacing.due_ns(), Some(57 * MS));
        pacing.sent(57 * MS);
        pacing.noted(60 * MS, false);
        assert_eq!(pacing.due_ns(), Some(1060 * MS), "nothing is wrong any more");
        pacing.noted(400 * MS, true);
        assert_eq!(pacing.due_ns(), Some(400 * MS), "the first one after a quiet time");
    }

    #[test]
    fn a_look_that_found_nothing_holds_nobody_up() {
        let mut pacing = Pacing::new(BUSY, QUIET);
        pacing.noted(0, false);
        pacing.nothing();
        assert_eq!(pacing.due_ns(), None);
        pacing.noted(1001 * MS, true);
        assert_eq!(pacing.due_ns(), Some(1001 * MS));
    }

    proptest! {
        /// Whatever is found and whenever: batches are never closer than busy, closer than quiet only with a bad
        /// finding in them, a bad finding never waits longer than busy and a good one never longer than quiet.
        #[test]
        fn nothing_waits_too_long_and_nothing_comes_too_often(
            findings in prop::collection::vec((prop_oneof![0..MS, 0..100 * MS, 0..3000 * MS], prop::bool::weighted(0.4)), 1..300),
        ) {
            let mut pacing = Pacing::new(BUSY, QUIET);
            let (mut now, mut sent) = (0, None::<u64>);
            let mut open: Vec<(u64, bool)> = Vec::new();
            // Time enough at the end for all to be sent.
            let last = std::iter::once((2 * QUIET, true));
            for (pause, bad) in findings.into_iter().chain(last) {
                now += pause;
                while let Some(due) = pacing.due_ns().filter(|&due| due <= now) {
                    let wrong = open.iter().any(|&(_, bad)| bad);
                    let apart = if wrong { BUSY } else { QUIET };
                    prop_assert!(sent.is_none_or(|sent| due - sent >= apart));
                    for (found, bad) in open.drain(..) {
                        prop_assert!(found <= due);
                        let longest = if bad { BUSY } else { QUIET };
                        prop_assert!(due - found <= longest);
                    }
                    pacing.sent(due);
                    sent = Some(due);
                }
                prop_assert_eq!(pacing.due_ns().is_some(), !open.is_empty());
                pacing.noted(now, bad);
                open.push((now, bad));
            }
            prop_assert!(open.len() == 1, "all but the last were sent");
        }

        /// A bad finding goes at once if the last batch is older than busy.
        #[test]
        fn after_a_quiet_time_a_bad_finding_goes_at_once(
            sent in 0..10 * QUIET, pause in BUSY..10 * QUIET, good in prop::option::of(0..BUSY),
        ) {
            let mut pacing = Pacing::new(BUSY, QUIET);
            pacing.sent(sent);
            if let Some(good) = good {
                pacing.noted(sent + good, false);
            }
            pacing.noted(sent + pause, true);
            let wait = pacing.due_ns().map(|due| due.saturating_sub(sent + pause));
            prop_assert_eq!(wait, Some(0));
        }
    }
}
