//! The child's side of supervision: a service never outlives the supervisor that started it, not even one that
//! was killed with SIGKILL and could stop nobody.
//!
//! Two mechanisms, because each covers what the other cannot. The kernel kills the child when its parent dies
//! (Linux), which also ends a stopped child. And the supervisor holds the other end of the child's stdin, which
//! every system closes when it dies.
//!
//! An experiment is not killed, because it may have faults to clear: see [`stop_at_end_of_stdin`].

use std::io::Read as _;
use std::time::Duration;

use rustix::process::{Signal, getppid};
use tokio_util::sync::CancellationToken;

use crate::outcome::INTERRUPTED;

/// Set by the supervisor to its process id.
pub const SUPERVISED: &str = "TOLERANCIA_SUPERVISED";

/// How long a child may take to stop in order after its supervisor died.
const GRACE: Duration = Duration::from_secs(5);
/// How long an experiment may take to stop in order: it waits up to 20 s for a replica whose fault it is to clear, and as
/// long for the monitor.
const EXPERIMENT_GRACE: Duration = Duration::from_secs(60);

/// Ties this process to its supervisor, if it has one. Its death cancels `shutdown`, and ends the process.
pub fn arm(shutdown: CancellationToken) {
    let Ok(supervisor) = std::env::var(SUPERVISED) else {
        return;
    };
    call_by_name();
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        tracing::warn!(%error, "only the end of stdin will tell that the supervisor is gone");
    }
    // It may have died before the line above.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().to_string() != supervisor) {
        std::process::exit(1);
    }
    at_end_of_stdin(shutdown, GRACE, 1);
}

/// Ties this process to whoever holds the other end of its standard input: its end is the first signal of `stop`. Whoever
/// held it is gone then, however it ended, and nobody would see to the end of this process but itself.
pub fn stop_at_end_of_stdin(stop: CancellationToken) {
    call_by_name();
    at_end_of_stdin(stop, EXPERIMENT_GRACE, INTERRUPTED.into());
}

/// Cancels `stop` at the end of standard input, and ends the process when it has not done so itself after a while.
fn at_end_of_stdin(stop: CancellationToken, grace: Duration, code: i32) {
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 64];
        while matches!(stdin.read(&mut buffer), Ok(1..)) {}
        stop.cancel();
        std::thread::sleep(grace);
        std::process::exit(code);
    });
}

/// This program starts itself under a name that says nothing. Only lists of processes show it.
fn call_by_name() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"tolerancia");
}
