//! `GET /live` of a running monitor: a real replica of a kind, a real broker, a real connection.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{PATIENCE, System, eventually, free_port};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tolerancia_wire::health::HealthState;
use tolerancia_wire::live::MonitorEvent;
use tolerancia_wire::status::{SystemStatus, Verdict};

/// Reads the events of one connection.
struct Listener(Lines<BufReader<TcpStream>>);

impl Listener {
    async fn connect(port: u16) -> Self {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // 1.0: the body is as it is, without the lengths of its chunks.
        socket.write_all(b"GET /monitor/live HTTP/1.0\r\n\r\n").await.unwrap();
        Self(BufReader::new(socket).lines())
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<MonitorEvent> {
        let mut wire = json!({});
        loop {
            let line = self.0.next_line().await.unwrap()?;
            match line.split_once(": ") {
                Some(("event", name)) => wire["event"] = name.into(),
                Some(("data", data)) => {
                    wire["data"] = serde_json::from_str::<Value>(data).unwrap();
                    return Some(serde_json::from_value(wire).unwrap());
                }
                _ => {}
            }
        }
    }

    /// The first event that `look` finds something in.
    async fn find<T>(&mut self, what: &str, look: impl Fn(MonitorEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = look(self.next().await.expect("it goes on")) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("not in time: {what}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_on_sees_replicas_suspicion_verdicts_and_the_requests_of_clients() {
    let mut system = System::start();
    let port = free_port();
    system.replicas[1] = format!("127.0.0.1:{port}");
    // The monitor first: it makes the topics.
    let monitor = system.monitor().await;
    let replica = system.service("2", port).await;
    eventually("the replica is ON", async || {
        let body = monitor.link.get("/status").await.unwrap().body;
        let status: SystemStatus = serde_json::from_slice(&body).unwrap();
        let [off, on] = [0, 1].map(|n| status.instances[n].status);
        ((off, on) == (Verdict::Off, Verdict::On)).then_some(())
    })
    .await;
    let mut listener = Listener::connect(monitor.port).await;

    let hello = listener.next().await;
    assert!(
        matches!(&hello, Some(MonitorEvent::Hello(hello)) if hello.service == "monitor-svc" && hello.pid == std::process::id()),
        "{hello:?}"
    );
    let status = listener.next().await;
    assert!(
        matches!(&status, Some(MonitorEvent::Status(status)) if status.replicas == 3),
        "{status:?}"
    );
    let views = listener
        .find("the replica is UP", |event| match event {
            MonitorEvent::Replicas(views) if views[1].health == Some(HealthState::Up) => Some(views),
            _ => None,
        })
        .await;
    assert_eq!(views[1].pid, Some(std::process::id()));
    assert!(views[1].check_ms.is_some_and(|ms| ms < 1000.0), "{views:?}");
    assert_eq!((views[0].health, views[2].health), (None, None));
    listener
        .find("who is not there is suspected", |event| match event {
            MonitorEvent::Suspicion(told) => {
                (told.levels[0] >= told.threshold && told.levels[1] < told.threshold).then_some(())
            }
            _ => None,
        })
        .await;

    for n in 0..40 {
        assert_eq!(replica.get(&format!("/inventory/PROD-{n}")).await, 200);
    }
    assert_eq!(replica.get("/health").await, 200);
    replica.stop().await;
    let (mut counts, mut off) = (BTreeMap::new(), false);
    while counts.values().sum::<u64>() < 40 || !off {
        let what = "the requests, and that the replica that stopped is OFF";
        let event = listener.find(what, |event| match event {
            MonitorEvent::Requests(_) | MonitorEvent::Transition(_) => Some(event),
            _ => None,
        });
        match event.await {
            MonitorEvent::Requests(rows) => {
                for row in rows {
                    assert_eq!((row.service.as_str(), row.failed), ("inventory-svc", 0));
                    assert!(row.p50_us > 0 && row.p50_us <= row.max_us, "{row:?}");
                    counts.insert(row.second, row.count);
                }
            }
            MonitorEvent::Transition(told) if told.instance.number() == 2 => {
                off |= (told.from, told.to) == (Verdict::On, Verdict::Off);
            }
            _ => {}
        }
    }
    assert_eq!(counts.values().sum::<u64>(), 40);

    let ended = async { while listener.next().await.is_some() {} };
    let ((), ended) = tokio::join!(monitor.stop(), tokio::time::timeout(PATIENCE, ended));
    ended.unwrap();
}
