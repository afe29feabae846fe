//! Wall clocks that can be set: `libfaketime`, if it is installed, loaded into every process of the system.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tolerancia_lab::torture::Clocks;

use super::place::Home;
use super::processes;
use crate::supervisor::spec::{FakeClocks, System};

/// What libfaketime needs besides, to get along with librdkafka.
const REAL_WAITS: &str = include_str!("real_waits.c");

/// For programs with several threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// Where libraries are; also in the folders in there that are named by an architecture.
const FOLDERS: [&str; 4] = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"];

/// Gives every process of `system` a clock that can be set.
///
/// # Errors
/// Why not.
pub fn prepare(home: &Home, system: &mut System) -> Result<Clocks, String> {
    let library = find().ok_or("libfaketime is not installed (Debian package faketime)")?;
    let dir = home.dir().join("clocks");
    std::fs::create_dir_all(&dir).map_err(|error| format!("{} cannot be made ({error})", dir.display()))?;
    let fake = FakeClocks {
        libraries: vec![real_waits(&dir)?, library],
        clocks: Clocks::new(&dir, processes(system))?,
    };
    works(&fake)?;
    let clocks = fake.clocks.clone();
    system.clocks = Some(fake);
    Ok(clocks)
}

fn find() -> Option<PathBuf> {
    let within = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let folders = FOLDERS.iter().map(Path::new);
    let all = folders.flat_map(|folder| [vec![folder.to_owned()], within(folder)].concat());
    all.map(|folder| folder.join(LIBRARY)).find(|library| library.is_file())
}

/// Makes the library that leaves librdkafka's waits alone.
fn real_waits(dir: &Path) -> Result<PathBuf, String> {
    let (source, library) = (dir.join("real_waits.c"), dir.join("real_waits.so"));
    std::fs::write(&source, REAL_WAITS).map_err(|error| format!("{} cannot be written ({error})", source.display()))?;
    let mut command = Command::new("cc");
    command
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source);
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.map_err(|error| format!("libfaketime needs a C compiler besides: cc cannot be started ({error})"))?;
    if output.status.success() {
        return Ok(library);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("cc does not compile {}: {}", source.display(), said.trim()))
}

/// Whether this very program can be started with the library: one for another architecture is only complained about.
fn works(fake: &FakeClocks) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| format!("this program cannot be found ({error})"))?;
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    for (name, value) in fake.environment("broker") {
        command.env(name, value);
    }
    let output = command
        .output()
        .map_err(|error| format!("this program cannot be started ({error})"))?;
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() && complaint.is_empty() {
        return Ok(());
    }
    Err(format!("libfaketime does not work with this program: {complaint}"))
}
