//! A judge that is watched over a real socket.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tolerancia_wire::live::{Hello, MonitorEvent, ReplicaView};

use super::super::{Live, Told, routes};
use crate::judge::Judge;
use crate::tests::watched;

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// For other modules' tests.
impl Live {
    pub(crate) fn shown(&self) -> Vec<ReplicaView> {
        let MonitorEvent::Replicas(views) = self.replicas() else {
            unreachable!("it is these")
        };
        views
    }

    /// What is told from now on, except of the status.
    pub(crate) fn listen(&self) -> impl FnMut() -> Option<MonitorEvent> + use<> {
        let mut told = self.told.subscribe();
        move || match told.try_recv() {
            Ok(Told::Event(event)) => Some((*event).clone()),
            _ => None,
        }
    }
}

pub(super) struct System {
    pub(super) judge: Judge,
    pub(super) live: Live,
    pub(super) router: axum::Router,
    pub(super) shutdown: CancellationToken,
    pub(super) addr: SocketAddr,
    _dir: TempDir,
}

impl System {
    pub(super) async fn start() -> Self {
        let (judge, live, dir) = watched();
        let shutdown = CancellationToken::new();
        let hello = Hello {
            service: "monitor-svc".to_owned(),
            version: "1".to_owned(),
            pid: 7,
        };
        let router = routes(live.clone(), judge.shared.clone(), hello, shutdown.clone()).into_router();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router.clone()).into_future());
        Self {
            judge,
            live,
            router,
            shutdown,
            addr,
            _dir: dir,
        }
    }

    pub(super) async fn listen(&self) -> Listener {
        let listener = Listener::connect(self.addr, "/live", None).await;
        assert_eq!(listener.status, 200);
        listener
    }

    pub(super) async fn resume(&self, last: u64) -> Listener {
        Listener::connect(self.addr, "/live", Some(last)).await
    }
}

/// A client on a socket of its own.
pub(super) struct Listener {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) lines: Lines<BufReader<TcpStream>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) id: Option<u64>,
    pub(super) event: MonitorEvent,
}

impl Listener {
    pub(super) async fn connect(addr: SocketAddr, path: &str, last: Option<u64>) -> Self {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        let last = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        // 1.0: the body is as it is, without the lengths of its chunks.
        let request = format!("GET {path} HTTP/1.0\r\n{last}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(socket).lines();
        let mut head = String::new();
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if line.is_empty() {
                break;
            }
            head.push_str(&line.to_lowercase());
            head.push('\n');
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, lines }
    }

    /// The next event; none at the end.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        let (mut id, mut wire) = (None, json!({}));
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.unwrap();
            let line = line.unwrap()?;
            match line.split_once(": ") {
                Some(("id", number)) => id = Some(number.parse().unwrap()),
                Some(("event", name)) => wire["event"] = name.into(),
                Some(("data", data)) => wire["data"] = serde_json::from_str::<Value>(data).unwrap(),
                _ if line.is_empty() && wire.get("event").is_some() => {
                    let event = serde_json::from_value(wire).unwrap();
                    return Some(Heard { id, event });
                }
                _ => {}
            }
        }
    }

    /// The next event without an id.
    pub(super) async fn told(&mut self) -> MonitorEvent {
        let heard = self.next().await.unwrap();
        assert_eq!(heard.id, None, "{heard:?}");
        heard.event
    }

    /// What comes first, without faults.
    pub(super) async fn begin(&mut self) {
        for _ in 0..5 {
            self.told().await;
        }
    }

    /// The number of the next transition.
    pub(super) async fn transition(&mut self) -> u64 {
        loop {
            let heard = self.next().await.unwrap();
            if let MonitorEvent::Transition(transition) = heard.event {
                assert_eq!(heard.id, Some(transition.seq));
                return transition.seq;
            }
        }
    }
}
