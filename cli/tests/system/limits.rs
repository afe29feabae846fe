//! Clients that do nothing, or everything too slowly, do not hurt those that ask; and too many requests are refused.
//!
//! Small, so that any machine can do it: `lab/examples/crowd.rs` and `overload.rs` are the real thing.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{System, eventually};

const IDLE: usize = 1000;
const SLOW: usize = 50;
/// Fewer than come.
const MAX_CONNECTIONS: usize = 400;
const QUERIES: usize = 100;

fn addr(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().unwrap()
}

/// Connects, sends `head` and then `byte` twice a second, reads nothing, and comes back when it is thrown out.
async fn dawdle(addr: SocketAddr, head: &'static [u8], byte: Option<u8>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(addr).await
            && stream.write_all(head).await.is_ok()
        {
            match byte {
                Some(byte) => {
                    while stream.write_all(&[byte]).await.is_ok() {
                        sleep(Duration::from_millis(500)).await;
                    }
                }
                None => while let Ok(1..) = stream.read(&mut [0; 1024]).await {},
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_does_nothing_hurts_nobody() {
    let most = MAX_CONNECTIONS.to_string();
    let system = System::up_with(|up| _ = up.env("MAX_CONNECTIONS", most)).await;
    let voter = addr(&system.voter());
    let mut crowd = JoinSet::new();
    for number in 0..IDLE {
        let head: &[u8] = if number % 2 == 0 {
            b""
        } else {
            b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
        };
        crowd.spawn(dawdle(voter, head, None));
    }
    for number in 0..SLOW {
        let (head, byte): (&[u8], u8) = match number % 4 {
            0 => (b"GET /inventory HTTP/1.1\r\nx: ", b'y'),
            1 => (
                b"POST /inventory HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n",
                b'y',
            ),
            2 => (
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\x3e\x80\x01\0\0\0\0\x01",
                0,
            ),
            _ => (b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n", b'G'),
        };
        crowd.spawn(dawdle(voter, head, Some(byte)));
    }
    // The crowd is there: it has more connections than there are places.
    let metrics = format!("{}/metrics", system.voter());
    eventually("places are taken from the idle", async || {
        let text = system.http.get(&metrics).send().await.ok()?.text().await.ok()?;
        text.lines()
            .any(|line| line.starts_with("http_connections_closed_total{reason=\"made_room\"}"))
            .then_some(())
    })
    .await;
    for number in 0..QUERIES {
        // Half of them over new connections; one in use is never cut.
        if number % 2 == 0 {
            // More come all the time than there are places, so one may be told to come back.
            eventually("a new client is served", async || {
                let mut stream = TcpStream::connect(voter).await.ok()?;
                let query = b"GET /inventory/PROD-001 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
                stream.write_all(query).await.ok()?;
                let mut answer = String::new();
                let read = timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await;
                read.ok()?.ok()?;
                answer.starts_with("HTTP/1.1 200").then_some(())
            })
            .await;
        } else {
            system.stock("PROD-001").await;
        }
    }
    crowd.shutdown().await;
    system.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_and_then_all_is_normal() {
    // One vote at a time: any machine can ask for more.
    let system = System::up_with(|up| _ = up.env("MAX_IN_FLIGHT", "1")).await;
    let url = format!("{}/inventory/PROD-001", system.voter());
    let mut all = JoinSet::new();
    for _ in 0..64 {
        let (http, url) = (system.http.clone(), url.clone());
        all.spawn(async move {
            let (mut served, mut shed, mut rest) = (0, 0, Vec::new());
            for _ in 0..60 {
                let answer = http.get(&url).send().await.unwrap();
                match answer.status().as_u16() {
                    200 => served += 1,
                    503 => {
                        assert_eq!(answer.headers()["retry-after"], "1");
                        assert_eq!(answer.headers()["content-type"], "application/problem+json");
                        shed += 1;
                    }
                    other => rest.push(other),
                }
            }
            (served, shed, rest)
        });
    }
    let (mut served, mut shed) = (0, 0);
    while let Some(one) = all.join_next().await {
        let (good, refused, rest) = one.unwrap();
        assert_eq!(rest, [0; 0]);
        served += good;
        shed += refused;
    }
    assert!(served > 0 && shed > 0, "{served} served, {shed} refused");
    // Who comes now is served.
    system.stock("PROD-001").await;
    system.down().await;
}
