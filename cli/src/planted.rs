//! The planted bug that the environment names: planted at the very start, and never in silence.
//!
//! Children inherit the variable, so a whole system started by one command has the same bug. A binary that was built
//! without the feature `planted-bugs` refuses to run under the variable: a hunt that believes it looks at a broken build
//! must not look at a sound one.

/// The variable that names the bug.
const VARIABLE: &str = "TOLERANCIA_PLANTED_BUG";

/// Plants the bug that the environment names, if it names one.
///
/// # Errors
/// When there is no such bug, or this binary was built without them. The message says what to do.
pub fn from_environment() -> Result<(), String> {
    let Some(name) = std::env::var_os(VARIABLE) else {
        return Ok(());
    };
    plant(&name.to_string_lossy())
}

#[cfg(feature = "planted-bugs")]
fn plant(name: &str) -> Result<(), String> {
    use tolerancia_wire::core::planted::{self, Planted};

    let bug: Planted = name.parse().map_err(|error| format!("{VARIABLE}: {error}"))?;
    planted::plant(Some(bug));
    tolerancia_lab::console::err(format_args!(
        "WARNING: this process is broken on purpose: {VARIABLE}={bug}"
    ));
    Ok(())
}

#[cfg(not(feature = "planted-bugs"))]
fn plant(name: &str) -> Result<(), String> {
    Err(format!(
        "{VARIABLE}={name} is set, but this binary was built without planted bugs: unset it, or build with --features planted-bugs"
    ))
}
