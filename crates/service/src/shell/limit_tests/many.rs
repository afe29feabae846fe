//! Too much at a time.

use super::*;

#[tokio::test]
async fn a_body_that_is_too_large_gets_413_before_it_is_sent() {
    let server = serve_within(long()).await;
    let mut stream = server.connect().await;
    let head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 65537\r\nexpect: 100-continue\r\n\r\n";
    assert_eq!(status(&mut stream, head).await, Some(413));
    let mut stream = server.connect().await;
    let chunk = vec![b'x'; 0x10001];
    let chunked = [
        &b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n10001\r\n"[..],
        &chunk,
    ]
    .concat();
    assert_eq!(status(&mut stream, &chunked).await, Some(413));
    let mut stream = server.connect().await;
    let whole = [
        &b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 65536\r\n\r\n"[..],
        &chunk[..65536],
    ]
    .concat();
    assert_eq!(status(&mut stream, &whole).await, Some(200));
}

#[tokio::test]
async fn who_is_answered_before_his_body_is_read_can_ask_again_or_is_told_that_he_cannot() {
    let server = serve_within(long()).await;
    let post = |length: usize| {
        let head = format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        [head.as_bytes(), &vec![b'x'; length]].concat()
    };
    // All of it came: the next request is answered over the same connection.
    let mut stream = server.connect().await;
    for length in [70_000, 500_000, 5] {
        let wanted = if length > BODY_LIMIT { 413 } else { 200 };
        assert_eq!(status(&mut stream, &post(length)).await, Some(wanted), "{length}");
    }
    // Too much to be thrown away, or not sent yet: the answer says that it was the last one.
    let much = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n";
    let asks = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 70000\r\nexpect: 100-continue\r\n\r\n";
    let waits = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 70000\r\n\r\n";
    for head in [&much[..], asks, waits] {
        let mut stream = server.connect().await;
        stream.write_all(head).await.unwrap();
        let mut said = Vec::new();
        timeout(LONG, stream.read_to_end(&mut said)).await.unwrap().unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("HTTP/1.1 413"), "{said}");
        assert!(said.contains("connection: close\r\n"), "{said}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_gets_431() {
    let server = serve_within(long()).await;
    let mut stream = server.connect().await;
    let head = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    assert_eq!(status(&mut stream, head.as_bytes()).await, Some(431));

    let stream = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get(format!("http://{}/health", server.addr));
    let request = request
        .header("x", "y".repeat(40_000))
        .body(Empty::<Bytes>::new())
        .unwrap();
    // h2 refuses it in one of two ways, here or there.
    let refused = timeout(LONG, sender.send_request(request)).await.unwrap();
    assert!(
        refused.is_err() || refused.is_ok_and(|answer| answer.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    );
}

#[tokio::test]
async fn work_that_takes_too_long_gets_503() {
    let server = serve_within(short()).await;
    let (status, answer) = server.get("/work").await;
    assert_eq!(status, 503);
    assert!(
        answer.contains("no answer within") && answer.contains("retry-after: 1"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_new_client_is_served_among_many_idle_connections() {
    let server = serve_within(Limits {
        connections: 50,
        ..long()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(server.connect().await);
    }
    // Old enough to go.
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Each of them has its first answer.
    let mut known = Vec::new();
    for _ in 0..20 {
        known.push(server.known().await);
    }
    assert!(
        server
            .metric("http_connections_closed_total{reason=\"made_room\"}")
            .await
            > 0.0
    );
}

#[tokio::test]
async fn where_every_connection_is_at_work_a_new_one_is_told_to_come_back() {
    let server = serve_within(Limits {
        connections: 1,
        ..long()
    })
    .await;
    let mut works = server.connect().await;
    let work = tokio::spawn(async move { status(&mut works, b"GET /work HTTP/1.1\r\nhost: x\r\n\r\n").await });
    let _begun = timeout(LONG, server.began.acquire()).await.unwrap().unwrap();
    let mut refused = String::new();
    let mut one = server.connect().await;
    timeout(LONG, one.read_to_string(&mut refused)).await.unwrap().unwrap();
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"),
        "{refused}"
    );
    server.work.add_permits(1);
    assert_eq!(work.await.unwrap(), Some(200));
}

#[tokio::test]
async fn overload_is_refused_with_503_and_health_is_not() {
    let server = serve_within(Limits { in_flight: 2, ..long() }).await;
    let before = server.metric("http_requests_shed_total").await;
    let stop = CancellationToken::new();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (addr, stop) = (server.addr, stop.clone());
        all.spawn(async move {
            while !stop.is_cancelled() {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                let answer = status(&mut stream, b"GET /work HTTP/1.1\r\nhost: x\r\n\r\n").await;
                assert!(matches!(answer, Some(200 | 503)), "{answer:?}");
            }
        });
    }
    // Nothing is done, so a queue stands, and who comes is refused: before the body comes.
    let refused = async {
        loop {
            let mut stream = server.connect().await;
            let head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n";
            stream.write_all(head).await.unwrap();
            let mut said = Vec::new();
            // The body never comes, so the connection ends, and the answer says so.
            let ended = timeout(Duration::from_secs(2), stream.read_to_end(&mut said)).await;
            let said = String::from_utf8_lossy(&said);
            if ended.is_ok() && said.starts_with("HTTP/1.1 503") {
                assert!(said.contains("connection: close\r\n"), "{said}");
                return;
            }
        }
    };
    timeout(LONG, refused).await.expect("a refusal");
    for path in ["/health", "/metrics"] {
        assert_eq!(server.get(path).await.0, 200);
    }
    assert!(server.metric("http_requests_shed_total").await > before);
    // All is normal again when it is less.
    server.work.add_permits(1_000_000);
    stop.cancel();
    while let Some(one) = all.join_next().await {
        one.unwrap();
    }
    assert_eq!(server.get("/work").await.0, 200);
}

#[tokio::test]
async fn a_stream_too_many_waits_for_another() {
    let server = serve_within(Limits { streams: 2, ..long() }).await;
    let stream = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    // With its answer the client knows the limit.
    let request = hyper::Request::post(format!("http://{}/echo", server.addr));
    let first = sender
        .send_request(request.body(Full::new(Bytes::new())).unwrap())
        .await
        .unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (mut sender, addr) = (sender.clone(), server.addr);
        all.spawn(async move {
            let request = hyper::Request::post(format!("http://{addr}/echo"));
            let answer = sender
                .send_request(request.body(Full::new(Bytes::from_static(b"x"))).unwrap())
                .await
                .unwrap();
            answer.into_body().collect().await.unwrap().to_bytes()
        });
    }
    let answers = timeout(LONG, all.join_all()).await.unwrap();
    assert_eq!(answers, vec![Bytes::from_static(b"x"); 6]);
}

#[tokio::test]
async fn refusals_given_in_one_go_all_leave_whatever_else_was_sent() {
    let server = serve_within(Limits { in_flight: 1, ..long() }).await;
    let route = r#"http_requests_total{route="/work",status="503"}"#;
    let (counted, shed) = (
        server.metric(route).await,
        server.metric("http_requests_shed_total").await,
    );
    // One works, and others wait until that is called an overload.
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        all.spawn(async move { status(&mut stream, b"GET /work HTTP/1.1\r\nhost: x\r\n\r\n").await });
    }
    let _begun = timeout(LONG, server.began.acquire()).await.unwrap().unwrap();
    let one = b"GET /work HTTP/1.1\r\nhost: x\r\n\r\n";
    let answers = async {
        loop {
            // The queue is kept standing: nobody waits for longer than half a second.
            let mut stream = server.connect().await;
            all.spawn(async move { status(&mut stream, one).await });
            let mut stream = server.connect().await;
            // Forty requests and a part of another, whose end never comes.
            let mut sent = one.repeat(40);
            sent.extend_from_slice(b"GET /wo");
            stream.write_all(&sent).await.unwrap();
            let mut said = Vec::new();
            while let Ok(Ok(1..)) = timeout(Duration::from_secs(2), stream.read_buf(&mut said)).await {
                let said = String::from_utf8_lossy(&said);
                if said.matches("HTTP/1.1 503").count() == 40 && said.ends_with('}') {
                    return;
                }
            }
        }
    };
    timeout(LONG, answers).await.expect("forty refusals");
    assert!(server.metric(route).await >= counted + 40.0);
    assert!(server.metric("http_requests_shed_total").await >= shed + 40.0);
    server.work.add_permits(1_000_000);
    while let Some(one) = all.join_next().await {
        assert!(matches!(one.unwrap(), Some(200 | 503)));
    }
}

#[tokio::test]
async fn a_product_with_the_name_of_a_free_path_is_not_free() {
    let (work, began) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (waits, begins) = (Arc::clone(&work), Arc::clone(&began));
    let routes = Api::new().get(
        "/inventory/{product}",
        move || {
            let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
            async move {
                begins.add_permits(1);
                waits.acquire().await.unwrap().forget();
            }
        },
        Operation::new("work", "Waits"),
    );
    let limits = Limits { in_flight: 1, ..long() };
    let (addr, _stop) = serve_routes(routes, limits).await;
    let ask = |path: &'static str| async move {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        status(&mut stream, request.as_bytes()).await
    };
    let first = tokio::spawn(ask("/inventory/health"));
    let _begun = timeout(LONG, began.acquire()).await.unwrap().unwrap();
    // It gets no place: one is taken, and nobody gives it back in time.
    assert_eq!(ask("/inventory/health").await, Some(503));
    assert_eq!(ask("/health").await, Some(200));
    work.add_permits(1);
    assert_eq!(first.await.unwrap(), Some(200));
}
