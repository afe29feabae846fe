//! `--record`: the monitor's trace, kept in a file while it comes, with what only the experiment knows.
//!
//! Where the connection is lost it is made again; the file then has a second `begin` line, which tells readers that
//! something is missing before it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Response;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tolerancia_client::http;
use tolerancia_wire::trace::TraceLine;

use crate::scenario::Load;

/// The file in the out directory.
pub(crate) const FILE: &str = "trace.ndjson";
/// Every instance is checked several times a second; a silence this long is a lost connection.
const IDLE: Duration = Duration::from_secs(15);
/// How long the first line may take.
const FIRST: Duration = Duration::from_secs(10);
/// A line longer than this is not from the monitor.
const MAX_LINE: usize = 1 << 16;
/// Own lines that may wait for the disk.
const AHEAD: usize = 64;
/// Between two attempts to connect again.
const PAUSE: Duration = Duration::from_millis(500);
/// Losses that are told one by one.
const MOST_NOTES: usize = 10;

/// Writes the trace until it is told to finish.
#[derive(Debug)]
pub(super) struct Recorder {
    lines: mpsc::Sender<TraceLine>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<Vec<String>>>>,
}

impl Recorder {
    /// Connects, waits for the first line, and begins the file with it and with the load.
    pub(super) async fn open(monitor_url: &str, dir: &Path, load: Load) -> Result<Self, String> {
        let path = dir.join(FILE);
        let file = File::create(&path).await;
        let file = file.map_err(|error| format!("{} cannot be written ({error})", path.display()))?;
        let url = format!("{monitor_url}/trace");
        let (link, begin) = tokio::time::timeout(FIRST, connect(&url))
            .await
            .map_err(|_| format!("{url} says nothing for {} s", FIRST.as_secs()))??;
        let (lines, receiver) = mpsc::channel(AHEAD);
        let stop = CancellationToken::new();
        let mut tape = Tape {
            url,
            link: Some(link),
            file: BufWriter::new(file),
            lines: receiver,
            stop: stop.clone(),
            notes: Vec::new(),
        };
        let load = TraceLine::Load {
            queries_rps: load.queries_rps,
            orders_rps: load.orders_rps,
        };
        let task = tokio::spawn(async move {
            if let Err(error) = tape.run(&begin, &load).await {
                let path = path.display();
                tape.notes
                    .push(format!("the trace is incomplete: {path} cannot be written ({error})"));
            }
            tape.notes
        });
        Ok(Self {
            lines,
            stop,
            task: Mutex::new(Some(task)),
        })
    }

    /// Adds a line of the experiment's own.
    pub(super) async fn write(&self, line: TraceLine) {
        // An error means that the disk is full, which `finish` tells.
        let _ = self.lines.send(line).await;
    }

    /// Ends the file, and says what is missing in it.
    pub(super) async fn finish(&self) -> Vec<String> {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        match task {
            Some(task) => task.await.unwrap_or_else(|panic| vec![panic.to_string()]),
            None => Vec::new(),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A connection, and what it has sent of a line.
#[derive(Debug)]
struct Link {
    response: Response,
    cutter: Cutter,
}

/// Asks for the trace and reads as far as its first line, and what came with it.
async fn connect(url: &str) -> Result<(Link, Vec<u8>), String> {
    let failed = |error: reqwest::Error| format!("{url}: {}", http::cause(&error));
    let mut response = http::streaming(IDLE).get(url).send().await.map_err(failed)?;
    let status = response.status();
    if !status.is_success() {
        let body = response.bytes().await.unwrap_or_default();
        return Err(format!("{url} answered {}", http::describe(status.as_u16(), &body)));
    }
    let mut cutter = Cutter::default();
    loop {
        let Some(bytes) = response.chunk().await.map_err(failed)? else {
            return Err(format!("{url} ended before its first line"));
        };
        let lines = cutter.feed(&bytes).map_err(|why| format!("{url}: {why}"))?;
        let Some(first) = lines
            .split(|byte| *byte == b'\n')
            .next()
            .filter(|line| !line.is_empty())
        else {
            continue;
        };
        return match serde_json::from_slice(first) {
            Ok(TraceLine::Begin { .. }) => Ok((Link { response, cutter }, lines)),
            Ok(_) => Err(format!("{url} does not begin with a begin line")),
            Err(error) => Err(format!("{url} sent something unexpected: {error}")),
        };
    }
}

/// The next whole lines of the monitor's. Where the connection is lost, says why, and the next call makes it again.
/// Nothing is lost when it is not waited for to the end.
async fn hear(link: &mut Option<Link>, url: &str) -> Result<Vec<u8>, String> {
    let Some(open) = link else {
        tokio::time::sleep(PAUSE).await;
        let again = tokio::time::timeout(FIRST, connect(url)).await;
        let Ok(Ok((open, lines))) = again else {
            return Ok(Vec::new());
        };
        *link = Some(open);
        return Ok(lines);
    };
    let lines = match open.response.chunk().await {
        Ok(Some(bytes)) => open.cutter.feed(&bytes).map_err(str::to_owned),
        Ok(None) => Err("the stream ended".to_owned()),
        Err(error) => Err(http::cause(&error)),
    };
    if lines.is_err() {
        *link = None;
    }
    lines
}

/// The file and what goes into it.
struct Tape {
    url: String,
    link: Option<Link>,
    file: BufWriter<File>,
    lines: mpsc::Receiver<TraceLine>,
    stop: CancellationToken,
    notes: Vec<String>,
}

impl Tape {
    /// Writes until it is stopped. An error means that the file cannot be written.
    async fn run(&mut self, begin: &[u8], load: &TraceLine) -> std::io::Result<()> {
        // The first chunk may hold more than its first line, which the load must follow.
        let first = begin.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.file.write_all(&begin[..first]).await?;
        self.own(load).await?;
        self.file.write_all(&begin[first..]).await?;
        loop {
            tokio::select! {
                biased;
                Some(line) = self.lines.recv() => self.own(&line).await?,
                () = self.stop.cancelled() => break,
                heard = hear(&mut self.link, &self.url) => match heard {
                    Ok(lines) => self.file.write_all(&lines).await?,
                    Err(why) => self.note(&why),
                }
            }
        }
        self.file.flush().await
    }

    /// Remembers a loss.
    fn note(&mut self, why: &str) {
        if self.notes.len() < MOST_NOTES {
            let at = jiff::Timestamp::now();
            self.notes.push(format!(
                "the trace has a gap at {at:.0}: the connection to the monitor was lost ({why})"
            ));
        }
    }

    /// Writes a line of the experiment's own. The monitor's are only ever written whole, so it stands alone.
    async fn own(&mut self, line: &TraceLine) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text).await?;
        self.file.flush().await
    }
}

/// Takes bytes as they come and gives whole lines.
#[derive(Debug, Default)]
struct Cutter {
    rest: Vec<u8>,
}

impl Cutter {
    /// Takes the next bytes; gives all lines that have ended, each with its line feed.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            self.rest.extend_from_slice(bytes);
            return if self.rest.len() > MAX_LINE {
                Err("a line has no end")
            } else {
                Ok(Vec::new())
            };
        };
        let mut lines = std::mem::take(&mut self.rest);
        lines.extend_from_slice(&bytes[..=end]);
        self.rest.extend_from_slice(&bytes[end + 1..]);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests;
