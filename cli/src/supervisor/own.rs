//! A system of a command's own, which nobody watches: it is ready in time, or given up.

use std::path::Path;
use std::time::Duration;

use tolerancia_lab::console;

use super::log::Log;
use super::spec::System;
use super::{Start, Supervisor};
use crate::outcome::Failure;
use crate::signals::Signals;

/// How long it may take to become ready.
const READY: Duration = Duration::from_secs(120);

/// Starts it, after telling where its log is. None if the user changed their mind.
///
/// # Errors
/// When it cannot be started, or is not ready in time. Nothing is left running then.
pub async fn start(
    system: System,
    log: Log,
    log_file: &Path,
    signals: &Signals,
) -> Result<Option<Supervisor>, Failure> {
    console::err(format_args!(
        "starting a system on port {} and following; its log is {}",
        system.ports.base,
        log_file.display()
    ));
    let limited = Signals {
        stop: signals.stop.child_token(),
        kill: signals.kill.clone(),
    };
    let mut starting = std::pin::pin!(Supervisor::start(system, log, &limited));
    let started = tokio::select! {
        started = &mut starting => started,
        () = tokio::time::sleep(READY) => {
            limited.stop.cancel();
            starting.await
        }
    };
    match started? {
        Start::Ready(supervisor) => Ok(Some(supervisor)),
        Start::Interrupted if signals.stop.is_cancelled() => Ok(None),
        Start::Interrupted => Err(Failure::cannot(format!(
            "the system was not ready within {} s: {} says why",
            READY.as_secs(),
            log_file.display()
        ))),
    }
}
