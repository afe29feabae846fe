//! Lateness in virtual time, seen by a voter that may itself stand still.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tokio::time::Instant;
use tolerancia_core::pacing::Pacing;

use super::tests::{answer, found, id, ms, product, says};
use super::*;
use crate::book::Book;
use crate::product::ProductVote;
use crate::stall::Stalls;

const LATE: Duration = Duration::from_millis(50);
const CAP: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(300);

/// A vote in which replicas 1 and 2 have answered. Replica 3 has not, and may be OFF.
fn awaiting_3(bound: Duration, on: bool) -> Round<ProductVote> {
    let seats = ReplicaId::all(3)
        .map(|replica| Seat::new(replica, on || replica != id(3), true, bound))
        .collect();
    let mut round = Round::new(ProductVote::new(product(), 3), seats, TIMEOUT);
    answer(&mut round, 1, 1, &says(1, &[(7, 10)]));
    answer(&mut round, 1, 2, &says(2, &[(7, 10)]));
    assert_eq!(found(&mut round).len(), 2);
    round
}

fn is_late(round: &mut Round<ProductVote>) -> bool {
    found(round).contains(&(3, Finding::Late))
}

#[test]
fn each_replica_has_its_own_bound_and_its_answers_tell_the_next_one() {
    let bounds = [ms(200), ms(90), ms(50)];
    let seats = ReplicaId::all(3)
        .zip(bounds)
        .map(|(id, bound)| Seat::new(id, true, true, bound));
    let mut round = Round::new(ProductVote::new(product(), 3), seats.collect(), TIMEOUT);
    assert_eq!(round.next_tick(), ms(50));
    let _ = round.tick(ms(50));
    assert_eq!(found(&mut round), [(3, Finding::Late)]);
    let mut say = |at, n, versions| round.answer(ms(at), id(n), &n.to_string(), &says(n, versions));
    assert_eq!(say(60, 3, &[(7, 10)]), Some(ms(60)), "late, and a sample all the same");
    assert_eq!(say(70, 2, &[(7, 10), (7, 10)]), None, "not a valid answer");
    assert_eq!(say(80, 1, &[(7, 10)]), Some(ms(80)));
    assert!(round.is_over(ms(80)));
}

#[test]
fn an_answer_that_waited_unread_is_not_late() {
    // The voter is stopped for seconds; its timer and the answer are due together.
    for tick_first in [true, false] {
        let mut round = awaiting_3(LATE, true);
        if tick_first {
            let _ = round.tick(ms(61));
        }
        assert_eq!(
            round.answer(ms(61), id(3), "3", &says(3, &[(7, 10)])),
            None,
            "that time was its own"
        );
        assert_eq!(found(&mut round), [(3, Finding::Good)]);
    }
    let mut round = awaiting_3(LATE, true);
    let _ = round.tick(ms(60));
    assert!(is_late(&mut round), "10 ms are what any timer may take");
}

#[test]
fn a_stall_gives_the_bound_anew_once() {
    let mut round = awaiting_3(LATE, true);
    round.stalled(ms(30));
    assert_eq!(round.next_tick(), ms(80));
    round.stalled(ms(70));
    assert_eq!(round.next_tick(), ms(80));
    let _ = round.tick(ms(110));
    assert!(is_late(&mut round), "held up again, but that is no excuse any more");

    let mut round = awaiting_3(LATE, true);
    let _ = round.tick(ms(50));
    assert!(is_late(&mut round));
    round.stalled(ms(90));
    assert_eq!(round.next_tick(), TIMEOUT, "late is late");
}

#[test]
fn a_question_after_the_stall_is_not_excused() {
    let seats = ReplicaId::all(3).map(|replica| Seat::new(replica, replica != id(3), replica != id(3), LATE));
    let mut round = Round::new(ProductVote::new(product(), 3), seats.collect(), TIMEOUT);
    answer(&mut round, 1, 1, &says(1, &[(9, 5), (7, 10)]));
    answer(&mut round, 1, 2, &says(2, &[(7, 10)]));
    round.stalled(ms(2));
    assert_eq!(round.tick(ms(3)), [id(2)], "asked again");
    round.stalled(ms(3));
    assert_eq!(round.next_tick(), ms(53));
    round.stalled(ms(30));
    assert_eq!(round.next_tick(), ms(80), "but one after the question is");
    let _ = round.tick(ms(80));
    assert_eq!(found(&mut round), [(2, Finding::Late)]);
}

#[test]
fn a_bound_given_anew_outlasts_the_vote_but_not_the_answer_to_the_client() {
    let mut round = awaiting_3(CAP, true);
    let _ = round.tick(ms(230));
    assert!(!is_late(&mut round) && round.next_tick() == TIMEOUT);
    let _ = round.tick(TIMEOUT);
    assert!(round.is_settled() && !round.is_over(TIMEOUT));
    assert_eq!(round.next_tick(), ms(430));
    assert_eq!(round.tick(ms(429)), []);
    assert!(!is_late(&mut round));
    let _ = round.tick(ms(430));
    assert!(is_late(&mut round) && round.is_over(ms(430)));
    // Without a stall the vote ends at its timeout as ever, and nobody is waited for.
    let mut round = awaiting_3(CAP, true);
    let _ = round.tick(CAP);
    let _ = round.tick(TIMEOUT);
    assert!(round.is_over(TIMEOUT));
}

/// A process that runs and stands still in turns.
struct Process {
    /// From and until when it stands still, in ms.
    stalls: Vec<(u64, u64)>,
}

impl Process {
    /// Pairs of how long it runs and then stands still, in ms.
    fn new(pauses: &[(u64, u64)]) -> Self {
        let mut now = 0;
        let stalls = pauses.iter().map(|(runs, stands)| {
            let from = now + runs;
            now = from + stands;
            (from, now)
        });
        Self {
            stalls: stalls.collect(),
        }
    }

    fn runs_at(&self, at: u64) -> bool {
        !self.stalls.iter().any(|(from, until)| (*from..*until).contains(&at))
    }
}

/// What the reporter sent about replica 3: when in ms, and how many answers were late.
struct Told {
    batches: Vec<(u64, u32)>,
    failed_to_answer: u32,
}

/// Votes every 10 ms on a voter with `process`'s stalls, until `until` ms. Replica 3 answers after `took` ms until
/// `frozen_at`, and then never again.
fn votes(process: &Process, on: bool, took: u64, frozen_at: u64, until: u64) -> Told {
    let (stalls, book) = (Stalls::default(), Book::new(3, 0));
    let epoch = Instant::now();
    let mut pacing = Pacing::new(50_000_000, 1_000_000_000);
    let mut open: Vec<(u64, Round<ProductVote>)> = Vec::new();
    let mut told = Told {
        batches: Vec::new(),
        failed_to_answer: 0,
    };
    let (mut next_vote, mut next_beat) = (0, 0);
    for now in (0..until).filter(|now| process.runs_at(*now)) {
        let clock = |at: u64| epoch + ms(at);
        if now >= next_vote && now + 1000 < until {
            open.push((now, awaiting_3(LATE, on)));
            told.failed_to_answer += u32::from(now >= frozen_at);
            next_vote = now + 10;
        }
        for (start, round) in &mut open {
            let due = clock(*start) + round.next_tick();
            let comes = *start + took;
            let answers = *start < frozen_at && now >= comes && round.seats()[2].is_waiting();
            if !answers && clock(now) < due {
                continue;
            }
            if let Some(ended) = stalls.since(clock(*start), due, clock(now)) {
                round.stalled(ended);
            }
            if answers {
                answer(round, now - *start, 3, &says(3, &[(7, 10)]));
            } else {
                assert_eq!(round.tick(ms(now - *start)), []);
            }
            for (replica, finding) in round.findings() {
                let bad = finding == Finding::Late;
                pacing.noted(now * 1_000_000, bad || matches!(finding, Finding::Agreed(_)));
                book.note(replica, finding, now * 1_000_000);
            }
        }
        open.retain(|(start, round)| !round.is_over(ms(now - *start)));
        // The heart need not be the first to go on after a stall.
        if now >= next_beat {
            stalls.beat(clock(now));
            next_beat = now + 10;
        }
        if pacing.due_ns().is_some_and(|due| due <= now * 1_000_000) {
            pacing.sent(now * 1_000_000);
            let late = book
                .take(0)
                .iter()
                .find(|batch| batch.instance == id(3))
                .map_or(0, |b| b.late);
            told.batches.push((now, late));
        }
    }
    assert!(open.is_empty(), "every vote ends");
    told
}

#[test]
fn a_frozen_replica_is_late_after_the_bound_and_in_every_batch_from_then_on_or_off() {
    for on in [true, false] {
        let told = votes(&Process::new(&[]), on, 1, 400, 4000);
        let late: Vec<_> = told.batches.iter().filter(|(_, late)| *late > 0).collect();
        // A replica that is OFF was just reported for its shadow votes, so its first batch may have to wait.
        let first = late[0].0;
        assert!((450..=if on { 450 } else { 500 }).contains(&first), "{first}");
        assert!(
            told.batches
                .iter()
                .filter(|(at, _)| *at > first && *at < 3000)
                .all(|(_, late)| *late > 0)
        );
        assert!(late.windows(2).all(|pair| pair[1].0 - pair[0].0 == 50), "{late:?}");
        assert_eq!(late.iter().map(|(_, late)| late).sum::<u32>(), told.failed_to_answer);
    }
}

fn pauses(longest: u64) -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((1u64..60, 0..longest), 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// On a host that stalls all the time: a replica that never answers is late in good time and again and again,
    /// each of its answers exactly once.
    #[test]
    fn stalls_do_not_hide_a_frozen_replica(pauses in pauses(40), on in any::<bool>()) {
        let told = votes(&Process::new(&pauses), on, 1, 200, 4000);
        let mut late = told.batches.iter().filter(|(at, late)| *late > 0 && *at < 3000).map(|(at, _)| *at);
        let mut last = late.next().unwrap();
        // Asked 49 ms after the freeze at the latest; two bounds, a stall at the end of each, and the batch before.
        prop_assert!(last <= 200 + 49 + 2 * (50 + 40) + 50 + 40, "first late at {} ms", last);
        for at in late {
            prop_assert!(at - last <= 250, "nothing was late from {} to {} ms", last, at);
            last = at;
        }
        let all: u32 = told.batches.iter().map(|(_, late)| late).sum();
        prop_assert_eq!(all, told.failed_to_answer);
    }

    /// However long the voter stands still: a replica that answers quickly is never late.
    #[test]
    fn own_stalls_make_nobody_late(pauses in pauses(500), took in 0u64..10, on in any::<bool>()) {
        let told = votes(&Process::new(&pauses), on, took, u64::MAX, 4000);
        let late: Vec<_> = told.batches.iter().filter(|(_, late)| *late > 0).collect();
        prop_assert!(late.is_empty(), "{:?}", late);
    }

    /// The rule alone: with timers that come as late as they like, silence counts once per question, after two
    /// bounds and what delayed the timers at their ends.
    #[test]
    fn silence_is_late_exactly_once(
        bound in 10u64..=300,
        delays in prop::collection::vec(0u64..200, 12),
        told in prop::collection::vec(0u64..600, 0..5),
    ) {
        let mut round = awaiting_3(ms(bound), true);
        let mut late_at = None;
        for delay in delays {
            let now = round.next_tick() + ms(delay);
            for ended in told.iter().map(|ended| ms(*ended)).filter(|ended| *ended <= now) {
                round.stalled(ended);
            }
            let _ = round.tick(now);
            if is_late(&mut round) {
                prop_assert!(late_at.replace(now).is_none());
            }
            if round.is_over(now) {
                break;
            }
        }
        let late_at = late_at.expect("late");
        prop_assert!(late_at >= ms(bound) && late_at <= 2 * (ms(bound) + ms(200)));
    }
}
