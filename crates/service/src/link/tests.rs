#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::shell::{Limits, serve_on};

/// A server that is gone, with all its connections, when the runtime is dropped or the handle aborted.
struct Peer {
    addr: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn peer(addr: Option<SocketAddr>) -> Peer {
    let listener = TcpListener::bind(addr.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap()))
        .await
        .unwrap();
    let addr = listener.local_addr().unwrap();
    let routes = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/missing", get(|| async { (axum::http::StatusCode::NOT_FOUND, "no") }))
        .route("/never", get(std::future::pending::<&str>));
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve_on(
        listener,
        routes,
        Limits::default().with_streams(8192),
        stop.clone(),
    ));
    Peer { addr, stop, task }
}

async fn until(link: &Link, wanted: impl FnMut(&LinkState) -> bool) -> LinkState {
    link.changes().wait_for(wanted).await.unwrap().clone()
}

fn is_up(state: &LinkState) -> bool {
    matches!(state, LinkState::Up { .. })
}

#[tokio::test]
async fn answers_come_whole_with_their_status() {
    let peer = peer(None).await;
    let link = Link::spawn(peer.addr, CancellationToken::new());
    until(&link, is_up).await;
    assert!(link.is_connected());
    let answers = join_all((0..500).map(|_| link.get("/"))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().body == "hello"));
    assert_eq!(link.get("/missing").await.unwrap().status, 404);
    assert!(matches!(link.get("/no spaces").await, Err(LinkError::Protocol(_))));
}

#[tokio::test]
async fn without_a_connection_a_request_fails_at_once() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let link = Link::spawn(unused, CancellationToken::new());
    assert!(matches!(link.get("/").await, Err(LinkError::NotConnected(_))));
    assert!(!link.is_connected());
}

#[tokio::test]
async fn a_loss_is_announced_and_repaired() {
    let first = peer(None).await;
    let stop = CancellationToken::new();
    let link = Link::spawn(first.addr, stop.clone());
    assert_eq!(until(&link, is_up).await, LinkState::Up { epoch: 1 });
    let before = Stamp::now();

    let waiting = tokio::spawn({
        let link = link.clone();
        async move { link.get("/never").await }
    });
    // The request is on its way before the peer goes: the peer answers another that was sent later.
    tokio::task::yield_now().await;
    link.get("/").await.unwrap();
    first.stop.cancel();
    first.task.await.unwrap();
    let down = until(&link, |state| !is_up(state)).await;
    let LinkState::Down { epoch: 1, since, .. } = down else {
        panic!("{down:?}")
    };
    assert!(since.ms_since(before) >= 0.0);
    assert!(matches!(
        waiting.await.unwrap(),
        Err(LinkError::Lost(_) | LinkError::Protocol(_))
    ));
    assert!(matches!(link.get("/").await, Err(LinkError::NotConnected(_))));

    let second = peer(Some(first.addr)).await;
    assert_eq!(until(&link, is_up).await, LinkState::Up { epoch: 2 });
    assert_eq!(link.get("/").await.unwrap().body, "hello");
    stop.cancel();
    until(&link, |state| !is_up(state)).await;
    second.stop.cancel();
    second.task.await.unwrap();
}

#[tokio::test]
async fn abandoned_requests_do_not_hurt_the_connection() {
    let peer = peer(None).await;
    let link = Link::spawn(peer.addr, CancellationToken::new());
    until(&link, is_up).await;
    for round in 0..20 {
        // More than any of the protocol's defaults allows, dropped together while on their way.
        let mut waiting: Vec<_> = (0..200).map(|_| Box::pin(link.get("/never"))).collect();
        for request in &mut waiting {
            assert!(futures_util::poll!(request).is_pending());
        }
        if round % 2 == 0 {
            link.get("/").await.unwrap();
        }
        drop(waiting);
        assert_eq!(link.get("/").await.unwrap().body, "hello", "round {round}");
    }
    assert_eq!(*link.changes().borrow(), LinkState::Up { epoch: 1 });
}
