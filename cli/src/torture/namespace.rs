//! A place for mounts of this command's own: a mount namespace, which goes when the last process in it ends, however it
//! ends. Nothing of it is seen from outside.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Set for whoever is inside.
const INSIDE: &str = "TOLERANCIA_TORTURE_INSIDE";
/// How to get in: as root, or else with a user namespace around it, in which we are root.
const WAYS: [&[&str]; 2] = [&["-m"], &["-Urm"]];
/// What is to work in there. The mount is gone with the shell.
const TRIAL: &str = "mount -t tmpfs -o size=64k tolerancia /tmp";

/// Starts this program again, in its place and with its arguments, in a mount namespace of its own; or returns, if it is in
/// one already.
///
/// # Errors
/// Why there is none. Then all goes on without.
pub fn enter() -> Result<(), String> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(|error| format!("this program cannot be found ({error})"))?;
    let mut why = String::new();
    for way in WAYS {
        match tried(way) {
            Ok(()) => {
                // Only comes back if it fails.
                let error = Command::new("unshare")
                    .args(way)
                    .arg("--")
                    .arg(&program)
                    .args(std::env::args_os().skip(1))
                    .env(INSIDE, "1")
                    .exec();
                why = format!("unshare cannot be started ({error})");
            }
            Err(error) => why = error,
        }
    }
    Err(format!("no file systems of its own can be mounted here: {why}"))
}

fn tried(way: &[&str]) -> Result<(), String> {
    let output = Command::new("unshare")
        .args(way)
        .args(["--", "sh", "-c", TRIAL])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("unshare, of util-linux, cannot be started ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("unshare says nothing").to_owned())
}
