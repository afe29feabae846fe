//! The voter: asks the replicas, and tells the monitor what it found out.
//!
//! The times of all answers to one vote are drawn when it begins, so all that the vote will find out, and when, is
//! known then. What is left out: replicas are not asked a second time within a vote (two good answers nearly always
//! decide before the first pause is over), and the voter itself never stands still.

use tolerancia_core::lateness::Lateness;
use tolerancia_core::pacing::Pacing;
use tolerancia_core::panel::Answers;
use tolerancia_core::quorum;

use super::dice::Dice;
use super::model::{MOST_PRODUCTS, MOST_REPLICAS, Model};
use super::queue::{Finding, Happening, Queue};
use super::replica::{Question, Replica, Reply};

/// Lost connections count at most once per this time (50 ms), as in the voter's book.
const CUT_NS: u64 = 50_000_000;

/// Scrub votes that may be held at once after a time in which none was needed, as in the voter's scrub.
const AT_ONCE: u64 = 8;

/// What is told about one replica.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Batch {
    pub answers: Answers,
    /// One bit per product that was lied about.
    pub lies: u64,
    /// When an answer was last found late.
    late_ns: u64,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.answers == Answers::default() && self.lies == 0
    }
}

/// What is told at once: one batch per replica.
pub(crate) type Report = [Batch; MOST_REPLICAS];

/// The voter.
#[derive(Debug)]
pub(crate) struct Voter<'a> {
    model: &'a Model,
    lateness: Vec<Lateness>,
    voted_ns: [u64; MOST_PRODUCTS],
    book: Report,
    cut_ns: [Option<u64>; MOST_REPLICAS],
    pacing: Pacing,
    /// Reports under way, and those that may be used again.
    reports: Vec<Report>,
    free: Vec<usize>,
    /// When the last report arrives: none overtakes another.
    arrival_ns: u64,
    query: (f64, u64),
    query_ns: u64,
    /// When a product is scrubbed next, unless it is voted on before.
    scrub_ns: u64,
    /// Time per scrub vote, and until when the votes so far take it up.
    pace_ns: u64,
    spent_ns: u64,
}

impl<'a> Voter<'a> {
    pub(crate) fn new(model: &'a Model, dice: &mut Dice) -> Self {
        let lateness = Lateness::new(model.checks.late_floor_ns, model.checks.late_cap_ns);
        let [busy_ns, quiet_ns] = model.report_every_ns;
        let mut voter = Self {
            model,
            lateness: vec![lateness; model.replicas.into()],
            voted_ns: [0; MOST_PRODUCTS],
            book: Report::default(),
            cut_ns: [None; MOST_REPLICAS],
            pacing: Pacing::new(busy_ns, quiet_ns),
            reports: Vec::new(),
            free: Vec::new(),
            arrival_ns: 0,
            query: (dice.unit(), 0),
            query_ns: 0,
            scrub_ns: 0,
            // Without scrubbing it is never time.
            pace_ns: (1e9 / model.scrub_rate) as u64,
            spent_ns: 0,
        };
        voter.query_ns = voter.next_query(dice);
        voter.scrub_ns = voter.next_scrub();
        voter
    }

    /// The time of the next query: they are evenly spaced, and each may be up to one space late.
    fn next_query(&mut self, dice: &mut Dice) -> u64 {
        if self.model.queries_rps <= 0.0 {
            return u64::MAX;
        }
        let (phase, number) = &mut self.query;
        *number += 1;
        ((*phase + *number as f64 + dice.unit()) / self.model.queries_rps * 1e9) as u64
    }

    /// When the product that has gone longest without a vote has done so for too long.
    fn next_scrub(&self) -> u64 {
        let oldest_ns = self.voted_ns[..self.model.products].iter().min().copied().unwrap_or(0);
        let count = self.model.products as u64;
        let needed_ns = oldest_ns.saturating_add(self.pace_ns.saturating_mul(count));
        needed_ns.max(self.spent_ns.saturating_add(self.pace_ns))
    }

    /// When [`Voter::poll`] must be called next.
    pub(crate) fn next_ns(&self) -> u64 {
        self.query_ns
            .min(self.scrub_ns)
            .min(self.pacing.due_ns().unwrap_or(u64::MAX))
    }

    /// Time passes: queries come, products are scrubbed, a report leaves. `on`: whose votes count.
    pub(crate) fn poll(
        &mut self,
        now_ns: u64,
        on: &[bool],
        replicas: &mut [Replica<'_>],
        queue: &mut Queue,
        dice: &mut Dice,
    ) {
        if now_ns >= self.query_ns {
            self.query_ns = self.next_query(dice);
            let product = dice.index(self.model.products);
            self.vote(now_ns, product, false, on, replicas, queue, dice);
        }
        if now_ns >= self.scrub_ns
            && let Some(product) = (0..self.model.products).min_by_key(|&product| self.voted_ns[product])
        {
            let saved_ns = self.pace_ns.saturating_mul(AT_ONCE);
            self.spent_ns = self.spent_ns.max(now_ns.saturating_sub(saved_ns)) + self.pace_ns;
            self.vote(now_ns, product, true, on, replicas, queue, dice);
        }
        if self.pacing.due_ns().is_some_and(|due_ns| now_ns >= due_ns) {
            self.report(now_ns, queue, dice);
        }
    }

    /// Asks the replicas about a product: those that are ON; the scrub asks all.
    #[expect(clippy::too_many_arguments, reason = "the state of the trial, lent piece by piece")]
    fn vote(
        &mut self,
        now_ns: u64,
        product: usize,
        scrub: bool,
        on: &[bool],
        replicas: &mut [Replica<'_>],
        queue: &mut Queue,
        dice: &mut Dice,
    ) {
        let mut replies = [None; MOST_REPLICAS];
        let mut good = [u64::MAX; MOST_REPLICAS];
        let mut asked = 0;
        for (place, replica) in replicas.iter_mut().enumerate() {
            if !on[place] && !scrub {
                continue;
            }
            asked += 1;
            let reply = replica.ask(now_ns, Question::Product(product), dice);
            replies[place] = Some(reply);
            if let (Reply::Good(at_ns), true) = (reply, on[place]) {
                good[place] = at_ns;
            }
        }
        if asked == replicas.len() {
            self.voted_ns[product] = now_ns;
            self.scrub_ns = self.next_scrub();
        }
        let closed_ns = now_ns.saturating_add(self.model.vote_timeout_ns);
        good.sort_unstable();
        let decided_ns = good[quorum(replicas.len()) - 1].min(closed_ns);
        for (place, reply) in replies.into_iter().enumerate() {
            let Some(reply) = reply else { continue };
            let late_ns = now_ns.saturating_add(self.lateness[place].bound_ns());
            let at_ns = match reply {
                Reply::Good(at_ns) | Reply::Error(at_ns) | Reply::Lie(at_ns) | Reply::Lost(at_ns) => at_ns,
                Reply::Never => u64::MAX,
            };
            let late = at_ns > late_ns;
            if late {
                queue.push(late_ns, Happening::Found(place, Finding::Late));
            }
            if at_ns > closed_ns {
                continue;
            }
            // A right answer and a lie are told apart only once it is known what is right.
            let judged_ns = at_ns.max(decided_ns);
            let took_ns = at_ns - now_ns;
            let (found_ns, finding) = match reply {
                Reply::Good(_) if late => (at_ns, Finding::Slow(took_ns)),
                Reply::Good(_) => (judged_ns, Finding::Good(took_ns)),
                Reply::Error(_) => (at_ns, Finding::Failed),
                Reply::Lie(_) => (judged_ns, Finding::Lie(product)),
                Reply::Lost(_) | Reply::Never => (at_ns, Finding::Unreachable),
            };
            queue.push(found_ns, Happening::Found(place, finding));
        }
    }

    /// Writes down what was found out about a replica.
    pub(crate) fn found(&mut self, now_ns: u64, place: usize, finding: Finding) {
        let batch = &mut self.book[place];
        let good = batch.answers.good;
        let bad = match finding {
            Finding::Slow(took_ns) => {
                self.lateness[place].sample(took_ns);
                return;
            }
            Finding::Good(took_ns) => {
                self.lateness[place].sample(took_ns);
                batch.answers.good += 1;
                false
            }
            Finding::Late => {
                batch.answers.late += 1;
                batch.late_ns = now_ns;
                true
            }
            Finding::Unreachable => {
                if self.cut_ns[place].is_some_and(|cut_ns| now_ns.saturating_sub(cut_ns) < CUT_NS) {
                    return;
                }
                self.cut_ns[place] = Some(now_ns);
                batch.answers.failed += 1;
                true
            }
            Finding::Failed => {
                batch.answers.failed += 1;
                true
            }
            Finding::Lie(product) => {
                batch.lies |= 1 << product;
                true
            }
        };
        if batch.answers.late + batch.answers.failed > 0 {
            batch.answers.good_first.get_or_insert(good);
        }
        self.pacing.noted(now_ns, bad);
    }

    /// A report leaves.
    fn report(&mut self, now_ns: u64, queue: &mut Queue, dice: &mut Dice) {
        self.pacing.sent(now_ns);
        if self.book.iter().all(Batch::is_empty) {
            return;
        }
        let mut report = std::mem::take(&mut self.book);
        self.arrival_ns = now_ns.saturating_add(self.model.report.draw(dice)).max(self.arrival_ns);
        for batch in report.iter_mut().filter(|batch| batch.answers.late > 0) {
            batch.answers.late_ago_ns = self.arrival_ns.saturating_sub(batch.late_ns);
        }
        let slot = if let Some(slot) = self.free.pop() {
            self.reports[slot] = report;
            slot
        } else {
            self.reports.push(report);
            self.reports.len() - 1
        };
        queue.push(self.arrival_ns, Happening::Reported(slot));
    }

    /// The report that arrives.
    pub(crate) fn arrived(&mut self, slot: usize) -> Report {
        self.free.push(slot);
        self.reports[slot]
    }
}
