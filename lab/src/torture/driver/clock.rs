//! The wall clocks of the processes, which `libfaketime` takes from a file per process. `CLOCK_MONOTONIC` stays what it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Note;
use crate::torture::action::Target;

/// The files from which the processes take how far their clocks are off.
#[derive(Debug, Clone)]
pub struct Clocks {
    dir: PathBuf,
}

impl Clocks {
    /// How often a process looks at its file, at least (1 s).
    pub const LOOK: Duration = Duration::from_secs(1);

    /// In this directory, which is there. All clocks are right.
    ///
    /// # Errors
    /// What is wrong with the directory, when it cannot be written.
    pub fn new(dir: &Path, processes: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let clocks = Self { dir: dir.to_owned() };
        for process in processes {
            clocks.write(&clocks.file(&process), 0)?;
        }
        Ok(clocks)
    }

    /// The file of the process with this name, such as `inventory-svc/2`.
    #[must_use]
    pub fn file(&self, process: &str) -> PathBuf {
        self.dir.join(process.replace('/', "-"))
    }

    /// Sets a clock off by so many milliseconds.
    pub(super) fn set(&self, target: Target, ms: i64) -> Result<(), Note> {
        self.write(&self.file(&target.to_string()), ms)
    }

    fn write(&self, file: &Path, ms: i64) -> Result<(), String> {
        // Renamed, so that nobody reads half of it.
        let draft = file.with_extension("new");
        std::fs::write(&draft, offset(ms))
            .and_then(|()| std::fs::rename(&draft, file))
            .map_err(|error| format!("{} cannot be written ({error})", file.display()))
    }
}

/// As libfaketime reads it: seconds with a sign.
fn offset(ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    format!("{sign}{}.{:03}\n", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn offsets_have_a_sign_and_milliseconds() {
        let all = [0, 1_500, -1_500, -20, 3_600_000].map(offset);
        assert_eq!(all, ["+0.000\n", "+1.500\n", "-1.500\n", "-0.020\n", "+3600.000\n"]);
    }

    #[test]
    fn every_process_has_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let replica = Target::Replica(tolerancia_core::ReplicaId::new(2).unwrap());
        let clocks = Clocks::new(dir.path(), [replica, Target::Voter].map(|target| target.to_string())).unwrap();
        clocks.set(replica, -90_000).unwrap();
        let read = |target: Target| std::fs::read_to_string(clocks.file(&target.to_string())).unwrap();
        assert_eq!(
            (read(replica).as_str(), read(Target::Voter).as_str()),
            ("-90.000\n", "+0.000\n")
        );
    }
}
