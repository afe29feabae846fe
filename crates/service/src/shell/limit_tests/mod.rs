//! The limits, with real sockets. Times to be waited for are short; times that must not be over are long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tolerancia_wire::health::HealthState;

use super::tests::health;
use super::*;
use crate::openapi::Operation;
use crate::streams::{Place, Places};

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

mod many;
mod slow;

struct Server {
    addr: SocketAddr,
    work: Arc<Semaphore>,
    /// A permit for each request that wants to work.
    began: Arc<Semaphore>,
    places: Places,
    _stop: DropGuard,
}

fn short() -> Limits {
    Limits {
        head: SHORT,
        body: SHORT,
        idle: SHORT,
        write: SHORT,
        request: SHORT,
        ..long()
    }
}

fn long() -> Limits {
    Limits {
        head: LONG,
        body: LONG,
        idle: LONG,
        write: LONG,
        request: LONG,
        ..Limits::default()
    }
}

/// Serves `/work`, which waits for a permit; `/live`, which sends as much as is taken; and `/echo`.
async fn serve_within(limits: Limits) -> Server {
    let (work, places) = (Arc::new(Semaphore::new(0)), Places::new(1));
    let began = Arc::new(Semaphore::new(0));
    let begins = Arc::clone(&began);
    let (waits, live) = (Arc::clone(&work), places.clone());
    let routes = Api::new()
        .get(
            "/work",
            move || {
                let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
                async move {
                    begins.add_permits(1);
                    waits.acquire().await.unwrap().forget();
                    "done"
                }
            },
            Operation::new("work", "Waits"),
        )
        .get(
            "/live",
            move || std::future::ready(endless(live.take(String::new))),
            Operation::new("live", "Goes on"),
        )
        .post(
            "/echo",
            |body: Bytes| std::future::ready(body),
            Operation::new("echo", "Says the same"),
        );
    let (addr, stop) = serve_routes(routes, limits).await;
    Server {
        addr,
        work,
        began,
        places,
        _stop: stop,
    }
}

/// Serves these until the guard is dropped.
async fn serve_routes(routes: Api, limits: Limits) -> (SocketAddr, DropGuard) {
    let app = Shell::new(health(HealthState::Up))
        .routes(routes)
        .limits(&limits)
        .into_app();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve_on(listener, app, limits, stop.clone()));
    (addr, stop.drop_guard())
}

fn endless(place: Result<Place, Response>) -> Response {
    match place {
        Ok(place) => {
            let parts = stream::repeat(Bytes::from(vec![b'x'; 16 * 1024]));
            let parts = parts.map(move |part| {
                let _keeps = &place;
                Ok::<_, std::convert::Infallible>(part)
            });
            Response::new(Body::from_stream(parts))
        }
        Err(full) => full,
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// A connection that has had an answer.
    async fn known(&self) -> TcpStream {
        let mut stream = self.connect().await;
        assert_eq!(
            status(&mut stream, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await,
            Some(200)
        );
        stream
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8(answer).unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }

    async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let line = text.lines().find(|line| line.starts_with(series));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

/// Sends this and reads the head and a body of known length. None if the connection ends without an answer.
async fn status(stream: &mut TcpStream, request: &[u8]) -> Option<u16> {
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    loop {
        let read = timeout(LONG, stream.read_buf(&mut answer))
            .await
            .expect("an answer in time")
            .ok()?;
        if let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
            let length = text
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            if answer.len() >= head + 4 + length {
                return Some(text[9..12].parse().unwrap());
            }
        }
        if read == 0 {
            return None;
        }
    }
}

/// Waits until the server has ended the connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // Either end will do: what was not read makes it a reset.
    let _ = timeout(LONG, stream.read_to_end(&mut rest))
        .await
        .expect("the server ends it");
}

/// Sends a byte now and then until the server has ended the connection. Returns what it said.
async fn drip(mut stream: TcpStream, bytes: &'static [u8]) -> String {
    let (mut reader, mut writer) = stream.split();
    let mut said = Vec::new();
    let drips = async {
        for byte in bytes.iter().cycle() {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let ended = async {
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            said.extend_from_slice(&buffer[..read]);
        }
    };
    timeout(LONG, async {
        tokio::select! { () = drips => {}, () = ended => {} }
    })
    .await
    .expect("the server ends it");
    String::from_utf8_lossy(&said).into_owned()
}
