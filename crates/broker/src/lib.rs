//! The embedded broker: speaks Kafka's protocol, keeps everything in one SQLite file, and runs in a child
//! process, so that it can be killed like any other part of the system.
//!
//! It is made of `tansu`'s services and storage. What differs, and why:
//! - [`fetch`](fetch::Fetch) waits for records instead of sleeping out the client's patience, and serves
//!   the newest of them from memory: polling in their place cost a whole core for six idle consumers;
//! - [`produce`](produce::Produce) answers a repeated batch with the offset that the first copy got, as
//!   Apache Kafka does, also after a restart, and takes up producers under a new epoch;
//! - offsets of a log whose oldest records were deleted are right;
//! - transactions and the deletion of topics are not offered.
//!
//! A record is acknowledged once its transaction is committed to the write-ahead log. That survives the
//! death of this process at any moment (SIGKILL), but not a loss of power.

mod fetch;
mod log;
mod offsets;
mod produce;
mod producers;
mod reader;
mod server;
mod tail;
mod versions;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Serves Kafka clients on `listen` from `file`, which is created where it is missing, until SIGTERM or
/// SIGINT. Call it from a process of its own: it changes the working directory and handles the signals.
///
/// # Errors
/// When the port is taken, the file cannot be written or is in use by another broker, or the storage
/// fails; the message says what to do.
pub async fn run(listen: SocketAddr, file: &Path) -> Result<()> {
    let file = file.to_owned();
    let (sender, ended) = oneshot::channel();
    // The storage does one thing at a time anyway. On one thread a request is not handed from core to core,
    // which takes a third off the broker's processor time.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("broker".to_owned()).spawn(move || {
        let _ = sender.send(runtime.block_on(serve(listen, &file)));
    })?;
    ended.await.context("the broker ended in a panic: start it again")?
}

async fn serve(listen: SocketAddr, file: &Path) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = bind(listen).await?;
    let (name, _lock) = prepare(file)?;
    let log = server::open(listener.local_addr()?, &name).await.with_context(|| {
        format!(
            "{} cannot be used as a broker's file: move it away or repair it",
            file.display()
        )
    })?;
    tokio::select! {
        ended = server::serve(listener, log) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    match TcpListener::bind(listen).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "port {} on {} is already in use: stop the process that has it, or choose another port",
            listen.port(),
            listen.ip()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {listen}")),
    }
}

/// Makes sure that `file` can be written and is nobody else's, and enters its directory: the storage takes
/// only a path relative to the working directory, and of that only plain characters. Returns the name
/// there and the lock.
fn prepare(file: &Path) -> Result<(String, File)> {
    let unwritable = || {
        format!(
            "cannot write {}: choose a data directory that this user may write to",
            file.display()
        )
    };
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
        .to_owned();
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    {
        bail!(
            "{} is no name for a broker's file: use small letters, digits, '.', '_' and '-'",
            file.display()
        );
    }
    let directory = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(directory).with_context(unwritable)?;
    std::env::set_current_dir(directory).with_context(unwritable)?;
    let mut open = OpenOptions::new();
    open.create(true).append(true);
    open.open(&name).with_context(unwritable)?;
    let lock = open.open(format!("{name}.lock")).with_context(unwritable)?;
    match lock.try_lock() {
        Ok(()) => Ok((name, lock)),
        Err(TryLockError::WouldBlock) => bail!(
            "another broker is using {}: stop it, or choose another data directory",
            file.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(unwritable),
    }
}
