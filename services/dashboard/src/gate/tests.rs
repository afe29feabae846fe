#![allow(clippy::unwrap_used)]

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use tower::ServiceExt as _;

use super::*;

const TOKEN: (&str, &str) = ("authorization", "Bearer secret");
const JSON: (&str, &str) = ("content-type", "application/json");

fn open() -> Gate {
    Gate::new(&[], FaultSwitch::new("1", true, None))
}

fn with_token() -> Gate {
    let hosts = hosts(&["Dash.example:80".to_owned()]).unwrap();
    Gate::new(&hosts, FaultSwitch::new("1", true, Some("secret")))
}

async fn ask(gate: Gate, method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let app = Router::new()
        .fallback(any(async || "inside"))
        .layer(from_fn_with_state(gate, guard));
    app.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

async fn status(gate: Gate, method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> u16 {
    ask(gate, method, path, headers, body).await.status().as_u16()
}

#[tokio::test]
async fn another_name_for_this_host_opens_nothing() {
    let get = async |gate, host| status(gate, "GET", "/", &[("host", host)], "").await;
    assert_eq!(get(open(), "localhost:5007").await, 200);
    assert_eq!(get(open(), "192.0.2.7:5007").await, 200);
    assert_eq!(get(open(), "evil.example:5007").await, 421);
    assert_eq!(get(open(), "dash.example").await, 421);
    assert_eq!(get(with_token(), "dash.example").await, 200);
    assert_eq!(status(open(), "GET", "/health", &[], "").await, 421, "no name at all");
    let two = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(status(open(), "GET", "/", &two, "").await, 421);
    let twice = [("host", "evil.example")];
    assert_eq!(status(open(), "GET", "http://localhost/", &twice, "").await, 421);
    assert_eq!(
        status(open(), "GET", "http://localhost/", &[], "").await,
        200,
        "as HTTP/2 has it"
    );
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing_and_read_nothing() {
    let host = ("host", "localhost:5007");
    for foreign in [
        ("origin", "http://evil.example"),
        ("origin", "http://localhost:8080"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for (method, path) in [
            ("POST", "/api/faults"),
            ("DELETE", "/api/faults"),
            ("GET", "/api/live"),
            ("PUT", "/"),
        ] {
            assert_eq!(
                status(open(), method, path, &[host, foreign], "").await,
                403,
                "{method} {foreign:?}"
            );
        }
        assert_eq!(
            status(open(), "GET", "/", &[host, foreign], "").await,
            200,
            "a link leads here"
        );
    }
    let own = [
        host,
        ("origin", "http://localhost:5007"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(status(open(), "DELETE", "/api/faults", &own, "").await, 200);
    let typed = [host, ("sec-fetch-site", "none")];
    assert_eq!(status(open(), "GET", "/api/live", &typed, "").await, 200);
}

#[tokio::test]
async fn who_may_not_inject_may_change_nothing() {
    let host = ("host", "localhost");
    let off = || Gate::new(&[], FaultSwitch::new("1", false, Some("secret")));
    assert_eq!(status(off(), "POST", "/api/token", &[host, TOKEN], "").await, 404);
    assert_eq!(status(off(), "GET", "/api/live", &[host], "").await, 200);
    assert_eq!(
        status(with_token(), "GET", "/api/live", &[host], "").await,
        200,
        "everybody may look"
    );
    for wrong in [
        ("authorization", "Bearer wrong"),
        ("authorization", "secret"),
        ("x", "y"),
    ] {
        let refused = ask(with_token(), "DELETE", "/api/faults", &[host, wrong], "").await;
        assert_eq!(refused.status(), 401, "{wrong:?}");
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    }
    assert_eq!(
        status(with_token(), "DELETE", "/api/faults", &[host, TOKEN], "").await,
        200
    );
    assert_eq!(status(open(), "DELETE", "/api/faults", &[host], "").await, 200);
}

#[tokio::test]
async fn a_form_of_another_site_is_no_json() {
    let host = ("host", "localhost");
    let post = async |headers: &[(&str, &str)], body| status(open(), "POST", "/api/faults", headers, body).await;
    for form in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "text/plain; application/json"),
        ("x", "y"),
    ] {
        assert_eq!(post(&[host, form], "{}").await, 415, "{form:?}");
    }
    assert_eq!(post(&[host, JSON], "{}").await, 200);
    assert_eq!(
        post(&[host, ("content-type", "Application/JSON; charset=utf-8")], "{}").await,
        200
    );
    assert_eq!(post(&[host], "").await, 200, "nothing needs no type");
}

#[tokio::test]
async fn every_answer_says_how_little_may_be_done_with_it() {
    for host in ["localhost", "evil.example"] {
        let answer = ask(open(), "GET", "/", &[("host", host)], "").await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(header("content-security-policy").contains("default-src 'none'"));
    }
}
