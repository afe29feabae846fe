//! The page: four files in the program. They are built from `web/` and kept in the repository, so that whoever builds the
//! program needs nothing else.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tolerancia_service::openapi::{Answer, Api, Operation};

/// Everything comes from here, and no text becomes a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Path, media type and content of each.
const FILES: [(&str, &str, &[u8]); 4] = [
    ("/", "text/html; charset=utf-8", include_bytes!("../assets/index.html")),
    (
        "/app.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../assets/app.js"),
    ),
    (
        "/app.css",
        "text/css; charset=utf-8",
        include_bytes!("../assets/app.css"),
    ),
    ("/favicon.svg", "image/svg+xml", include_bytes!("../assets/favicon.svg")),
];

/// `GET` of each file.
pub(crate) fn routes() -> Api {
    FILES.iter().fold(Api::new(), |api, (path, media_type, content)| {
        let tag = tag(content);
        let answer = move |headers: HeaderMap| {
            let answer = file(&headers, media_type, content, &tag);
            std::future::ready(answer)
        };
        api.get(path, answer, describe(path, media_type))
    })
}

fn describe(path: &str, media_type: &'static str) -> Operation {
    let id = match path {
        "/" => "page",
        "/app.js" => "script",
        "/app.css" => "style",
        _ => "icon",
    };
    let text = json!({ "type": "string" });
    let tagged = |answer: Answer| answer.header("ETag", "Another file has another.", &text);
    // Without parameters, as documents name media types.
    let essence = media_type.split(';').next().unwrap_or(media_type);
    Operation::new(id, "A file of the page")
        .header::<String>("If-None-Match", "The tags of what is known already.")
        .answer(tagged(Answer::text(200, essence, "The file.")))
        .answer(tagged(Answer::empty(304, "It is known already.")))
}

/// The file, or that the browser has it already. It asks each time, so a new program has a new page.
fn file(headers: &HeaderMap, media_type: &'static str, content: &'static [u8], tag: &HeaderValue) -> Response {
    let known = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    if has(headers, tag) {
        return (StatusCode::NOT_MODIFIED, known).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))];
    (known, media_type, content).into_response()
}

/// Whether `If-None-Match` names this tag.
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut given = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    given.any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == *tag
    })
}

fn tag(content: &[u8]) -> HeaderValue {
    let mut tag = String::from("\"");
    for byte in &Sha256::digest(content)[..16] {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::try_from(tag).expect("quotes and digits are a header's value")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    async fn get(path: &str, tags: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(tags) = tags {
            request = request.header(header::IF_NONE_MATCH, tags);
        }
        let request = request.body(Body::empty()).unwrap();
        routes().into_router().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_that_the_browser_has_is_not_sent_again() {
        for (path, media_type, content) in FILES {
            let answer = get(path, Some("\"other\"")).await;
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], media_type);
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-cache");
            assert!(answer.headers().contains_key(header::CONTENT_SECURITY_POLICY));
            let tag = answer.headers()[header::ETAG].to_str().unwrap().to_owned();
            let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            assert_eq!(body, content);
            for tags in [&tag, &format!("\"other\", W/{tag}"), "*"] {
                let answer = get(path, Some(tags)).await;
                assert_eq!(answer.status(), 304, "{path} {tags}");
                assert_eq!(answer.headers()[header::ETAG], tag);
            }
        }
    }

    #[test]
    fn the_page_stays_small_and_asks_nobody_else() {
        let size: usize = FILES.iter().map(|(_, _, content)| content.len()).sum();
        assert!(size < 150 << 10, "{size} bytes");
        for (path, _, content) in FILES.iter().filter(|(path, ..)| !path.ends_with("svg")) {
            let text = std::str::from_utf8(content).unwrap();
            let foreign = ["src=\"http", "href=\"http", "src=\"//", "url(http", "@import"];
            assert!(foreign.iter().all(|part| !text.contains(part)), "{path}");
        }
    }
}
