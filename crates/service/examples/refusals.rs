//! Can refusals be told apart by the time that they take?
//!
//! ```text
//! cargo run --release -p tolerancia-service --example refusals [ROUNDS]
//! ```
//!
//! Asks the real server over loopback, with requests of one length that differ in their token only, in random order
//! within each round. For each kind the figure is the chance that one of its answers took longer than one to a wrong
//! token (the area under the ROC curve, which is what the test of Mann and Whitney, 1947, is about): 50 % where times tell
//! nothing. Kinds count as told apart where it is more than 2 points away from that, which a single look turns into two
//! right guesses more in a hundred, and not by chance (p < 0.001). 20,000 rounds resolve half a point.
//!
//! A control shows that a difference would be found: a guard that looks at a token byte by byte and takes 100 ns for each
//! that is right. Exit code: 0 nothing is told apart but the control; 1 something is; 2 the control is not, so nothing
//! was shown.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use tokio_util::sync::CancellationToken;
use tolerancia_service::fault::{DenialAudit, FaultSwitch, denials_to_log};
use tolerancia_service::shell::{Limits, serve};

const TOKEN: &str = "4f1c9a7e0b5d48e2a6c3907f1d2b8e55";
/// Bytes of every request.
const LENGTH: usize = 1400;
const WARM_UP: usize = 500;
/// Further than this from an even chance is told apart …
const EFFECT: f64 = 0.02;
/// … unless it may be chance.
const CHANCE: f64 = 0.001;

/// One kind of request to one server.
struct Kind {
    name: &'static str,
    server: usize,
    request: Vec<u8>,
    times: Vec<f64>,
}

/// A connection that is kept, and the length of an answer on it.
struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
}

fn main() -> Result<ExitCode> {
    let rounds = match std::env::args().nth(1) {
        Some(rounds) => rounds.parse().context("ROUNDS is a number")?,
        None => 20_000,
    };
    let stop = CancellationToken::new();
    let servers = [
        start(|| guarded(true), &stop)?,
        start(|| guarded(false), &stop)?,
        start(|| Router::new().fallback(leaky), &stop)?,
    ];
    let mut lines = servers.map(|addr| Line::open(addr).expect("the server listens"));
    let mut kinds = kinds();
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    for round in 0..WARM_UP + rounds {
        order.shuffle(&mut rand::rng());
        for &at in &order {
            let Kind {
                server, request, times, ..
            } = &mut kinds[at];
            let took = lines[*server].ask(request)?;
            if round >= WARM_UP {
                times.push(took);
            }
        }
    }
    stop.cancel();
    Ok(judge(&kinds, rounds))
}

/// What is asked: without and with tokens that are wrong in different ways, of a server that injects, of one that does not
/// (and there the right one, too), and of the control.
fn kinds() -> Vec<Kind> {
    let wrong: String = TOKEN.chars().rev().collect();
    let nearly = format!("{}x", &TOKEN[..TOKEN.len() - 1]);
    let (short, longer, long) = (&TOKEN[..1], format!("{TOKEN}x"), "x".repeat(1000));
    let all = [
        ("injection on: a wrong token", 0, Some(wrong.as_str())),
        (
            "  another wrong one of its length",
            0,
            Some("00000000000000000000000000000000"),
        ),
        ("  all but its last character", 0, Some(&TOKEN[..TOKEN.len() - 1])),
        ("  right but for its last character", 0, Some(&nearly)),
        ("  right, and one character more", 0, Some(&longer)),
        ("  one character", 0, Some(short)),
        ("  1,000 characters", 0, Some(&long)),
        ("  no token", 0, None),
        ("injection off: a wrong token", 1, Some(&wrong)),
        ("  the right one", 1, Some(TOKEN)),
        ("  right but for its last character", 1, Some(&nearly)),
        ("  no token", 1, None),
        ("control: a wrong token", 2, Some(&wrong)),
        ("  right but for its last character", 2, Some(&nearly)),
    ];
    let kind = |(name, server, token)| Kind {
        name,
        server,
        request: request(token),
        times: Vec::new(),
    };
    all.map(kind).into()
}

fn request(token: Option<&str>) -> Vec<u8> {
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let head = format!("PUT /fault HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n{token}X-Rest: ");
    format!("{head}{}\r\n\r\n", "x".repeat(LENGTH - 4 - head.len())).into_bytes()
}

/// Prints the table and says what to exit with.
fn judge(kinds: &[Kind], rounds: usize) -> ExitCode {
    println!("{rounds} rounds, {LENGTH} bytes a request\n");
    println!(
        "{:<38} {:>10} {:>12} {:>9} {:>9}",
        "", "median µs", "difference", "longer", "p"
    );
    let (mut apart, mut control) = (0, false);
    let mut reference = 0;
    for (at, kind) in kinds.iter().enumerate() {
        let is_reference = at == 0 || kinds[at - 1].server != kind.server;
        if is_reference {
            reference = at;
        }
        let usual = &kinds[reference].times;
        let median = median(&kind.times);
        print!("{:<38} {median:>10.2}", kind.name);
        if is_reference {
            println!();
            continue;
        }
        let (longer, p) = longer(usual, &kind.times);
        let told = (longer - 0.5).abs() > EFFECT && p < CHANCE;
        match kind.server {
            2 => control |= told,
            _ => apart += usize::from(told),
        }
        let verdict = if told { "  told apart" } else { "" };
        println!(
            " {:>+12.2} {:>8.2}% {p:>9.4}{verdict}",
            median - self::median(usual),
            longer * 100.0
        );
    }
    match (control, apart) {
        (false, _) => {
            println!("\nthe control is not told apart: nothing is shown. Is this host busy? More rounds may help");
            ExitCode::from(2)
        }
        (true, 0) => {
            println!("\nno refusal tells more than that it is one");
            ExitCode::SUCCESS
        }
        (true, apart) => {
            println!("\n{apart} kinds of refusals are told apart by their time");
            ExitCode::from(1)
        }
    }
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The chance that one of `b` is larger than one of `a`, and the two-sided p-value of that by the normal approximation,
/// which thousands of values allow.
fn longer(a: &[f64], b: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> = a.iter().map(|time| (*time, false)).collect();
    all.extend(b.iter().map(|time| (*time, true)));
    all.sort_by(|one, two| one.0.total_cmp(&two.0));
    // Equal times share their ranks.
    let (mut ranks, mut ties, mut from) = (0.0, 0.0, 0);
    while from < all.len() {
        let to = from + all[from..].iter().take_while(|one| one.0 == all[from].0).count();
        let count = (to - from) as f64;
        let rank = (from + 1 + to) as f64 / 2.0;
        ranks += rank * all[from..to].iter().filter(|one| one.1).count() as f64;
        ties += count.powi(3) - count;
        from = to;
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (u, all) = (ranks - m * (m + 1.0) / 2.0, n + m);
    let deviation = (n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)))).sqrt();
    (u / (n * m), two_sided((u - n * m / 2.0) / deviation))
}

/// The chance of a normal deviate at least as far from 0 as `z`. Abramowitz and Stegun, 7.1.26, good to 1.5e-7.
fn two_sided(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let terms = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ];
    let sum = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    sum * (-x * x).exp()
}

/// The routes of a service that can be broken.
fn guarded(enabled: bool) -> Router {
    let switch = FaultSwitch::new("1", enabled, Some(TOKEN));
    // It runs as long as the process.
    std::mem::forget(DenialAudit::start(&switch, denials_to_log()));
    switch.routes()
}

/// What must not be done.
async fn leaky(headers: HeaderMap) -> StatusCode {
    let given = headers
        .get("authorization")
        .map(|value| value.as_bytes())
        .unwrap_or_default();
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    for (given, right) in given.iter().zip(TOKEN.as_bytes()) {
        if given != right {
            break;
        }
        let since = Instant::now();
        while since.elapsed() < Duration::from_nanos(100) {
            std::hint::spin_loop();
        }
    }
    StatusCode::UNAUTHORIZED
}

/// Starts a server on a thread of its own.
fn start(router: fn() -> Router, stop: &CancellationToken) -> Result<SocketAddr> {
    let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let stop = stop.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { serve(router(), addr, Limits::default(), stop).await })
    });
    Ok(addr)
}

impl Line {
    fn open(addr: SocketAddr) -> Result<Self> {
        let began = Instant::now();
        let stream = loop {
            match TcpStream::connect(addr) {
                Ok(stream) => break stream,
                Err(error) if began.elapsed() > Duration::from_secs(10) => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_nodelay(true)?;
        let mut line = Self {
            stream,
            answer: Vec::new(),
        };
        // All answers on a line are of one length: that of the first one.
        line.stream.write_all(&request(None))?;
        let mut first = vec![0; 16 * 1024];
        std::thread::sleep(Duration::from_millis(300));
        let length = line.stream.read(&mut first)?;
        line.answer.resize(length, 0);
        Ok(line)
    }

    /// Asks, and says how many microseconds the answer took.
    fn ask(&mut self, request: &[u8]) -> Result<f64> {
        // Not in step with the server's timers.
        for _ in 0..rand::rng().random_range(0..64) {
            std::hint::spin_loop();
        }
        let began = Instant::now();
        self.stream.write_all(request)?;
        self.stream.read_exact(&mut self.answer)?;
        let took = began.elapsed();
        if !self.answer.starts_with(b"HTTP/1.1 4") {
            bail!("not refused: {}", String::from_utf8_lossy(&self.answer));
        }
        Ok(took.as_nanos() as f64 / 1e3)
    }
}
