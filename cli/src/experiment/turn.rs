//! One experiment at a time for each system of this host: two would take each other's faults for their own results.
//!
//! Whoever measures the system on a base port holds a lock on a file in the temporary directory (`TMPDIR`), which the
//! kernel gives back however the process ends. The file says who it is. It is removed at the end; one that is left over is
//! no lock.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::time::{Instant, sleep};

use crate::outcome::Failure;

/// How long a file may be locked by somebody who only looks at it, or has just ended.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(25);

/// The right to measure. Given back when it is dropped.
#[derive(Debug)]
pub struct Turn {
    path: PathBuf,
    _lock: File,
}

/// Who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Whether it ends with the program that started it.
    pub tied: bool,
}

impl Holder {
    fn read(file: &mut File) -> Option<Self> {
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        let (pid, tied) = text.trim_end().split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            tied: tied == "tied",
        })
    }
}

impl Turn {
    /// Takes the right to measure the system on this base port; `tied` if this process ends with the program that started
    /// it.
    ///
    /// # Errors
    /// When another experiment has it, or the temporary directory cannot be written.
    pub async fn take(base_port: u16, tied: bool) -> Result<Self, Failure> {
        Self::take_at(file(base_port), tied).await
    }

    async fn take_at(path: PathBuf, tied: bool) -> Result<Self, Failure> {
        let unusable = |error: io::Error| {
            let path = path.display();
            Failure::cannot(format!(
                "{path} cannot be locked ({error}): set TMPDIR to a directory that is writable"
            ))
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lock(&path) {
                Ok(Some(mut lock)) => {
                    let tied = if tied { "tied" } else { "alone" };
                    lock.set_len(0).map_err(unusable)?;
                    writeln!(lock, "{} {tied}", std::process::id()).map_err(unusable)?;
                    return Ok(Self { path, _lock: lock });
                }
                Ok(None) if Instant::now() < deadline => sleep(PAUSE).await,
                Ok(None) => {
                    // Only the message suffers when it cannot be read.
                    let holder = open(&path, false).ok().and_then(|mut file| Holder::read(&mut file));
                    let who = holder.map_or_else(String::new, |holder| format!(" (process {})", holder.pid));
                    return Err(Failure::cannot(format!(
                        "another experiment runs{who}: wait for its end, or stop it with Ctrl-C"
                    )));
                }
                Err(error) => return Err(unusable(error)),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the lock is given back: whoever locks the file then finds that it is there no more.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The experiment that measures the system on this base port, if one does.
pub fn holder(base_port: u16) -> Option<Holder> {
    holder_at(&file(base_port))
}

fn holder_at(path: &Path) -> Option<Holder> {
    let mut file = open(path, false).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Holder::read(&mut file),
        _ => None,
    }
}

/// One file for each user: nobody else could open it.
fn file(base_port: u16) -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("tolerancia-experiment-{user}-{base_port}.lock"))
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .mode(0o600)
        // The directory belongs to all: a link in it could lead anywhere.
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// The locked file; none if somebody else has locked it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = open(path, true)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // It may have been removed meanwhile, and what somebody else locks is then another one.
    let same = std::fs::metadata(path).is_ok_and(|there| {
        file.metadata()
            .is_ok_and(|here| (here.dev(), here.ino()) == (there.dev(), there.ino()))
    });
    Ok(same.then_some(file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn there_is_one_experiment_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(holder_at(&path), None);
        let turn = Turn::take_at(path.clone(), true).await.unwrap();
        let pid = std::process::id();
        assert_eq!(holder_at(&path), Some(Holder { pid, tied: true }));
        let refusal = Turn::take_at(path.clone(), false).await.unwrap_err();
        assert_eq!(refusal.code, 2);
        let told = format!("another experiment runs (process {pid}): wait for its end, or stop it with Ctrl-C");
        assert_eq!(refusal.message, told);
        // On other ports there may be one.
        Turn::take_at(dir.path().join("other"), false).await.unwrap();

        drop(turn);
        assert_eq!(holder_at(&path), None);
        Turn::take_at(path.clone(), false).await.unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }

    #[tokio::test]
    async fn what_a_killed_experiment_leaves_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "1 tied\n").unwrap();
        assert_eq!(holder_at(&path), None);
        let _turn = Turn::take_at(path.clone(), false).await.unwrap();
        let pid = std::process::id();
        assert_eq!(holder_at(&path), Some(Holder { pid, tied: false }));
    }

    #[tokio::test]
    async fn a_file_that_is_removed_under_the_lock_locks_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let stale = open(&path, true).unwrap();
        stale.lock().unwrap();
        std::fs::remove_file(&path).unwrap();
        let _turn = Turn::take_at(path.clone(), false).await.unwrap();
        stale.unlock().unwrap();
        Turn::take_at(path, false).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("lock"), dir.path().join("target"));
        std::fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let refusal = Turn::take_at(path, false).await.unwrap_err();
        assert!(refusal.message.contains("TMPDIR"), "{}", refusal.message);
        assert_eq!(std::fs::read_to_string(target).unwrap(), "mine");
    }
}
