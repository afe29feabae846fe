//! The faults of one run, drawn before it begins.

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::config::{Config, MS, SEC};
use crate::event::Node;
use crate::queue::Ns;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A process dies at once and comes back.
    Crash,
    /// A process stands still, with its connections open.
    Freeze,
    /// A replica answers late.
    Slow,
    /// A replica answers some requests with 503.
    Intermittent,
    /// A replica stops reading its log and goes on answering.
    Stale,
    /// A replica lies.
    Lie,
    /// Nothing passes between two nodes.
    Cut,
    /// The log cannot be reached by anybody.
    Outage,
    /// Messages get lost everywhere.
    Loss,
    /// Messages take long everywhere.
    Delay,
    /// A node's wall clock is set.
    ClockStep,
    /// The database of orders-svc does not answer.
    Database,
    /// A replica cannot save snapshots.
    DiskFull,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Crash,
        Self::Freeze,
        Self::Slow,
        Self::Intermittent,
        Self::Stale,
        Self::Lie,
        Self::Cut,
        Self::Outage,
        Self::Loss,
        Self::Delay,
        Self::ClockStep,
        Self::Database,
        Self::DiskFull,
    ];

    /// One of them.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        *Self::ALL.choose(rng).expect("not empty")
    }

    /// One of those that must be found when they last.
    pub fn draw_found(rng: &mut ChaCha8Rng) -> Self {
        let found = [
            Self::Crash,
            Self::Freeze,
            Self::Slow,
            Self::Intermittent,
            Self::Stale,
            Self::Lie,
            Self::Lie,
            Self::Cut,
        ];
        *found.choose(rng).expect("not empty")
    }

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Freeze => "freeze",
            Self::Slow => "slow",
            Self::Intermittent => "intermittent",
            Self::Stale => "stale",
            Self::Lie => "lie",
            Self::Cut => "cut",
            Self::Outage => "outage",
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::ClockStep => "clock-step",
            Self::Database => "database",
            Self::DiskFull => "disk-full",
        }
    }
}

/// How a replica lies. All liars tell the same lie about the same version: they collude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Another stock at every version.
    Stock,
    /// A version that does not exist yet, or never.
    Future,
    /// As if it had not seen the newest versions: not to be told from lag.
    Hidden,
    /// Other outcomes of orders on `inventory-results`; queries are answered rightly.
    Outcome,
    /// Answers that nobody can read.
    Garbled,
    /// Now this, now that, now the truth.
    Any,
}

/// Which requests a fault meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Queries only.
    Queries,
    /// Health checks only.
    Health,
}

impl Scope {
    /// Whether it meets queries.
    #[must_use]
    pub const fn queries(self) -> bool {
        matches!(self, Self::All | Self::Queries)
    }

    /// Whether it meets health checks.
    #[must_use]
    pub const fn health(self) -> bool {
        matches!(self, Self::All | Self::Health)
    }
}

/// One fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// Whom; for [`Kind::Cut`] one of the two.
    pub node: Node,
    /// The other one.
    pub other: Node,
    /// From when.
    pub from: Ns,
    /// Until when.
    pub to: Ns,
    /// The lie.
    pub lie: Lie,
    /// Which requests.
    pub scope: Scope,
    /// A probability, or a share.
    pub chance: f64,
    /// Milliseconds, or for a clock step microseconds.
    pub amount: i64,
}

impl Fault {
    /// Whether it has to do with this replica.
    #[must_use]
    pub fn touches(&self, replica: usize) -> bool {
        let me = Node::Replica(replica);
        match self.kind {
            Kind::Cut => self.node == me || self.other == me,
            Kind::Outage | Kind::Loss | Kind::Delay => true,
            _ => self.node == me,
        }
    }
}

/// Draws the faults of one run.
#[must_use]
pub fn draw(config: &Config, rng: &mut ChaCha8Rng) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut at = rng.random_range(200..1500) * MS;
    while at < config.span && !config.kinds.is_empty() {
        let kind = *config.kinds.choose(rng).expect("not empty");
        let fault = one(config, kind, at, rng);
        // The same fault twice at once on one node would end with the first.
        let clash = |old: &Fault| {
            old.kind == fault.kind
                && old.to + 50 * MS > fault.from
                && ((old.node, old.other) == (fault.node, fault.other)
                    || matches!(kind, Kind::Outage | Kind::Loss | Kind::Delay | Kind::Database))
        };
        // Who is dead cannot freeze, and who stands still comes back by itself.
        let dead = |old: &Fault| {
            matches!(
                (old.kind, kind),
                (Kind::Crash | Kind::Freeze, Kind::Crash | Kind::Freeze)
            ) && old.node == fault.node
                && old.to + config.restart > fault.from
        };
        if !faults.iter().any(|old| clash(old) || dead(old)) {
            faults.push(fault);
        }
        at += rng.random_range(config.gap / 4..config.gap * 2);
    }
    faults
}

fn one(config: &Config, kind: Kind, from: Ns, rng: &mut ChaCha8Rng) -> Fault {
    let replica = Node::Replica(rng.random_range(0..config.replicas));
    let services = [Node::Orders, Node::Voter, Node::Monitor];
    let service = *services.choose(rng).expect("not empty");
    let node = match kind {
        Kind::Crash if rng.random_bool(0.3) => service,
        // The orders service's own timers cannot be made to stand still here.
        Kind::Freeze if rng.random_bool(0.3) => *[Node::Voter, Node::Monitor].choose(rng).expect("not empty"),
        Kind::Lie => Node::Replica(*config.liars.choose(rng).expect("at least one")),
        Kind::Outage => Node::Log,
        Kind::Loss | Kind::Delay => Node::Clients,
        Kind::Database => Node::Orders,
        Kind::ClockStep if rng.random_bool(0.7) => service,
        Kind::Cut if rng.random_bool(0.4) => service,
        _ => replica,
    };
    let other = match (kind, node) {
        (Kind::Cut, Node::Replica(_)) => *[Node::Voter, Node::Monitor, Node::Log].choose(rng).expect("not empty"),
        (Kind::Cut, _) => Node::Log,
        _ => node,
    };
    let length = match kind {
        Kind::Crash => rng.random_range(config.restart / 2..config.restart * 2),
        _ if config.lasting => rng.random_range(5..9) * SEC,
        Kind::Freeze if rng.random_bool(0.3) => rng.random_range(10..300) * MS,
        _ if rng.random_bool(0.4) => rng.random_range(5..9) * SEC,
        _ => rng.random_range(50..4000) * MS,
    };
    let lies = [
        Lie::Stock,
        Lie::Future,
        Lie::Hidden,
        Lie::Outcome,
        Lie::Garbled,
        Lie::Any,
    ];
    let scopes = [Scope::All, Scope::All, Scope::Queries, Scope::Health];
    let steps = [-3_600_000_000, -5_000_000, -100_000, 100_000, 5_000_000, 3_600_000_000];
    Fault {
        kind,
        node,
        other,
        from,
        to: from + length,
        lie: *lies.choose(rng).expect("not empty"),
        scope: match kind {
            Kind::Slow | Kind::Intermittent => *scopes.choose(rng).expect("not empty"),
            _ => Scope::All,
        },
        chance: match kind {
            Kind::Loss => rng.random_range(0.01..0.2),
            _ => *[0.1, 0.5, 0.5, 1.0].choose(rng).expect("not empty"),
        },
        amount: match kind {
            Kind::ClockStep => *steps.choose(rng).expect("not empty"),
            Kind::Delay => rng.random_range(20..200),
            _ => rng.random_range(30..1200),
        },
    }
}
