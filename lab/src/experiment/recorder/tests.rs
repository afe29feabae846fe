#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::Stamp;

use super::*;

const LOAD: Load = Load {
    queries_rps: 50.0,
    orders_rps: 0.0,
    cancel: 1.0,
    ramp: Duration::ZERO,
    warm_up: Duration::ZERO,
};

fn begin() -> TraceLine {
    let now = Stamp::now();
    TraceLine::Begin {
        schema: tolerancia_wire::trace::SCHEMA,
        at: now.at,
        mono_ns: now.mono_ns,
        replicas: 3,
        detector: DetectorKind::Accrual,
        interval_ms: 200,
        timeout_ms: 1000,
        late_floor_ms: 50,
        late_cap_ms: 200,
        lag_budget_ms: 1000,
    }
}

fn text(lines: &[TraceLine]) -> String {
    lines
        .iter()
        .map(|line| serde_json::to_string(line).unwrap() + "\n")
        .collect()
}

/// Answers one connection with each of these bodies, cut in two, and holds it open until told.
async fn serve(bodies: Vec<(String, oneshot::Receiver<()>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for (body, hang_up) in bodies {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let _ = socket.read(&mut request).await.unwrap();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
            let (one, two) = body.split_at(body.len() - body.len().min(30));
            for piece in [head, one, two] {
                socket.write_all(piece.as_bytes()).await.unwrap();
                socket.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            let _ = hang_up.await;
        }
    });
    url
}

fn kept(dir: &Path) -> Vec<TraceLine> {
    let text = std::fs::read_to_string(dir.join(FILE)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stall(at_ns: u64) -> TraceLine {
    TraceLine::Stall { at_ns, for_ns: 1 }
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_no_line_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    let (hang_up, told) = oneshot::channel();
    let (_open, never) = oneshot::channel();
    // The first connection is lost in the middle of a line.
    let one = text(&[begin(), stall(1), stall(2)]) + "{\"type\":\"sta";
    let url = serve(vec![(one, told), (text(&[begin(), stall(3)]), never)]).await;
    let recorder = Recorder::open(&url, dir.path(), LOAD).await.unwrap();
    recorder.write(TraceLine::Lost { lines: 7 }).await;
    hang_up.send(()).unwrap();
    // Own lines make sure that the rest is on the disk.
    let mut own = 0;
    while !kept(dir.path()).contains(&stall(3)) {
        recorder.write(TraceLine::Lost { lines: 8 }).await;
        own += 1;
        tokio::time::sleep(PAUSE * 2).await;
        assert!(own < 60, "{:?}", kept(dir.path()));
    }
    let notes = recorder.finish().await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("connection to the monitor was lost"), "{notes:?}");
    assert!(recorder.finish().await.is_empty());

    let lines = kept(dir.path());
    assert!(matches!(lines[0], TraceLine::Begin { .. }), "{lines:?}");
    assert!(
        matches!(lines[1], TraceLine::Load { queries_rps: 50.0, .. }),
        "{lines:?}"
    );
    let place = |wanted: &TraceLine| lines.iter().position(|line| line == wanted).unwrap();
    assert!(place(&stall(1)) < place(&stall(2)) && place(&stall(2)) < place(&stall(3)));
    place(&TraceLine::Lost { lines: 7 });
    assert_eq!(lines.len(), 2 + 3 + 1 + 1 + own, "{lines:?}");
}

#[tokio::test]
async fn own_lines_that_wait_are_written_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (_open, never) = oneshot::channel();
    let url = serve(vec![(text(&[begin()]), never)]).await;
    let recorder = Recorder::open(&url, dir.path(), LOAD).await.unwrap();
    for lines in 0..10 {
        recorder.write(TraceLine::Lost { lines }).await;
    }
    assert!(recorder.finish().await.is_empty());
    assert_eq!(kept(dir.path()).len(), 12);
}

#[tokio::test]
async fn what_is_no_trace_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for (body, part) in [
        (text(&[stall(1)]), "begin"),
        ("<html>\n".to_owned(), "unexpected"),
        (String::new(), "ended"),
        ("x".repeat(MAX_LINE + 1), "no end"),
    ] {
        let (hang_up, told) = oneshot::channel();
        hang_up.send(()).unwrap();
        let url = serve(vec![(body, told)]).await;
        let why = Recorder::open(&url, dir.path(), LOAD).await.unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    let nowhere = dir.path().join("none");
    let why = Recorder::open("http://127.0.0.1:1", &nowhere, LOAD).await.unwrap_err();
    assert!(why.contains(FILE), "{why}");
}

#[test]
fn lines_are_the_same_however_the_bytes_are_cut() {
    let text = "one\ntwo\n\nthree\nrest";
    for size in 1..=text.len() {
        let mut cutter = Cutter::default();
        let mut lines = Vec::new();
        for chunk in text.as_bytes().chunks(size) {
            let whole = cutter.feed(chunk).unwrap();
            assert!(whole.is_empty() || whole.ends_with(b"\n"));
            lines.extend(whole);
        }
        assert_eq!(lines, b"one\ntwo\n\nthree\n", "chunks of {size}");
        assert_eq!(cutter.rest, b"rest");
    }
}
