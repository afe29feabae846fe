//! The world of one run: all nodes, the network between them, and what is known to be true.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tolerancia_core::ledger::Event as LogEvent;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::time::virtual_time;
use tolerancia_wire::{Stamp, partition};

use crate::clients::Client;
use crate::config::{Config, MS, SEC};
use crate::event::{Event, Node, Reader};
use crate::faults::{self, Fault, Kind};
use crate::log::Log;
use crate::model::Model;
use crate::monitor::MonitorNode;
use crate::net::Net;
use crate::orders::OrdersNode;
use crate::queue::{Ns, Queue};
use crate::replica::ReplicaNode;
use crate::trace::Trace;
use crate::voter::VoterNode;

/// What monotonic clocks show at the start.
const BASE_NS: u64 = 1_000 * SEC;
/// What wall clocks show at the start: 2026-01-01, in microseconds.
const BASE_US: i64 = 1_767_225_600_000_000;

/// Something that must not happen.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Violation {
    /// Which check.
    pub check: &'static str,
    /// What it saw.
    pub text: String,
    /// What the events that matter speak of.
    pub subjects: Vec<String>,
    /// When, in nanoseconds of virtual time.
    pub at: Ns,
}

/// How often something happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// The world.
pub struct World {
    pub(crate) config: Config,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Ns,
    pub(crate) queue: Queue,
    pub(crate) trace: Trace,
    pub(crate) net: Net,
    pub(crate) log: Log,
    pub(crate) model: Model,
    pub(crate) replicas: Vec<ReplicaNode>,
    pub(crate) orders: OrdersNode,
    pub(crate) voter: VoterNode,
    pub(crate) monitor: MonitorNode,
    pub(crate) clients: Vec<Client>,
    pub(crate) faults: Vec<Fault>,
    /// Until when each node stands still.
    pub(crate) frozen: Vec<Ns>,
    /// How far each node's wall clock is off, in microseconds.
    pub(crate) wall_us: Vec<i64>,
    /// How much earlier each node's host was started than the simulated one, in nanoseconds.
    pub(crate) booted_ns: Vec<u64>,
    /// Orders that a client was told of, or has a key for.
    pub(crate) known: HashSet<OrderId>,
    /// When each replica last told a lie, if ever.
    pub(crate) lied_at: Vec<Option<Ns>>,
    /// Replicas that have lied by now.
    pub(crate) lied: Vec<bool>,
    /// The last fault ends here.
    pub(crate) healed_at: Ns,
    /// Orders that a client was told to be confirmed or rejected.
    pub(crate) decided: HashSet<OrderId>,
    /// How many these were when all was healed.
    pub(crate) decided_at_heal: Option<usize>,
    pub(crate) counts: Counts,
    pub(crate) violation: Option<Violation>,
    pub(crate) over: bool,
}

impl World {
    /// The world of a seed, before anything happened. Needs a tokio runtime.
    #[must_use]
    pub fn new(seed: u64, verbose: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = Config::draw(&mut rng);
        let faults = faults::draw(&config, &mut rng);
        let healed_at = faults.iter().map(|fault| fault.to + config.restart).max().unwrap_or(0);
        let healed_at = healed_at.max(config.span) + 500 * MS;
        let nodes = Node::count(config.replicas);
        let wall_us = (0..nodes)
            .map(|_| match config.skew_us {
                0 => 0,
                most => rng.random_range(-most..most),
            })
            .collect();
        let hosts = config.hosts;
        let booted_ns = (0..nodes)
            .map(|_| if hosts { rng.random_range(0..1_000_000) * SEC } else { 0 })
            .collect();
        let net = Net {
            tail: config.tail,
            ..Net::default()
        };
        let mut world = Self {
            now: 0,
            queue: Queue::default(),
            trace: Trace::new(verbose),
            net,
            log: Log::new(config.partitions, config.replicas),
            model: Model::new(config.partitions),
            replicas: (0..config.replicas).map(|r| ReplicaNode::new(r, &config)).collect(),
            orders: OrdersNode::new(&config, rng.random()),
            voter: VoterNode::new(&config),
            monitor: MonitorNode::new(&config),
            clients: (0..config.clients).map(Client::new).collect(),
            faults,
            frozen: vec![0; nodes],
            wall_us,
            booted_ns,
            known: HashSet::new(),
            lied_at: vec![None; config.replicas],
            lied: vec![false; config.replicas],
            healed_at,
            decided: HashSet::new(),
            decided_at_heal: None,
            counts: Counts::new(),
            violation: None,
            over: false,
            rng,
            config,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.set_clock(Node::Orders);
        for (name, quantity) in self.config.products.clone() {
            let product_id: ProductId = name.parse().expect("a short name");
            let to = partition::of_product(&product_id, self.config.partitions);
            self.append(to, LogEvent::Restock { product_id, quantity });
        }
        for r in 0..self.config.replicas {
            self.queue.at(self.now, Event::ReplicaStart(r, 0));
        }
        self.queue.at(50 * MS, Event::OrdersStart(0));
        self.queue.at(60 * MS, Event::VoterStart(0));
        self.queue.at(70 * MS, Event::MonitorStart(0));
        for client in 0..self.config.clients {
            let at = 150 * MS + self.rng.random_range(0..self.config.think);
            self.queue.at(at, Event::ClientActs(client));
        }
        for (n, fault) in self.faults.iter().enumerate() {
            self.queue.at(fault.from, Event::FaultOn(n));
            self.queue.at(fault.to, Event::FaultOff(n));
        }
        self.queue.at(self.healed_at, Event::Look);
    }

    /// Sets this thread's clocks to what this node's show.
    pub(crate) fn set_clock(&self, node: Node) {
        virtual_time::set(Some((self.mono_ns(), self.wall(node))));
    }

    /// What monotonic clocks show.
    pub(crate) const fn mono_ns(&self) -> u64 {
        BASE_NS + self.now
    }

    /// What a node's wall clock shows.
    pub(crate) fn wall(&self, node: Node) -> Timestamp {
        let us = BASE_US + (self.now / 1000).cast_signed() + self.wall_us[node.index()];
        Timestamp::from_microsecond(us).expect("within some years of 2026")
    }

    /// Both.
    pub(crate) fn stamp(&self, node: Node) -> Stamp {
        Stamp {
            at: self.wall(node),
            mono_ns: self.mono_ns() + self.booted_ns[node.index()],
        }
    }

    /// Counts something.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A check has failed. The first one counts.
    pub(crate) fn violated(&mut self, check: &'static str, text: String, subjects: Vec<String>) {
        let at = self.now;
        self.trace.say(at, || format!("VIOLATION {check}: {text}"));
        self.violation.get_or_insert(Violation {
            check,
            text,
            subjects,
            at,
        });
    }

    /// Plans an event after a while.
    pub(crate) fn after(&mut self, wait: Ns, event: Event) {
        self.queue.at(self.now + wait, event);
    }

    /// The log takes an event.
    pub(crate) fn append(&mut self, partition: u16, event: LogEvent) -> u64 {
        let record = OrderEvent::new("orders-svc", event.clone());
        self.model.append(partition, &event);
        let records = &mut self.log.orders[usize::from(partition)];
        records.push(record.to_bytes());
        let offset = records.len() as u64 - 1;
        let now = self.now;
        self.trace.mix(now, offset);
        self.trace.say(now, || format!("log {partition}/{offset}: {event:?}"));
        self.log.events[usize::from(partition)].push(event);
        self.count("order events");
        for r in 0..self.config.replicas {
            self.wake(Reader::Replica(r), partition);
        }
        offset
    }

    /// A reader of the log will come soon.
    pub(crate) fn wake(&mut self, reader: Reader, partition: u16) {
        let inc = self.incarnation(reader.node());
        if self.log.wake(reader, partition) {
            let wait = self.net.latency(&mut self.rng);
            self.after(wait, Event::Fetch(reader, inc, partition));
        }
    }

    /// A process that starts reads from here on.
    pub(crate) fn read_anew(&mut self, reader: Reader, partitions: u16) {
        for partition in 0..partitions {
            self.log.came(reader, partition);
            self.wake(reader, partition);
        }
    }

    pub(crate) fn incarnation(&self, node: Node) -> u32 {
        match node {
            Node::Orders => self.orders.inc,
            Node::Voter => self.voter.inc,
            Node::Monitor => self.monitor.inc,
            Node::Replica(r) => self.replicas[r].inc,
            Node::Log | Node::Clients => 0,
        }
    }

    fn fetch(&mut self, reader: Reader, inc: u32, partition: u16) {
        if self.incarnation(reader.node()) != inc {
            return;
        }
        self.log.came(reader, partition);
        if !self.net.reaches(reader.node(), Node::Log) {
            self.log.wake(reader, partition);
            let wait = self.rng.random_range(10 * MS..100 * MS);
            self.after(wait, Event::Fetch(reader, inc, partition));
            return;
        }
        match reader {
            Reader::Replica(r) => self.replica_reads(r, partition),
            Reader::Orders => self.orders_reads(partition),
            Reader::Voter => self.voter_reads(),
            Reader::Monitor => self.monitor_reads(),
        }
    }

    /// The next event happens.
    pub fn handle(&mut self, event: Event) {
        if let Some(node) = event.node() {
            let until = self.frozen[node.index()];
            if until > self.now {
                self.queue.at(until, event);
                return;
            }
        }
        let now = self.now;
        self.trace.mix(now, event.code());
        match event {
            Event::FaultOn(n) => self.fault_on(n),
            Event::FaultOff(n) => self.fault_off(n),
            Event::Fetch(reader, inc, partition) => self.fetch(reader, inc, partition),
            Event::ReplicaStart(r, inc) => self.replica_starts(r, inc),
            Event::SaveTick(r, inc) => self.save_tick(r, inc),
            Event::SaveDone(r, inc) => self.save_done(r, inc),
            Event::ResultArrives(r, inc, letter, partition, told) => {
                self.result_arrives(r, inc, letter, partition, told);
            }
            Event::ResultAcked(r, inc, letter) => self.result_acked(r, inc, letter),
            Event::Query(r, voter, vote, product) => self.query(r, voter, vote, &product),
            Event::QueryDone(r, inc, voter, vote, said) => self.query_done(r, inc, voter, vote, said),
            Event::Reply(r, voter, vote, said) => self.reply(r, voter, vote, said),
            Event::VoteTick(voter, vote, turn) => self.vote_tick(voter, vote, turn),
            Event::Scrub(inc) => self.scrub(inc),
            Event::ReportDue(inc, turn) => self.report_due(inc, turn),
            Event::Claims(inc) => self.claims(inc),
            Event::VoterStart(inc) => self.voter_starts(inc),
            Event::EvidenceArrives(evidence, sent) => self.evidence_arrives(evidence, sent),
            Event::MonitorStart(inc) => self.monitor_starts(inc),
            Event::PanelTick(inc) => self.panel_tick(inc),
            Event::CheckPoll(inc, r, turn) => self.check_poll(inc, r, turn),
            Event::HealthQuery(r, monitor, check) => self.health_query(r, monitor, check),
            Event::HealthDone(r, inc, monitor, check, health) => self.health_done(r, inc, monitor, check, health),
            Event::HealthReply(r, monitor, check, health) => self.health_reply(r, monitor, check, health),
            Event::LinkDown(r, monitor) => self.link_down(r, monitor),
            Event::RepeatStatus(inc) => self.repeat_status(inc),
            Event::StatusArrives(verdict, sent) => self.status_arrives(verdict, sent),
            Event::StatusFlush => self.send_outbox(),
            Event::OrdersStart(inc) => self.orders_start(inc),
            Event::OrdersReady(inc) => self.orders_ready(inc),
            Event::Pump(inc, partition) => self.pump(inc, partition),
            Event::Ack(inc, token, offset, sent) => self.ack(inc, token, offset, sent),
            Event::OrdersTell(inc) => self.orders_tell(inc),
            Event::Duplicate(partition, event) => {
                self.count("duplicates");
                self.append(partition, event);
            }
            Event::ClientActs(client) => self.client_acts(client),
            Event::Place(client, request) => self.place(client, request),
            Event::Cancel(client, request, id) => self.cancel(client, request, id),
            Event::Ask(client, request, product) => self.ask(client, request, product),
            Event::Answered(client, request, answer) => self.answered(client, request, *answer),
            Event::GaveUp(client, request) => self.gave_up(client, request),
            Event::Look => self.look(),
        }
    }

    fn fault_on(&mut self, n: usize) {
        let fault = self.faults[n].clone();
        let now = self.now;
        self.trace.say(now, || {
            format!("FAULT {} {:?} begins ({fault:?})", fault.kind.name(), fault.node)
        });
        self.count(fault.kind.name());
        match (fault.kind, fault.node) {
            (Kind::Crash, Node::Replica(r)) => self.replica_dies(r),
            (Kind::Crash, Node::Orders) => self.orders_die(),
            (Kind::Crash, Node::Voter) => self.voter_dies(),
            (Kind::Crash, Node::Monitor) => self.monitor_dies(),
            (Kind::Freeze, node) => self.frozen[node.index()] = fault.to,
            (Kind::Cut, node) => self.net.cuts.push((node, fault.other)),
            (Kind::Outage, _) => self.net.outage = true,
            (Kind::Loss, _) => self.net.loss = fault.chance,
            (Kind::Delay, _) => self.net.delay = fault.amount.unsigned_abs() * MS,
            (Kind::ClockStep, node) => self.wall_us[node.index()] += fault.amount,
            (Kind::Database, _) => self.orders.store.set_down(true),
            (Kind::Lie, Node::Replica(r)) => {
                self.lied[r] = true;
                self.replicas[r].lie = Some(fault.lie);
            }
            (_, Node::Replica(r)) => self.replicas[r].fault_on(&fault, now),
            (kind, node) => unreachable!("{kind:?} of {node:?} is never drawn"),
        }
    }

    fn fault_off(&mut self, n: usize) {
        let fault = self.faults[n].clone();
        let now = self.now;
        self.trace
            .say(now, || format!("FAULT {} {:?} ends", fault.kind.name(), fault.node));
        self.check_detected(&fault);
        match (fault.kind, fault.node) {
            (Kind::Crash, Node::Replica(r)) => self.after(0, Event::ReplicaStart(r, self.replicas[r].inc)),
            (Kind::Crash, Node::Orders) => self.after(0, Event::OrdersStart(self.orders.inc)),
            (Kind::Crash, Node::Voter) => self.after(0, Event::VoterStart(self.voter.inc)),
            (Kind::Crash, Node::Monitor) => self.after(0, Event::MonitorStart(self.monitor.inc)),
            (Kind::Cut, node) => {
                let cut = (node, fault.other);
                if let Some(at) = self.net.cuts.iter().position(|known| *known == cut) {
                    self.net.cuts.swap_remove(at);
                }
            }
            (Kind::Outage, _) => self.net.outage = false,
            (Kind::Loss, _) => self.net.loss = 0.0,
            (Kind::Delay, _) => self.net.delay = 0,
            (Kind::Database, _) => self.orders.store.set_down(false),
            (Kind::Lie, Node::Replica(r)) => self.replicas[r].lie = None,
            (Kind::Freeze | Kind::ClockStep, _) => {}
            (kind, Node::Replica(r)) => {
                self.replicas[r].fault_off(kind);
                if kind == Kind::Stale {
                    for partition in 0..self.config.partitions {
                        self.wake(Reader::Replica(r), partition);
                    }
                }
            }
            (kind, node) => unreachable!("{kind:?} of {node:?} is never drawn"),
        }
    }
}
