//! A full disk: a file that takes all there is on a small file system.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Note;

/// The file's name.
const BALLAST: &str = "ballast";
/// Between two looks whether there is space again.
pub(super) const AGAIN: Duration = Duration::from_millis(250);
/// A file system that takes more than this (256 MiB) is not the small one that was meant, and is left alone.
const MOST: u64 = 256 << 20;
/// Bytes are taken in pieces of these sizes.
const PIECES: [usize; 3] = [1 << 20, 4 << 10, 1];

/// What takes the space. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Ballast {
    file: PathBuf,
}

impl Ballast {
    /// Takes all space of the file system that `dir` is on.
    pub(super) async fn fill(dir: &Path) -> Result<Self, Note> {
        Self::fill_within(dir, MOST).await
    }

    async fn fill_within(dir: &Path, most: u64) -> Result<Self, Note> {
        let ballast = Self {
            file: dir.join(BALLAST),
        };
        let file = ballast.file.clone();
        blocking(move || fill(&file, most)).await?;
        Ok(ballast)
    }

    /// Takes what has become free since.
    pub(super) async fn fill_up(&self) {
        let file = self.file.clone();
        // The next time will do.
        let _ = blocking(move || fill(&file, MOST)).await;
    }

    /// Gives the space back, and says how many bytes it was.
    pub(super) async fn free(self) -> Result<u64, Note> {
        let file = self.file.clone();
        blocking(move || {
            let bytes = std::fs::metadata(&file)?.len();
            std::fs::remove_file(&file)?;
            Ok(bytes)
        })
        .await
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        // As a rule it is gone by now.
        let _ = std::fs::remove_file(&self.file);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Note> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| format!("the disk could not be filled or freed ({error})")),
        Err(error) => Err(format!("filling the disk was cut off: {error}")),
    }
}

/// Appends to `file` until there is no space left.
fn fill(file: &Path, most: u64) -> std::io::Result<()> {
    let mut ballast = OpenOptions::new().create(true).append(true).open(file)?;
    for size in PIECES {
        take(&mut ballast, &vec![0; size], most)?;
    }
    Ok(())
}

fn take(ballast: &mut File, piece: &[u8], most: u64) -> std::io::Result<()> {
    loop {
        match ballast.write(piece) {
            Ok(_) if ballast.metadata()?.len() > most => {
                ballast.set_len(0)?;
                return Err(std::io::Error::other(format!("it takes more than {} MiB", most >> 20)));
            }
            Ok(1..) => {}
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_big_file_system_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let why = Ballast::fill_within(dir.path(), 1 << 20).await.unwrap_err();
        assert!(why.contains("more than 1 MiB"), "{why}");
        assert!(!dir.path().join(BALLAST).exists());
    }
}
