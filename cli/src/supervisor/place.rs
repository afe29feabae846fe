//! The place a system needs on this host: a data directory of its own, and its ports.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tolerancia_service::config::name;

use super::spec::Spec;
use crate::outcome::Failure;

/// Locked by the supervisor for as long as it lives, however it ends.
const LOCK: &str = "lock";

/// How long a port may stay taken: the processes of a supervisor that was just killed take a moment to go.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// A data directory that no other supervisor uses.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory if need be, and takes it.
    pub fn take(path: &Path) -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| {
            let path = path.display();
            Failure::cannot(format!(
                "the data directory {path} cannot be used ({error}): make it writable or choose another with --data-dir"
            ))
        };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Only the message suffers when it cannot be read.
                let _ = lock.read_to_string(&mut owner);
                return Err(Failure::cannot(format!(
                    "the data directory {} is in use by another system (process {}): stop that, or choose another with --data-dir",
                    path.display(),
                    owner.trim()
                )));
            }
        }
        lock.set_len(0).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Finds out that every port is free, or which are not.
pub async fn ports_are_free(specs: &[Spec]) -> Result<(), Failure> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let taken: Vec<_> = specs
            .iter()
            .filter_map(|spec| Some((spec, TcpListener::bind((Ipv4Addr::LOCALHOST, spec.port)).err()?)))
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            let without = match taken.as_slice() {
                [(spec, _)] if spec.name == name::DASHBOARD => ", or do without the page with --dashboard off",
                _ => "",
            };
            let list: Vec<_> = taken
                .iter()
                .map(|(spec, error)| format!("{} for {} ({error})", spec.port, spec.name))
                .collect();
            return Err(Failure::cannot(format!(
                "these ports cannot be had: {}. Stop what listens there, or choose others with --base-port{without}",
                list.join(", ")
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_data_directory_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let owner = DataDir::take(&path).unwrap();
        let refusal = DataDir::take(&path).unwrap_err();
        assert_eq!(refusal.code, 2);
        assert!(
            refusal.message.contains(&std::process::id().to_string()),
            "{}",
            refusal.message
        );
        drop(owner);
        DataDir::take(&path).unwrap();
    }

    #[test]
    fn a_file_is_no_data_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refusal = DataDir::take(&file.path().join("x")).unwrap_err();
        assert!(refusal.message.contains("--data-dir"), "{}", refusal.message);
    }
}
