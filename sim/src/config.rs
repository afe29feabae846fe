//! What one seed chooses: the size of the system, its pace, and which kinds of fault there are at all.
//!
//! Swarm testing (Groce, Zhang, Eide, Chen, Regehr, "Swarm Testing", ISSTA 2012): a run in which every kind of fault
//! happens all the time hides what only some of them show. So each seed switches kinds off, most of them in some runs,
//! and what is left happens undisturbed.

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::faults::Kind;
use crate::queue::Ns;

/// One millisecond.
pub const MS: Ns = 1_000_000;
/// One second.
pub const SEC: Ns = 1_000_000_000;

/// One run.
#[derive(Debug, Clone)]
pub struct Config {
    /// 3, 5 or 7.
    pub replicas: usize,
    /// Partitions of `order-events`.
    pub partitions: u16,
    /// Products, each with a stock that can run out.
    pub products: Vec<(String, u64)>,
    /// Clients, each with one request at a time.
    pub clients: usize,
    /// Pause of a client between two requests, at most.
    pub think: Ns,
    /// How long faults may begin.
    pub span: Ns,
    /// Mean time between two faults.
    pub gap: Ns,
    /// Every fault lasts for seconds.
    pub lasting: bool,
    /// The kinds of fault of this run.
    pub kinds: Vec<Kind>,
    /// Replicas that may lie, at most f: nobody else ever does.
    pub liars: Vec<usize>,
    /// Share of order events that reach the log twice.
    pub duplicates: f64,
    /// Share of messages that take long on the way (up to 15 ms), fault or no fault.
    pub tail: f64,
    /// How long a crashed process stays away.
    pub restart: Ns,
    /// Time between two snapshots.
    pub save_every: Ns,
    /// How much of `inventory-results` orders-svc reads again after a restart, in records.
    pub stretch: usize,
    /// Wall clocks of the nodes differ by up to this many microseconds from the start.
    pub skew_us: i64,
    /// The nodes are on hosts of their own, which were started at different times.
    pub hosts: bool,
    /// Shares of what clients do: read, place, place with a key, retry, cancel.
    pub mix: [u32; 5],
}

impl Config {
    /// What the seed's own randomness chooses.
    #[must_use]
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let replicas = *[3, 3, 3, 5, 5, 7].choose(rng).expect("not empty");
        let faulty = (replicas - 1) / 2;
        let mut kinds: Vec<Kind> = Vec::new();
        // A few runs without any fault, some with one kind, most with several; in some one fault lasts, undisturbed.
        let lasting = rng.random_bool(0.25);
        match rng.random_range(0..10) {
            _ if lasting => kinds.push(Kind::draw_found(rng)),
            0 => {}
            1..=2 => kinds.push(Kind::draw(rng)),
            3..=7 => {
                let most = rng.random_range(2..6);
                while kinds.len() < most {
                    let kind = Kind::draw(rng);
                    if !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
            }
            _ => kinds.extend(Kind::ALL),
        }
        let mut all: Vec<usize> = (0..replicas).collect();
        let mut liars = Vec::new();
        for _ in 0..rng.random_range(1..=faulty) {
            liars.push(all.swap_remove(rng.random_range(0..all.len())));
        }
        let products = (0..rng.random_range(1..=3))
            .map(|n| {
                let most = *[20, 200, 2000].choose(rng).expect("not empty");
                (format!("P{n}"), rng.random_range(3..most))
            })
            .collect();
        let heavy = rng.random_bool(0.3);
        Self {
            replicas,
            partitions: rng.random_range(1..=4),
            products,
            clients: rng.random_range(1..=4),
            think: if heavy { 30 * MS } else { rng.random_range(50..400) * MS },
            span: rng.random_range(3..9) * SEC,
            gap: if lasting {
                16 * SEC
            } else {
                rng.random_range(300..3000) * MS
            },
            lasting,
            kinds,
            liars,
            duplicates: if rng.random_bool(0.3) { 0.05 } else { 0.0 },
            tail: *[0.0, 0.01, 0.2].choose(rng).expect("not empty"),
            restart: rng.random_range(300..1500) * MS,
            save_every: rng.random_range(50..1500) * MS,
            stretch: *[30, 300, 30_000].choose(rng).expect("not empty"),
            skew_us: *[0, 0, 2_000_000, 3_600_000_000].choose(rng).expect("not empty"),
            hosts: rng.random_bool(0.3),
            mix: [
                rng.random_range(1..6),
                rng.random_range(0..4),
                rng.random_range(1..4),
                rng.random_range(0..3),
                rng.random_range(0..4),
            ],
        }
    }
}
