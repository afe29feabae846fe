//! One key is one order, whoever knows what of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_key_is_one_order() {
    let mut bench = Bench::new(1);
    let first = bench.place(Some("k"), "P", 2);
    settle().await;
    let second = bench.place(Some("k"), "P", 2);
    let other = bench.place(Some("k"), "P", 3);
    settle().await;
    assert_eq!(other.await.unwrap(), Placed::KeyTaken);
    bench.replicas(&[1, 2]);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(order(first.clone()).status, OrderStatus::Confirmed);
    assert_eq!(first, second);
    assert_eq!(bench.place(Some("k"), "P", 2).await.unwrap(), first, "known by now");
    assert_eq!(bench.log.events().len(), 2, "appended once");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_only_the_replicas_know_is_theirs_to_judge() {
    let mut bench = Bench::new(1);
    let first = bench.place(Some("k"), "P", 2);
    settle().await;
    bench.replicas(&[1, 2]);
    let first = order(first.await.unwrap());
    // A restart that lost everything.
    bench.desk.state().book = Book::new(10);
    let other = bench.place(Some("k"), "P", 3);
    settle().await;
    bench.replicas(&[1, 2]);
    assert_eq!(other.await.unwrap(), Placed::KeyTaken);
    assert_eq!(
        bench.desk.find(first.order_id).await,
        None,
        "not taken for the other order"
    );
    let again = bench.place(Some("k"), "P", 2);
    settle().await;
    bench.replicas(&[1, 2]);
    let again = order(again.await.unwrap());
    assert_eq!((again.order_id, again.version), (first.order_id, first.version));
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_the_body_that_came_first_even_if_kafka_never_acknowledged_it() {
    let mut bench = Bench::new(1);
    bench.log.fail_next(Kafka::Loses { written: true });
    assert_eq!(bench.place(Some("k"), "P", 3).await.unwrap(), Placed::NotAccepted);
    // The replicas have not reported it yet when another body comes. What they then report is not about that one.
    for _ in 0..2 {
        let other = bench.place(Some("k"), "P", 4);
        settle().await;
        bench.replicas(&[1, 2]);
        assert_eq!(other.await.unwrap(), Placed::KeyTaken);
    }
    let first = bench.place(Some("k"), "P", 3);
    settle().await;
    bench.replicas(&[1, 2]);
    let first = order(first.await.unwrap());
    assert_eq!((first.status, first.quantity), (OrderStatus::Confirmed, Some(3)));
    assert_eq!(bench.place(Some("k"), "P", 4).await.unwrap(), Placed::KeyTaken);
}

#[tokio::test(start_paused = true)]
async fn a_report_about_another_body_of_the_key_is_no_acknowledgement() {
    let mut bench = Bench::new(1);
    bench.log.fail_next(Kafka::Loses { written: true });
    assert_eq!(bench.place(Some("k"), "P", 3).await.unwrap(), Placed::NotAccepted);
    bench.log.fail_next(Kafka::NeverAnswers);
    let other = bench.place(Some("k"), "P", 4);
    settle().await;
    bench.replicas(&[1, 2]);
    assert_eq!(other.await.unwrap(), Placed::NotAccepted);
    let first = bench.place(Some("k"), "P", 3);
    settle().await;
    bench.replicas(&[1, 2]);
    let first = order(first.await.unwrap());
    assert_eq!((first.status, first.quantity), (OrderStatus::Confirmed, Some(3)));
}

#[tokio::test(start_paused = true)]
async fn a_pending_order_is_appended_again_when_it_is_asked_for_again() {
    let mut bench = Bench::new(1);
    assert_eq!(
        order(bench.place(Some("k"), "P", 2).await.unwrap()).status,
        OrderStatus::Pending
    );
    bench.log.fail_next(Kafka::Refuses);
    let still = order(bench.place(Some("k"), "P", 2).await.unwrap());
    assert_eq!(
        still.status,
        OrderStatus::Pending,
        "it is in the log, whatever Kafka says now"
    );
    let again = bench.place(Some("k"), "P", 2);
    settle().await;
    // What the replicas said about the first append was lost.
    bench.ledger.apply(0, 0, &bench.log.events()[0]);
    bench.ledger.apply(0, 1, &bench.log.events()[1]);
    bench.applied = 2;
    bench.replicas(&[1, 3]);
    let again = order(again.await.unwrap());
    assert_eq!((again.status, again.version), (OrderStatus::Confirmed, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_report_is_as_good_as_an_acknowledgement() {
    let mut bench = Bench::new(1);
    bench.log.fail_next(Kafka::NeverAnswers);
    let placing = bench.place(None, "P", 4);
    settle().await;
    let id = bench.desk.state().book.newest(None, 1)[0].order_id;
    // It arrived all the same.
    let event = Event::Reserve {
        order_id: id,
        product_id: "P".parse().unwrap(),
        quantity: 4,
    };
    bench.log.events.lock().unwrap().push(event);
    bench.replicas(&[1, 2]);
    assert_eq!(order(placing.await.unwrap()).status, OrderStatus::Confirmed);
}
