//! One suite for every database behind [`Store`]: what SQLite promises here, PostgreSQL must promise too.
//!
//! Each rule is a function over a factory that opens the *same*, at first empty, database each time it is
//! called. [`suite!`] makes one test of each, on an own database.

#![allow(clippy::unwrap_used)]

mod batch;
mod concurrency;
mod retention;
pub mod rows;
mod values;

use std::sync::Arc;

use tolerancia_store::{AuditRow, RequestMetricsRow, Store, StoreError, VotingEvent, VotingKind, Write};
use tolerancia_wire::core::OrderId;
use tolerancia_wire::order::OrderStatus::{self, Cancelled, Confirmed, Pending, Rejected};
use tolerancia_wire::status::{InstanceStatus, Verdict};

pub use batch::*;
pub use concurrency::*;
pub use retention::*;
use rows::{
    agreements, audit, denial, dissent_order, dissent_stock, metrics, order, order_id, proven, replica, stamp, status,
};
pub use values::*;

/// Makes the tests, each with the attributes in brackets, if there are any. `$database` is evaluated for each of
/// them: a guard that keeps the database alive, and the factory.
#[macro_export]
macro_rules! suite {
    ($attributes:tt => $database:expr) => {
        $crate::suite!(@ $attributes $database,
            a_new_database_is_empty_and_answers
            a_status_replaces_the_one_before
            the_audit_is_newest_first_and_filtered
            an_audit_entry_is_written_once_and_its_number_is_taken
            audit_times_are_added_later
            evidence_is_kept_with_its_reason
            request_metrics_come_by_second
            repeated_request_metrics_keep_the_larger_count
            voting_events_are_kept_once_and_newest_first
            refused_attempts_are_kept_once_and_newest_first
            an_order_only_moves_forward
            a_decision_never_flips
            what_was_missing_of_an_order_is_filled_in
            orders_are_newest_first_and_filtered
            an_order_is_found_by_its_key_in_any_partition
            a_batch_is_all_or_nothing
            writes_of_a_batch_keep_their_order
            writes_of_a_batch_may_be_about_the_same
            a_batch_and_its_writes_one_by_one_do_the_same
            what_is_old_is_pruned_and_nothing_else
            pruning_is_done_in_portions_oldest_first
            numbers_beyond_the_database_are_rejected
            text_is_stored_as_it_is
            text_is_sorted_by_its_bytes
            all_is_there_after_reopening
            writers_at_once_all_succeed
            writers_of_the_same_at_once_all_succeed
            starters_at_once_all_succeed
        );
    };
    (@@ [$($attribute:tt)*] $database:expr, $name:ident) => {
        $($attribute)*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let (_guard, open) = $database;
            conformance::$name(open).await;
        }
    };
    (@ $attributes:tt $database:expr, $($name:ident)*) => {
        $( $crate::suite!(@@ $attributes $database, $name); )*
    };
    ($database:expr) => {
        $crate::suite!([] => $database);
    };
}

/// Opens the database of one test.
pub trait Open: AsyncFn() -> Arc<dyn Store> {}
impl<F: AsyncFn() -> Arc<dyn Store>> Open for F {}

pub async fn a_new_database_is_empty_and_answers(open: impl Open) {
    let store = open().await;
    store.ping().await.unwrap();
    store.apply(&[]).await.unwrap();
    assert_eq!(store.statuses().await.unwrap(), []);
    assert_eq!(store.transitions(None, 10).await.unwrap(), []);
    assert_eq!(store.request_metrics(0, i64::MAX).await.unwrap(), []);
    assert_eq!(store.voting_events(10).await.unwrap(), []);
    assert_eq!(store.denials(10).await.unwrap(), []);
    assert_eq!(store.orders(None, 10).await.unwrap(), []);
    assert_eq!(store.order(order_id(0, 1)).await.unwrap(), None);
    assert_eq!(store.order_by_key(1).await.unwrap(), None);
}

pub async fn a_status_replaces_the_one_before(open: impl Open) {
    let store = open().await;
    let on = InstanceStatus {
        pid: None,
        ..status(1, Verdict::On)
    };
    for s in [status(2, Verdict::On), status(1, Verdict::Off), on.clone(), on.clone()] {
        store.upsert_status(&s).await.unwrap();
    }
    assert_eq!(store.statuses().await.unwrap(), [on, status(2, Verdict::On)]);
}

pub async fn the_audit_is_newest_first_and_filtered(open: impl Open) {
    let store = open().await;
    // Written out of order: what counts is seq.
    for seq in [1, 4, 3, 2] {
        store.append_transition(&audit(seq, 1 + (seq % 2) as u8)).await.unwrap();
    }
    let seqs = |rows: Vec<AuditRow>| rows.iter().map(|r| r.transition.seq).collect::<Vec<_>>();
    assert_eq!(store.transitions(None, 2).await.unwrap(), [audit(4, 1), audit(3, 2)]);
    assert_eq!(seqs(store.transitions(None, usize::MAX).await.unwrap()), [4, 3, 2, 1]);
    assert_eq!(seqs(store.transitions(Some(replica(2)), 10).await.unwrap()), [3, 1]);
    assert_eq!(seqs(store.transitions(Some(replica(2)), 1).await.unwrap()), [3]);
    assert_eq!(seqs(store.transitions(Some(replica(9)), 10).await.unwrap()), [0; 0]);
    assert_eq!(seqs(store.transitions(None, 0).await.unwrap()), [0; 0]);
}

pub async fn an_audit_entry_is_written_once_and_its_number_is_taken(open: impl Open) {
    let store = open().await;
    store.append_transition(&audit(1, 1)).await.unwrap();
    store.append_transition(&audit(1, 1)).await.unwrap();
    let mut other = audit(1, 1);
    other.transition.stamp = stamp(99);
    assert!(matches!(
        store.append_transition(&other).await,
        Err(StoreError::Rejected(_))
    ));
    assert!(matches!(
        store.append_transition(&audit(1, 2)).await,
        Err(StoreError::Rejected(_))
    ));
    assert_eq!(store.transitions(None, 10).await.unwrap(), [audit(1, 1)]);
}

pub async fn audit_times_are_added_later(open: impl Open) {
    let store = open().await;
    let times = |seq, ttd_ms, ttr_ms| Write::AuditTimes { seq, ttd_ms, ttr_ms };
    store.append_transition(&audit(1, 1)).await.unwrap();
    store.append_transition(&audit(2, 1)).await.unwrap();
    // The entry that does not exist may have been dropped while the database was dead.
    store
        .apply(&[times(1, Some(214.5), None), times(7, Some(1.0), None)])
        .await
        .unwrap();
    store.apply(&[times(1, None, Some(1890.25))]).await.unwrap();
    store.append_transition(&audit(1, 1)).await.unwrap();
    let expected = AuditRow {
        ttd_ms: Some(214.5),
        ttr_ms: Some(1890.25),
        ..audit(1, 1)
    };
    assert_eq!(
        store.transitions(None, 10).await.unwrap(),
        [audit(2, 1), expected.clone()]
    );
    // The same detection leaves the recovery; another one, of another fault then, does not.
    store.apply(&[times(1, Some(214.5), None)]).await.unwrap();
    assert_eq!(store.transitions(None, 10).await.unwrap()[1], expected);
    store.apply(&[times(1, Some(14.5), None)]).await.unwrap();
    let other = AuditRow {
        ttd_ms: Some(14.5),
        ttr_ms: None,
        ..audit(1, 1)
    };
    assert_eq!(store.transitions(None, 10).await.unwrap()[1], other);
}

pub async fn evidence_is_kept_with_its_reason(open: impl Open) {
    let store = open().await;
    let mut entry = audit(2, 1);
    entry.transition.reason = proven();
    entry.transition.quarantine_ms = Some(6400.5);
    let with = InstanceStatus {
        reason: proven(),
        ..status(1, Verdict::Off)
    };
    let writes = [
        Write::Transition(audit(1, 1)),
        Write::Transition(entry.clone()),
        Write::Status(with.clone()),
    ];
    // Twice, as after a lost answer.
    store.apply(&writes).await.unwrap();
    store.apply(&writes).await.unwrap();
    assert_eq!(store.statuses().await.unwrap(), [with]);
    assert_eq!(store.transitions(None, 9).await.unwrap(), [entry.clone(), audit(1, 1)]);
    // Times that are added leave it, and the next status has its own.
    let times = |seq| Write::AuditTimes {
        seq,
        ttd_ms: Some(1.5),
        ttr_ms: None,
    };
    store.apply(&[times(2)]).await.unwrap();
    entry.ttd_ms = Some(1.5);
    assert_eq!(store.transitions(None, 1).await.unwrap(), [entry]);
    store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    assert_eq!(store.statuses().await.unwrap(), [status(1, Verdict::On)]);
}

pub async fn request_metrics_come_by_second(open: impl Open) {
    let store = open().await;
    let other_status = RequestMetricsRow {
        status: 503,
        histogram: Vec::new(),
        ..metrics(11, 3)
    };
    store
        .add_request_metrics(&[metrics(12, 1), other_status.clone(), metrics(11, 2), metrics(10, 1)])
        .await
        .unwrap();
    let found = store.request_metrics(11, 12).await.unwrap();
    assert_eq!(found, [metrics(11, 2), other_status]);
    let seconds = store.request_metrics(i64::MIN, i64::MAX).await.unwrap();
    assert_eq!(seconds.iter().map(|r| r.second).collect::<Vec<_>>(), [10, 11, 11, 12]);
}

pub async fn repeated_request_metrics_keep_the_larger_count(open: impl Open) {
    let store = open().await;
    for count in [5, 9, 9, 2] {
        store.add_request_metrics(&[metrics(10, count)]).await.unwrap();
    }
    assert_eq!(store.request_metrics(0, 100).await.unwrap(), [metrics(10, 9)]);
}

pub async fn voting_events_are_kept_once_and_newest_first(open: impl Open) {
    let store = open().await;
    let events = [agreements(1, 120), dissent_stock(2), dissent_order(3)];
    store.add_voting_events(&events).await.unwrap();
    store.add_voting_events(&events[1..]).await.unwrap();
    let newest_first: Vec<VotingEvent> = events.into_iter().rev().collect();
    assert_eq!(store.voting_events(10).await.unwrap(), newest_first);
    assert_eq!(store.voting_events(1).await.unwrap(), newest_first[..1]);
}

pub async fn refused_attempts_are_kept_once_and_newest_first(open: impl Open) {
    let store = open().await;
    for n in [3, 1, 2, 0, 2] {
        store.apply(&[Write::Denial(denial(n, 7))]).await.unwrap();
    }
    // The first of the same counts.
    store.apply(&[Write::Denial(denial(3, 8))]).await.unwrap();
    let all = [denial(3, 7), denial(2, 7), denial(1, 7), denial(0, 7)];
    assert_eq!(store.denials(10).await.unwrap(), all);
    assert_eq!(store.denials(2).await.unwrap(), all[..2]);
    assert_eq!(store.denials(0).await.unwrap(), []);
}

pub async fn an_order_only_moves_forward(open: impl Open) {
    let store = open().await;
    let id = order_id(0, 1);
    for (written, expected) in [
        (Pending, Pending),
        (Confirmed, Confirmed),
        (Pending, Confirmed),
        (Cancelled, Cancelled),
        (Confirmed, Cancelled),
        (Pending, Cancelled),
    ] {
        store.upsert_orders(&[order(id, written)]).await.unwrap();
        assert_eq!(
            store.order(id).await.unwrap(),
            Some(order(id, expected)),
            "after {written:?}"
        );
    }
}

pub async fn a_decision_never_flips(open: impl Open) {
    let store = open().await;
    let id = order_id(0, 1);
    for status in [Rejected, Confirmed] {
        store.upsert_orders(&[order(id, status)]).await.unwrap();
    }
    assert_eq!(store.order(id).await.unwrap(), Some(order(id, Rejected)));
}

pub async fn what_was_missing_of_an_order_is_filled_in(open: impl Open) {
    let store = open().await;
    let known = order(order_id(0, 1), Confirmed);
    let mut result_only = known.clone();
    (result_only.product_id, result_only.quantity) = (None, None);
    result_only.created = stamp(50);
    store.upsert_orders(&[result_only.clone()]).await.unwrap();
    assert_eq!(store.order(known.order_id).await.unwrap(), Some(result_only.clone()));
    // The request, older than its result, comes later; then the result once more.
    store
        .upsert_orders(&[order(known.order_id, Pending), result_only])
        .await
        .unwrap();
    assert_eq!(store.order(known.order_id).await.unwrap(), Some(known));
}

pub async fn orders_are_newest_first_and_filtered(open: impl Open) {
    let store = open().await;
    let rows: Vec<_> = [(1, Confirmed), (2, Rejected), (3, Confirmed)]
        .map(|(n, status)| order(order_id(0, n), status))
        .into();
    store.upsert_orders(&rows).await.unwrap();
    let get = async |status: Option<OrderStatus>, limit| store.orders(status, limit).await.unwrap();
    assert_eq!(get(None, 10).await, [rows[2].clone(), rows[1].clone(), rows[0].clone()]);
    assert_eq!(get(None, 1).await, rows[2..]);
    assert_eq!(get(Some(Confirmed), 10).await, [rows[2].clone(), rows[0].clone()]);
    assert_eq!(get(Some(Confirmed), 1).await, rows[2..]);
    assert_eq!(get(Some(Cancelled), 10).await, []);
}

pub async fn an_order_is_found_by_its_key_in_any_partition(open: impl Open) {
    let store = open().await;
    let first = order(OrderId::from_key(3, "k"), Confirmed);
    let mut second = order(OrderId::from_key(1, "k"), Pending);
    second.created = stamp(1000);
    store
        .upsert_orders(&[second, first.clone(), order(OrderId::from_key(3, "other"), Pending)])
        .await
        .unwrap();
    let key = OrderId::from_key(0, "k").key_part();
    assert_eq!(store.order_by_key(key).await.unwrap(), Some(first));
}

pub async fn all_is_there_after_reopening(open: impl Open) {
    let order = order(order_id(0, 1), Confirmed);
    {
        let store = open().await;
        let writes = [
            Write::Status(status(1, Verdict::Off)),
            Write::Transition(audit(1, 1)),
            Write::RequestMetrics(metrics(1, 1)),
            Write::Voting(dissent_stock(1)),
            Write::Order(order.clone()),
        ];
        store.apply(&writes).await.unwrap();
    }
    let store = open().await;
    assert_eq!(store.statuses().await.unwrap(), [status(1, Verdict::Off)]);
    assert_eq!(store.transitions(None, 9).await.unwrap(), [audit(1, 1)]);
    assert_eq!(store.request_metrics(0, 9).await.unwrap(), [metrics(1, 1)]);
    assert_eq!(store.voting_events(9).await.unwrap(), [dissent_stock(1)]);
    assert_eq!(store.orders(None, 9).await.unwrap(), [order]);
}
