//! Too slow.

use super::*;

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection_whatever_the_protocol() {
    let server = serve_within(short()).await;
    for sent in [&b""[..], b"GET", b"PRI", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(sent).await.unwrap();
        closed(&mut stream).await;
    }
    let mut stream = server.known().await;
    stream.write_all(b"GET / HTTP").await.unwrap();
    closed(&mut stream).await;
    closed(&mut server.known().await).await;
}

#[tokio::test]
async fn a_head_that_comes_a_byte_at_a_time_ends_the_connection() {
    let server = serve_within(short()).await;
    let (one, two, between) = tokio::join!(
        drip(
            server.connect().await,
            b"GET /health HTTP/1.1\r\nx: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
        ),
        drip(server.connect().await, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        drip(
            server.known().await,
            b"GET /health HTTP/1.1\r\nx: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
        ),
    );
    assert!(one.is_empty() && between.is_empty(), "{one}{two}{between}");
}

#[tokio::test]
async fn a_body_that_comes_a_byte_at_a_time_gets_408() {
    let server = serve_within(short()).await;
    for body in ["content-length: 60000", "transfer-encoding: chunked"] {
        let mut stream = server.connect().await;
        let head = format!("POST /echo HTTP/1.1\r\nhost: x\r\n{body}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let said = drip(stream, b"1\r\nx\r\n").await;
        assert!(
            said.starts_with("HTTP/1.1 408") && said.contains("problem+json"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_loses_the_connection_and_the_place() {
    let server = serve_within(short()).await;
    // HTTP/1: the kernel's buffers fill. HTTP/2: the client makes no room.
    let mut one = server.connect().await;
    one.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    one.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    given_back(&server).await;

    let stream = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get(format!("http://{}/live", server.addr))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = timeout(LONG, sender.send_request(request)).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    given_back(&server).await;
    timeout(LONG, connection)
        .await
        .expect("the server ends it")
        .unwrap()
        .ok();
}

async fn given_back(server: &Server) {
    let back = async {
        while server.places.take(String::new).is_err() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    timeout(LONG, back).await.expect("the place is given back");
}

#[tokio::test]
async fn who_takes_an_answer_slowly_keeps_it() {
    let server = serve_within(short()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut taken = vec![0; 1 << 20];
    for _ in 0..20 {
        timeout(LONG, stream.read_exact(&mut taken)).await.unwrap().unwrap();
        tokio::time::sleep(SHORT / 6).await;
    }
    assert!(server.places.take(String::new).is_err());
}
