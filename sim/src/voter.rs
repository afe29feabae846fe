//! The voter: the service's own rounds, book, late bounds and watch on claims over a simulated network.
//!
//! Modelled here is what `vote`, `reporter`, `scrub`, `claims` and `verdicts` do around them. Not modelled are the vote on
//! the whole inventory (the products are known from the start) and the heartbeat that notices own stalls besides the
//! votes' own timers.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng as _;
use tolerancia_core::ahead::{Ahead, FalseClaim};
use tolerancia_core::pacing::Pacing;
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_voter_svc::book::Book;
use tolerancia_voter_svc::late::LateBound;
use tolerancia_voter_svc::product::ProductVote;
use tolerancia_voter_svc::round::{Finding, Outcome, Round, Seat};
use tolerancia_voter_svc::subject::Subject as _;
use tolerancia_wire::evidence::Dissent;
use tolerancia_wire::partition;

use crate::clients::{Answer, Read};
use crate::config::{Config, MS, SEC};
use crate::event::{Event, Evidence, Node, Reader, Said};
use crate::queue::Ns;
use crate::world::World;

const TIMEOUT: Duration = Duration::from_millis(300);
const LATE_FLOOR: Duration = Duration::from_millis(50);
const LATE_CAP: Duration = Duration::from_millis(200);
const LAG_BUDGET: Ns = SEC;
/// Between two products that are voted on without a client.
const SCRUB: Ns = 100 * MS;
/// Between two shadow votes of a replica that is OFF, on behalf of clients.
const SHADOW: Ns = 20 * MS;
/// Evidence that the log has not taken within this time is dropped.
const EVIDENCE: Ns = 2 * SEC;

struct Vote {
    round: Round<ProductVote>,
    start: Ns,
    /// Who waits for the answer: a client and its request.
    client: Option<(usize, u64)>,
    told: bool,
    turn: u64,
    due: Option<Duration>,
}

/// The voter.
pub struct VoterNode {
    pub(crate) inc: u32,
    pub(crate) up: bool,
    pub(crate) on: Vec<bool>,
    shadow_at: Vec<Ns>,
    late: Vec<LateBound>,
    book: Book,
    ahead: Ahead,
    pacing: Pacing,
    report_turn: u64,
    votes: BTreeMap<u64, Vote>,
    next_vote: u64,
    next_scrub: usize,
    position: usize,
}

impl VoterNode {
    pub(crate) fn new(config: &Config) -> Self {
        let replicas = config.replicas;
        Self {
            inc: 0,
            up: false,
            on: vec![true; replicas],
            shadow_at: vec![0; replicas],
            late: (0..replicas).map(|_| LateBound::new(LATE_FLOOR, LATE_CAP)).collect(),
            book: Book::new(u8::try_from(replicas).expect("at most 7"), 0),
            ahead: Ahead::new(replicas, LAG_BUDGET),
            pacing: Pacing::new(50 * MS, SEC),
            report_turn: 0,
            votes: BTreeMap::new(),
            next_vote: 0,
            next_scrub: 0,
            position: 0,
        }
    }
}

fn id(r: usize) -> ReplicaId {
    ReplicaId::new(u8::try_from(r + 1).expect("at most 7")).expect("from 1")
}

impl World {
    pub(crate) fn voter_starts(&mut self, inc: u32) {
        if self.voter.inc != inc {
            return;
        }
        self.voter = VoterNode {
            inc,
            up: true,
            book: Book::new(u8::try_from(self.config.replicas).expect("at most 7"), self.now),
            ..VoterNode::new(&self.config)
        };
        self.count("voter starts");
        self.read_anew(Reader::Voter, 1);
        self.after(SCRUB, Event::Scrub(inc));
        self.after(250 * MS, Event::Claims(inc));
        self.voter.pacing.noted(self.now, false);
        self.plan_report();
    }

    pub(crate) fn voter_dies(&mut self) {
        self.voter.inc += 1;
        self.voter.up = false;
        self.voter.votes.clear();
    }

    pub(crate) fn voter_reads(&mut self) {
        if !self.voter.up {
            return;
        }
        for verdict in &self.log.statuses[self.voter.position..] {
            self.voter.on[verdict.replica] = verdict.on;
        }
        self.voter.position = self.log.statuses.len();
    }

    /// A client's query.
    pub(crate) fn ask(&mut self, client: usize, request: u64, product: ProductId) {
        if self.voter.up {
            self.begin_vote(product, Some((client, request)));
        } else {
            self.answer_client(client, request, Node::Voter, Answer::Refused);
        }
    }

    pub(crate) fn scrub(&mut self, inc: u32) {
        if self.voter.inc != inc {
            return;
        }
        let products = &self.config.products;
        let product = products[self.voter.next_scrub % products.len()].0.parse();
        self.voter.next_scrub += 1;
        self.begin_vote(product.expect("a short name"), None);
        self.count("scrubs");
        self.after(SCRUB, Event::Scrub(inc));
    }

    fn begin_vote(&mut self, product: ProductId, client: Option<(usize, u64)>) {
        let now = self.now;
        let voter = &mut self.voter;
        let seats = (0..self.config.replicas).map(|r| {
            let on = voter.on[r];
            let due = now - voter.shadow_at[r] >= SHADOW;
            let asked = on || client.is_none() || due;
            if !on && client.is_some() && due {
                voter.shadow_at[r] = now;
            }
            Seat::new(id(r), on, asked, voter.late[r].get())
        });
        let seats: Vec<Seat> = seats.collect();
        let round = Round::new(ProductVote::new(product, self.config.replicas), seats, TIMEOUT);
        voter.next_vote += 1;
        let number = voter.next_vote;
        let asked = round.seats().iter().filter(|seat| seat.is_waiting());
        let asked: Vec<usize> = asked.map(|seat| seat.replica().index()).collect();
        let vote = Vote {
            round,
            start: now,
            client,
            told: false,
            turn: 0,
            due: None,
        };
        voter.votes.insert(number, vote);
        for r in asked {
            self.ask_replica(r, number);
        }
        self.go_on(number);
    }

    fn ask_replica(&mut self, r: usize, vote: u64) {
        let inc = self.voter.inc;
        let product = self.voter.votes[&vote].round.subject().product().clone();
        // A process that is not there is known not to be: its connection is lost.
        if !self.replicas[r].up && self.net.reaches(Node::Voter, Node::Replica(r)) {
            self.after(MS / 10, Event::Reply(r, inc, vote, Said::Refused));
        } else if let Some(wait) = self.net.send(&mut self.rng, Node::Voter, Node::Replica(r)) {
            self.after(wait, Event::Query(r, inc, vote, product));
        }
    }

    pub(crate) fn reply(&mut self, r: usize, voter: u32, vote: u64, said: Said) {
        if self.voter.inc != voter {
            return;
        }
        let now = self.now;
        let Some(held) = self.voter.votes.get_mut(&vote) else {
            return;
        };
        if !held.round.seats()[r].is_waiting() {
            return;
        }
        let outcome = match said {
            Said::Answer(status, body) => Outcome::Answer { status, body },
            Said::Garbled => Outcome::Garbled,
            Said::Refused => Outcome::Unreachable,
        };
        let at = Duration::from_nanos(now - held.start);
        let label = id(r).to_string();
        if let Some(took) = held.round.answer(at, id(r), &label, &outcome) {
            self.voter.late[r].sample(now.max(1), took);
        }
        self.go_on(vote);
    }

    pub(crate) fn vote_tick(&mut self, voter: u32, vote: u64, turn: u64) {
        if self.voter.inc != voter {
            return;
        }
        let now = self.now;
        let Some(held) = self.voter.votes.get_mut(&vote).filter(|held| held.turn == turn) else {
            return;
        };
        held.due = None;
        let again = held.round.tick(Duration::from_nanos(now - held.start));
        for replica in again {
            self.ask_replica(replica.index(), vote);
        }
        self.go_on(vote);
    }

    /// After any step of a vote: what was found out, who is told, what is next.
    fn go_on(&mut self, vote: u64) {
        let now = self.now;
        let Some(held) = self.voter.votes.get_mut(&vote) else {
            return;
        };
        let findings: Vec<(ReplicaId, Finding)> = held.round.findings().collect();
        let tell = held.round.is_settled() && !std::mem::replace(&mut held.told, held.round.is_settled());
        let client = held.client.filter(|_| tell);
        let result = held.round.subject().result();
        let at = Duration::from_nanos(now - held.start);
        let over = held.round.is_over(at);
        if !over {
            let next = held.round.next_tick();
            if held.due != Some(next) {
                held.due = Some(next);
                held.turn += 1;
                let due = held.start + u64::try_from(next.as_nanos()).expect("a short time");
                let (inc, turn) = (self.voter.inc, held.turn);
                self.queue.at(due.max(now), Event::VoteTick(inc, vote, turn));
            }
        }
        for (replica, finding) in findings {
            self.find(replica, finding);
        }
        if let Some((client, request)) = client {
            let read = match result {
                None => Read::NoQuorum,
                Some(None) => Read::Unknown,
                Some(Some(voted)) => Read::Voted(voted),
            };
            self.answer_client(client, request, Node::Voter, Answer::Read(read));
        }
        if over && let Some(held) = self.voter.votes.remove(&vote) {
            self.count("votes");
            if let Some((product, replies)) = held.round.subject().claims() {
                let lies = self.voter.ahead.observe(now, product, replies);
                self.accuse(lies);
            }
        }
    }

    fn accuse(&mut self, lies: Vec<FalseClaim>) {
        for FalseClaim {
            replica,
            product,
            version,
        } in lies
        {
            self.count("false claims");
            let dissent = Dissent::Stock {
                product,
                version,
                said: None,
                agreed: None,
                robust_z: None,
            };
            self.find(replica, Finding::Dissent(dissent));
        }
    }

    fn find(&mut self, replica: ReplicaId, finding: Finding) {
        let now = self.now;
        if let Finding::Dissent(dissent) = &finding {
            self.count("dissents");
            let text = dissent.to_string();
            self.trace
                .say(now, || format!("voter: replica {replica} dissents: {text}"));
            self.check_accused(replica, &text);
        }
        let urgent = !matches!(finding, Finding::Good | Finding::Stale);
        self.voter.book.note(replica, finding, now);
        if urgent {
            self.voter.pacing.noted(now, true);
            self.plan_report();
        }
    }

    fn plan_report(&mut self) {
        let Some(due) = self.voter.pacing.due_ns() else { return };
        self.voter.report_turn += 1;
        let event = Event::ReportDue(self.voter.inc, self.voter.report_turn);
        self.queue.at(due.max(self.now), event);
    }

    pub(crate) fn report_due(&mut self, inc: u32, turn: u64) {
        if self.voter.inc != inc || self.voter.report_turn != turn {
            return;
        }
        let batches = self.voter.book.take(self.now);
        if batches.is_empty() {
            self.voter.pacing.nothing();
        } else {
            self.voter.pacing.sent(self.now);
            let evidence = Evidence {
                from: Node::Voter,
                made: self.stamp(Node::Voter),
                batches,
            };
            let wait = self.net.latency(&mut self.rng);
            self.after(wait, Event::EvidenceArrives(evidence, self.now));
        }
        self.voter.pacing.noted(self.now, false);
        self.plan_report();
    }

    pub(crate) fn evidence_arrives(&mut self, evidence: Evidence, sent: u64) {
        if self.net.reaches(evidence.from, Node::Log) {
            self.count("evidence");
            if self.config.duplicates > 0.0 && self.rng.random_bool(self.config.duplicates) {
                self.log.evidence.push(evidence.clone());
            }
            self.log.evidence.push(evidence);
            self.wake(Reader::Monitor, 0);
        } else if self.now - sent < EVIDENCE {
            self.after(50 * MS, Event::EvidenceArrives(evidence, sent));
        } else {
            self.count("evidence lost");
        }
    }

    pub(crate) fn claims(&mut self, inc: u32) {
        if self.voter.inc != inc {
            return;
        }
        let due = self.voter.ahead.is_due(self.now);
        if due {
            let reached = self.net.reaches(Node::Voter, Node::Log);
            let (ends, partitions) = (self.log.ends(), self.config.partitions);
            let end_of = |product: &ProductId| {
                let partition = partition::of_product(product, partitions);
                reached.then(|| ends[usize::from(partition)])
            };
            let lies = self.voter.ahead.settle(self.now, end_of);
            self.accuse(lies);
        }
        self.after(if due { SEC } else { 250 * MS }, Event::Claims(inc));
    }
}
