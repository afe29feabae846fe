#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::sync::Mutex;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use axum::routing::get;
use futures_util::stream::{self, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tolerancia_wire::live::VoterEvent;

use super::*;
use crate::hub::Hub;

const HELLO: &str = "event: hello\ndata: {\"service\":\"voter-svc\",\"version\":\"1\",\"pid\":7}\n\n";
/// Longer than anything here takes, shorter than a test may.
const LONG: Duration = Duration::from_secs(20);

fn votes(second: i64) -> String {
    let votes = tolerancia_wire::live::VotesSecond {
        second,
        ..Default::default()
    };
    let data = serde_json::to_string(&votes).unwrap();
    format!("event: votes\nid: {second}\ndata: {data}\n\n")
}

/// Says what came.
struct Heard(mpsc::UnboundedSender<i64>);

impl Reader for Heard {
    type Event = VoterEvent;

    async fn begin(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn take(&mut self, event: VoterEvent) {
        if let VoterEvent::Votes(votes) = event {
            self.0.send(votes.second).unwrap();
        }
    }
}

/// A service whose connections say these things, one after the other and then the last again and again; the connection
/// stays open after `…` and ends otherwise. Tells the `Last-Event-ID` of each.
async fn service(says: Vec<String>) -> (String, mpsc::UnboundedReceiver<Option<String>>) {
    let (asked, ids) = mpsc::unbounded_channel();
    let says = Arc::new(Mutex::new(says));
    let answer = move |headers: HeaderMap| {
        let mut says = says.lock().unwrap();
        let text = if says.len() > 1 {
            says.remove(0)
        } else {
            says[0].clone()
        };
        let id = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
        asked.send(id).unwrap();
        async move {
            let open = text.ends_with('…');
            let text = Bytes::from(text.trim_end_matches('…').to_owned());
            let text = stream::iter([Ok::<_, Infallible>(text)]);
            let body = match open {
                true => Body::from_stream(text.chain(stream::pending())),
                false => Body::from_stream(text),
            };
            body.into_response()
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/live", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, ids)
}

/// Follows `url`; what came, and what is known of the source.
fn follow(url: &str, silence: Duration) -> (mpsc::UnboundedReceiver<i64>, Hub, CancellationToken) {
    let (hub, stop) = (Hub::new(), CancellationToken::new());
    let (sender, heard) = mpsc::unbounded_channel();
    let teller = Arc::new(Teller::new(hub.clone(), "voter-svc", true));
    let follower = Follower::new(super::super::VOTER, url, silence, teller, Heard(sender));
    tokio::spawn(follower.run(stop.clone()));
    (heard, hub, stop)
}

async fn next<T>(channel: &mut mpsc::UnboundedReceiver<T>) -> T {
    tokio::time::timeout(LONG, channel.recv()).await.unwrap().unwrap()
}

/// Waits until the source is up, or down for a reason that contains `why`.
async fn until(hub: &Hub, up: bool, why: &str) {
    let mut newest = hub.newest();
    let seen = newest.wait_for(|_| {
        hub.read(|state| {
            let source = &state.sources()["voter-svc"];
            source.up == up && source.error.as_deref().is_none_or(|error| error.contains(why))
        })
    });
    let seen = tokio::time::timeout(LONG, seen).await.is_ok();
    assert!(seen, "{:?}", hub.read(|state| state.sources().clone()));
}

#[tokio::test]
async fn a_lost_stream_goes_on_where_it_ended() {
    let says = [HELLO.to_owned() + &votes(5), HELLO.to_owned() + &votes(6) + "…"];
    let (url, mut ids) = service(says.to_vec()).await;
    let (mut heard, hub, stop) = follow(&url, LONG);
    assert_eq!((next(&mut heard).await, next(&mut heard).await), (5, 6));
    assert_eq!(next(&mut ids).await, None);
    assert_eq!(next(&mut ids).await.as_deref(), Some("5"));
    until(&hub, true, "").await;
    stop.cancel();
}

#[tokio::test]
async fn an_id_outlives_a_connection_without_one() {
    let says = [HELLO.to_owned() + &votes(5), HELLO.to_owned(), HELLO.to_owned() + "…"];
    let (url, mut ids) = service(says.to_vec()).await;
    let (_heard, _hub, _stop) = follow(&url, LONG);
    let ids = [next(&mut ids).await, next(&mut ids).await, next(&mut ids).await];
    assert_eq!(ids, [None, Some("5".to_owned()), Some("5".to_owned())]);
}

#[tokio::test]
async fn a_silent_stream_is_a_lost_one() {
    let (url, mut ids) = service(vec![HELLO.to_owned() + "…"]).await;
    let (_heard, hub, _stop) = follow(&url, Duration::from_millis(200));
    until(&hub, true, "").await;
    until(&hub, false, "no answer in time").await;
    next(&mut ids).await;
    next(&mut ids).await;
}

#[tokio::test]
async fn what_a_newer_service_says_is_passed_over() {
    let strange =
        "event: weather\ndata: {\"rain\":true}\n\nevent: votes\ndata: {\"second\":\"five\"}\n\nevent: x\ndata: {\n\n";
    let (url, _ids) = service(vec![HELLO.to_owned() + strange + &votes(5) + "…"]).await;
    let (mut heard, hub, _stop) = follow(&url, LONG);
    assert_eq!(next(&mut heard).await, 5);
    until(&hub, true, "").await;
}

#[tokio::test]
async fn who_does_not_greet_is_none_of_ours() {
    let (url, _ids) = service(vec![votes(5) + "…"]).await;
    let (mut heard, hub, _stop) = follow(&url, LONG);
    until(&hub, false, "no hello").await;
    assert!(heard.try_recv().is_err());
    let (_heard, hub, _stop) = follow(&format!("{url}/elsewhere"), LONG);
    until(&hub, false, "404").await;
    let (_heard, hub, _stop) = follow("http://127.0.0.1:1", LONG);
    until(&hub, false, "refused").await;
}

#[tokio::test]
async fn another_service_is_not_taken_for_this_one() {
    let hello = HELLO.replace("voter-svc", "monitor-svc");
    let (url, _ids) = service(vec![hello + &votes(5) + "…"]).await;
    let (mut heard, hub, _stop) = follow(&url, LONG);
    until(
        &hub,
        false,
        &format!("{url} is monitor-svc, not voter-svc: check VOTER_URL"),
    )
    .await;
    assert!(heard.try_recv().is_err());
}
