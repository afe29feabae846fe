//! JSON lines, compressed or not: written one by one under another name, which becomes the right one once the file is
//! complete; read one by one, so that no file is too large to be looked at.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ArchiveError;

/// A longer line is none of these files'.
const MOST_BYTES: u64 = 4 << 20;
/// zstd's own default: these lines shrink to a tenth, faster than a disk takes them.
const LEVEL: i32 = 3;
/// What a file that was made with the highest level needs to be read, as a power of two of bytes.
const MOST_WINDOW: u32 = 27;

/// Where a file grows until it is complete.
fn part(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

/// Writes a whole file, in place of an older one at a stroke.
pub(super) fn put(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = dir.join(name);
    std::fs::write(part(&path), bytes)?;
    std::fs::rename(part(&path), path)
}

/// Takes a file away, and what there is of it when its writing was interrupted.
pub(super) fn remove(dir: &Path, name: &str) -> io::Result<()> {
    let path = dir.join(name);
    remove_if_there(&part(&path))?;
    remove_if_there(&path)
}

/// Takes away what there is of a file that could not be completed.
pub(super) fn give_up(dir: &Path, name: &str) {
    // There is an error to be told already.
    let _ = remove_if_there(&part(&dir.join(name)));
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Adds a line to those in memory.
pub(super) fn push(lines: &mut Vec<u8>, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, line)?;
    lines.push(b'\n');
    Ok(())
}

/// A compressed file that is being written.
pub(super) struct Writer {
    path: PathBuf,
    sink: BufWriter<zstd::Encoder<'static, File>>,
    line: Vec<u8>,
}

impl Writer {
    /// Begins the file `name`.
    pub(super) fn new(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(name);
        let mut sink = zstd::Encoder::new(File::create(part(&path))?, LEVEL)?;
        // A changed byte must not be read as something else.
        sink.include_checksum(true)?;
        Ok(Self {
            path,
            sink: BufWriter::new(sink),
            line: Vec::new(),
        })
    }

    /// Adds a line.
    pub(super) fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        push(&mut self.line, line)?;
        if self.line.len() as u64 > MOST_BYTES {
            let path = self.path.display();
            return Err(io::Error::other(format!("a line of {path} would be longer than 4 MiB")));
        }
        self.sink.write_all(&self.line)
    }

    /// Completes the file.
    pub(super) fn finish(self) -> io::Result<()> {
        let sink = self.sink.into_inner().map_err(io::IntoInnerError::into_error)?;
        sink.finish()?.sync_all()?;
        std::fs::rename(part(&self.path), &self.path)
    }
}

/// A file that is being read.
pub(super) struct Reader {
    path: PathBuf,
    source: Box<dyn BufRead>,
    /// The number of the line that was read last, from 1.
    line: usize,
    bytes: Vec<u8>,
}

impl Reader {
    /// Opens the file `name`; one whose name ends in `.zst` is compressed.
    pub(super) fn open(dir: &Path, name: &str) -> Result<Self, ArchiveError> {
        let path = dir.join(name);
        let unreadable = |error: io::Error| ArchiveError::unreadable(&path, &error);
        // Before it is opened: a pipe would keep the program waiting.
        let metadata = std::fs::metadata(&path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::other("it is not a file")));
        }
        let file = File::open(&path).map_err(unreadable)?;
        let source: Box<dyn BufRead> = if name.ends_with(".zst") {
            let mut decoder = zstd::Decoder::new(file).map_err(unreadable)?;
            decoder.window_log_max(MOST_WINDOW).map_err(unreadable)?;
            Box::new(BufReader::new(decoder))
        } else {
            Box::new(BufReader::new(file))
        };
        Ok(Self {
            path,
            source,
            line: 0,
            bytes: Vec::new(),
        })
    }

    /// The number of the line that was read last, from 1.
    pub(super) const fn number(&self) -> usize {
        self.line
    }

    /// The next line as `T`; none at the end.
    pub(super) fn next<'a, T: Deserialize<'a>>(&'a mut self) -> Result<Option<T>, ArchiveError> {
        if !self.advance()? {
            return Ok(None);
        }
        let line = serde_json::from_slice(&self.bytes);
        line.map(Some)
            .map_err(|error| self.garbage(format!("this is no line of such a file ({error})")))
    }

    /// The first line, which says what the file is.
    pub(super) fn header<T: for<'a> Deserialize<'a>>(&mut self, format: &str, version: u32) -> Result<T, ArchiveError> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Preface {
            format: String,
            version: u32,
        }
        let first = self.next::<Preface>();
        let Some(preface) = first? else {
            self.line = 1;
            return Err(self.garbage("the file is empty".to_owned()));
        };
        if preface.format != format {
            return Err(self.garbage(format!("this begins a file of {:?}, not of {format:?}", preface.format)));
        }
        if preface.version != version {
            return Err(ArchiveError::Version {
                path: self.path.display().to_string(),
                found: preface.version,
                known: version,
            });
        }
        serde_json::from_slice(&self.bytes).map_err(|error| self.garbage(format!("this is no first line ({error})")))
    }

    /// An error about the line that was read last.
    pub(super) fn garbage(&self, message: String) -> ArchiveError {
        ArchiveError::Garbage {
            path: self.path.display().to_string(),
            line: self.line,
            message,
        }
    }

    /// Reads a line into `bytes`; whether there was one.
    fn advance(&mut self) -> Result<bool, ArchiveError> {
        self.bytes.clear();
        let mut limited = (&mut self.source).take(MOST_BYTES);
        let read = limited
            .read_until(b'\n', &mut self.bytes)
            .map_err(|error| ArchiveError::unreadable(&self.path, &error))?;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        if self.bytes.last() != Some(&b'\n') {
            return Err(self.garbage(if read as u64 == MOST_BYTES {
                "the line is longer than 4 MiB".to_owned()
            } else {
                "the line is cut off".to_owned()
            }));
        }
        Ok(true)
    }
}
