//! Listening, and stopping without cutting anybody off.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long requests under way may take after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(2);
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the samples of histograms are summed up; until then each takes memory.
const UPKEEP: Duration = Duration::from_secs(5);
/// Requests of one HTTP/2 connection under way at once: the voter has one per replica, for all its clients.
const STREAMS: u32 = 8192;

/// Serves `router` on `addr` until `shutdown`, over HTTP/1.1 and HTTP/2 without TLS (prior knowledge).
/// Then takes no more connections, finishes what is under way within 2 s, and drops the rest.
///
/// # Errors
/// When the port cannot be listened on; the message says what to do.
pub async fn serve(router: Router, addr: SocketAddr, shutdown: CancellationToken) -> Result<()> {
    let listener = listen(addr).await?;
    serve_on(listener, router, shutdown).await;
    Ok(())
}

async fn listen(addr: SocketAddr) -> Result<TcpListener> {
    match TcpListener::bind(addr).await {
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

pub(crate) async fn serve_on(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        // A client that gives up resets its stream. After this process was held up, many of them are read
        // in one go, and that must not end the connection.
        .max_pending_accept_reset_streams(STREAMS as usize)
        .max_local_error_reset_streams(None);
    let graceful = GracefulShutdown::new();
    let drop_rest = CancellationToken::new();
    let _at_the_end = drop_rest.clone().drop_guard();
    let service = TowerToHyperService::new(router);
    let metrics = crate::metrics::install();
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            stream = accept(&listener) => stream,
            _ = upkeep.tick() => {
                metrics.run_upkeep();
                continue;
            }
        };
        let connection = server
            .serve_connection(TokioIo::new(stream), service.clone())
            .into_owned();
        let connection = graceful.watch(connection);
        let dropped = drop_rest.clone();
        tokio::spawn(async move {
            // A client that goes away in the middle is its own affair.
            if let Some(Err(error)) = dropped.run_until_cancelled(connection).await {
                tracing::debug!(error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            "some requests were not finished within {} s and are dropped",
            GRACE.as_secs()
        );
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was closed before it was served");
                }
                return stream;
            }
            // Out of file descriptors, say: those of others are freed meanwhile.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection, trying again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
