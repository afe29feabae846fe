//! A socket that tells its [`Conn`] what comes and whether anything can go.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::conn::Conn;
use super::outbox::Outbox;

#[derive(Debug)]
pub(super) struct Io {
    reader: OwnedReadHalf,
    outbox: Arc<Outbox>,
    conn: Arc<Conn>,
}

impl Io {
    pub(super) fn new(stream: TcpStream, conn: Arc<Conn>) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader,
            outbox: Arc::new(Outbox::new(writer)),
            conn,
        }
    }

    /// Its writing side.
    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.conn.may_not_read() {
            // Whoever drives the connection wakes it.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(cx, buf))?;
        self.conn.read(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let written = self.outbox.poll_write(cx, bufs);
        self.conn.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing waits here but what is gathered, and that leaves when the connection's turn is over.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.outbox.poll_shutdown(cx)
    }
}
