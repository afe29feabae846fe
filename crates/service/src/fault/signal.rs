//! The process dies or stops: a signal that it sends to itself, as the kernel or an operator would.
//!
//! The answer to `PUT` or `POST /fault` must still get out, so the signal comes a few milliseconds later, at the
//! instant that the answer names.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use tolerancia_wire::Stamp;
use tolerancia_wire::fault::Fault;
use tolerancia_wire::time::mono_ns;

use super::FaultSwitch;
use super::active::Active;

/// From the answer to the signal. In this crate's tests a fault is cleared in between, on a machine that may be busy: being
/// late would end the tests.
const DELAY: Duration = Duration::from_millis(if cfg!(test) { 1000 } else { 10 });

/// The signal that makes a fault, if one does.
pub(super) const fn of(fault: &Fault) -> Option<Signal> {
    match fault {
        Fault::Crash => Some(Signal::KILL),
        Fault::Freeze => Some(Signal::STOP),
        Fault::Latency { .. } | Fault::Intermittent { .. } | Fault::Incorrect { .. } | Fault::Stale => None,
    }
}

/// When a signal that is scheduled at `now` will come.
pub(super) fn due(now: Stamp) -> Stamp {
    Stamp {
        at: now.at + DELAY,
        mono_ns: now.mono_ns + u64::try_from(DELAY.as_nanos()).unwrap_or(0),
    }
}

/// Sends the fault's signal, if it has one, at its instant, unless it was ended before. On a thread of its
/// own: the runtime's timers are a millisecond coarse, and time to detect starts at that instant.
pub(super) fn schedule(switch: FaultSwitch, active: Arc<Active>) {
    let Some(signal) = of(&active.fault.spec.fault) else {
        return;
    };
    tokio::task::spawn_blocking(move || {
        let due_ns = active.fault.activated_at.mono_ns;
        std::thread::sleep(Duration::from_nanos(due_ns.saturating_sub(mono_ns())));
        // Under the lock: whoever ends the fault before is told the truth.
        let sent = switch.if_still(&active, || kill_process(getpid(), signal));
        if let Some(Err(error)) = sent {
            tracing::error!(%error, ?signal, "the process cannot signal itself");
        }
    });
}
