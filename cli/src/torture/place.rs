//! The directory of a system under torture, with a small file system for each replica.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tolerancia_lab::console;
use tolerancia_wire::core::ReplicaId;

use crate::outcome::Failure;

/// The name of the SQLite file, in the data directory.
pub const DATABASE: &str = "tolerancia.db";
/// A replica's file system, MiB: an hour's snapshots fit in, and filling it takes a moment.
const DISK_MIB: u32 = 48;
/// Where shared memory is: the clocks' library leaves some behind in there when its process is killed.
const SHARED_MEMORY: &str = "/dev/shm";

/// A temporary directory, and what is mounted in it.
#[derive(Debug)]
pub struct Home {
    dir: TempDir,
    /// Whether there are small file systems; if not, why.
    mounted: Result<(), String>,
}

impl Home {
    /// Makes it. `inside` says whether mounts are this command's own business, and else why not.
    pub fn make(replicas: u8, inside: Result<(), String>) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("tolerancia-").tempdir();
        let dir = dir.map_err(|error| {
            Failure::cannot(format!(
                "no temporary directory ({error}): set TMPDIR to a writable one"
            ))
        })?;
        let mut home = Self { dir, mounted: inside };
        if home.mounted.is_ok() {
            home.mounted = home.mount(replicas);
            if home.mounted.is_err() {
                // What is half done would keep the directory from being deleted.
                for dir in home.mounted_dirs() {
                    let _ = unmount(&dir, false);
                }
            }
        }
        Ok(home)
    }

    fn mount(&self, replicas: u8) -> Result<(), String> {
        for dir in self.replica_dirs(replicas) {
            std::fs::create_dir_all(&dir).map_err(|error| format!("{} cannot be made ({error})", dir.display()))?;
            mount_tmpfs(&dir, &format!("size={DISK_MIB}m,mode=700"))?;
        }
        // Without it, the clocks' library leaves a few hundred bytes there.
        let _ = mount_tmpfs(Path::new(SHARED_MEMORY), "size=64m,mode=1777");
        Ok(())
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The system's data directory in it.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn replica_dirs(&self, replicas: u8) -> Vec<PathBuf> {
        let data_dir = self.data_dir();
        ReplicaId::all(replicas)
            .map(|id| data_dir.join(format!("inventory-{id}")))
            .collect()
    }

    /// The replicas' data directories, if each is on a small file system of its own.
    ///
    /// # Errors
    /// Why they are not.
    pub fn disks(&self, replicas: u8) -> Result<Vec<PathBuf>, String> {
        self.mounted.clone().map(|()| self.replica_dirs(replicas))
    }

    /// Deletes the directory, or leaves it there. Nobody must use it any more.
    pub fn leave(self, keep: bool) {
        let dirs = self
            .mounted
            .as_ref()
            .map_or_else(|_| Vec::new(), |()| self.mounted_dirs());
        for dir in dirs {
            if let Err(why) = unmount(&dir, keep) {
                console::err(why);
            }
        }
        if keep {
            console::err(format_args!("the system's directory is {}", self.dir.keep().display()));
        }
    }

    fn mounted_dirs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.data_dir()).into_iter().flatten().flatten();
        let dirs = entries.map(|entry| entry.path());
        dirs.filter(|dir| {
            dir.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("inventory-"))
        })
        .collect()
    }
}

fn mount_tmpfs(dir: &Path, options: &str) -> Result<(), String> {
    run(Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tolerancia"])
        .arg(dir))
}

/// Takes a small file system away; with `keep`, what was on it stays in the directory.
fn unmount(dir: &Path, keep: bool) -> Result<(), String> {
    let saved = dir.with_extension("saved");
    if keep {
        run(Command::new("cp").arg("-a").arg(dir).arg(&saved))?;
    }
    run(Command::new("umount").arg(dir))?;
    if keep {
        let moved = std::fs::remove_dir(dir).and_then(|()| std::fs::rename(&saved, dir));
        return moved.map_err(|error| format!("{} cannot be put in its place ({error})", saved.display()));
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{program} cannot be started ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Where PostgreSQL is by its URL, `HOST:PORT`, and the same URL with another address.
///
/// # Errors
/// Why a proxy cannot stand in between.
pub fn detour(url: &str) -> Result<(String, impl Fn(SocketAddr) -> String + use<>), String> {
    const STRANGE: &str = "POSTGRES_URL names no single server by HOST:PORT, so that no proxy fits in between";
    let (scheme, rest) = url.split_once("://").ok_or(STRANGE)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = authority
        .rsplit_once('@')
        .map_or(("", authority), |(user, host)| (user, host));
    if host.is_empty() || host.contains(',') || host.starts_with('%') || path.contains("host=") {
        return Err(STRANGE.to_owned());
    }
    if path.contains("sslmode=verify-full") {
        return Err(
            "POSTGRES_URL asks for the server's own name (sslmode=verify-full), which a proxy has not".to_owned(),
        );
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let upstream = if has_port {
        host.to_owned()
    } else {
        format!("{host}:5432")
    };
    let at = if user.is_empty() {
        String::new()
    } else {
        format!("{user}@")
    };
    let (scheme, path) = (scheme.to_owned(), path.to_owned());
    Ok((upstream, move |address| format!("{scheme}://{at}{address}{path}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_way_to_postgresql_leads_through_the_proxy() {
        let proxy = || "127.0.0.1:9".parse().unwrap();
        for (url, upstream, through) in [
            (
                "postgres://me:p%40ss@db:5433/orders?sslmode=disable",
                "db:5433",
                "postgres://me:p%40ss@127.0.0.1:9/orders?sslmode=disable",
            ),
            ("postgresql://db/orders", "db:5432", "postgresql://127.0.0.1:9/orders"),
        ] {
            let (to, detour) = detour(url).unwrap();
            assert_eq!((to.as_str(), detour(proxy()).as_str()), (upstream, through));
        }
    }

    #[test]
    fn where_no_proxy_fits_it_says_so() {
        for url in [
            "db:5432",
            "postgres://one:1,two:2/orders",
            "postgres:///orders?host=/run/postgresql",
            "postgres://db/orders?sslmode=verify-full",
        ] {
            assert!(detour(url).is_err(), "{url}");
        }
    }
}
