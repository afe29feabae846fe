#![allow(clippy::unwrap_used)]
use tolerancia_core::ProductId;
use tolerancia_wire::live::KEPT_SECONDS;

use super::*;
use crate::product::ProductVote;
use crate::round::{Outcome, Seat};

/// A vote about a product in which nobody can be reached.
fn lost(product: &str) -> Round<ProductVote> {
    let product: ProductId = product.parse().unwrap();
    let timeout = Duration::from_millis(300);
    let seats = ReplicaId::all(3).map(|id| Seat::new(id, true, true, timeout)).collect();
    let mut round = Round::new(ProductVote::new(product, 3), seats, timeout);
    for id in ReplicaId::all(3) {
        round.answer(Duration::ZERO, id, &id.to_string(), &Outcome::<Vec<u8>>::Unreachable);
    }
    round
}

/// Seconds with their votes.
type Lost = Vec<(i64, u64)>;
/// Disagreements by id with their counts.
type Told = Vec<(u64, u64)>;

fn told(events: &[VoterEvent]) -> (Lost, Told) {
    let (mut seconds, mut disagreements) = (vec![], vec![]);
    for event in events {
        match event {
            VoterEvent::Votes(votes) => seconds.push((votes.second, votes.no_quorum)),
            VoterEvent::Disagreement(one) => disagreements.push((one.id, one.count)),
            VoterEvent::Hello(_) => panic!("not here"),
        }
    }
    (seconds, disagreements)
}

#[test]
fn a_vote_in_which_all_agree_waits_for_nobody_who_reads() {
    let timeout = Duration::from_millis(300);
    let seats = ReplicaId::all(3).map(|id| Seat::new(id, true, true, timeout)).collect();
    let mut round = Round::new(ProductVote::new("A".parse().unwrap(), 3), seats, timeout);
    for id in ReplicaId::all(3) {
        let body = format!(
            r#"{{"product_id":"A","instance":"{id}","partition":0,"applied":8,
                "versions":[{{"version":7,"available":10,"reserved":0}}]}}"#
        );
        round.answer(
            Duration::ZERO,
            id,
            &id.to_string(),
            &Outcome::Answer { status: 200, body },
        );
    }
    let live = Arc::new(Live::default());
    let board = live.board();
    let (done, ended) = std::sync::mpsc::channel();
    let voter = Arc::clone(&live);
    std::thread::spawn(move || {
        voter.concluded(Purpose::Client, &round, &[]);
        let _ = done.send(voter.tally.take());
    });
    let counted = ended.recv_timeout(Duration::from_secs(30)).unwrap();
    drop(board);
    assert_eq!((counted.clients, counted.agreed), (1, 1));
}

#[test]
fn a_stream_begins_with_what_is_kept_and_goes_on_with_what_is_new() {
    let live = Live::default();
    live.concluded(Purpose::Client, &lost("A"), &[]);
    live.concluded(Purpose::Scrub, &lost("A"), &[]);
    (101..=104).for_each(|now| live.end_second(now));
    let (kept, mut place) = live.kept(None);
    assert_eq!(
        told(&kept),
        (vec![(100, 2), (101, 0), (102, 0), (103, 0)], vec![(1, 2)])
    );
    assert_eq!(live.since(&mut place), []);

    live.concluded(Purpose::Client, &lost("B"), &[]);
    assert_eq!(live.since(&mut place), [], "it is not its turn yet");
    assert!(live.board().disagreements.tell(mono_ns()));
    live.end_second(105);
    assert_eq!(told(&live.since(&mut place)), (vec![(104, 1)], vec![(1, 2), (2, 1)]));
    assert_eq!(live.since(&mut place), []);
}

#[test]
fn who_connects_again_gets_the_seconds_after_its_last() {
    let live = Live::default();
    (101..=104).for_each(|now| live.end_second(now));
    let seconds = |last| {
        let (kept, mut place) = live.kept(Some(last));
        (told(&kept).0, live.since(&mut place))
    };
    assert_eq!(seconds(101), (vec![(102, 0), (103, 0)], vec![]));
    assert_eq!(seconds(103), (vec![], vec![]));
    assert_eq!(seconds(1).0.len(), 4);
    let (kept, mut place) = live.kept(Some(9999));
    assert_eq!(kept, [], "from the future");
    live.end_second(105);
    assert_eq!(told(&live.since(&mut place)).0, [(104, 0)], "which goes on from here");
}

#[test]
fn whoever_sleeps_misses_what_is_not_kept_any_more_and_nothing_else() {
    let live = Live::default();
    let (_, mut place) = live.kept(None);
    for now in 1..=2 * KEPT_SECONDS as i64 {
        live.concluded(Purpose::Client, &lost("A"), &[]);
        live.board().disagreements.tell(mono_ns());
        live.end_second(now);
    }
    let (seconds, disagreements) = told(&live.since(&mut place));
    let newest = 2 * KEPT_SECONDS as i64 - 1;
    assert_eq!((seconds.len(), seconds.last()), (KEPT_SECONDS, Some(&(newest, 1))));
    assert_eq!(disagreements, [(1, 2 * KEPT_SECONDS as u64)]);
}
