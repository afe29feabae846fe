#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::seat::MOST_RETRIES;
use super::*;
use crate::inventory::InventoryVote;
use crate::product::ProductVote;

const LATE: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(300);

pub(super) fn id(n: u8) -> ReplicaId {
    ReplicaId::new(n).unwrap()
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn product() -> ProductId {
    "PROD-001".parse().unwrap()
}

fn body(name: &str, n: u8, versions: &[(u64, u64)]) -> serde_json::Value {
    // An honest replica lists all that it has applied.
    let applied = versions.first().map_or(0, |(newest, _)| newest + 1);
    let versions: Vec<_> = versions
        .iter()
        .map(|(version, available)| json!({"version": version, "available": available, "reserved": 0}))
        .collect();
    json!({"product_id": name, "instance": n.to_string(), "partition": 0, "applied": applied, "versions": versions})
}

pub(super) fn says(n: u8, versions: &[(u64, u64)]) -> Outcome<Vec<u8>> {
    Outcome::Answer {
        status: if versions.is_empty() { 404 } else { 200 },
        body: body("PROD-001", n, versions).to_string().into_bytes(),
    }
}

fn error(status: u16) -> Outcome<Vec<u8>> {
    Outcome::Answer { status, body: vec![] }
}

/// A vote about one product in which the first `on` of three replicas count and all are asked.
fn round(on: u8) -> Round<ProductVote> {
    let seats = ReplicaId::all(3)
        .map(|id| Seat::new(id, id.number() <= on, true, LATE))
        .collect();
    Round::new(ProductVote::new(product(), 3), seats, TIMEOUT)
}

pub(super) fn answer(round: &mut Round<impl Subject>, at: u64, n: u8, outcome: &Outcome<Vec<u8>>) {
    round.answer(ms(at), id(n), &n.to_string(), outcome);
}

pub(super) fn found(round: &mut Round<impl Subject>) -> Vec<(u8, Finding)> {
    round
        .findings()
        .map(|(replica, finding)| (replica.number(), finding))
        .collect()
}

#[test]
fn the_answer_leaves_with_the_first_quorum_and_later_answers_are_judged() {
    let mut round = round(3);
    answer(&mut round, 1, 3, &says(3, &[(7, 10)]));
    assert!(!round.is_settled());
    answer(&mut round, 2, 1, &says(1, &[(7, 10)]));
    assert!(round.is_settled() && !round.is_over(ms(2)));
    assert_eq!(round.subject().result().unwrap().unwrap().votes, [id(1), id(3)]);
    assert_eq!(found(&mut round), [(1, Finding::Good), (3, Finding::Good)]);
    answer(&mut round, 50, 2, &says(2, &[(7, 99)]));
    let findings = found(&mut round);
    let [
        (
            2,
            Finding::Dissent(Dissent::Stock {
                version: 7,
                said,
                agreed,
                ..
            }),
        ),
    ] = &findings[..]
    else {
        panic!("one dissent expected: {findings:?}");
    };
    assert_eq!((said.unwrap().available, agreed.unwrap().available), (99, 10));
    assert!(round.is_over(ms(50)));
}

#[test]
fn a_laggard_is_asked_again_after_two_milliseconds_then_doubling_to_the_cap() {
    let mut round = round(2);
    answer(&mut round, 0, 1, &says(1, &[(9, 5), (7, 10)]));
    answer(&mut round, 0, 2, &says(2, &[(7, 10)]));
    let mut now = 0;
    for pause in [2, 4, 8, 8] {
        assert_eq!(round.next_tick(), ms(now + pause));
        assert_eq!(round.tick(ms(now + pause - 1)), []);
        now += pause;
        assert_eq!(round.tick(ms(now)), [id(2)]);
        assert_eq!(round.tick(ms(now)), [], "asked once");
        answer(&mut round, now, 2, &says(2, &[(7, 10)]));
    }
    let _ = round.tick(ms(now + 8));
    answer(&mut round, now + 8, 2, &says(2, &[(9, 5), (7, 10)]));
    assert!(round.is_settled() && round.subject().is_fresh());
    let findings = found(&mut round);
    assert!(findings.contains(&(2, Finding::Good)), "it caught up: {findings:?}");
}

#[test]
fn a_claim_that_nobody_reaches_costs_freshness_at_the_timeout() {
    let mut round = round(3);
    answer(&mut round, 1, 1, &says(1, &[(1000, 0), (7, 10)]));
    answer(&mut round, 1, 2, &says(2, &[(7, 10)]));
    answer(&mut round, 1, 3, &says(3, &[(7, 10)]));
    assert!(!round.is_settled());
    while !round.is_settled() {
        let now = round.next_tick();
        for replica in round.tick(now) {
            let n = replica.number();
            round.answer(now, replica, &n.to_string(), &says(n, &[(7, 10)]));
        }
    }
    let voted = round.subject().result().unwrap().unwrap();
    assert!(!voted.fresh);
    assert_eq!((voted.version, voted.stock.available), (7, 10));
}

#[test]
fn without_hope_the_vote_closes_at_once() {
    let mut round = round(3);
    answer(&mut round, 1, 1, &Outcome::Unreachable);
    answer(&mut round, 1, 2, &says(2, &[(7, 10)]));
    assert!(!round.is_settled(), "replica 3 may still decide");
    answer(&mut round, 2, 3, &Outcome::Unreachable);
    assert!(round.is_over(ms(2)));
    assert_eq!(round.subject().result(), None);
    let said: Vec<_> = round
        .said()
        .into_iter()
        .map(|said| (said.answer, said.newest.map(|v| v.version)))
        .collect();
    let expected = [("unreachable", None), ("ok", Some(7)), ("unreachable", None)];
    assert_eq!(said, expected.map(|(answer, newest)| (answer.to_owned(), newest)));
    assert_eq!(
        found(&mut round),
        [(1, Finding::Unreachable), (3, Finding::Unreachable)],
        "an undecided vote judges nobody"
    );
}

#[test]
fn fewer_than_a_quorum_of_counted_replicas_never_decide() {
    let mut round = round(1);
    answer(&mut round, 1, 2, &says(2, &[(7, 10)]));
    answer(&mut round, 1, 3, &says(3, &[(7, 10)]));
    answer(&mut round, 1, 1, &says(1, &[(7, 10)]));
    assert!(round.is_settled());
    assert_eq!(round.subject().result(), None);
    let none_on = super::tests::round(0);
    assert!(none_on.is_settled(), "nobody to wait for");
}

#[test]
fn a_server_error_is_tried_again_a_few_times_and_each_counts_as_failed() {
    let mut round = round(2);
    answer(&mut round, 1, 1, &says(1, &[(7, 10)]));
    answer(&mut round, 1, 2, &error(500));
    let mut retries = 0;
    while !round.is_settled() {
        let now = round.next_tick();
        for replica in round.tick(now) {
            assert_eq!(replica, id(2));
            retries += 1;
            round.answer(now, replica, "2", &error(503));
        }
    }
    assert_eq!(retries, MOST_RETRIES);
    assert_eq!(found(&mut round), vec![(2, Finding::Failed); 4]);
    assert_eq!(round.said()[1].answer, "error 503");
}

#[test]
fn a_malformed_answer_is_a_failure_and_no_vote() {
    let mut round = round(3);
    answer(&mut round, 1, 1, &says(2, &[(7, 10)]));
    answer(&mut round, 1, 2, &says(2, &[(7, 10), (7, 11)]));
    answer(&mut round, 1, 3, &says(3, &[(7, 10)]));
    assert!(round.is_settled());
    assert_eq!(round.subject().result(), None);
    assert_eq!(found(&mut round), [(1, Finding::Failed), (2, Finding::Failed)]);
    assert_eq!(round.said()[0].answer, "malformed");
}

#[test]
fn unanswered_counts_as_late_once_and_when_the_bound_has_passed() {
    let mut round = round(3);
    answer(&mut round, 1, 1, &says(1, &[(7, 10)]));
    answer(&mut round, 1, 2, &says(2, &[(7, 10)]));
    assert_eq!(found(&mut round).len(), 2);
    assert_eq!(round.next_tick(), ms(200));
    let _ = round.tick(ms(199));
    assert_eq!(found(&mut round), []);
    let _ = round.tick(ms(200));
    assert_eq!(found(&mut round), [(3, Finding::Late)]);
    assert_eq!(round.next_tick(), ms(300));
    // It comes after all: late stays late and is not good as well; a lie would still be one.
    answer(&mut round, 250, 3, &says(3, &[(7, 10)]));
    assert_eq!(found(&mut round), []);
    assert!(round.is_over(ms(250)));
}

#[test]
fn a_vote_ends_at_the_timeout_whoever_is_still_awaited() {
    let mut round = round(3);
    answer(&mut round, 1, 1, &says(1, &[(7, 10)]));
    let _ = round.tick(ms(200));
    let _ = round.tick(ms(300));
    assert!(round.is_over(ms(300)));
    assert_eq!(round.subject().result(), None);
    assert_eq!(found(&mut round), [(2, Finding::Late), (3, Finding::Late)]);
    assert_eq!(round.said()[2].answer, "timeout");
}

#[test]
fn shadow_votes_are_judged_and_name_the_product() {
    let mut round = round(2);
    answer(&mut round, 1, 3, &says(3, &[(7, 10)]));
    answer(&mut round, 1, 1, &says(1, &[(7, 10)]));
    assert!(!round.is_settled(), "a vote that does not count decides nothing");
    answer(&mut round, 1, 2, &says(2, &[(7, 10)]));
    let findings = found(&mut round);
    assert!(findings.contains(&(3, Finding::Agreed(product()))), "{findings:?}");
    assert_eq!(
        findings.iter().filter(|(_, f)| matches!(f, Finding::Agreed(_))).count(),
        1
    );
}

#[test]
fn lag_is_stale_and_no_lie() {
    let mut round = round(3);
    answer(&mut round, 1, 1, &says(1, &[(9, 4), (7, 10)]));
    answer(&mut round, 1, 2, &says(2, &[(9, 4), (7, 10)]));
    answer(&mut round, 1, 3, &says(3, &[(7, 10)]));
    assert_eq!(found(&mut round)[2], (3, Finding::Stale));
}

#[test]
fn a_quorum_can_agree_that_a_product_does_not_exist() {
    let mut round = round(3);
    answer(&mut round, 1, 1, &says(1, &[]));
    answer(&mut round, 1, 2, &says(2, &[]));
    assert_eq!(round.subject().result(), Some(None));
}

type Lists<'a> = &'a [(&'a str, &'a [(u64, u64)])];

fn lists(n: u8, products: Lists<'_>) -> Outcome<Vec<u8>> {
    let products: Vec<_> = products
        .iter()
        .map(|(name, versions)| body(name, n, versions))
        .collect();
    Outcome::Answer {
        status: 200,
        body: json!({"instance": n.to_string(), "products": products})
            .to_string()
            .into_bytes(),
    }
}

fn inventory() -> Round<InventoryVote> {
    let seats = ReplicaId::all(3).map(|id| Seat::new(id, true, true, LATE)).collect();
    Round::new(InventoryVote::new(3), seats, TIMEOUT)
}

#[test]
fn a_list_is_voted_on_product_by_product() {
    let truth: Lists<'_> = &[("A", &[(1, 10)]), ("B", &[(2, 20)])];
    let lie: Lists<'_> = &[("A", &[(1, 11)]), ("GHOST", &[(3, 1)])];
    for order in [[1, 2, 3], [1, 3, 2], [2, 3, 1], [3, 1, 2], [2, 1, 3], [3, 2, 1]] {
        let mut round = inventory();
        for n in order {
            answer(&mut round, 1, n, &lists(n, if n == 1 { lie } else { truth }));
        }
        // The ghost may have to wait for laggards that never come; the others are decided.
        let _ = round.tick(ms(300));
        let result = round.subject().result().unwrap();
        let voted: Vec<_> = result
            .products
            .iter()
            .map(|p| (p.product_id.as_str(), p.stock.available))
            .collect();
        assert_eq!(voted, [("A", 10), ("B", 20)], "order {order:?}");
        assert_eq!(result.undecided, []);
        let findings = found(&mut round);
        let lies = findings
            .iter()
            .filter(|(n, f)| *n == 1 && matches!(f, Finding::Dissent(_)));
        assert_eq!(lies.count(), 1, "order {order:?}: {findings:?}");
        assert!(
            findings.iter().all(|(n, f)| *n == 1 || *f == Finding::Good),
            "{findings:?}"
        );
    }
}

#[test]
fn a_list_without_a_quorum_of_answers_is_no_answer() {
    let mut round = inventory();
    answer(&mut round, 1, 1, &lists(1, &[("A", &[(1, 10)])]));
    answer(&mut round, 1, 2, &Outcome::Unreachable);
    answer(&mut round, 1, 3, &Outcome::Unreachable);
    assert!(round.is_settled());
    assert_eq!(round.subject().result(), None);
}

#[test]
fn products_without_agreement_are_named_but_get_no_value() {
    let mut round = inventory();
    for n in 1..=3 {
        answer(
            &mut round,
            1,
            n,
            &lists(n, &[("A", &[(1, n.into())]), ("B", &[(2, 20)])]),
        );
    }
    assert!(round.is_settled(), "nobody is behind, so nobody is worth asking again");
    let result = round.subject().result().unwrap();
    assert_eq!(result.undecided, ["A".parse().unwrap()]);
    assert_eq!(result.products.len(), 1);
    assert_eq!(
        found(&mut round),
        [(1, Finding::Good), (2, Finding::Good), (3, Finding::Good)]
    );
}

#[test]
fn an_empty_catalogue_is_an_answer() {
    let mut round = inventory();
    answer(&mut round, 1, 1, &lists(1, &[]));
    answer(&mut round, 1, 3, &lists(3, &[]));
    assert!(round.is_settled());
    assert_eq!(round.subject().result().unwrap().products, []);
}

#[test]
fn replicas_prove_themselves_even_when_too_few_are_on_to_answer() {
    let mut round = round(1);
    answer(&mut round, 1, 1, &says(1, &[(7, 10)]));
    answer(&mut round, 2, 2, &says(2, &[(7, 10)]));
    answer(&mut round, 3, 3, &says(3, &[(7, 99)]));
    let _ = round.tick(ms(300));
    assert_eq!(round.subject().result(), None, "one vote that counts is no answer");
    let findings = found(&mut round);
    assert!(findings.contains(&(2, Finding::Agreed(product()))), "{findings:?}");
    assert!(
        findings
            .iter()
            .any(|(n, finding)| *n == 3 && matches!(finding, Finding::Dissent(_))),
        "{findings:?}"
    );
}
