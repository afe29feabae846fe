//! Nothing but reports can be read, however it is asked for.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;

use axum::http::{Request, StatusCode};
use proptest::prelude::*;
use tower::ServiceExt as _;

use super::*;

const SECRET: &str = "secret";

/// A results directory with one folder, and a secret beside it.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("results/one");
    std::fs::create_dir_all(&folder).unwrap();
    for name in [HTML, MARKDOWN, JSON] {
        std::fs::write(folder.join(name), name).unwrap();
    }
    for secret in [
        "report.json",
        "results/report.json",
        "results/one/system.log",
        "results/one/.report.json.part",
    ] {
        std::fs::write(place.path().join(secret), SECRET).unwrap();
    }
    place
}

async fn ask(place: &Path, path: &str) -> (StatusCode, axum::http::HeaderMap, String) {
    let router = routes(place.join("results")).into_router();
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn the_three_reports_of_a_folder_are_served_and_can_do_nothing_in_a_browser() {
    let place = place();
    for (name, media_type, policy) in [
        (HTML, "text/html; charset=utf-8", HTML_POLICY),
        (MARKDOWN, "text/markdown; charset=utf-8", PLAIN_POLICY),
        (JSON, "application/json", PLAIN_POLICY),
    ] {
        let (status, headers, text) = ask(place.path(), &format!("/results/one/{name}")).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, name));
        assert_eq!(headers["content-type"], media_type);
        assert_eq!(headers["content-security-policy"], policy);
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn a_large_file_comes_whole() {
    let place = place();
    let text = "0123456789".repeat(100_000);
    std::fs::write(place.path().join("results/one/report.json"), &text).unwrap();
    let (status, _, body) = ask(place.path(), "/results/one/report.json").await;
    assert!(
        status == StatusCode::OK && body == text,
        "{status}, {} bytes",
        body.len()
    );
}

#[tokio::test]
async fn nothing_else_can_be_reached_by_any_spelling() {
    let place = place();
    for path in [
        "/results/one/system.log",
        "/results/one/.report.json.part",
        "/results/one/..%2freport.json",
        "/results/one/%2e%2e%2f%2e%2e%2freport.json",
        "/results/../report.json",
        "/results/%2e%2e/report.json",
        "/results/.%2e/report.json",
        "/results/%2E%2E%2Fresults/report.json",
        "/results/./report.json",
        "/results/%2e/report.json",
        "/results/one%2f../report.json",
        "/results/one%2f..%2f../report.json",
        "/results/..%5c/report.json",
        "/results/%2fetc/report.json",
        "/results/one%00/report.json",
        "/results/one/report.json%00",
        "/results/%252e%252e/report.json",
        "/results/one/REPORT.JSON",
        "/results//report.json",
        "/results/two/report.json",
    ] {
        let (status, _, text) = ask(place.path(), path).await;
        assert!(status.is_client_error(), "{path}: {status} {text}");
        assert!(text != SECRET, "{path}");
    }
    let (status, ..) = ask(place.path(), "/results/%ff/report.json").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn no_link_is_followed() {
    let place = place();
    let results = place.path().join("results");
    symlink(place.path(), results.join("linked")).unwrap();
    symlink(results.join("one"), results.join("inside")).unwrap();
    std::fs::create_dir(results.join("two")).unwrap();
    symlink(place.path().join("report.json"), results.join("two/report.json")).unwrap();
    symlink("nowhere", results.join("two/report.html")).unwrap();
    for path in [
        "linked/report.json",
        "inside/report.json",
        "two/report.json",
        "two/report.html",
    ] {
        let (status, _, text) = ask(place.path(), &format!("/results/{path}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {text}");
    }
    // The directory itself may be one: whoever starts the dashboard has named it.
    std::fs::rename(&results, place.path().join("elsewhere")).unwrap();
    symlink("elsewhere", &results).unwrap();
    let (status, ..) = ask(place.path(), "/results/one/report.json").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_file_keeps_nobody_waiting() {
    let place = place();
    let folder = place.path().join("results/two");
    std::fs::create_dir_all(folder.join("report.html")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("report.json"), fifo, Mode::RWXU, 0).unwrap();
    for name in [HTML, JSON, MARKDOWN] {
        let (status, ..) = ask(place.path(), &format!("/results/two/{name}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{name}");
    }
    let none = tempfile::tempdir().unwrap();
    let (status, ..) = ask(none.path(), "/results/one/report.json").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

proptest! {
    /// A name that is let through is one step below the directory.
    #[test]
    fn a_name_is_one_step_down(name in "[a./\\\\\u{0}\u{7f}é~ -]{0,6}|\\PC{0,300}") {
        if is_name(&name) {
            let path = Path::new("/base").join(&name);
            prop_assert_eq!(path.parent(), Some(Path::new("/base")));
            prop_assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(name.as_str()));
            prop_assert!(!name.starts_with('.'));
        }
    }
}
