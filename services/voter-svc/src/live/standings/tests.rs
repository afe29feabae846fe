#![allow(clippy::unwrap_used)]
use std::time::Duration;

use serde_json::{Value, json};
use tolerancia_wire::live::Standing::{Agrees, Ahead, Dissents, Missing, NotAsked, Stale, Undecided};

use super::*;
use crate::inventory::InventoryVote;
use crate::product::ProductVote;
use crate::round::Outcome;

const TIMEOUT: Duration = Duration::from_millis(300);

fn id(n: u8) -> ReplicaId {
    ReplicaId::new(n).unwrap()
}

fn name() -> ProductId {
    "PROD-001".parse().unwrap()
}

/// A vote among three replicas, those who are ON and those who are asked.
fn round<S: Subject>(subject: S, on: &[u8], asked: &[u8]) -> Round<S> {
    let seat = |id: ReplicaId| Seat::new(id, on.contains(&id.number()), asked.contains(&id.number()), TIMEOUT);
    Round::new(subject, ReplicaId::all(3).map(seat).collect(), TIMEOUT)
}

fn about_one(on: &[u8], asked: &[u8]) -> Round<ProductVote> {
    round(ProductVote::new(name(), 3), on, asked)
}

fn lists(product: &str, n: u8, versions: &[(u64, u64)]) -> Value {
    let applied = versions.first().map_or(0, |(newest, _)| newest + 1);
    let versions: Vec<Value> = versions
        .iter()
        .map(|(version, available)| json!({"version": version, "available": available, "reserved": 0}))
        .collect();
    json!({"product_id": product, "instance": n.to_string(), "partition": 0, "applied": applied, "versions": versions})
}

fn says(round: &mut Round<ProductVote>, n: u8, versions: &[(u64, u64)]) {
    let status = if versions.is_empty() { 404 } else { 200 };
    answers(round, n, status, &lists("PROD-001", n, versions));
}

fn says_all(round: &mut Round<InventoryVote>, n: u8, products: &[(&str, &[(u64, u64)])]) {
    let products: Vec<Value> = products
        .iter()
        .map(|(product, versions)| lists(product, n, versions))
        .collect();
    answers(round, n, 200, &json!({"instance": n.to_string(), "products": products}));
}

fn answers(round: &mut Round<impl Subject>, n: u8, status: u16, body: &Value) {
    let body = body.to_string().into_bytes();
    round.answer(Duration::ZERO, id(n), &n.to_string(), &Outcome::Answer { status, body });
}

fn unreachable(round: &mut Round<impl Subject>, n: u8) {
    round.answer(Duration::ZERO, id(n), &n.to_string(), &Outcome::<Vec<u8>>::Unreachable);
}

fn end(round: &mut Round<impl Subject>) {
    let _ = round.tick(TIMEOUT);
    assert!(round.is_settled());
}

fn marks(round: &Round<impl Subject>) -> Vec<&'static str> {
    let marks = Marks::of(Purpose::Client, round, &[]);
    [
        (marks.agreed, "agreed"),
        (marks.dissenting, "dissenting"),
        (marks.stale, "stale"),
        (marks.missing, "missing"),
        (marks.no_quorum, "no_quorum"),
    ]
    .into_iter()
    .filter_map(|(marked, mark)| marked.then_some(mark))
    .collect()
}

fn standings(round: &Round<impl Subject>) -> Vec<Standing> {
    Dispute::of(round, &[]).standings
}

#[test]
fn all_agree() {
    let mut round = about_one(&[1, 2, 3], &[1, 2, 3]);
    for n in 1..=3 {
        says(&mut round, n, &[(7, 10)]);
    }
    assert_eq!(marks(&round), ["agreed"]);
    assert!(!Marks::of(Purpose::Client, &round, &[]).is_disagreement());
}

#[test]
fn a_replica_that_is_off_agrees_like_any_other() {
    let mut round = about_one(&[1, 2], &[1, 2, 3]);
    for n in 1..=3 {
        says(&mut round, n, &[(7, 10)]);
    }
    assert_eq!(marks(&round), ["agreed"]);
}

#[test]
fn a_lie_and_a_lag_in_one_vote_are_both_told() {
    let seats = ReplicaId::all(5).map(|id| Seat::new(id, true, true, TIMEOUT));
    let mut round = Round::new(ProductVote::new(name(), 5), seats.collect(), TIMEOUT);
    for n in [1, 2, 5] {
        says(&mut round, n, &[(7, 10), (5, 11)]);
    }
    says(&mut round, 3, &[(7, 99), (5, 11)]);
    says(&mut round, 4, &[(5, 11)]);
    assert_eq!(marks(&round), ["dissenting", "stale"]);
    let dispute = Dispute::of(&round, &[]);
    assert_eq!(dispute.standings, [Agrees, Agrees, Dissents, Stale, Agrees]);
    assert_eq!(
        (dispute.kind().product, dispute.kind().no_quorum),
        (Some(&name()), false)
    );
    let details = dispute.details();
    let decided = details.decided.unwrap();
    assert_eq!((decided.version, decided.stock.available), (7, 10));
    let said: Vec<_> = details
        .voices
        .iter()
        .map(|voice| (voice.said.answer.as_str(), voice.said.newest.unwrap().stock.available))
        .collect();
    assert_eq!(said, [("ok", 10), ("ok", 10), ("ok", 99), ("ok", 11), ("ok", 10)]);
}

#[test]
fn silence_is_no_disagreement() {
    let mut round = about_one(&[1, 2], &[1, 2]);
    says(&mut round, 1, &[(7, 10)]);
    says(&mut round, 2, &[(7, 10)]);
    assert_eq!(marks(&round), ["missing"], "one that is OFF and was not asked");
    assert_eq!(standings(&round), [Agrees, Agrees, NotAsked]);

    let mut round = about_one(&[1, 2, 3], &[1, 2, 3]);
    says(&mut round, 1, &[(7, 10)]);
    says(&mut round, 2, &[(7, 10)]);
    assert_eq!(marks(&round), ["missing"], "one that hangs");
    unreachable(&mut round, 3);
    assert_eq!(marks(&round), ["missing"], "or is dead");
    assert!(!Marks::of(Purpose::Client, &round, &[]).is_disagreement());
}

#[test]
fn a_newer_version_is_no_disagreement_until_it_is_proven_false() {
    let mut round = about_one(&[1, 2, 3], &[1, 2, 3]);
    says(&mut round, 1, &[(7, 10)]);
    says(&mut round, 2, &[(7, 10)]);
    says(&mut round, 3, &[(9, 5)]);
    assert_eq!(marks(&round), Vec::<&str>::new());
    assert_eq!(standings(&round), [Agrees, Agrees, Ahead]);
    let marks = Marks::of(Purpose::Client, &round, &[id(3)]);
    assert!(marks.dissenting && marks.is_disagreement());
    assert_eq!(Dispute::of(&round, &[id(3)]).standings, [Agrees, Agrees, Dissents]);
}

#[test]
fn without_a_quorum_nobody_agrees() {
    let mut round = about_one(&[1, 2, 3], &[1, 2, 3]);
    says(&mut round, 1, &[(7, 10)]);
    says(&mut round, 2, &[(7, 99)]);
    end(&mut round);
    assert_eq!(marks(&round), ["missing", "no_quorum"]);
    assert_eq!(standings(&round), [Undecided, Undecided, Missing]);
    assert_eq!(Dispute::of(&round, &[]).details().decided, None);

    let mut round = about_one(&[1, 2, 3], &[1, 2, 3]);
    (1..=3).for_each(|n| unreachable(&mut round, n));
    assert_eq!(marks(&round), ["missing", "no_quorum"]);
}

#[test]
fn replicas_that_are_off_make_no_quorum_but_prove_a_lie() {
    let mut round = about_one(&[1], &[1, 2, 3]);
    says(&mut round, 2, &[(7, 10)]);
    says(&mut round, 3, &[(7, 10)]);
    says(&mut round, 1, &[(7, 99)]);
    assert_eq!(marks(&round), ["dissenting", "no_quorum"]);
    assert_eq!(standings(&round), [Dissents, Undecided, Undecided]);
    assert_eq!(Dispute::of(&round, &[]).details().decided, None, "nobody was served it");
}

#[test]
fn a_vote_that_is_given_up_is_no_loss_of_quorum() {
    let mut round = about_one(&[1, 2, 3], &[1, 2, 3]);
    says(&mut round, 1, &[(7, 10)]);
    assert!(!round.is_settled());
    assert_eq!(marks(&round), ["missing"]);
}

#[test]
fn in_a_vote_on_all_products_the_only_one_in_dispute_is_named() {
    let honest: &[(&str, &[(u64, u64)])] = &[("A", &[(7, 10)]), ("B", &[(8, 20)])];
    let vote = |third: &[(&str, &[(u64, u64)])]| {
        let mut round = round(InventoryVote::new(3), &[1, 2, 3], &[1, 2, 3]);
        says_all(&mut round, 1, honest);
        says_all(&mut round, 2, honest);
        says_all(&mut round, 3, third);
        round
    };
    assert_eq!(marks(&vote(honest)), ["agreed"]);

    let lies = vote(&[("A", &[(7, 10)]), ("B", &[(8, 21)])]);
    assert_eq!(marks(&lies), ["dissenting"]);
    let dispute = Dispute::of(&lies, &[]);
    assert_eq!(
        (
            dispute.kind().product.unwrap().as_str(),
            dispute.details().decided.unwrap().version
        ),
        ("B", 8)
    );
    assert_eq!(dispute.details().voices[2].said.newest.unwrap().stock.available, 21);

    let lags = vote(&[("A", &[(5, 1)]), ("B", &[(8, 20)])]);
    assert_eq!(
        (marks(&lags), standings(&lags)),
        (vec!["stale"], vec![Agrees, Agrees, Stale])
    );
    assert_eq!(Dispute::of(&lags, &[]).kind().product.unwrap().as_str(), "A");

    let both = vote(&[("A", &[(5, 1)]), ("B", &[(8, 21)])]);
    let dispute = Dispute::of(&both, &[]);
    assert_eq!(
        (dispute.kind().product, dispute.standings.as_slice()),
        (None, &[Agrees, Agrees, Dissents][..])
    );
    assert_eq!(
        (dispute.details().decided, dispute.details().voices[2].said.newest),
        (None, None)
    );
}

#[test]
fn a_product_that_nobody_decided_is_a_loss_of_quorum_of_its_list() {
    let mut round = round(InventoryVote::new(3), &[1, 2, 3], &[1, 2, 3]);
    says_all(&mut round, 1, &[("A", &[(7, 10)]), ("B", &[(8, 20)])]);
    says_all(&mut round, 2, &[("A", &[(7, 10)]), ("B", &[(8, 21)])]);
    unreachable(&mut round, 3);
    assert_eq!(marks(&round), ["missing", "no_quorum"]);
    assert_eq!(standings(&round), [Undecided, Undecided, Missing]);
    let dispute = Dispute::of(&round, &[]);
    assert_eq!(
        (dispute.kind().product.unwrap().as_str(), dispute.kind().no_quorum),
        ("B", true)
    );
}

#[test]
fn where_a_list_is_disputed_is_noted_as_replies_are_judged_and_not_looked_for_later() {
    let mut vote = InventoryVote::new(3);
    for n in 1..=3 {
        let voice = subject::Voice {
            replica: id(n),
            label: &n.to_string(),
            counts: true,
        };
        let in_b = if n == 3 { 21 } else { 20 };
        let products = [lists("A", n, &[(7, 10)]), lists("B", n, &[(8, in_b)])];
        let body = json!({"instance": n.to_string(), "products": products}).to_string();
        assert!(vote.take(&voice, 200, body.as_bytes()));
    }
    let disputed = |vote: &InventoryVote| vote.disputed().map(|(product, _)| product.to_string());
    assert_eq!(disputed(&vote), None, "nobody was judged");
    vote.opinion(id(1)).unwrap();
    assert_eq!(disputed(&vote), None, "it goes along");
    vote.opinion(id(3)).unwrap();
    assert_eq!(disputed(&vote), Some("B".to_owned()));
    vote.opinion(id(2)).unwrap();
    assert_eq!(disputed(&vote), Some("B".to_owned()));
}

#[test]
fn a_list_that_too_few_answered_is_about_the_only_product_it_names() {
    let lost = |products: &[(&str, &[(u64, u64)])]| {
        let mut round = round(InventoryVote::new(3), &[1, 2, 3], &[1, 2, 3]);
        says_all(&mut round, 1, products);
        (2..=3).for_each(|n| unreachable(&mut round, n));
        let dispute = Dispute::of(&round, &[]);
        assert_eq!(dispute.standings, [Undecided, Missing, Missing]);
        assert!(dispute.kind().no_quorum);
        dispute.kind().product.map(ToString::to_string)
    };
    assert_eq!(lost(&[]), None);
    assert_eq!(lost(&[("A", &[(7, 10)])]), Some("A".to_owned()));
    assert_eq!(lost(&[("A", &[(7, 10)]), ("B", &[(8, 20)])]), None);
}
