//! Everything that can happen, and to whom.

use std::sync::Arc;

use tolerancia_core::{OrderId, ProductId};
use tolerancia_wire::Stamp;
use tolerancia_wire::evidence::Batch;
use tolerancia_wire::record::InventoryResult;

use crate::clients::Answer;

/// A process, or the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The log (Kafka).
    Log,
    /// orders-svc.
    Orders,
    /// voter-svc.
    Voter,
    /// monitor-svc.
    Monitor,
    /// All clients.
    Clients,
    /// A replica, from 0.
    Replica(usize),
}

impl Node {
    /// How many nodes there are among `replicas` replicas.
    #[must_use]
    pub const fn count(replicas: usize) -> usize {
        5 + replicas
    }

    /// Its place in a list of all nodes.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Log => 0,
            Self::Orders => 1,
            Self::Voter => 2,
            Self::Monitor => 3,
            Self::Clients => 4,
            Self::Replica(r) => 5 + r,
        }
    }
}

/// Who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A replica reads a partition of `order-events`.
    Replica(usize),
    /// orders-svc reads a partition of `inventory-results`.
    Orders,
    /// The voter reads `instance-status`.
    Voter,
    /// The monitor reads `error-queue`.
    Monitor,
}

impl Reader {
    /// The process.
    #[must_use]
    pub const fn node(self) -> Node {
        match self {
            Self::Replica(r) => Node::Replica(r),
            Self::Orders => Node::Orders,
            Self::Voter => Node::Voter,
            Self::Monitor => Node::Monitor,
        }
    }
}

/// What a replica's answer to a question came to.
#[derive(Debug, Clone)]
pub enum Said {
    /// It answered.
    Answer(u16, Vec<u8>),
    /// Cut off on the way, or rubbish.
    Garbled,
    /// Nobody listens there.
    Refused,
}

/// What a health check came to.
#[derive(Debug, Clone, Copy)]
pub enum Health {
    /// 200, with the events applied in all and for how long the log was not read.
    Good {
        /// Events applied.
        applied: u64,
        /// Nanoseconds.
        idle_ns: u64,
    },
    /// Any other status.
    Bad,
    /// Nobody listens there.
    Refused,
}

/// A record on its way to `error-queue`.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Who made it.
    pub from: Node,
    /// When, by the maker's clocks.
    pub made: Stamp,
    /// The record.
    pub batches: Vec<Batch>,
}

/// A verdict on its way to `instance-status`.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    /// On whom.
    pub replica: usize,
    /// ON or OFF.
    pub on: bool,
}

/// What happens. `inc` is the incarnation of the process that it happens to: it means nothing to a later one.
#[derive(Debug, Clone)]
pub enum Event {
    /// A fault begins.
    FaultOn(usize),
    /// A fault ends.
    FaultOff(usize),
    /// Whoever reads asks for what is new in a partition.
    Fetch(Reader, u32, u16),
    /// A replica starts.
    ReplicaStart(usize, u32),
    /// A replica looks whether there is anything to save.
    SaveTick(usize, u32),
    /// What was saved is on disk.
    SaveDone(usize, u32),
    /// An outcome reaches the log.
    ResultArrives(usize, u32, u64, u16, Arc<InventoryResult>),
    /// The replica hears that it did.
    ResultAcked(usize, u32, u64),
    /// A question of the voter's reaches a replica.
    Query(usize, u32, u64, ProductId),
    /// The answer leaves the replica.
    QueryDone(usize, u32, u32, u64, Said),
    /// The answer reaches the voter.
    Reply(usize, u32, u64, Said),
    /// A vote's timer.
    VoteTick(u32, u64, u64),
    /// It is a product's turn to be voted on.
    Scrub(u32),
    /// The reporter's timer.
    ReportDue(u32, u64),
    /// Claims that nobody else reaches are looked at.
    Claims(u32),
    /// The voter starts.
    VoterStart(u32),
    /// Evidence reaches the log; sent first at the given time.
    EvidenceArrives(Evidence, u64),
    /// The monitor starts.
    MonitorStart(u32),
    /// The panel's tick.
    PanelTick(u32),
    /// A checker's timer.
    CheckPoll(u32, usize, u64),
    /// A health check reaches a replica.
    HealthQuery(usize, u32, u64),
    /// Its answer leaves the replica.
    HealthDone(usize, u32, u32, u64, Health),
    /// Its answer reaches the monitor.
    HealthReply(usize, u32, u64, Health),
    /// The monitor loses a connection.
    LinkDown(usize, u32),
    /// All verdicts are told again.
    RepeatStatus(u32),
    /// A verdict reaches the log; sent first at the given time.
    StatusArrives(Verdict, u64),
    /// Verdicts that the log has not taken are sent again.
    StatusFlush,
    /// orders-svc starts.
    OrdersStart(u32),
    /// orders-svc has read what its store knows.
    OrdersReady(u32),
    /// Its producer sends what waits for a partition.
    Pump(u32, u16),
    /// The log's acknowledgement reaches it.
    Ack(u32, u64, u64, u64),
    /// It tells the monitor what it saw.
    OrdersTell(u32),
    /// A second copy of an order event reaches the log.
    Duplicate(u16, tolerancia_core::ledger::Event),
    /// A client does something.
    ClientActs(usize),
    /// A client's request for an order reaches orders-svc.
    Place(usize, u64),
    /// A client's request for a cancel reaches orders-svc.
    Cancel(usize, u64, OrderId),
    /// A client's query reaches the voter.
    Ask(usize, u64, ProductId),
    /// An answer reaches a client.
    Answered(usize, u64, Box<Answer>),
    /// A client has waited long enough.
    GaveUp(usize, u64),
    /// All is healed: is everybody well again?
    Look,
}

impl Event {
    /// Which process has to run for it; none for what happens to the world.
    #[must_use]
    pub const fn node(&self) -> Option<Node> {
        Some(match self {
            Self::Fetch(reader, ..) => reader.node(),
            Self::SaveTick(r, ..)
            | Self::SaveDone(r, ..)
            | Self::ResultAcked(r, ..)
            | Self::Query(r, ..)
            | Self::QueryDone(r, ..)
            | Self::HealthQuery(r, ..)
            | Self::HealthDone(r, ..) => Node::Replica(*r),
            Self::Reply(..)
            | Self::VoteTick(..)
            | Self::Scrub(..)
            | Self::ReportDue(..)
            | Self::Claims(..)
            | Self::Ask(..) => Node::Voter,
            Self::PanelTick(..)
            | Self::CheckPoll(..)
            | Self::HealthReply(..)
            | Self::LinkDown(..)
            | Self::RepeatStatus(..) => Node::Monitor,
            _ => return None,
        })
    }

    /// A number for its kind, for the trace.
    #[must_use]
    pub fn code(&self) -> u64 {
        // The discriminant of an enum with fields has no number of its own.
        let text = std::mem::discriminant(self);
        let mut hasher = crate::trace::Mixer::default();
        std::hash::Hash::hash(&text, &mut hasher);
        std::hash::Hasher::finish(&hasher)
    }
}
