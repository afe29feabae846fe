//! Listening, and stopping without cutting anybody off.

use std::convert::Infallible;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use axum::body::{Body, Bytes};
use axum::http::{Response, Version};
use futures_util::future::Either;
use http_body_util::{Either as EitherBody, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use super::BODY_LIMIT;
use super::conn::{Busy, Order};
use super::connections::{Connections, Seat};
use super::discard::{discard, say_goodbye};
use super::drive::Driven;
use super::gate::App;
use super::io::Io;
use super::limits::{HEAD_LIMIT, Limits};
use super::peer::Peer;
use super::taken::watched;
use crate::queues;

/// How long requests under way may take after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(2);
/// How often the samples of histograms are summed up; until then each takes memory.
const UPKEEP: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted; the kernel's own limit is often 4096.
const BACKLOG: u32 = 4096;
/// What the kernel holds of answers that a client does not take, in bytes (Linux doubles it). Left to itself it holds
/// megabytes for each.
const SEND_BUFFER: u32 = 128 * 1024;
/// How long the other host may leave what was sent unacknowledged until its connection counts as lost.
#[cfg(target_os = "linux")]
const HOST_GONE: Duration = Duration::from_secs(30);
/// How often a quiet HTTP/2 connection with open requests is asked whether it is still there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// After a failure to accept.
const PAUSE: Duration = Duration::from_millis(10);
/// What a client is told for which there is no place, whatever it may have sent.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/problem+json\r\ncontent-length: 121\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"too many connections: try again in a second\"}\n";

/// Serves `app` on `addr` until `shutdown`, over HTTP/1.1 and HTTP/2 without TLS (prior knowledge), within `limits`.
/// Then takes no more connections, finishes what is under way within 2 s, and drops the rest.
///
/// # Errors
/// When the port cannot be listened on; the message says what to do.
pub async fn serve(app: impl Into<App>, addr: SocketAddr, limits: Limits, shutdown: CancellationToken) -> Result<()> {
    let listener = listen(addr)?;
    serve_on(listener, app, limits, shutdown).await;
    Ok(())
}

fn listen(addr: SocketAddr) -> Result<TcpListener> {
    match bind(addr) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(anyhow!(
            "port {} on {} is already in use: stop the program that listens there, or choose another port (--port, --base-port)",
            addr.port(),
            addr.ip()
        )),
        Err(error) => Err(error).with_context(|| {
            format!("cannot listen on {addr}: choose another address (--bind) or port (--port, --base-port)")
        }),
    }
}

fn bind(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // As tokio's own listener: a restart does not wait for connections of the last run.
    socket.set_reuseaddr(true)?;
    // Connections have it from their listener.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

fn server(limits: &Limits) -> Builder<TokioExecutor> {
    let mut server = Builder::new(TokioExecutor::new());
    // Heads have a limit in time with HTTP/2 too, and while the protocol is not known: see `conn`.
    let head = usize::try_from(HEAD_LIMIT).unwrap_or(usize::MAX);
    server.http1().header_read_timeout(None).max_buf_size(head);
    let window = u32::try_from(BODY_LIMIT).unwrap_or(u32::MAX);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_LIMIT)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .initial_stream_window_size(window)
        .initial_connection_window_size(16 * window)
        .max_send_buf_size(BODY_LIMIT)
        .max_concurrent_streams(limits.streams)
        // A client that gives up resets its stream. After this process was held up, many of them are read
        // in one go, and that must not end the connection.
        .max_pending_accept_reset_streams(limits.streams as usize)
        .max_local_error_reset_streams(None);
    server
}

pub(crate) async fn serve_on(listener: TcpListener, app: impl Into<App>, limits: Limits, shutdown: CancellationToken) {
    let app = app.into();
    let server = server(&limits);
    let connections = Connections::new(limits.connections);
    let watched = connections.clone();
    queues::watch("http_connections", limits.connections, move || watched.len());
    let _at_the_end = EndAll(connections.clone());
    let (limits, tasks) = (Arc::new(limits), TaskTracker::new());
    let metrics = crate::metrics::install();
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            stream = accept(&listener, &connections) => stream,
            _ = upkeep.tick() => {
                metrics.run_upkeep();
                continue;
            }
        };
        let Some(seat) = connections.enter() else {
            refuse(stream);
            continue;
        };
        tasks.spawn(connection(&server, stream, seat, app.clone(), Arc::clone(&limits)));
    }
    drop(listener);
    tasks.close();
    connections.tell(Order::Part);
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        tracing::warn!(
            "some requests were not finished within {} s and are dropped",
            GRACE.as_secs()
        );
    }
}

/// Ends all connections when it is dropped, also if the server itself is.
struct EndAll(Connections);

impl Drop for EndAll {
    fn drop(&mut self) {
        self.0.tell(Order::End);
    }
}

/// Serves one connection until its end.
fn connection(
    server: &Builder<TokioExecutor>,
    stream: TcpStream,
    seat: Seat,
    app: App,
    limits: Arc<Limits>,
) -> impl Future<Output = ()> + Send + 'static {
    prepare(&stream);
    let peer = stream.peer_addr().ok();
    let conn = Arc::clone(&seat.conn);
    let io = Io::new(stream, Arc::clone(&conn));
    let outbox = io.outbox();
    let service = {
        let (conn, outbox) = (Arc::clone(&conn), Arc::clone(&outbox));
        service_fn(move |request: hyper::Request<Incoming>| {
            let busy = Busy::new(&conn);
            let coming = match app.gate.as_ref().map(|gate| (gate, gate.pass(request.uri().path()))) {
                None => None,
                Some((_, Ok(coming))) => coming,
                Some((gate, Err(mut refusal))) => {
                    let (parts, body) = request.into_parts();
                    let over_http2 = parts.version == Version::HTTP_2;
                    let hold = if over_http2 { gate.hold() } else { None };
                    let (conn, outbox) = (Arc::clone(&conn), Arc::clone(&outbox));
                    return Either::Left(async move {
                        let _busy = busy;
                        if over_http2 {
                            // What came of it takes memory, and the refusal may be held back for long.
                            drop(body);
                        } else if !discard(body, &parts.headers).await {
                            say_goodbye(refusal.headers_mut());
                        }
                        if let Some(hold) = hold {
                            hold.over().await;
                        }
                        if conn.hold(rand::random) {
                            outbox.gather();
                        }
                        Ok(refusal.map(EitherBody::Left))
                    });
                }
            };
            let mut request = request.map(Body::new);
            if let Some(peer) = peer {
                request.extensions_mut().insert(Peer(peer));
            }
            request.extensions_mut().insert(Arc::clone(&conn));
            let mut router = app.router.clone();
            Either::Right(async move {
                drop(coming);
                let answer = watched(router.call(request).await?, busy);
                Ok::<Response<EitherBody<Full<Bytes>, Body>>, Infallible>(answer.map(EitherBody::Right))
            })
        })
    };
    let served = server.serve_connection(TokioIo::new(io), service).into_owned();
    async move {
        Driven::new(served, conn, outbox, limits).await;
        drop(seat);
    }
}

fn prepare(stream: &TcpStream) {
    let prepared = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let prepared = prepared.and_then(|()| {
        let patience = u32::try_from(HOST_GONE.as_millis()).unwrap_or(u32::MAX);
        Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, patience)?)
    });
    if let Err(error) = prepared {
        tracing::debug!(%error, "a connection was closed before it was served");
    }
}

/// No place: the refusal fits into the empty send buffer, and nothing is waited for.
fn refuse(stream: TcpStream) {
    metrics::counter!("http_connections_refused_total").increment(1);
    // Of tokio's stream it is not known yet that it can be written to.
    let _ = stream.into_std().and_then(|mut stream| {
        // A request that came already: closing without having read it would take the refusal back.
        let _ = stream.read(&mut [0; 4096]);
        stream.write(REFUSAL)
    });
}

async fn accept(listener: &TcpListener, connections: &Connections) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, say: an idle connection has one to give, and those of others are freed meanwhile.
            Err(error) => {
                let made_room = connections.evict();
                tracing::warn!(%error, made_room, "cannot accept a connection, trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = String::from_utf8_lossy(REFUSAL);
        let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
        assert!(
            text.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
