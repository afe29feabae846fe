use super::*;

async fn after(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

fn conn() -> (Arc<Conn>, Limits) {
    (
        Arc::new(Conn::new(1, Clock::start(), Arc::default())),
        Limits::default(),
    )
}

#[tokio::test(start_paused = true)]
async fn who_sends_nothing_or_a_byte_a_second_is_cut_when_the_time_for_a_head_is_over() {
    for bytes in [&b""[..], b"G", b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let (conn, limits) = conn();
        for _ in 0..9 {
            after(1).await;
            conn.read(bytes);
            assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));
        }
        after(1).await;
        assert_eq!(conn.verdict(&limits), Verdict::Cut(Slow::Head));
    }
}

#[tokio::test(start_paused = true)]
async fn between_requests_a_connection_may_be_idle_but_not_dawdle() {
    let (conn, limits) = conn();
    conn.read(b"GET");
    drop(Busy::new(&conn));
    after(74).await;
    assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));
    after(1).await;
    assert_eq!(conn.verdict(&limits), Verdict::Idle);
    drop(Busy::new(&conn));
    after(60).await;
    conn.read(b"G");
    after(5).await;
    conn.read(b"E");
    assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));
    after(5).await;
    assert_eq!(conn.verdict(&limits), Verdict::Cut(Slow::Head));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_of_http2_may_ping() {
    let (conn, limits) = conn();
    for part in [&b"P"[..], b"RI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        conn.read(part);
    }
    drop(Busy::new(&conn));
    for _ in 0..7 {
        after(10).await;
        conn.read(b"a ping");
        assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));
    }
    after(5).await;
    assert_eq!(conn.verdict(&limits), Verdict::Idle);
}

#[tokio::test(start_paused = true)]
async fn work_is_never_cut_but_answers_that_nobody_takes_are() {
    let (conn, limits) = conn();
    let busy = Busy::new(&conn);
    after(1000).await;
    assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));
    assert_eq!(conn.waits(), None);
    conn.wrote(true);
    after(9).await;
    conn.wrote(true);
    assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));
    assert!(conn.waits().is_some());
    after(1).await;
    assert_eq!(conn.verdict(&limits), Verdict::Cut(Slow::Answer));
    conn.wrote(false);
    assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));

    let note = conn.note_untaken();
    note.store(conn.clock().now(), Relaxed);
    after(10).await;
    assert_eq!(conn.verdict(&limits), Verdict::Cut(Slow::Answer));
    conn.forget_untaken(&note);
    assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_being_read_is_not_work() {
    let (conn, limits) = conn();
    // A client that has been idle for long sends one now.
    drop(Busy::new(&conn));
    let (_, idle_since) = conn.waits().expect("nobody works on it");
    after(5000).await;
    let busy = Busy::new(&conn);
    let reading = Reading::new(&conn);
    conn.read(b"part of a body");
    assert!(conn.waits().is_some_and(|(_, since)| since >= idle_since + 5000));
    // The body has a limit of its own, whose answer must leave.
    after(1000).await;
    assert!(matches!(conn.verdict(&limits), Verdict::Stay(_)));
    drop(reading);
    assert_eq!(conn.waits(), None);
    drop(busy);
    assert!(conn.waits().is_some_and(|(known, _)| known));
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_is_not_listened_to_for_a_moment() {
    let (conn, limits) = conn();
    conn.read(b"GET");
    drop(Busy::new(&conn));
    assert!(conn.hold(|| 0.5));
    assert!(conn.is_held());
    // The first one of few comes back at once.
    assert_eq!(conn.verdict(&limits), Verdict::Stay(conn.clock().now() + 1));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!conn.is_held());
    conn.read(b"GET");
    assert!(matches!(conn.verdict(&limits), Verdict::Stay(until) if until > conn.clock().now() + 1000));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_is_remembered_until_it_can() {
    let (conn, _) = conn();
    conn.read(b"GET");
    assert!(!conn.may_not_read() && !conn.missed());
    assert!(conn.hold(|| 0.5) && !conn.missed());
    assert!(conn.may_not_read() && !conn.missed());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(conn.missed());
    assert!(!conn.may_not_read() && !conn.missed());
}

#[tokio::test(start_paused = true)]
async fn the_more_are_held_the_longer_they_are_and_never_all_the_same() {
    let (clock, all_held) = (Clock::start(), Arc::new(AtomicUsize::new(0)));
    let conns: Vec<_> = (0..2000)
        .map(|id| Conn::new(id, clock, Arc::clone(&all_held)))
        .collect();
    for conn in &conns {
        assert!(conn.hold(|| 0.5));
        // Further refusals do not make it longer.
        assert!(conn.hold(|| 1.0));
    }
    assert_eq!(all_held.load(Relaxed), 2000);
    let held = |conns: &[Conn]| conns.iter().filter(|conn| conn.is_held()).count();
    tokio::time::advance(Duration::from_millis(333)).await;
    assert!((990..=1010).contains(&held(&conns)), "{}", held(&conns));
    tokio::time::advance(Duration::from_millis(334)).await;
    assert_eq!((held(&conns), all_held.load(Relaxed)), (0, 0));
    // The connection's end ends it too.
    assert!(conns[0].hold(|| 0.0));
    drop(conns);
    assert_eq!(all_held.load(Relaxed), 0);

    let two = Conn::new(1, clock, all_held);
    two.read(b"PRI * HTTP/2.0");
    assert!(!two.hold(|| 0.5) && !two.is_held());
}

#[test]
fn orders_only_grow() {
    let conn = Conn::new(1, Clock::start(), Arc::default());
    let waker = Waker::noop();
    assert_eq!(conn.told(waker), Order::Stay);
    conn.tell(Order::End);
    conn.tell(Order::Part);
    assert_eq!(conn.told(waker), Order::End);
}
