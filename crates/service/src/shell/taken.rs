//! Answers that go on: whether their client takes them.
//!
//! A stream of events is made no faster than it is taken: hyper asks for the next part once it could pass on the last one,
//! to the kernel or, with HTTP/2, within what the client has made room for. So a part that was handed over and is not
//! followed by a further question is one that nobody takes. Without a limit such a client would keep its place for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use super::conn::Busy;

/// The same answer; if its end is not known yet, its connection is busy until then and notes when it is not taken.
pub(super) fn watched(response: Response, busy: Busy) -> Response {
    if response.body().is_end_stream() || response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        let untaken = busy.0.note_untaken();
        Body::new(Watched { body, busy, untaken })
    })
}

#[derive(Debug)]
struct Watched {
    body: Body,
    busy: Busy,
    untaken: Arc<AtomicU64>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let since = match frame {
            Poll::Ready(Some(Ok(_))) => self.busy.0.clock().now(),
            _ => 0,
        };
        self.untaken.store(since, Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.busy.0.forget_untaken(&self.untaken);
    }
}
