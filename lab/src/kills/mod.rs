//! Replicas that are killed at random moments while orders are written, and whether each restart ends equal.
//!
//! A broker, orders-svc and three replicas, all processes of the real binary, in a directory and on ports of their own.
//! Clients order and cancel all the time; replicas save as often as they can. Each replica is killed with SIGKILL over and
//! over, and started again at once: a third of the time while it starts and catches up, else soon after it has. Whatever a
//! replica says of itself once it has caught up is compared: its digest with that of a replay of the log up to the same
//! position. At the end all are at the end of the log, with every product as the log has it, and every order that a client
//! was told of is there.
//!
//! SIGKILL takes the process, not what it had handed to the system: the page cache stays. So this says nothing about a
//! loss of power.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::process::Child;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::BusConfig;
use tolerancia_core::ReplicaId;
use tolerancia_wire::topic;

mod life;
mod place;
mod traffic;
mod truth;

use life::Victim;
use place::Place;
use truth::Truth;

/// Replicas of the system.
const REPLICAS: u8 = 3;
/// Partitions of its log: more than one, so that positions are more than a number.
const PARTITIONS: u16 = 2;
/// Whatever is waited for comes within this, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The `tolerancia` binary.
    pub binary: PathBuf,
    /// A directory that is empty. Logs and data are left there.
    pub dir: PathBuf,
    /// The first of a hundred ports that are free.
    pub base_port: u16,
    /// How many kills, of all replicas together.
    pub kills: u32,
    /// Where the random moments come from. The same seed gives the same waits, not the same interleaving.
    pub seed: u64,
}

/// What was seen. That anything was wrong is an error, not an outcome.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Replicas that were killed.
    pub kills: u32,
    /// Of these, before they had caught up with the log.
    pub before_up: u32,
    /// Restarts that caught up, and were then found equal to a replay of the log at their position.
    pub equal: u32,
    /// Health answers that were compared with a replay, in all.
    pub compared: u64,
    /// Starts that went on from a snapshot instead of from the beginning of the log.
    pub from_snapshot: usize,
    /// Snapshots that were set aside, because they were not whole. A kill should not be able to do that.
    pub set_aside: usize,
    /// Records of the log.
    pub records: u64,
    /// Orders that were confirmed to clients, all found in the log.
    pub confirmed: usize,
    /// Orders that were cancelled to clients, all found so in the log.
    pub cancelled: usize,
    /// Orders that were accepted and whose outcome no quorum reported in time.
    pub pending: usize,
    /// Seconds.
    pub took: Duration,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            kills,
            before_up,
            equal,
            compared,
            from_snapshot,
            set_aside,
            records,
            confirmed,
            cancelled,
            pending,
            took,
        } = self;
        writeln!(
            f,
            "{kills} kills in {:.0} s, {before_up} of them before the replica had caught up",
            took.as_secs_f64()
        )?;
        writeln!(
            f,
            "{equal} restarts caught up, all equal to a replay of the log; {compared} health answers compared"
        )?;
        writeln!(
            f,
            "{from_snapshot} starts went on from a snapshot; {set_aside} snapshots were set aside"
        )?;
        write!(
            f,
            "{records} records; {confirmed} orders confirmed and {cancelled} cancelled, none lost; {pending} without an outcome in time"
        )
    }
}

/// What all tasks share.
#[derive(Debug)]
struct Shared {
    plan: Plan,
    http: reqwest::Client,
    truth: Truth,
    killed: AtomicU32,
}

impl Shared {
    /// One more may be killed.
    fn claim(&self) -> bool {
        let claimed = self
            .killed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |killed| {
                (killed < self.plan.kills).then_some(killed + 1)
            });
        claimed.is_ok()
    }
}

/// Carries the plan out. `progress` is called with the number of kills from time to time.
///
/// # Errors
/// When a replica is not what the log says, an acknowledged order is lost, a process ends by itself, or anything does not
/// come about in a minute. The message says what and where.
pub async fn run(plan: Plan, progress: impl Fn(u32)) -> Result<Outcome> {
    let began = Instant::now();
    let place = Place::new(&plan)?;
    let bus = place.bus();
    let mut broker = place.broker()?;
    topics(&bus).await?;
    let mut orders = place.orders()?;
    let shared = Arc::new(Shared {
        http: tolerancia_client::http::client(Duration::from_secs(5)),
        truth: Truth::default(),
        killed: AtomicU32::new(0),
        plan,
    });
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let mut reader = tokio::spawn(truth::follow(Arc::clone(&shared), bus.clone(), stop.clone()));

    serves(&shared, &place, &mut orders).await?;
    let clients = traffic::start(&shared, &place, &stop);
    let mut victims = JoinSet::new();
    for id in ReplicaId::all(REPLICAS) {
        let random = ChaCha8Rng::seed_from_u64(shared.plan.seed.wrapping_mul(1000) + u64::from(id.number()));
        victims.spawn(Victim::new(id, Arc::clone(&shared), place.clone(), random).live());
    }

    let mut tally = Outcome::default();
    let mut alive = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    while !victims.is_empty() {
        tokio::select! {
            ended = victims.join_next() => {
                let (victim, counts) = ended.expect("there are more").context("a task failed")??;
                tally.kills += counts.kills;
                tally.before_up += counts.before_up;
                tally.equal += counts.equal;
                tally.compared += counts.compared;
                alive.push(victim);
            }
            ended = &mut reader => return Err(ended.context("the log's reader failed")?.expect_err("it reads for ever")),
            _ = tick.tick() => {
                place.lives("broker", &mut broker)?;
                place.lives("orders-svc", &mut orders)?;
                progress(shared.killed.load(Ordering::Relaxed));
            }
        }
    }
    // Those that ended first have read on since.
    let told = clients.stop().await?;
    let ends = tolerancia_bus::end_offsets(&bus, topic::ORDER_EVENTS).await?;
    for victim in &mut alive {
        victim.ends_equal(&ends).await?;
    }
    told.are_in(&shared.truth)?;
    drop(alive);

    tally.records = ends.values().sum();
    tally.confirmed = told.confirmed.len();
    tally.cancelled = told.cancelled.len();
    tally.pending = told.pending;
    (tally.from_snapshot, tally.set_aside) = place.logs()?;
    tally.took = began.elapsed();
    ensure!(
        tally.confirmed > 0,
        "no order was confirmed, so nothing was tested; the logs are in {}",
        place.dir().display()
    );
    Ok(tally)
}

/// Creates the topics once the broker is there.
async fn topics(bus: &BusConfig) -> Result<()> {
    let began = Instant::now();
    loop {
        match tolerancia_bus::ensure_topics(bus).await {
            Ok(()) => return Ok(()),
            Err(error) if began.elapsed() > LIMIT => return Err(error).context("the broker does not start"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Comes back when orders-svc answers.
async fn serves(shared: &Shared, place: &Place, orders: &mut Child) -> Result<()> {
    let began = Instant::now();
    let url = format!("{}/health", place.orders_url());
    while shared.http.get(&url).send().await.is_err() {
        place.lives("orders-svc", orders)?;
        if began.elapsed() > LIMIT {
            bail!("orders-svc does not answer:\n{}", place.last_lines("orders-svc"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
