//! What the voter makes of five times the load that it can serve.
//!
//! `cargo run --release -p tolerancia-lab --example overload`: raises the load until more of it brings no more answers (the
//! peak). Then, three times in turn, since a host that others use is not always equally fast: the peak, five times the peak
//! for 10 s, and half the peak, of which it measures how long it takes until all is normal; and the peak once more. Compared
//! are the means of these, not the best step of the search, which was a lucky one. The load is open: what is due is sent,
//! whatever became of what was sent before, and latencies count from when a request was due. What is called offered was sent,
//! and goodput is 200 and nothing else.
//!
//! Who sends is a choice (`--picture`), and the choice decides what an overload is:
//!
//! - `clients`, the default: 2,000 clients that do not know of each other, each with a connection of its own and a schedule of
//!   its own. None waits for answers, as people who ask do not: here that is HTTP/1.1 pipelining, which few real clients do,
//!   in place of the tens of thousands of further connections that they would open. It is the only picture over HTTP/1.1 in
//!   which nothing but the server keeps five times the peak from being worked on.
//! - `http2`: a few proxies, each with one connection for all its clients and as many requests open at a time as the server
//!   allows. Answers and refusals that take their time slow it down, so it never sends five times the peak: the proxy gives
//!   up the rest itself (not sent).
//! - `pool`: a proxy with 1,000 HTTP/1.1 connections, one request at a time over each. It is slowed down likewise; what
//!   finds no connection free waits in the proxy for up to 1 s.
//!
//! The last two need not reach five times the peak; all else must hold.
//!
//! Clients are on other hosts, usually. Here they would take the cores that the system needs for its answers, more the more
//! they offer, and be measured with it. So where there are two cores or more, the generator has the last one to itself, and a
//! system that it starts has the rest (`--share` lets them share). How much of a core each took is printed.
//!
//! Recovered is the system from when on, for a second, nothing was refused or failed and 99 in 100 of the answers took below
//! 50 ms, or below twice what they took at the same load before the overload: on a host that others use, half the peak alone
//! may take longer. What comes after that second must be as good as a whole; one hiccup of the host is no relapse.
//!
//! Exit code 1: goodput below 80 % of the peak, no 503, other failures, memory beyond 300 MiB, a verdict, or no recovery
//! within 2 s.

mod common;

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use clap::Parser as _;
use common::offer::{Answer, Generator, Outcome, Picture};
use common::{System, Where, product, quantile, verdicts};
use tokio::task::LocalSet;
use tokio::time::sleep;

#[derive(Debug, Clone, clap::Parser)]
struct Args {
    #[command(flatten)]
    place: Where,
    /// Who sends.
    #[arg(long, value_enum, default_value_t = Picture::Clients)]
    picture: Picture,
    /// Connections, if not as many as the picture has.
    #[arg(long)]
    connections: Option<usize>,
    /// How long the overload lasts, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many times the peak is offered.
    #[arg(long, default_value_t = 5.0)]
    times: f64,
    /// How often the overload is repeated.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Lets the generator and the system share all cores.
    #[arg(long)]
    share: bool,
    /// The peak, in queries per second; otherwise it is looked for.
    #[arg(long)]
    peak: Option<f64>,
}

/// Fast enough, in ms.
const NORMAL_MS: f64 = 50.0;
/// How long the peak is measured before and after each overload.
const PEAK: Duration = Duration::from_secs(6);
const WINDOW: Duration = Duration::from_millis(100);
/// So many windows that are well in a row are a recovery.
const WINDOWS: usize = 10;
const MOST_MIB: f64 = 300.0;
const RECOVERY: Duration = Duration::from_secs(2);

/// The most that is answered, whatever is offered, and the load that brought it.
async fn find_peak(generator: &Generator) -> (f64, f64) {
    let (mut peak, mut at, mut rps, mut worse) = (0.0_f64, 0.0, 2000.0, 0);
    while worse < 3 && rps < 200_000.0 {
        let outcome = generator.load(rps, Duration::from_secs(3)).await;
        outcome.say("step");
        if outcome.good > peak * 1.02 {
            worse = 0;
        } else {
            worse += 1;
        }
        if outcome.good > peak {
            (peak, at) = (outcome.good, rps);
        }
        rps *= 1.25;
    }
    (peak, at)
}

/// Whether these are normal: nothing refused, and 99 in 100 in time.
fn is_normal<'a>(answers: impl Iterator<Item = &'a Answer>, normal_ms: f64) -> bool {
    let mut took = Vec::new();
    for one in answers {
        if one.status != 200 {
            return false;
        }
        took.push(one.took_ms);
    }
    took.sort_by(f64::total_cmp);
    !took.is_empty() && quantile(&took, 0.99) < normal_ms
}

/// How long after the start of this load all was normal again.
fn recovery(outcome: &Outcome, normal_ms: f64) -> Option<Duration> {
    let within = |from: Duration, to: Duration| {
        let answers = outcome.answers.iter();
        answers.filter(move |one| one.due >= from && one.due < to)
    };
    let all = (outcome.seconds / WINDOW.as_secs_f64()) as u32;
    let ends = WINDOW * all;
    (0..all.saturating_sub(WINDOWS as u32))
        .map(|window| WINDOW * window)
        .find(|from| is_normal(within(*from, *from + WINDOW * WINDOWS as u32), normal_ms))
        .filter(|from| is_normal(within(*from, ends), normal_ms))
}

async fn run(args: Args) -> Result<bool> {
    let system = System::at_apart(&args.place, !args.share)?;
    let before = verdicts(&system).await?;
    let connections = args.connections.unwrap_or(args.picture.connections());
    let path = product(&system).await?;
    let generator = Generator::new(args.picture, connections, system.voter(), &path).await?;
    let idle = generator.voter.rss_mib();
    println!("{:?}, {connections} connections", args.picture);
    let _ = generator.load(500.0, Duration::from_secs(2)).await;
    let (peak, at) = match args.peak {
        Some(peak) => (peak, peak),
        None => find_peak(&generator).await,
    };
    println!("peak: {peak:.0} queries/s");
    // What is left of the search.
    sleep(Duration::from_secs(2)).await;
    let calm = generator.load(peak / 2.0, Duration::from_secs(5)).await;
    calm.say("half the peak");
    let normal_ms = NORMAL_MS.max(2.0 * calm.p99);

    let most = Rc::new(RefCell::new(0.0_f64));
    let (voter, seen) = (generator.voter, Rc::clone(&most));
    let watch = tokio::task::spawn_local(async move {
        loop {
            let mib = voter.rss_mib().max(*seen.borrow());
            seen.replace(mib);
            sleep(Duration::from_millis(200)).await;
        }
    });
    let length = Duration::from_secs(args.seconds);
    let (mut peaks, mut rounds) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds.max(1) {
        let before_it = generator.load(at, PEAK).await;
        before_it.say("the peak");
        peaks.push(before_it.good);
        sleep(Duration::from_secs(1)).await;
        let overload = generator.load(peak * args.times, length).await;
        let after = generator.load(peak / 2.0, Duration::from_secs(6)).await;
        overload.say("overload");
        after.say("half the peak");
        rounds.push((overload, recovery(&after, normal_ms)));
    }
    watch.abort();
    let again = generator.load(at, PEAK).await;
    again.say("the peak");
    peaks.push(again.good);

    let overloads = || rounds.iter().map(|(overload, _)| overload);
    let goodput = mean(overloads().map(|overload| overload.good));
    let offered = mean(overloads().map(|overload| overload.offered)) / peak;
    let share = goodput / mean(peaks.iter().copied());
    // None if it did not come once.
    let recovered = rounds
        .iter()
        .map(|(_, recovered)| *recovered)
        .collect::<Option<Vec<_>>>();
    let recovered = recovered.and_then(|all| all.into_iter().max());
    let off = verdicts(&system).await? - before;
    let mib = *most.borrow();
    println!(
        "goodput {:.0} % of the peak at {offered:.1} times the peak; {} (normal is p99 below {normal_ms:.0} ms); \
         the voter had {idle:.0} MiB idle and {mib:.0} MiB at most; verdicts OFF: {off}",
        share * 100.0,
        recovered.map_or("not recovered".to_owned(), |after| format!(
            "recovered after {:.1} s",
            after.as_secs_f64()
        )),
    );
    let is_offered = args.picture != Picture::Clients || offered >= args.times * 0.95;
    let is_recovered = recovered.is_some_and(|after| after <= RECOVERY);
    let is_bounded = mib > 0.0 && mib <= MOST_MIB;
    Ok(share >= 0.8
        && overloads().all(|overload| overload.shed > 0.0 && overload.failed == 0)
        && is_offered
        && is_recovered
        && is_bounded
        && off == 0)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let is_well = LocalSet::new().run_until(run(args)).await?;
    println!("{}", if is_well { "pass" } else { "FAIL" });
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
