//! Whoever is refused: alike to them, told of to others.

use std::net::SocketAddr;

use tokio::sync::mpsc;
use tolerancia_wire::denial::{Denial, Why};

use super::*;
use crate::shell::Peer;

const BODY: &str = r#"{"fault":"stale"}"#;

fn request(method: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::builder()
        .method(method)
        .uri("/fault")
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(BODY)).unwrap();
    let peer: SocketAddr = "[::ffff:192.0.2.7]:4711".parse().unwrap();
    request.extensions_mut().insert(Peer(peer));
    request
}

fn audited(switch: &FaultSwitch) -> (DenialAudit, mpsc::UnboundedReceiver<Denial>) {
    let (told, audit) = mpsc::unbounded_channel();
    let sink = Box::new(move |denial| drop(told.send(denial)));
    (DenialAudit::start(switch, sink), audit)
}

#[tokio::test]
async fn without_the_token_with_a_wrong_one_and_with_injection_off_it_is_refused_and_audited_and_nothing_changes() {
    let token = "a-token-nobody-may-read";
    for (enabled, authorization, status, why) in [
        (true, None, 401, Why::NoToken),
        (true, Some("Bearer a-token-nobody-may-reax"), 401, Why::WrongToken),
        (true, Some("Basic a-token-nobody-may-read"), 401, Why::NoToken),
        (false, None, 404, Why::InjectionOff),
        (false, Some("Bearer a-token-nobody-may-reax"), 404, Why::InjectionOff),
        (false, Some("Bearer a-token-nobody-may-read"), 404, Why::InjectionOff),
    ] {
        let switch = FaultSwitch::new("1", enabled, Some(token));
        let (audit, mut told) = audited(&switch);
        let headers: Vec<_> = authorization
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        for method in ["PUT", "POST", "DELETE"] {
            let (got, _, body) = send(&switch, request(method, &headers)).await;
            assert_eq!(got, status, "{method} {authorization:?}: {body}");
            assert!(!body.to_string().contains("nobody-may"), "{body}");
        }
        assert_eq!(switch.current().faults, []);
        audit.close().await;
        let mut all = Vec::new();
        while let Some(denial) = told.recv().await {
            all.push(denial);
        }
        assert_eq!(all.iter().map(|denial| denial.count).sum::<u64>(), 3, "{all:?}");
        for denial in &all {
            assert_eq!((denial.why, denial.peer), (why, Some("192.0.2.7".parse().unwrap())));
            assert!(denial.tried.ends_with(" /fault"), "{denial:?}");
            assert!(!format!("{denial:?}").contains("nobody-may"), "{denial:?}");
        }
    }
}

#[tokio::test]
async fn who_was_refused_cannot_tell_what_was_wrong_with_the_token() {
    let switch = FaultSwitch::new("1", true, Some("secret"));
    let mut answers = Vec::new();
    let long = format!("Bearer secret{}", "x".repeat(7000));
    for value in [
        None,
        Some("Bearer s"),
        Some("Bearer secre"),
        Some("Bearer secret2"),
        Some("Basic secret"),
        Some(&long),
    ] {
        let headers: Vec<_> = value.map(|value| ("authorization", value)).into_iter().collect();
        answers.push(send(&switch, request("PUT", &headers)).await);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_page_in_a_browser_breaks_nothing_though_no_token_is_asked_for() {
    let switch = enabled();
    let (audit, mut told) = audited(&switch);
    for headers in [
        &[("origin", "http://rebound.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        let (status, _, _) = send(&switch, request("PUT", headers)).await;
        assert_eq!(status, 403, "{headers:?}");
    }
    assert_eq!(switch.current().faults, []);
    assert_eq!(told.recv().await.map(|denial| denial.why), Some(Why::Browser));
    // No page, but a person who typed the address.
    let typed = [("sec-fetch-site", "none")];
    assert_eq!(send(&switch, request("GET", &typed)).await.0, 200);
    assert_eq!(send(&switch, request("PUT", &[])).await.0, 200);
    audit.close().await;
}

#[tokio::test]
async fn a_long_path_does_not_make_the_audit_long() {
    let switch = FaultSwitch::new("1", false, None);
    let (audit, mut told) = audited(&switch);
    let long = format!("/fault/{}", "%C3%B1".repeat(1000));
    let request = Request::put(long.as_str()).body(Body::empty()).unwrap();
    assert!(switch.refusal(&request).is_some());
    audit.close().await;
    let denial = told.recv().await.unwrap();
    assert!(denial.tried.len() <= MOST_TRIED && denial.tried.starts_with("PUT /fault/"));
}
