//! Whoever reads the stream of `GET /live`.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, header};
use axum::response::Response;
use futures_util::StreamExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tolerancia_wire::live::{Disagreement, VoterEvent, VotesSecond};

/// What takes longer does not come.
const LONG: Duration = Duration::from_secs(20);

/// One stream of events.
pub struct Watcher {
    body: BodyDataStream,
    text: String,
    /// All seconds that came; which is not added up.
    sum: VotesSecond,
}

impl Watcher {
    pub async fn start(addr: &str, path: &str, last: Option<i64>) -> Self {
        let response = connect(addr, path, last).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
            sum: VotesSecond::default(),
        }
    }

    /// The next event and its id; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<(VoterEvent, Option<String>)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                // Comments have no data.
                let Some(data) = field("data") else { continue };
                let data: Value = serde_json::from_str(data).unwrap();
                let told = json!({"event": field("event").unwrap(), "data": data});
                let told = serde_json::from_value(told).unwrap();
                if let VoterEvent::Votes(second) = &told {
                    add(&mut self.sum, second);
                }
                return Some((told, field("id").map(str::to_owned)));
            }
            let more = tokio::time::timeout(LONG, self.body.next()).await;
            let bytes = more.expect("something comes each second")?.ok()?;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    pub async fn event(&mut self) -> VoterEvent {
        self.next().await.expect("the stream goes on").0
    }

    /// The next second.
    pub async fn votes(&mut self) -> VotesSecond {
        loop {
            if let VoterEvent::Votes(votes) = self.event().await {
                return votes;
            }
        }
    }

    /// The first disagreement from here on that is wanted.
    pub async fn disagreement(&mut self, wanted: impl Fn(&Disagreement) -> bool) -> Disagreement {
        let told = async {
            loop {
                match self.event().await {
                    VoterEvent::Disagreement(disagreement) if wanted(&disagreement) => return disagreement,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(LONG, told).await.expect("it is told")
    }

    /// Reads until so many votes were counted since the start: the sum of the seconds, and the disagreements that came
    /// meanwhile.
    pub async fn until(&mut self, votes: u64) -> (VotesSecond, Vec<Disagreement>) {
        let mut disagreements = vec![];
        let counted = async {
            while self.sum.clients + self.sum.scrubs < votes {
                if let VoterEvent::Disagreement(disagreement) = self.event().await {
                    disagreements.push(disagreement);
                }
            }
        };
        tokio::time::timeout(LONG, counted)
            .await
            .expect("all votes are counted");
        (self.sum, disagreements)
    }
}

fn add(sum: &mut VotesSecond, second: &VotesSecond) {
    sum.clients += second.clients;
    sum.scrubs += second.scrubs;
    sum.agreed += second.agreed;
    sum.dissenting += second.dissenting;
    sum.stale += second.stale;
    sum.missing += second.missing;
    sum.no_quorum += second.no_quorum;
}

pub async fn connect(addr: &str, path: &str, last: Option<i64>) -> Response {
    let mut request = Request::get(format!("http://{addr}{path}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let response = client.request(request.body(Body::empty()).unwrap()).await.unwrap();
    response.map(Body::new)
}
