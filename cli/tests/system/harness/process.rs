//! Processes: run, signalled, and looked for.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use super::LIMIT;

/// Variables of the tester's shell that would change what is tested.
const FOREIGN: [&str; 18] = [
    "BASE_PORT",
    "BIND",
    "DASHBOARD",
    "DASHBOARD_HOSTS",
    "DATA_DIR",
    "EXPERIMENTS",
    "FAULT_INJECTION",
    "FAULT_TOKEN",
    "INSTANCE_ID",
    "INVENTORY_URLS",
    "MONITOR_URL",
    "ORDERS_URL",
    "PORT",
    "REPLICAS",
    "RESULTS_DIR",
    "SCENARIOS_DIR",
    "SERVICE_NAME",
    "VOTER_URL",
];
/// The beginnings of more of them.
const FOREIGN_PREFIXES: [&str; 2] = ["KAFKA_", "POSTGRES_"];

/// The variables in this test's environment that would change what is tested.
pub fn foreign() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        FOREIGN.contains(&&*name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// The program with these arguments, in a clean environment. It dies with the test.
pub fn tolerancia(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tolerancia"));
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for name in foreign() {
        command.env_remove(name);
    }
    command
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Runs a command to its end.
    pub async fn of(command: Command) -> Self {
        Self::within(LIMIT, command).await
    }

    /// Runs a command to its end, which may take so long.
    pub async fn within(limit: Duration, mut command: Command) -> Self {
        let output = tokio::time::timeout(limit, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{command:?} does not end")).unwrap();
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same run, which must have ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The same run, which must have said this on either stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.out.contains(text) || self.err.contains(text),
            "no {text:?} in {self:#?}"
        );
        self
    }
}

/// What a guard does: it reads a directory, then waits for another line. If there is none, the test was killed.
const GUARD: &str = r#"
read -r dir && ! read -r _ || exit 0
! grep -qsF "$dir" "/proc/$0/environ" || kill -KILL "$0"
rm -rf "$dir" || { sleep 1; rm -rf "$dir"; }
"#;

/// A shell that, if the test is killed, ends a supervisor, with which its services go, and removes its directory.
pub struct Guard(std::process::Child);

impl Guard {
    /// Over a process that has the directory in its environment.
    pub fn over(pid: u32, dir: &Path) -> Self {
        let mut command = std::process::Command::new("setsid");
        command
            .args(["sh", "-c", GUARD, &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut guard = Self(command.spawn().unwrap());
        // Not as an argument: it would be one of the leftovers.
        guard.tell(dir.to_str().unwrap()).unwrap();
        guard
    }

    fn tell(&mut self, line: &str) -> std::io::Result<()> {
        let stdin = self.0.stdin.as_mut().expect("it is piped");
        stdin.write_all(format!("{line}\n").as_bytes())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let ended = self.tell("the test lives").and_then(|()| self.0.wait());
        if !ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
            eprintln!("a guard failed: {ended:?}");
        }
    }
}

/// Sends a signal.
#[track_caller]
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Processes that have `dir` in their arguments or their environment, with their arguments.
pub fn leftovers(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let read =
        |path: std::path::PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let pid = path.file_name()?.to_str()?.to_owned();
            if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let cmdline = read(path.join("cmdline"));
            // A zombie has neither, and is nobody any more.
            let found = cmdline.contains(dir) || read(path.join("environ")).contains(dir);
            found.then(|| format!("{pid} {}", cmdline.replace('\0', " ")))
        })
        .collect()
}
