//! Which faults can be injected into this process.

use tolerancia_core::fault::check_all;
use tolerancia_wire::fault::{Fault, FaultSpec, Scope};

use super::signal;

/// Checks faults that are to be there at a time, in process `pid`.
///
/// # Errors
/// A message for the caller when there are none or too many, a value is out of range, a scope has no meaning for its
/// fault, or the process cannot have it.
pub(super) fn check(specs: &[FaultSpec], pid: u32) -> Result<(), String> {
    check_all(specs)?;
    for spec in specs {
        check_scope(spec)?;
        check_process(&spec.fault, pid)?;
    }
    Ok(())
}

/// The kernel ignores SIGKILL and SIGSTOP that process 1 of a container sends to itself: the fault would be said to be
/// active and do nothing.
pub(super) fn check_process(fault: &Fault, pid: u32) -> Result<(), String> {
    if pid == 1 && signal::of(fault).is_some() {
        return Err(format!(
            "{} cannot be injected into process 1 of a container: run the service under an init, as the image does (tini), \
             or with `docker run --init`",
            fault.name()
        ));
    }
    Ok(())
}

/// A fault that would do nothing, or more than its scope says, would falsify a measurement.
fn check_scope(spec: &FaultSpec) -> Result<(), String> {
    let name = spec.fault.name();
    match (&spec.fault, spec.scope) {
        (Fault::Crash | Fault::Freeze | Fault::Stale, Scope::Queries | Scope::Health) => {
            Err(format!("{name} hits the whole process: leave the scope out"))
        }
        (Fault::Incorrect { .. }, Scope::Health) => Err(format!(
            "{name} falsifies stock, which no health answer contains: leave the scope out"
        )),
        _ => Ok(()),
    }
}
