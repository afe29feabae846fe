//! What the examples about limits share: a system to send requests to, and a client that costs next to nothing.
#![allow(dead_code)] // Each example uses its part.

pub mod offer;
pub mod wire;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Where the system is.
#[derive(Debug, Clone, clap::Args)]
pub struct Where {
    /// A system that runs: its base port.
    #[arg(long)]
    pub base_port: Option<u16>,

    /// Otherwise one is started with this program.
    #[arg(long, default_value = "target/release/tolerancia")]
    pub binary: PathBuf,
}

/// A running system; one of our own ends with this.
#[derive(Debug)]
pub struct System {
    base: u16,
    own: Option<(Child, PathBuf)>,
}

const OWN_BASE: u16 = 18_101;

impl System {
    /// Finds or starts it.
    pub fn at(place: &Where) -> Result<Self> {
        Self::at_apart(place, false)
    }

    /// Finds or starts it. If `apart`, this process has the last core to itself, and what it starts has the rest.
    pub fn at_apart(place: &Where, apart: bool) -> Result<Self> {
        raise_file_limit();
        let cores = std::thread::available_parallelism()?.get();
        let apart = apart && cores > 1;
        if apart {
            // Inherited by the system.
            run_on(0..cores - 1)?;
        }
        let system = Self::found(place)?;
        if apart {
            run_on(cores - 1..cores)?;
        }
        Ok(system)
    }

    fn found(place: &Where) -> Result<Self> {
        if let Some(base) = place.base_port {
            return Ok(Self { base, own: None });
        }
        let dir = std::env::temp_dir().join(format!("tolerancia-example-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let log = std::fs::File::create(dir.join("log"))?;
        let mut child = Command::new(&place.binary)
            .args(["up", "--base-port", &OWN_BASE.to_string(), "--data-dir"])
            .arg(dir.join("data"))
            .stdout(Stdio::piped())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {}: build it, or name another (--binary)",
                    place.binary.display()
                )
            })?;
        let lines = BufReader::new(child.stdout.take().context("there is a pipe")?).lines();
        let mut system = Self {
            base: OWN_BASE,
            own: Some((child, dir.clone())),
        };
        let mut ready = false;
        let mut rest = Vec::new();
        let mut lines = lines;
        for line in lines.by_ref() {
            let line = line?;
            ready = line.contains("ready in");
            rest.push(line);
            if ready {
                break;
            }
        }
        if !ready {
            if let Some((child, _)) = &mut system.own {
                let _ = child.wait();
            }
            bail!(
                "the system does not start: {}, see {}",
                rest.join(" / "),
                dir.join("log").display()
            );
        }
        // What it says later must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(system)
    }

    fn addr(&self, place: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base + place))
    }

    /// The monitor, of a system with three replicas.
    pub fn monitor(&self) -> SocketAddr {
        self.addr(3)
    }

    /// The voter.
    pub fn voter(&self) -> SocketAddr {
        self.addr(4)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some((child, dir)) = &mut self.own {
            let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = child.wait();
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

fn run_on(cores: std::ops::Range<usize>) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    cores.for_each(|core| set.set(core));
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}

/// A connection that asks one thing after the other.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(2048),
        })
    }

    /// Sends a request and reads the answer. Returns its status; the body is [`body`](Self::body).
    pub async fn ask(&mut self, request: &[u8]) -> std::io::Result<u16> {
        let bad = |what| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut whole = usize::MAX;
        while self.buffer.len() < whole {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if whole == usize::MAX
                && let Some(head) = self.buffer.windows(4).position(|end| end == b"\r\n\r\n")
            {
                whole = head + 4 + content_length(&self.buffer[..head]).ok_or_else(|| bad("no length"))?;
            }
        }
        let status = self.buffer.get(9..12).and_then(|text| std::str::from_utf8(text).ok());
        status
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| bad("no status"))
    }

    pub fn body(&self) -> &[u8] {
        let head = self.buffer.windows(4).position(|end| end == b"\r\n\r\n");
        head.map_or(&[], |head| &self.buffer[head + 4..])
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits until the other side has ended the connection.
    pub async fn closed(&mut self) {
        let mut rest = [0; 4096];
        while let Ok(1..) = self.stream.read(&mut rest).await {}
    }
}

/// Status and length of the answer that these bytes begin with, if it is whole.
pub fn answer(bytes: &[u8]) -> Option<(u16, usize)> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    let length = head + 4 + content_length(&bytes[..head])?;
    let status = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()?;
    (bytes.len() >= length).then_some((status, length))
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let at = head
        .windows(NAME.len())
        .position(|part| part.eq_ignore_ascii_case(NAME))?;
    let digits = head[at + NAME.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |length, byte| length * 10 + usize::from(byte - b'0')))
}

/// A request for this path.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: tolerancia\r\n\r\n").into_bytes()
}

/// What is answered to that, as JSON.
pub async fn json(addr: SocketAddr, path: &str) -> Result<serde_json::Value> {
    let asked = async {
        let mut client = Client::connect(addr).await?;
        client.ask(&get(path)).await?;
        anyhow::Ok(serde_json::from_slice(client.body())?)
    };
    tokio::time::timeout(Duration::from_secs(5), asked)
        .await
        .with_context(|| format!("{addr}{path} does not answer"))?
        .with_context(|| format!("{addr}{path}"))
}

/// A request for the voter's answer about a product of the system.
pub async fn query(system: &System) -> Result<Vec<u8>> {
    Ok(get(&product(system).await?))
}

/// A product of the system, as a path of the voter.
pub async fn product(system: &System) -> Result<String> {
    let inventory = json(system.voter(), "/inventory").await?;
    let product = inventory["products"][0]["product_id"]
        .as_str()
        .context("the system has no products")?;
    Ok(format!("/inventory/{product}"))
}

/// How many verdicts OFF the monitor knows of.
pub async fn verdicts(system: &System) -> Result<usize> {
    let failures = json(system.monitor(), "/failures?limit=1000").await?;
    Ok(failures["failures"].as_array().map_or(0, Vec::len))
}

/// A process, as the kernel counts.
#[derive(Debug, Clone, Copy)]
pub struct Process(u32);

impl Process {
    /// The one that answers there.
    pub async fn at(addr: SocketAddr) -> Result<Self> {
        let health = json(addr, "/health").await?;
        let pid = health["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        Ok(Self(pid.with_context(|| format!("{addr} does not tell its process"))?))
    }

    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// Its resident memory in MiB; 0 if it is not on this host.
    pub fn rss_mib(self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }

    /// Open descriptors.
    pub fn descriptors(self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, Iterator::count)
    }

    /// Time on a core until now.
    pub fn cpu(self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        let fields = text.rsplit(')').next().unwrap_or_default();
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok());
        // 100 per second on Linux, whatever the kernel's own clock.
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }
}

/// The quantile `q` of sorted numbers.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(((last as f64) * q).ceil() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
