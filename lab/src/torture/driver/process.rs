//! The processes of the system: which they are, and whether one that died is back.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tolerancia_client::{http, process};
use tolerancia_wire::health::Health;

use super::Note;
use crate::torture::System;
use crate::torture::action::Target;

/// How long a process that was killed is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// An answer that takes longer is none.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Where the processes are.
#[derive(Debug)]
pub(super) struct Processes {
    data_dir: PathBuf,
    http: reqwest::Client,
    system: System,
}

impl Processes {
    pub(super) fn new(system: &System) -> Self {
        Self {
            data_dir: system.data_dir.clone(),
            http: http::client(TIMEOUT),
            system: system.clone(),
        }
    }

    /// The process of this part of the system, as the supervisor wrote it down. Ids are reused: only one of this system is
    /// found, which has the data directory among its arguments.
    pub(super) fn find(&self, target: Target) -> Option<u32> {
        let pid = process::written(&self.data_dir, &target.to_string())?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let dir = self.data_dir.to_string_lossy();
        let mut args = command.split(|byte| *byte == 0);
        args.any(|arg| arg == dir.as_bytes()).then_some(pid)
    }

    /// Waits until another process than `dead` is there in its place, and up. Says what was seen.
    pub(super) async fn back(&self, target: Target, dead: u32, stop: &CancellationToken) -> Note {
        let began = Instant::now();
        while began.elapsed() < PATIENCE && !stop.is_cancelled() {
            let now = self.find(target).filter(|pid| *pid != dead);
            if let Some(pid) = now
                && self.is_up(target).await
            {
                return format!("back as {pid} after {:.1} s", began.elapsed().as_secs_f64());
            }
            sleep(PAUSE).await;
        }
        format!("not back after {:.1} s", began.elapsed().as_secs_f64())
    }

    async fn is_up(&self, target: Target) -> bool {
        let system = &self.system;
        let url = match target {
            Target::Replica(id) => system.inventory_url(id),
            Target::Monitor => &system.monitor_url,
            Target::Voter => &system.voter_url,
            Target::Orders => &system.orders_url,
            Target::Broker => {
                let connect = TcpStream::connect(&system.bus.bootstrap);
                return matches!(tokio::time::timeout(TIMEOUT, connect).await, Ok(Ok(_)));
            }
            Target::Database => return true,
        };
        let health = http::get_json::<Health>(&self.http, &format!("{url}/health")).await;
        health.is_ok_and(|health| health.status.is_ok())
    }
}

/// Sends a signal.
pub(super) fn signal(pid: u32, signal: Signal) -> Result<(), Note> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    raw.map_or(Err(rustix::io::Errno::SRCH), |raw| kill_process(raw, signal))
        .map_err(|error| format!("process {pid} could not be signalled ({error})"))
}
