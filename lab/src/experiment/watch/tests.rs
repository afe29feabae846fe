#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tolerancia_wire::status::Verdict;

use super::*;
use crate::experiment::record::tests::transition;

fn event(transition: &Transition) -> String {
    let data = serde_json::to_string(transition).unwrap();
    format!("event: transition\nid: {}\ndata: {data}\n\n", transition.seq)
}

/// Answers one connection per given body and returns the requests.
async fn serve(listener: TcpListener, bodies: Vec<String>) -> Vec<String> {
    let mut requests = Vec::new();
    for body in bodies {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let n = socket.read(&mut request).await.unwrap();
        requests.push(String::from_utf8_lossy(&request[..n]).to_lowercase());
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    }
    requests
}

#[tokio::test]
async fn a_broken_stream_goes_on_after_the_last_event_that_was_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let [old, off, on] = [
        transition(2, 5, Verdict::Off),
        transition(1, 7, Verdict::Off),
        transition(1, 9, Verdict::On),
    ];
    let past = serde_json::to_string(&Failures { failures: vec![old] }).unwrap();
    let bodies = vec![
        past,
        format!(": connected\n\n{}", event(&off)),
        // The same event again, then a new one.
        event(&off) + &event(&on),
    ];
    let server = tokio::spawn(serve(listener, bodies));
    let stop = CancellationToken::new();
    let watch = Watch::open(&url, stop.clone()).await.unwrap();
    let is_back = |all: &[Transition]| all.iter().any(|t| t.to == Verdict::On);
    assert!(watch.until(Duration::from_secs(30), is_back).await);
    assert_eq!(watch.all(), [off, on]);
    let requests = server.await.unwrap();
    assert!(requests[0].starts_with("get /failures?limit=1"), "{}", requests[0]);
    assert!(requests[1].contains("last-event-id: 5"), "{}", requests[1]);
    assert!(requests[2].contains("last-event-id: 7"), "{}", requests[2]);
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_is_not_waited_for_for_ever() {
    let (seen, receiver) = watch::channel(vec![transition(1, 7, Verdict::Off)]);
    let (_hearing, heard) = watch::channel(Hearing::new());
    let watch = Watch {
        seen: receiver,
        hearing: heard,
    };
    let has = |seq| move |all: &[Transition]| all.iter().any(|t| t.seq == seq);
    assert!(!watch.until(Duration::from_secs(10), has(8)).await);
    assert!(watch.until(Duration::ZERO, has(7)).await);
    drop(seen);
}

#[test]
fn a_monitor_that_is_not_heard_proves_nothing() {
    let begin = Instant::now();
    let at = |seconds: f64| begin + Duration::from_secs_f64(seconds);
    let heard_at = |times: &[f64]| {
        let mut hearing = Hearing {
            heard: begin,
            ..Hearing::new()
        };
        times.iter().for_each(|time| hearing.hear(at(*time)));
        hearing
    };
    let always = heard_at(&[5.0, 10.2, 15.9]);
    assert_eq!(always.deaf(at(20.0)), None);

    // It hangs, and its connection with it.
    assert!(always.deaf(at(27.0)).unwrap().contains("5.1 s in all"));
    let mut hung = always;
    hung.lose(at(31.0));
    assert!(hung.deaf(at(31.0)).unwrap().contains("at the end, since 9.1 s"));
    // That it is well again does not tell what it would have said.
    hung.hear(at(40.0));
    assert!(hung.deaf(at(41.0)).unwrap().contains("18.1 s in all"));

    // A restart is bridged, once it is over.
    let mut restarted = heard_at(&[5.0]);
    restarted.lose(at(6.0));
    assert!(restarted.deaf(at(6.1)).is_some());
    restarted.lose(at(7.0));
    restarted.hear(at(8.0));
    assert_eq!(
        (restarted.before, restarted.deaf(at(9.0))),
        (Duration::from_secs(2), None)
    );
}

#[tokio::test]
async fn a_stream_that_does_not_come_back_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let past = serde_json::to_string(&Failures { failures: Vec::new() }).unwrap();
    let off = transition(1, 7, Verdict::Off);
    let server = tokio::spawn(serve(listener, vec![past, event(&off)]));
    let stop = CancellationToken::new();
    let watch = Watch::open(&url, stop.clone()).await.unwrap();
    assert!(watch.until(Duration::from_secs(30), |all| !all.is_empty()).await);
    server.await.unwrap();
    let mut hearing = watch.hearing.clone();
    hearing.wait_for(|hearing| hearing.lost.is_some()).await.unwrap();
    assert!(watch.deaf().unwrap().contains("at the end"));
    stop.cancel();
}
