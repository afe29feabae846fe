#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tolerancia_core::detector::DetectorConfig;
use tolerancia_wire::health::HealthState;
use tolerancia_wire::live::ReplicaView;

use super::*;
use crate::live::Live;

fn health(status: HealthState, instance: &str) -> String {
    let health = Health {
        status,
        service: "inventory-svc".to_owned(),
        instance: instance.to_owned(),
        pid: 4711,
        version: String::new(),
        uptime_s: 1.0,
        applied: [(0, 40), (1, 2)].into(),
        digest: None,
        idle_ms: None,
        database: None,
        details: BTreeMap::default(),
    };
    serde_json::to_string(&health).unwrap()
}

/// A replica that is checked, and what its checker has to say.
struct Checking {
    says: Arc<Mutex<(u16, String)>>,
    checks: mpsc::Receiver<Checked>,
    live: Live,
    shutdown: CancellationToken,
}

impl Checking {
    async fn start() -> Self {
        let says = Arc::new(Mutex::new((200, health(HealthState::Up, "1"))));
        let said = Arc::clone(&says);
        let answer = move || {
            let (status, body) = said.lock().unwrap().clone();
            std::future::ready((StatusCode::from_u16(status).unwrap(), body))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = axum::serve(listener, Router::new().route("/health", get(answer)));
        let stopped = shutdown.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(server.into_future()).await });
        let config = ChecksConfig {
            interval_ns: 5_000_000,
            // However busy the host is, what was said a moment ago is shown.
            timeout_ns: 60_000_000_000,
            ..ChecksConfig::default()
        };
        let (live, _, answers) = Live::new(3, &DetectorConfig::default(), &config);
        let (out, checks) = mpsc::channel(16);
        let checker = Checker {
            instance: ReplicaId::new(1).unwrap(),
            link: Link::spawn(addr, shutdown.clone()),
            config,
            cue: Arc::new(Cue::new(true)),
            out,
            answers: answers.into_iter().next().unwrap(),
        };
        tokio::spawn(checker.run(shutdown.clone()));
        Self {
            says,
            checks,
            live,
            shutdown,
        }
    }

    fn say(&self, status: u16, body: String) {
        *self.says.lock().unwrap() = (status, body);
    }

    /// The first check that shows this, and how the instance looks then.
    async fn until(&mut self, seen: Seen) -> (Checked, ReplicaView) {
        let found = async {
            loop {
                let checked = self.checks.recv().await.unwrap();
                if checked.seen == seen {
                    return checked;
                }
            }
        };
        let checked = tokio::time::timeout(Duration::from_secs(30), found).await.unwrap();
        (checked, self.live.shown().remove(0))
    }
}

#[tokio::test]
async fn a_replica_that_is_not_ready_is_an_error_that_tells_how_far_it_is() {
    let mut checking = Checking::start().await;
    let (checked, shown) = checking.until(Seen::Good).await;
    assert_eq!(checked.health.unwrap().pid, 4711);
    assert_eq!(shown.health, Some(HealthState::Up));

    checking.say(503, health(HealthState::CatchingUp, "1"));
    let (checked, shown) = checking.until(Seen::Error).await;
    assert_eq!(checked.health, None, "what judges sees what it saw before");
    assert!(checked.took_ns.is_some());
    assert_eq!(shown.health, Some(HealthState::CatchingUp));
    assert_eq!((shown.pid, shown.applied), (Some(4711), Some(42)));
    assert!(shown.check_ms.is_some());
    checking.shutdown.cancel();
}

#[tokio::test]
async fn what_is_no_answer_of_the_replica_shows_nothing() {
    let mut checking = Checking::start().await;
    checking.until(Seen::Good).await;
    for (status, body) in [
        (200, health(HealthState::Down, "2")),
        (200, "{}".to_owned()),
        (500, "{\"title\":\"broken\"}".to_owned()),
    ] {
        checking.say(status, body);
        let (checked, shown) = checking.until(Seen::Error).await;
        assert_eq!((checked.health, shown.health), (None, Some(HealthState::Up)));
        checking.say(200, health(HealthState::Up, "1"));
        checking.until(Seen::Good).await;
    }
    checking.shutdown.cancel();
}
