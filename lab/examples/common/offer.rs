//! Offers load, whatever becomes of it: what is due is sent.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep_until, timeout};

use super::wire::Wire;
use super::{Process, quantile};

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Picture {
    /// Many clients, each with a connection of its own, none of which waits for answers.
    Clients,
    /// A proxy that sends one request at a time over each connection, and keeps waiting what finds none free.
    Pool,
    /// Proxies that send all over a few HTTP/2 connections.
    Http2,
}

impl Picture {
    /// So many connections.
    pub const fn connections(self) -> usize {
        match self {
            Self::Clients => 2000,
            Self::Pool => 1000,
            Self::Http2 => 16,
        }
    }

    /// Answers that a connection may be owed.
    const fn most_owed(self) -> usize {
        match self {
            Self::Clients => 64,
            Self::Pool => 1,
            // What the server allows.
            Self::Http2 => 128,
        }
    }
}

/// An answer that takes longer is none, and a request that could not be sent for so long is given up.
const PATIENCE: Duration = Duration::from_secs(5);
const POOL_PATIENCE: Duration = Duration::from_secs(1);

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// When it was due, from the start of its load.
    pub due: Duration,
    pub took_ms: f64,
    /// 0: there was none.
    pub status: u16,
}

#[derive(Debug, Default)]
struct Seen {
    answers: Vec<Answer>,
    unsent: u64,
}

/// What a load brought.
#[derive(Debug)]
pub struct Outcome {
    pub seconds: f64,
    /// Sent, per second.
    pub offered: f64,
    pub good: f64,
    pub shed: f64,
    pub failed: u64,
    /// Not sent, since the client itself had no place for it.
    pub unsent: u64,
    pub p50: f64,
    pub p99: f64,
    client_cores: f64,
    voter_cores: f64,
    pub answers: Vec<Answer>,
}

impl Outcome {
    pub fn say(&self, what: &str) {
        println!(
            "{what}: offered {:.0}/s for {:.0} s: {:.0}/s answered (p50 {:.1} ms, p99 {:.1} ms), {:.0}/s refused with 503, {} \
             failed, {:.0}/s not sent; of a core: the generator {:.2}, the voter {:.2}",
            self.offered,
            self.seconds,
            self.good,
            self.p50,
            self.p99,
            self.shed,
            self.failed,
            self.unsent as f64 / self.seconds,
            self.client_cores,
            self.voter_cores
        );
    }
}

pub struct Generator {
    picture: Picture,
    query: Rc<[u8]>,
    links: RefCell<Vec<Link>>,
    pub voter: Process,
}

/// A connection.
struct Link {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    wire: Wire,
    rest: Vec<u8>,
}

impl Generator {
    pub async fn new(picture: Picture, connections: usize, addr: SocketAddr, path: &str) -> Result<Self> {
        let http2 = picture == Picture::Http2;
        let mut links = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            let (reader, mut writer) = stream.into_split();
            let (wire, hello) = Wire::new(http2);
            writer.write_all(&hello).await?;
            links.push(Link {
                reader,
                writer,
                wire,
                rest: Vec::new(),
            });
        }
        Ok(Self {
            picture,
            query: Wire::request(http2, path).into(),
            links: RefCell::new(links),
            voter: Process::at(addr).await?,
        })
    }

    /// Sends `rps` queries a second.
    pub async fn load(&self, rps: f64, length: Duration) -> Outcome {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let links = self.links.take();
        let count = links.len();
        let (own, voter) = (Process::own().cpu(), self.voter.cpu());
        let start = Instant::now() + Duration::from_millis(20);
        let shared = Rc::new(Cell::new(0));
        let mut tasks = Vec::new();
        for (number, link) in links.into_iter().enumerate() {
            let plan = match self.picture {
                Picture::Pool => Plan {
                    start,
                    first: 0.0,
                    every: 1.0 / rps,
                    length,
                    number: Rc::clone(&shared),
                },
                _ => Plan {
                    start,
                    first: number as f64 / rps,
                    every: count as f64 / rps,
                    length,
                    number: Rc::default(),
                },
            };
            let (query, seen, most) = (Rc::clone(&self.query), Rc::clone(&seen), self.picture.most_owed());
            tasks.push(tokio::task::spawn_local(drive(link, query, seen, plan, most)));
        }
        let mut back = Vec::new();
        for task in tasks {
            back.extend(task.await.ok().flatten());
        }
        let seconds = length.as_secs_f64();
        let spent = start.elapsed().as_secs_f64();
        self.links.replace(back);
        let Seen { answers, unsent } = seen.take();
        let good = answers.iter().filter(|one| one.status == 200);
        let mut took: Vec<f64> = good.map(|one| one.took_ms).collect();
        took.sort_by(f64::total_cmp);
        let shed = answers.iter().filter(|one| one.status == 503).count();
        Outcome {
            seconds,
            offered: answers.len() as f64 / seconds,
            // What is answered after the end of the load was not answered in its time.
            good: took.len() as f64 / spent.max(seconds),
            shed: shed as f64 / spent.max(seconds),
            failed: (answers.len() - took.len() - shed) as u64,
            unsent,
            p50: quantile(&took, 0.5),
            p99: quantile(&took, 0.99),
            client_cores: (Process::own().cpu() - own).as_secs_f64() / spent,
            voter_cores: (self.voter.cpu() - voter).as_secs_f64() / spent,
            answers,
        }
    }
}

/// When a connection sends; those of a pool share one.
#[derive(Debug, Clone)]
struct Plan {
    start: Instant,
    first: f64,
    every: f64,
    length: Duration,
    number: Rc<Cell<u64>>,
}

impl Plan {
    /// When the next one is due.
    fn next(&self) -> Option<Duration> {
        let due = Duration::from_secs_f64(self.first + self.every * self.number.get() as f64);
        (due < self.length).then_some(due)
    }

    /// Takes it.
    fn take(&self) {
        self.number.set(self.number.get() + 1);
    }
}

/// Sends what is due and reads what comes, until all is answered. A connection that breaks has failed in all it owes.
async fn drive(mut link: Link, query: Rc<[u8]>, seen: Rc<RefCell<Seen>>, plan: Plan, most_owed: usize) -> Option<Link> {
    let Link {
        reader,
        writer,
        wire,
        rest,
    } = &mut link;
    let is_pool = most_owed == 1;
    let mut out = Vec::new();
    // What a connection of a pool will send next: nobody else does then.
    let mut mine = None;
    let broken = loop {
        if is_pool && mine.is_none() && wire.owed() == 0 {
            mine = plan.next();
            plan.take();
        }
        let next = if is_pool { mine } else { plan.next() };
        if next.is_none() && wire.owed() == 0 {
            break false;
        }
        let at = next.map_or(plan.start + plan.length + PATIENCE, |due| plan.start + due);
        tokio::select! {
            biased;
            () = sleep_until(at) => {
                if next.is_none() {
                    break true;
                }
                let now = plan.start.elapsed();
                if let Some(due) = mine.take() {
                    if now > due + POOL_PATIENCE {
                        seen.borrow_mut().unsent += 1;
                        continue;
                    }
                    wire.ask(&query, due, &mut out);
                } else {
                    while let Some(due) = plan.next().filter(|due| *due <= now) {
                        plan.take();
                        if wire.owed() < most_owed {
                            wire.ask(&query, due, &mut out);
                        } else {
                            seen.borrow_mut().unsent += 1;
                        }
                    }
                }
            }
            read = reader.read_buf(rest) => {
                if !matches!(read, Ok(1..)) {
                    break true;
                }
                let goes_on = wire.take(rest, &mut out, |due, status| {
                    let took_ms = (plan.start + due).elapsed().as_secs_f64() * 1000.0;
                    seen.borrow_mut().answers.push(Answer { due, took_ms, status });
                });
                if !goes_on {
                    break true;
                }
            }
        }
        if !out.is_empty() {
            if !matches!(timeout(PATIENCE, writer.write_all(&out)).await, Ok(Ok(()))) {
                break true;
            }
            out.clear();
        }
    };
    let unanswered = wire.give_up().into_iter().map(|due| Answer {
        due,
        took_ms: 0.0,
        status: 0,
    });
    seen.borrow_mut().answers.extend(unanswered);
    (!broken).then_some(link)
}
