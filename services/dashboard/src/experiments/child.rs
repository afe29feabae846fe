//! The process of an experiment.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{ChildStderr, ChildStdin, Command};

use super::ExperimentSettings;
use super::lines::Lines;
use super::request::Plan;

/// So many experiments may begin within a second.
const MOST_IN_A_SECOND: u32 = 100;

/// A running experiment. It is not killed when this is dropped: the end of its standard input tells it to stop, and then it
/// clears its faults first. It ends within a minute of that in any case.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    /// Held: the child takes its end for Ctrl-C.
    _stdin: Option<ChildStdin>,
    stderr: Option<Lines<ChildStderr>>,
    interrupted: bool,
}

/// Something that the child did.
pub(super) enum Event {
    Said(String),
    Ended(io::Result<ExitStatus>),
}

impl Child {
    /// Starts `plan` with its results in `out`.
    pub(super) fn start(settings: &ExperimentSettings, plan: &Plan, out: &Path) -> io::Result<Self> {
        let mut command = Command::new(&settings.program);
        command
            .arg0("tolerancia")
            .args(arguments(settings, plan, out))
            .stdin(Stdio::piped())
            // The table is in the report too.
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal goes to the whole group of this process, and from here to the child: a second signal
            // would tell it not to clean up.
            .process_group(0);
        match &settings.fault_token {
            Some(token) => command.env("FAULT_TOKEN", &**token),
            None => command.env_remove("FAULT_TOKEN"),
        };
        let mut process = command.spawn()?;
        Ok(Self {
            _stdin: process.stdin.take(),
            stderr: process.stderr.take().map(Lines::new),
            process,
            interrupted: false,
        })
    }

    /// The next thing that it does. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Event {
        let Some(stderr) = &mut self.stderr else {
            return Event::Ended(self.process.wait().await);
        };
        tokio::select! {
            biased;
            line = stderr.next() => match line {
                Some(line) => Event::Said(line),
                None => {
                    self.stderr = None;
                    Event::Ended(self.process.wait().await)
                }
            },
            ended = self.process.wait() => Event::Ended(ended),
        }
    }

    /// What it still had to say when it ended. Whoever inherited its standard error may hold it open for ever.
    pub(super) async fn last_line(&mut self) -> Option<String> {
        self.stderr.as_mut()?.next().await
    }

    /// Asks it to clear its faults and to stop. Asking twice would mean not to clear them.
    pub(super) fn interrupt(&mut self) {
        if !std::mem::replace(&mut self.interrupted, true) {
            self.signal(Signal::INT);
        }
    }

    /// Its process, until it has ended.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    fn signal(&self, signal: Signal) {
        // The id stays the child's until it is waited for, so it cannot hit another process.
        let pid = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // An error means that it has ended.
            let _ = kill_process(pid, signal);
        }
    }
}

/// The command line. Kafka's address is in the environment, as this process has it.
fn arguments(settings: &ExperimentSettings, plan: &Plan, out: &Path) -> Vec<OsString> {
    // In one word, so that no path can be taken for an option.
    let path = |option: &str, path: &Path| {
        let mut word = OsString::from(option);
        word.push(path);
        word
    };
    let mut arguments: Vec<OsString> = ["experiment", "--progress=json", "--running", "--stop-with-stdin"]
        .map(OsString::from)
        .to_vec();
    arguments.push(path("--out=", out));
    arguments.push(format!("--base-port={}", settings.base_port).into());
    arguments.push(format!("--replicas={}", settings.replicas).into());
    arguments.extend(plan.file.as_deref().map(|file| path("--scenario=", file)));
    arguments.extend(plan.quick.then(|| "--quick".into()));
    arguments.extend(plan.trials.map(|trials| format!("--trials={trials}").into()));
    arguments.extend(plan.seed.map(|seed| format!("--seed={seed}").into()));
    arguments
}

/// Makes a folder of its own for an experiment that begins now, and gives its name: the second, in UTC, as
/// `tolerancia experiment` names its folders. Blocks.
pub(super) fn make_folder(results: &Path, now: Timestamp) -> io::Result<String> {
    std::fs::create_dir_all(results)?;
    let second = now.strftime("%Y%m%d-%H%M%S").to_string();
    for number in 1..=MOST_IN_A_SECOND {
        let name = match number {
            1 => second.clone(),
            _ => format!("{second}-{number}"),
        };
        match DirBuilder::new().create(results.join(&name)) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// An exit code; 128 and the signal's number, if one ended the process, as a shell has it.
pub(super) fn code(exit: ExitStatus) -> Option<i32> {
    exit.code().or_else(|| Some(128 + exit.signal()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_two_experiments_share_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("a/results");
        let now = "2026-02-03T04:05:06.7Z".parse().unwrap();
        let names: Vec<_> = (0..3).map(|_| make_folder(&results, now).unwrap()).collect();
        assert_eq!(names, ["20260203-040506", "20260203-040506-2", "20260203-040506-3"]);
        assert!(names.iter().all(|name| results.join(name).is_dir()));
        std::fs::write(dir.path().join("file"), "").unwrap();
        make_folder(&dir.path().join("file"), now).unwrap_err();
    }
}
