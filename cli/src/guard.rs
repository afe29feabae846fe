//! The child's side of supervision: a service never outlives the supervisor that started it, not even one that
//! was killed with SIGKILL and could stop nobody.
//!
//! Two mechanisms, because each covers what the other cannot. The kernel kills the child when its parent dies
//! (Linux), which also ends a stopped child. And the supervisor holds the other end of the child's stdin, which
//! every system closes when it dies.

use std::io::Read as _;
use std::time::Duration;

use rustix::process::{Signal, getppid};
use tokio_util::sync::CancellationToken;

/// Set by the supervisor to its process id.
pub const SUPERVISED: &str = "TOLERANCIA_SUPERVISED";

/// How long a child may take to stop in order after its supervisor died.
const GRACE: Duration = Duration::from_secs(5);

/// Ties this process to its supervisor, if it has one. Its death cancels `shutdown`, and ends the process.
pub fn arm(shutdown: CancellationToken) {
    let Ok(supervisor) = std::env::var(SUPERVISED) else {
        return;
    };
    // The supervisor starts it under a name that says nothing. Only lists of processes show it.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"tolerancia");
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        tracing::warn!(%error, "only the end of stdin will tell that the supervisor is gone");
    }
    // It may have died before the line above.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().to_string() != supervisor) {
        std::process::exit(1);
    }
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 64];
        while matches!(stdin.read(&mut buffer), Ok(1..)) {}
        shutdown.cancel();
        std::thread::sleep(GRACE);
        std::process::exit(1);
    });
}
