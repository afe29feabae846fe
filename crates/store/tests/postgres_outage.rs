//! PostgreSQL that is not there, does not answer, or goes away: every call ends in time, says what to do and not
//! the password, and works again when the server does.

#![allow(clippy::unwrap_used)]

mod postgres_support;
#[path = "conformance/rows.rs"]
mod rows;

use std::time::{Duration, Instant};

use postgres_support::{BOUND, Line, Proxy, Scratch, unavailable};
use rows::{order, order_id, status};
use tokio::net::TcpListener;
use tolerancia_store::{Buffer, BufferConfig, Store, Write, lazy_postgres, open_postgres};
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::Verdict;

/// Every kind of call fails, within the bound and without the password. Returns what `ping` says.
async fn all_calls_fail(store: &dyn Store, password: &str) -> String {
    let timed = async |call: std::pin::Pin<Box<dyn Future<Output = String> + Send + '_>>| {
        let began = Instant::now();
        let message = call.await;
        assert!(began.elapsed() < BOUND, "{:?}: {message}", began.elapsed());
        assert!(!message.contains(password), "{message}");
        message
    };
    let id = order_id(0, 1);
    timed(Box::pin(async { unavailable(store.statuses().await) })).await;
    timed(Box::pin(async { unavailable(store.order(id).await) })).await;
    timed(Box::pin(async {
        unavailable(store.prune(1, jiff::Timestamp::UNIX_EPOCH).await)
    }))
    .await;
    timed(Box::pin(async {
        unavailable(store.upsert_status(&status(1, Verdict::On)).await)
    }))
    .await;
    assert!(!format!("{store:?}").contains(password));
    timed(Box::pin(async { unavailable(store.ping().await) })).await
}

/// Fails until it does not, for at most as long as an outage may be noticed after its end.
async fn eventually(store: &dyn Store) {
    let end = Instant::now() + BOUND;
    while let Err(error) = store.ping().await {
        assert!(Instant::now() < end, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_named() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let store = lazy_postgres(&format!("postgres://ann:s3cret@127.0.0.1:{port}/lab"));
    let began = Instant::now();
    let message = all_calls_fail(&*store, "s3cret").await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "a refusal is no reason to wait"
    );
    assert!(
        message.contains(&format!("\"lab\" at 127.0.0.1:{port}")) && message.contains("start PostgreSQL"),
        "{message}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = lazy_postgres(&format!("postgres://ann:s3cret@127.0.0.1:{port}/lab"));
    let accept = async {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept().await.unwrap());
        }
    };
    let message = tokio::select! {
        message = all_calls_fail(&*store, "s3cret") => message,
        () = accept => unreachable!(),
    };
    assert!(message.contains("no answer within 2 s"), "{message}");
    // More callers than connections: none waits for the others without a bound.
    let began = Instant::now();
    let calls = futures_util::future::join_all((0..12).map(|_| store.ping())).await;
    assert!(calls.into_iter().all(|outcome| outcome.is_err()));
    assert!(began.elapsed() < BOUND);
}

#[tokio::test]
async fn what_is_not_postgresql_is_called_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut socket, answer).await.unwrap();
        }
    };
    let store = lazy_postgres(&format!("postgres://ann:s3cret@127.0.0.1:{port}/lab"));
    let message = tokio::select! {
        message = all_calls_fail(&*store, "s3cret") => message,
        () = serve => unreachable!(),
    };
    assert!(message.contains("POSTGRES_URL"), "{message}");
}

#[tokio::test]
async fn a_url_that_is_none_is_an_error_of_every_call() {
    let store = lazy_postgres("postgres://ann:12/s3cret@db/lab");
    let message = all_calls_fail(&*store, "s3cret").await;
    assert!(message.contains("percent-encoded"), "{message}");
    unavailable(open_postgres("s3cret").await);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn a_wrong_password_and_an_unknown_database_are_told_apart() {
    let scratch = Scratch::new().await;
    let right = scratch.url();
    let wrong = right.replacen(&format!(":{}@", scratch.password()), ":s3cret-but-wrong@", 1);
    let message = all_calls_fail(&*lazy_postgres(&wrong), "s3cret").await;
    assert!(message.contains("check user and password"), "{message}");

    let (server, rest) = right.rsplit_once('/').unwrap();
    let (_, options) = rest.split_once('?').unwrap();
    let unknown = format!("{server}/no_such_database?{options}");
    let message = all_calls_fail(&*lazy_postgres(&unknown), scratch.password()).await;
    assert!(
        message.contains("no_such_database") && message.contains("CREATE DATABASE"),
        "{message}"
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn sessions_ended_between_two_calls_are_not_noticed() {
    let scratch = Scratch::new().await;
    let store = open_postgres(&scratch.url()).await.unwrap();
    // Several connections, so that one that died is not hidden by another.
    let pings = || futures_util::future::join_all((0..4).map(|_| store.ping()));
    for _ in 0..3 {
        for outcome in pings().await {
            outcome.unwrap();
        }
        let ended = scratch
            .query("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE application_name = $1")
            .await;
        assert!((1..=4).contains(&ended.len()), "{ended:?}");
        // The server says so before it closes; until then a connection looks alive.
        let count = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = $1";
        while scratch.query(count).await != ["0"] {}
        store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn a_silent_network_is_given_up_and_come_back_from() {
    let scratch = Scratch::new().await;
    let proxy = Proxy::to(scratch.address(), Line::Up).await;
    let store = open_postgres(&scratch.url_via(proxy.port)).await.unwrap();
    for outcome in futures_util::future::join_all((0..4).map(|_| store.ping())).await {
        outcome.unwrap();
    }
    proxy.set(Line::Silent);
    let message = all_calls_fail(&*store, scratch.password()).await;
    assert!(message.contains("no answer within"), "{message}");
    // Callers that lose patience, more than there are connections, leave nothing behind that others wait for.
    for _ in 0..8 {
        let impatient = tokio::time::timeout(Duration::from_millis(20), store.statuses()).await;
        assert!(impatient.is_err());
    }
    proxy.set(Line::Up);
    let began = Instant::now();
    store.upsert_status(&status(1, Verdict::On)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn a_transaction_that_is_cut_off_is_written_once_or_not_at_all() {
    let scratch = Scratch::new().await;
    let proxy = Proxy::to(scratch.address(), Line::Up).await;
    let store = open_postgres(&scratch.url_via(proxy.port)).await.unwrap();
    let writes: Vec<_> = (0..500)
        .map(|n| Write::Order(order(order_id(0, n), OrderStatus::Pending)))
        .collect();
    for delay in [0, 1, 2, 4, 8, 16] {
        let (outcome, ()) = tokio::join!(store.apply(&writes), async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            proxy.set(Line::Cut);
        });
        proxy.set(Line::Up);
        eventually(&*store).await;
        let stored = store.orders(None, 1000).await.unwrap().len();
        assert!(
            stored == 500 || (stored == 0 && outcome.is_err()),
            "{stored}, {outcome:?}"
        );
    }
    store.apply(&writes).await.unwrap();
    assert_eq!(store.orders(None, 1000).await.unwrap().len(), 500);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: eval \"$(scripts/postgres.sh start)\""]
async fn what_was_queued_during_outages_arrives() {
    let scratch = Scratch::new().await;
    let proxy = Proxy::to(scratch.address(), Line::Cut).await;
    let buffer = Buffer::start(lazy_postgres(&scratch.url_via(proxy.port)), BufferConfig::default());
    let push = |range: std::ops::Range<u16>| {
        for n in range {
            assert!(buffer.push(Write::Order(order(order_id(0, n), OrderStatus::Pending))));
        }
    };
    let reaches = async |up: bool| {
        let end = Instant::now() + 2 * BOUND;
        while buffer.state().is_up() != up {
            assert!(Instant::now() < end, "{}", buffer.state());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    push(0..1200);
    assert!(!buffer.state().is_up());
    proxy.set(Line::Up);
    reaches(true).await;
    for (line, range) in [(Line::Cut, 1200..2000), (Line::Silent, 2000..2400)] {
        proxy.set(line);
        reaches(false).await;
        push(range);
        proxy.set(Line::Up);
        reaches(true).await;
    }
    assert_eq!(buffer.close(Duration::from_secs(20)).await, 0);
    assert_eq!(buffer.dropped(), 0);
    let store = open_postgres(&scratch.url()).await.unwrap();
    assert_eq!(store.orders(None, 5000).await.unwrap().len(), 2400);
}
