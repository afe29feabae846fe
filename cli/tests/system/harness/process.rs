//! Processes: run, signalled, and looked for.

use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use super::LIMIT;

/// Variables of the tester's shell that would change what is tested.
const FOREIGN: [&str; 12] = [
    "BASE_PORT",
    "BIND",
    "DATA_DIR",
    "FAULT_INJECTION",
    "FAULT_TOKEN",
    "INSTANCE_ID",
    "INVENTORY_URLS",
    "KAFKA_BOOTSTRAP_SERVERS",
    "PORT",
    "POSTGRES_URL",
    "REPLICAS",
    "SERVICE_NAME",
];

/// The program with these arguments, in a clean environment. It dies with the test.
pub fn tolerancia(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tolerancia"));
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for name in FOREIGN {
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
    pub async fn of(mut command: Command) -> Self {
        let output = tokio::time::timeout(LIMIT, command.output()).await;
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
