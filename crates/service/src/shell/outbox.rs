//! What leaves over a connection. Refusals that are given in one go leave in one go.
//!
//! hyper hands over each answer on its own, also where a client sent many requests without waiting for answers. Each is a
//! call into the kernel and a segment then, which costs more than all else that is done for a refusal. So once a connection
//! was refused something, what is written is gathered until the connection's turn is over. Nobody can wait for it
//! meanwhile: the turn ends as soon as there is nothing to do but wait. (hyper's own `pipeline_flush` gathers until all
//! that came is served: an answer would wait for the client to finish its next request, and events for as long as they
//! go on.)

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite as _;
use tokio::net::tcp::OwnedWriteHalf;

/// So many bytes are gathered at most, before the kernel must take some.
const MOST_GATHERED: usize = 16 * 1024;
/// As much as hyper makes of refusals in one go: sixteen.
const ROOM: usize = 8 * 1024;

/// The writing side of a connection.
#[derive(Debug)]
pub(super) struct Outbox {
    gathers: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    socket: OwnedWriteHalf,
    gathered: Vec<u8>,
}

impl Outbox {
    pub(super) fn new(socket: OwnedWriteHalf) -> Self {
        Self {
            gathers: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                socket,
                gathered: Vec::new(),
            }),
        }
    }

    /// Gathers what is written, until the next [`poll_release`](Self::poll_release).
    pub(super) fn gather(&self) {
        self.gathers.store(true, Relaxed);
    }

    /// Whether anything is gathered, or may be.
    pub(super) fn gathers(&self) -> bool {
        self.gathers.load(Relaxed)
    }

    /// Takes some of this. Who is told to wait is woken.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let mut inner = self.inner();
        if self.gathers() {
            if inner.gathered.len() >= MOST_GATHERED {
                ready!(inner.poll_release(cx))?;
            }
            if inner.gathered.capacity() == 0 {
                inner.gathered.reserve_exact(ROOM);
            }
            let mut taken = 0;
            for part in parts {
                // What is larger than all that is to be gathered goes in pieces.
                let part = &part[..part.len().min(MOST_GATHERED)];
                inner.gathered.extend_from_slice(part);
                taken += part.len();
                if inner.gathered.len() >= MOST_GATHERED {
                    break;
                }
            }
            return Poll::Ready(Ok(taken));
        }
        Pin::new(&mut inner.socket).poll_write_vectored(cx, parts)
    }

    /// Hands to the kernel what was gathered.
    pub(super) fn poll_release(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.gathers() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.inner().poll_release(cx))?;
        self.gathers.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }

    /// Ends the stream after what was gathered.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_release(cx))?;
        Pin::new(&mut self.inner().socket).poll_shutdown(cx)
    }

    /// Held for a call that does not wait, never across an await.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Self { socket, gathered } = self;
        while !gathered.is_empty() {
            let taken = match ready!(Pin::new(&mut *socket).poll_write(cx, gathered)) {
                Ok(taken) => taken,
                Err(error) => {
                    // Its client is gone, and nobody asks for this any more.
                    *gathered = Vec::new();
                    return Poll::Ready(Err(error));
                }
            };
            gathered.drain(..taken);
        }
        // Most connections are idle most of the time.
        *gathered = Vec::new();
        Poll::Ready(Ok(()))
    }
}
