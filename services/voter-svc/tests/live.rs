//! What those who watch are told, over real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::http::header;
use common::watcher::{Watcher, connect};
use common::{Manner, System, id};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tolerancia_voter_svc::live::MOST_STREAMS;
use tolerancia_voter_svc::vote::Vote;
use tolerancia_voter_svc::voter::Purpose;
use tolerancia_wire::live::Standing::{Agrees, Dissents, Missing, Stale, Undecided};
use tolerancia_wire::live::{Disagreement, Standing, VoterEvent, VotesSecond};

const PRODUCT: &str = "/inventory/PROD-001";

/// A system whose votes wait for all replies, and a stream from its voter.
async fn watched() -> (System, Watcher) {
    let long = Duration::from_secs(20);
    watch(System::with(long, long).await).await
}

async fn watch(system: System) -> (System, Watcher) {
    let addr = system.listen().await;
    let watcher = Watcher::start(&addr, "/live", None).await;
    (system, watcher)
}

fn standings(disagreement: &Disagreement) -> Vec<Standing> {
    disagreement.voices.iter().map(|voice| voice.standing).collect()
}

#[tokio::test]
async fn the_stream_says_who_speaks_and_how_each_second_went() {
    let (system, mut watcher) = watched().await;
    let VoterEvent::Hello(hello) = watcher.event().await else {
        panic!("who speaks comes first")
    };
    assert_eq!((hello.service.as_str(), hello.pid), ("voter-svc", std::process::id()));
    for _ in 0..20 {
        assert_eq!(system.get(PRODUCT).await.0, 200);
    }
    assert_eq!(system.get("/inventory").await.0, 200);
    let (sum, disagreements) = watcher.until(21).await;
    let expected = VotesSecond {
        clients: 21,
        agreed: 21,
        ..VotesSecond::default()
    };
    assert_eq!((sum, disagreements), (expected, vec![]));
    let quiet = watcher.votes().await;
    assert_eq!(
        quiet,
        VotesSecond {
            second: quiet.second,
            ..VotesSecond::default()
        }
    );
    assert!(watcher.votes().await.second > quiet.second);
}

#[tokio::test]
async fn a_lie_is_told_with_what_each_replica_said() {
    let (system, mut watcher) = watched().await;
    system.replicas[2].set(Manner::Lies(989));
    for _ in 0..30 {
        assert_eq!(system.get(PRODUCT).await.0, 200);
    }
    let first = watcher.disagreement(|_| true).await;
    assert_eq!(first.product.as_ref().unwrap().as_str(), "PROD-001");
    assert_eq!(
        (first.id, first.version, first.stock.unwrap().available),
        (1, Some(7), 10)
    );
    assert_eq!(standings(&first), [Agrees, Agrees, Dissents]);
    assert!(!first.no_quorum);
    let said: Vec<_> = first
        .voices
        .iter()
        .map(|voice| {
            (
                voice.said.answer.as_str(),
                voice.said.on,
                voice.said.newest.unwrap().stock.available,
            )
        })
        .collect();
    assert_eq!(said, [("ok", true, 10), ("ok", true, 10), ("ok", true, 999)]);
    // Those that are alike are one, which grows.
    let last = match first.count {
        30 => first.clone(),
        _ => watcher.disagreement(|one| one.count == 30).await,
    };
    assert_eq!((last.id, last.first), (first.id, first.first));
    assert!(last.last > last.first);
}

#[tokio::test]
async fn votes_with_a_lie_are_counted_when_all_replies_were_judged() {
    let (system, mut watcher) = watched().await;
    system.replicas[0].set(Manner::Lies(1));
    for _ in 0..10 {
        assert_eq!(system.get(PRODUCT).await.0, 200);
    }
    let (sum, _) = watcher.until(10).await;
    assert_eq!((sum.clients, sum.dissenting, sum.agreed, sum.no_quorum), (10, 10, 0, 0));
}

#[tokio::test]
async fn a_replica_that_lags_is_stale_and_no_liar() {
    let (system, mut watcher) = watched().await;
    system.replicas[1].stock("PROD-001", &[(5, 11)]);
    for _ in 0..10 {
        assert_eq!(system.get(PRODUCT).await.1["version"], 7);
    }
    let told = watcher.disagreement(|_| true).await;
    assert_eq!(standings(&told), [Agrees, Stale, Agrees]);
    assert_eq!(told.voices[1].said.newest.unwrap().version, 5);
    let (sum, _) = watcher.until(10).await;
    assert_eq!((sum.stale, sum.dissenting, sum.no_quorum), (10, 0, 0));
}

#[tokio::test]
async fn a_replica_that_hangs_is_missing_and_disagrees_with_nobody() {
    let (system, mut watcher) = watch(System::start().await).await;
    system.replicas[2].set(Manner::Gated(Arc::new(Semaphore::new(0))));
    for _ in 0..5 {
        assert_eq!(system.get(PRODUCT).await.0, 200);
    }
    let (sum, disagreements) = watcher.until(5).await;
    assert_eq!((sum.clients, sum.missing, sum.agreed, sum.stale), (5, 5, 0, 0));
    assert_eq!(disagreements, []);
}

#[tokio::test]
async fn votes_whose_late_replies_nobody_can_wait_for_are_counted_all_the_same() {
    let (system, mut watcher) = watched().await;
    system.replicas[2].set(Manner::Gated(Arc::new(Semaphore::new(0))));
    let mut waiting = vec![];
    while let Some(permit) = system.voter.collector() {
        waiting.push(permit);
    }
    assert_eq!(system.get(PRODUCT).await.0, 200);
    Vote::on_product(&system.voter, "PROD-001".parse().unwrap(), Purpose::Scrub).collect();
    let (sum, disagreements) = watcher.until(2).await;
    let expected = VotesSecond {
        clients: 1,
        scrubs: 1,
        missing: 2,
        ..VotesSecond::default()
    };
    assert_eq!((sum, disagreements), (expected, vec![]));
}

#[tokio::test]
async fn a_vote_without_a_quorum_is_told_whoever_asked() {
    let (system, mut watcher) = watched().await;
    system.kill(1).await;
    system.kill(3).await;
    assert_eq!(system.get(PRODUCT).await.0, 503);
    assert_eq!(system.get("/inventory").await.0, 503);
    Vote::on_product(&system.voter, "PROD-001".parse().unwrap(), Purpose::Scrub).collect();
    let told = watcher.disagreement(|_| true).await;
    assert_eq!(
        (standings(&told), told.version, told.no_quorum),
        (vec![Missing, Undecided, Missing], None, true)
    );
    let answers: Vec<_> = told.voices.iter().map(|voice| voice.said.answer.as_str()).collect();
    assert_eq!(answers, ["unreachable", "ok", "unreachable"]);
    let (sum, _) = watcher.until(3).await;
    assert_eq!(
        (sum.clients, sum.scrubs, sum.no_quorum, sum.missing, sum.agreed),
        (2, 1, 3, 3, 0)
    );
}

#[tokio::test]
async fn a_vote_on_all_products_names_the_only_one_in_dispute() {
    let (system, mut watcher) = watched().await;
    for replica in &system.replicas {
        replica.stock("PROD-002", &[(8, 20)]);
    }
    system.replicas[0].stock("PROD-002", &[(8, 21)]);
    assert_eq!(system.get("/inventory").await.0, 200);
    let one = watcher.disagreement(|_| true).await;
    assert_eq!(
        (one.product.as_ref().unwrap().as_str(), one.version),
        ("PROD-002", Some(8))
    );
    system.replicas[0].set(Manner::Lies(1));
    assert_eq!(system.get("/inventory").await.0, 200);
    let several = watcher.disagreement(|disagreement| disagreement.id != one.id).await;
    assert_eq!((several.product.as_ref(), several.version), (None, None));
    assert_eq!(standings(&several), [Dissents, Agrees, Agrees]);
    let (sum, _) = watcher.until(2).await;
    assert_eq!((sum.clients, sum.dissenting), (2, 2), "each is one vote");
}

#[tokio::test]
async fn a_vote_on_all_products_that_leaves_some_undecided_lacks_a_quorum() {
    let (system, mut watcher) = watched().await;
    system.replicas[0].stock("PROD-002", &[(8, 20)]);
    system.replicas[1].stock("PROD-002", &[(8, 21)]);
    system.replicas[2].stock("PROD-002", &[(8, 22)]);
    let (status, body) = system.get("/inventory").await;
    assert_eq!((status, &body["undecided"]), (200, &serde_json::json!(["PROD-002"])));
    let told = watcher.disagreement(|_| true).await;
    assert_eq!(
        (told.product.as_ref().unwrap().as_str(), told.no_quorum, told.version),
        ("PROD-002", true, None)
    );
}

#[tokio::test]
async fn who_connects_again_gets_the_seconds_it_missed_and_the_disagreements() {
    let (system, mut watcher) = watched().await;
    system.replicas[2].set(Manner::Lies(1));
    assert_eq!(system.get(PRODUCT).await.0, 200);
    let known = watcher.disagreement(|_| true).await;
    let last = watcher.votes().await.second;
    let missed = watcher.votes().await;
    drop(watcher);

    let addr = system.listen().await;
    let mut again = Watcher::start(&addr, "/voter/live", Some(last)).await;
    assert!(matches!(again.event().await, VoterEvent::Hello(_)));
    let (event, event_id) = again.next().await.unwrap();
    assert_eq!(event, VoterEvent::Votes(missed));
    assert_eq!(event_id, Some(missed.second.to_string()), "by which to go on next time");
    assert_eq!(again.disagreement(|_| true).await.id, known.id);

    let mut anew = Watcher::start(&addr, "/live", None).await;
    assert!(matches!(anew.event().await, VoterEvent::Hello(_)));
    assert!(anew.votes().await.second <= last, "without an id, all that is kept");
}

#[tokio::test]
async fn there_is_a_limit_to_the_streams_and_leaving_makes_room() {
    let system = System::start().await;
    let addr = system.listen().await;
    let mut open = vec![];
    for _ in 0..MOST_STREAMS {
        open.push(Watcher::start(&addr, "/live", None).await);
    }
    let refused = connect(&addr, "/live", None).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
    assert_eq!(refused.headers()[header::CONTENT_TYPE], "application/problem+json");
    open.pop();
    // The server notices a reader that has gone at the next event.
    let room = async {
        while connect(&addr, "/live", None).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), room)
        .await
        .expect("there is room again");
    assert!(
        matches!(open[0].event().await, VoterEvent::Hello(_)),
        "nobody else was thrown out"
    );
}

#[tokio::test]
async fn a_replica_that_is_off_and_lies_is_told_as_not_counting() {
    let (system, mut watcher) = watched().await;
    system.voter.set_on(id(2), false);
    system.replicas[1].set(Manner::Lies(1));
    assert_eq!(system.get(PRODUCT).await.0, 200);
    let told = watcher.disagreement(|_| true).await;
    assert_eq!(standings(&told), [Agrees, Dissents, Agrees]);
    assert_eq!(
        told.voices.iter().map(|voice| voice.said.on).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[tokio::test]
async fn the_service_ends_its_streams_with_itself() {
    let system = System::start().await;
    let args = system.service();
    let addr = args.service.addr().to_string();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(tolerancia_voter_svc::run(args, shutdown.clone()));
    let up = async {
        while tokio::net::TcpStream::connect(&addr).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), up)
        .await
        .expect("it listens");
    let mut watcher = Watcher::start(&addr, "/live", None).await;
    // The scrub is at work from the start.
    while watcher.votes().await.scrubs == 0 {}
    shutdown.cancel();
    while watcher.next().await.is_some() {}
    running.await.unwrap().unwrap();
}
