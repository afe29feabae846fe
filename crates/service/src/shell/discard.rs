//! What is left of the body of a request that is answered without it.
//!
//! Over HTTP/1.1 the next request comes behind this one's body. A server that answers before it has read all of that ends the
//! connection. If it does not say so, the client sends its next request into a connection that is about to end; and what the
//! client still sends is answered with a reset, which may overtake the answer. So the rest is read and thrown away, if it is
//! not much and comes soon; otherwise the answer says that the connection ends with it (RFC 9112, sections 9.3 and 9.6).
//!
//! HTTP/2 has none of this: a stream ends alone.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Buf as _;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::timeout;

/// So much is thrown away at most, in bytes.
const MOST: u64 = 1024 * 1024;
/// For so long the rest is waited for.
const PATIENCE: Duration = Duration::from_millis(250);

/// Reads the rest of a body and throws it away. Whether that was all of it. `head` is the request's: a client that asks
/// whether it may send its body (`Expect: 100-continue`) is not made to.
pub(super) async fn discard<B: Body + Unpin>(mut body: B, head: &HeaderMap) -> bool {
    if body.is_end_stream() {
        return true;
    }
    if head.contains_key(header::EXPECT) || body.size_hint().lower() > MOST {
        return false;
    }
    let all = async {
        let mut left = MOST;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return false;
            };
            let came = frame.data_ref().map_or(0, |data| data.remaining() as u64);
            if came > left {
                return false;
            }
            left -= came;
        }
        true
    };
    timeout(PATIENCE, all).await.unwrap_or(false)
}

/// Says in an answer over HTTP/1.1 that its connection ends with it.
pub(super) fn say_goodbye(answer: &mut HeaderMap) {
    answer.insert(header::CONNECTION, HeaderValue::from_static("close"));
}
