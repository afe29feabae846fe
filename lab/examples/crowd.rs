//! Whether clients that do nothing, or everything as slowly as they can, hurt those that ask.
//!
//! `cargo run --release -p tolerancia-lab --example crowd`: 10,000 idle connections to the voter and 200 slow ones during
//! 50 voted queries a second. Idle: half of them never say anything, half had an answer. Slow: heads and bodies of a byte a
//! second, HTTP/2 of a byte a second, clients that ask for much and read nothing. Who is thrown out comes back at once. Every query
//! must be answered, 99 in 100 within 50 ms from when each was due. Exit code 1: not so.

mod common;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use clap::Parser as _;
use common::{Client, Process, System, Where, get, quantile, query, verdicts};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

#[derive(Debug, clap::Parser)]
struct Args {
    #[command(flatten)]
    place: Where,
    /// Idle connections.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Slow connections.
    #[arg(long, default_value_t = 200)]
    slow: usize,
    /// Queries per second.
    #[arg(long, default_value_t = 50.0)]
    rps: f64,
    /// For how many seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

#[derive(Debug, Default)]
struct Crowd {
    opened: AtomicU64,
    open: AtomicU64,
    refused: AtomicU64,
}

/// What one of the crowd does with a connection.
#[derive(Debug, Clone, Copy)]
enum Habit {
    Silent,
    Known,
    SlowHead,
    SlowBody,
    SlowHttp2,
    Deaf,
    DeafListener,
}

const SLOW: [Habit; 5] = [
    Habit::SlowHead,
    Habit::SlowBody,
    Habit::SlowHttp2,
    Habit::Deaf,
    Habit::DeafListener,
];

impl Crowd {
    /// Connects again and again.
    async fn come(self: Arc<Self>, addr: SocketAddr, habit: Habit) {
        loop {
            match Client::connect(addr).await {
                Ok(client) => {
                    self.opened.fetch_add(1, Relaxed);
                    self.open.fetch_add(1, Relaxed);
                    let _ = behave(client, habit).await;
                    self.open.fetch_sub(1, Relaxed);
                }
                Err(_) => _ = self.refused.fetch_add(1, Relaxed),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Until the other side has had enough of it.
async fn behave(mut client: Client, habit: Habit) -> std::io::Result<()> {
    let drip = match habit {
        Habit::Silent => {
            client.closed().await;
            return Ok(());
        }
        Habit::Known => {
            client.ask(&get("/health")).await?;
            client.closed().await;
            return Ok(());
        }
        Habit::Deaf => {
            // Answers of megabytes, none of them read.
            let many = get("/voting-stats").repeat(1000);
            while timeout(Duration::from_secs(3600), client.send(&many))
                .await
                .is_ok_and(|sent| sent.is_ok())
            {}
            return Ok(());
        }
        Habit::DeafListener => {
            client.send(&get("/live")).await?;
            sleep(Duration::from_secs(3600)).await;
            return Ok(());
        }
        Habit::SlowHead => "GET /inventory HTTP/1.1\r\nhost: x\r\nx: "
            .bytes()
            .chain(std::iter::repeat_n(b'y', 1_000_000))
            .collect::<Vec<_>>(),
        Habit::SlowBody => {
            client
                .send(b"POST /inventory HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n")
                .await?;
            vec![b'y'; 60_000]
        }
        Habit::SlowHttp2 => {
            client
                .send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
                .await?;
            // The head of a request of 16,000 bytes.
            [&[0, 0x3e, 0x80, 1, 0, 0, 0, 0, 1][..], &[0; 16_000]].concat()
        }
    };
    for byte in drip {
        client.send(&[byte]).await?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Asks on a schedule that waits for nobody. Returns how long each answer took from when it was due, in ms, and the failures.
async fn ask(addr: SocketAddr, query: Vec<u8>, rps: f64, seconds: u64) -> (Vec<f64>, Vec<String>) {
    let total = (rps * seconds as f64) as u64;
    let (start, mut asked) = (Instant::now(), JoinSet::new());
    let idle = Arc::new(std::sync::Mutex::new(Vec::<Client>::new()));
    for number in 0..total {
        let due = start + Duration::from_secs_f64(number as f64 / rps);
        sleep_until(due).await;
        let (query, idle) = (query.clone(), Arc::clone(&idle));
        asked.spawn(async move {
            let one = async {
                // Every tenth query comes over a new connection.
                let kept = if number % 10 == 0 {
                    None
                } else {
                    idle.lock().ok().and_then(|mut idle| idle.pop())
                };
                let mut client = match kept {
                    Some(client) => client,
                    None => Client::connect(addr)
                        .await
                        .map_err(|error| format!("connect: {error}"))?,
                };
                match client.ask(&query).await {
                    Ok(200) => {
                        if let Ok(mut idle) = idle.lock() {
                            idle.push(client);
                        }
                        Ok(due.elapsed().as_secs_f64() * 1000.0)
                    }
                    Ok(status) => Err(format!("status {status}")),
                    Err(error) => Err(error.to_string()),
                }
            };
            timeout(Duration::from_secs(5), one)
                .await
                .unwrap_or(Err("no answer".to_owned()))
        });
    }
    let (mut took, mut failed) = (Vec::new(), Vec::new());
    while let Some(one) = asked.join_next().await {
        match one {
            Ok(Ok(ms)) => took.push(ms),
            Ok(Err(why)) => failed.push(why),
            Err(error) => failed.push(error.to_string()),
        }
    }
    took.sort_by(f64::total_cmp);
    (took, failed)
}

fn say(what: &str, (took, failed): &(Vec<f64>, Vec<String>)) {
    println!(
        "{what}: {} of {} queries answered; p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        took.len(),
        took.len() + failed.len(),
        quantile(took, 0.5),
        quantile(took, 0.99),
        quantile(took, 1.0)
    );
    for why in failed.iter().take(5) {
        println!("  failed: {why}");
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let system = System::at(&args.place)?;
    let (addr, query) = (system.voter(), query(&system).await?);
    let (voter, before) = (Process::at(addr).await?, verdicts(&system).await?);
    println!(
        "alone: the voter has {:.0} MiB and {} descriptors",
        voter.rss_mib(),
        voter.descriptors()
    );
    say("alone", &ask(addr, query.clone(), args.rps, 5).await);

    let (crowd, mut tasks) = (Arc::new(Crowd::default()), JoinSet::new());
    for number in 0..args.idle {
        let habit = if number % 2 == 0 { Habit::Silent } else { Habit::Known };
        tasks.spawn(Arc::clone(&crowd).come(addr, habit));
        // As fast as a host can, but not all in one go: that measures the kernel's queue.
        if number % 50 == 49 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    for number in 0..args.slow {
        tasks.spawn(Arc::clone(&crowd).come(addr, SLOW[number % SLOW.len()]));
    }
    sleep(Duration::from_secs(2)).await;
    let at_start = crowd.open.load(Relaxed);
    let asking = ask(addr, query, args.rps, args.seconds);
    let began = voter.cpu();
    let mut most = 0.0_f64;
    let outcome = {
        tokio::pin!(asking);
        loop {
            tokio::select! {
                outcome = &mut asking => break outcome,
                () = sleep(Duration::from_millis(500)) => most = most.max(voter.rss_mib()),
            }
        }
    };
    say("in the crowd", &outcome);
    println!(
        "crowd: {at_start} connections open at the start, {} at the end, {} opened in all, {} could not connect; the voter has {} \
         descriptors, took up to {most:.0} MiB and {:.0} % of a core",
        crowd.open.load(Relaxed),
        crowd.opened.load(Relaxed),
        crowd.refused.load(Relaxed),
        voter.descriptors(),
        (voter.cpu() - began).as_secs_f64() * 100.0 / args.seconds as f64
    );
    tasks.abort_all();
    let off = verdicts(&system).await? - before;
    println!("verdicts OFF: {off}");
    let (took, failed) = outcome;
    let is_well = failed.is_empty() && quantile(&took, 0.99) < 50.0 && off == 0;
    println!("{}", if is_well { "pass" } else { "FAIL" });
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
