//! Carries a schedule out, and writes down what really happened: a plan says what was meant, a window what was done.
//!
//! Every action is a task of its own that waits for its time, does it, and undoes it; being interrupted means undoing at once.
//! What this host or this system cannot do is left out, and said so.

mod clock;
mod database;
mod disk;
mod faults;
mod healed;
mod process;
mod proxy;

pub use clock::Clocks;
pub use database::Database;
pub use healed::healed;
pub use proxy::Proxy;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tolerancia_core::fault::FaultSpec;
use tolerancia_core::quorum;
use tolerancia_wire::time::mono_ns;

use super::System;
use super::action::{Action, Kind, Target, Window};
use super::schedule::{Planned, Schedule};
use crate::console;
use process::Processes;

/// What this host has for what is done from outside; where it has not, why.
#[derive(Debug)]
pub struct Hands {
    /// How to keep the database from its work.
    pub database: Result<Database, String>,
    /// The replicas' data directories, each on a small file system of its own, in the order of their ids.
    pub disks: Result<Vec<PathBuf>, String>,
    /// The clocks of the processes.
    pub clocks: Result<Clocks, String>,
}

/// Something that is not done here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What.
    pub kind: String,
    /// Why.
    pub why: String,
}

/// Does what a schedule says.
#[derive(Debug)]
pub struct Driver {
    system: System,
    hands: Hands,
    processes: Processes,
    /// One for each replica that may lie at a time.
    lies: Arc<Semaphore>,
}

/// Why something was not done, or how it went, for people.
type Note = String;

/// From when to when something was so, `CLOCK_MONOTONIC` in nanoseconds, and a note.
struct Done {
    from_ns: u64,
    to_ns: u64,
    note: Note,
}

impl Driver {
    /// One for this system, with these hands.
    #[must_use]
    pub fn new(system: System, hands: Hands) -> Self {
        let replicas = usize::from(system.replicas());
        Self {
            processes: Processes::new(&system),
            lies: Arc::new(Semaphore::new(replicas - quorum(replicas))),
            system,
            hands,
        }
    }

    /// What cannot be done here.
    #[must_use]
    pub fn left_out(&self) -> Vec<LeftOut> {
        let mut all = Vec::new();
        let mut out = |kind: &str, why: &str| {
            all.push(LeftOut {
                kind: kind.to_owned(),
                why: why.to_owned(),
            });
        };
        if self.system.kafka != "embedded" {
            out("broker_outage", "Kafka is not part of the system that is under torture");
        }
        if let Err(why) = &self.hands.database {
            out(Kind::DatabaseOutage.name(), why);
        }
        if let Err(why) = &self.hands.disks {
            out(Kind::DiskFull.name(), why);
        }
        if let Err(why) = &self.hands.clocks {
            out(Kind::ClockStep.name(), why);
        }
        all
    }

    /// Whether it can be done here.
    fn can(&self, planned: &Planned) -> bool {
        let broker = planned.target != Target::Broker || self.system.kafka == "embedded";
        let hand = match planned.action {
            Action::DatabaseOutage => self.hands.database.is_ok(),
            Action::DiskFull => self.hands.disks.is_ok(),
            Action::ClockStep { .. } => self.hands.clocks.is_ok(),
            _ => true,
        };
        broker && hand
    }

    /// Carries the schedule out, and comes back at its end, or soon after `stop` is cancelled: then nothing that was done is
    /// still so, but that a process which was killed may not be back.
    pub async fn carry_out(self: Arc<Self>, schedule: &Schedule, stop: &CancellationToken) -> Vec<Window> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for planned in schedule.planned.iter().filter(|planned| self.can(planned)).cloned() {
            let (driver, stop) = (Arc::clone(&self), stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = sleep_until(began + planned.at) => {}
                    () = stop.cancelled() => return Vec::new(),
                }
                driver.one(&planned, &stop).await
            });
        }
        let mut windows = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(done) => windows.extend(done),
                Err(error) => console::err(format_args!("an action broke down: {error}")),
            }
        }
        tokio::select! {
            () = sleep_until(began + schedule.length) => {}
            () = stop.cancelled() => {}
        }
        windows.sort_by_key(|window| window.from_ns);
        windows
    }

    /// Does one thing, and undoes it.
    async fn one(&self, planned: &Planned, stop: &CancellationToken) -> Vec<Window> {
        console::err(planned);
        let tried = mono_ns();
        let target = planned.target;
        let done = match &planned.action {
            Action::Faults(faults) => return self.inject(target, faults, planned.lasts, stop).await,
            Action::Kill => self.kill(target, stop).await,
            Action::Stop => self.stop(target, planned.lasts, stop).await,
            Action::DatabaseOutage => self.database_outage(planned.lasts, stop).await,
            Action::DiskFull => self.disk_full(target, planned.lasts, stop).await,
            Action::ClockStep { ms } => self.clock_step(target, *ms, planned.lasts, stop).await,
        };
        let kinds = planned.action.kinds();
        kinds
            .into_iter()
            .map(|kind| window(target, kind, None, tried, &done))
            .collect()
    }

    /// SIGKILL; until it is up again.
    async fn kill(&self, target: Target, stop: &CancellationToken) -> Result<Done, Note> {
        let pid = self.processes.find(target).ok_or("the process was not there")?;
        let from_ns = mono_ns();
        process::signal(pid, rustix::process::Signal::KILL)?;
        let back = self.processes.back(target, pid, stop).await;
        Ok(Done {
            from_ns,
            to_ns: mono_ns(),
            note: format!("process {pid}; {back}"),
        })
    }

    /// SIGSTOP, and SIGCONT.
    async fn stop(&self, target: Target, lasts: Duration, stop: &CancellationToken) -> Result<Done, Note> {
        let pid = self.processes.find(target).ok_or("the process was not there")?;
        let from_ns = mono_ns();
        process::signal(pid, rustix::process::Signal::STOP)?;
        wait(lasts, stop).await;
        // It may be gone: whoever kills it is somebody else.
        let note = match self.processes.find(target).filter(|now| *now == pid) {
            Some(pid) => process::signal(pid, rustix::process::Signal::CONT).map_or_else(|why| why, |()| String::new()),
            None => "it was gone when it should have been continued".to_owned(),
        };
        Ok(Done {
            from_ns,
            to_ns: mono_ns(),
            note: format!("process {pid}; {note}"),
        })
    }

    async fn database_outage(&self, lasts: Duration, stop: &CancellationToken) -> Result<Done, Note> {
        let database = self.hands.database.as_ref().map_err(Clone::clone)?;
        let from_ns = mono_ns();
        let outage = database.begin().await?;
        wait(lasts, stop).await;
        outage.end().await;
        Ok(Done {
            from_ns,
            to_ns: mono_ns(),
            note: String::new(),
        })
    }

    async fn disk_full(&self, target: Target, lasts: Duration, stop: &CancellationToken) -> Result<Done, Note> {
        let disks = self.hands.disks.as_ref().map_err(Clone::clone)?;
        let dir = target
            .replica()
            .and_then(|id| disks.get(id.index()))
            .ok_or("it has no disk")?;
        let from_ns = mono_ns();
        let ballast = disk::Ballast::fill(dir).await?;
        let until = Instant::now() + lasts;
        // What the replica deletes is no space for it either.
        while Instant::now() < until && !stop.is_cancelled() {
            wait(disk::AGAIN.min(until - Instant::now()), stop).await;
            ballast.fill_up().await;
        }
        let bytes = ballast.free().await?;
        Ok(Done {
            from_ns,
            to_ns: mono_ns(),
            note: format!("{} MiB taken away", bytes >> 20),
        })
    }

    async fn clock_step(
        &self,
        target: Target,
        ms: i64,
        lasts: Duration,
        stop: &CancellationToken,
    ) -> Result<Done, Note> {
        let clocks = self.hands.clocks.as_ref().map_err(Clone::clone)?;
        let from_ns = mono_ns();
        clocks.set(target, ms)?;
        wait(lasts, stop).await;
        clocks.set(target, 0)?;
        // The processes look at it once in a while.
        wait(Clocks::LOOK, stop).await;
        Ok(Done {
            from_ns,
            to_ns: mono_ns(),
            note: format!("{:+.1} s", ms as f64 / 1e3),
        })
    }
}

/// Waits so long, or until `stop`.
async fn wait(how_long: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = sleep(how_long) => {}
        () = stop.cancelled() => {}
    }
}

/// What became of an action that was tried at `tried`.
fn window(target: Target, kind: Kind, fault: Option<FaultSpec>, tried: u64, done: &Result<Done, Note>) -> Window {
    let (from_ns, to_ns, applied, note) = match done {
        Ok(done) => (done.from_ns, done.to_ns, true, done.note.clone()),
        Err(why) => (tried, mono_ns(), false, why.clone()),
    };
    Window {
        target,
        kind,
        fault,
        from_ns,
        to_ns,
        applied,
        note,
    }
}
