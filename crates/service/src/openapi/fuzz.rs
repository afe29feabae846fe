//! Requests as nobody should send them, made of what a service's document says. For tests: each service includes this
//! file.
// Not every test program needs all of it.
#![allow(dead_code, clippy::unwrap_used)]

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value};
use tower::ServiceExt as _;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: &'static str,
    target: String,
    /// The path as the document has it.
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// Requests to all that is described. `always` are headers that the service wants.
pub(crate) fn asks(document: &Value, always: &[(&str, &str)]) -> BoxedStrategy<Ask> {
    let always: Vec<(String, Vec<u8>)> = always
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
    let mut places: Vec<(String, &'static str, Value)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = ["get", "put", "post", "delete"]
                .into_iter()
                .find(|known| known == method)
                .unwrap();
            places.push((path.clone(), method, operation.clone()));
        }
    }
    let one = select(places).prop_flat_map(|(path, method, operation)| {
        let bodies = body(&operation);
        (Just(path), Just(method), Just(operation), bodies, other_method())
    });
    (one, prop::collection::vec(text(), 4), query(), headers(), any::<bool>())
        .prop_map(
            move |((path, method, operation, body, other), parts, query, headers, as_example)| {
                let mut target = path.clone();
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                for (parameter, part) in parameters.filter(|parameter| parameter["in"] == "path").zip(parts) {
                    let example = parameter["example"].as_str().unwrap();
                    let part = if as_example { example.to_owned() } else { escaped(&part) };
                    target = target.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &part);
                }
                if let Some(query) = query {
                    target = format!("{target}?{query}");
                }
                Ask {
                    method: other.unwrap_or(method).to_uppercase().leak(),
                    target,
                    path,
                    headers: always.iter().cloned().chain(headers).collect(),
                    body,
                }
            },
        )
        .boxed()
}

/// Now and then one that is not described.
fn other_method() -> impl Strategy<Value = Option<&'static str>> {
    let others = select(vec![
        "get", "put", "post", "delete", "patch", "options", "trace", "head",
    ]);
    prop_oneof![9 => Just(None), 1 => others.prop_map(Some)]
}

/// Text of all kinds, as an id or a word.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[A-Za-z0-9._-]{1,80}",
        "[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        "-?[0-9]{1,40}",
        Just("..".to_owned()),
        Just("\0".to_owned()),
        (1usize..20_000).prop_map(|length| "x".repeat(length)),
    ]
}

/// So that it is one step of a path; `%` stays, and may begin what is no UTF-8.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'~' => escaped.push(char::from(byte)),
            b'%' => escaped.push_str("%ff"),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn query() -> impl Strategy<Value = Option<String>> {
    let name = select(vec!["status", "limit", "instance", "x", ""]);
    let value = prop_oneof![
        select(vec![
            "CONFIRMED",
            "1",
            "0",
            "-1",
            "1e3",
            "99999999999999999999",
            "%ff",
            "%",
            "a%00b",
            "1&limit=2"
        ])
        .prop_map(ToOwned::to_owned),
        text().prop_map(|text| escaped(&text)),
    ];
    let pair = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
    prop::option::of(prop::collection::vec(pair, 0..3).prop_map(|pairs| pairs.join("&")))
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let content = select(vec![
        "application/json",
        "application/json",
        "application/json",
        "application/json",
        "application/json; charset=utf-8",
        "application/problem+json",
        "APPLICATION/JSON",
        "text/plain",
        "",
    ]);
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "[ -~]{0,220}".prop_map(String::into_bytes),
        any::<u64>().prop_map(|number| number.to_string().into_bytes()),
    ];
    let name = select(vec![
        "idempotency-key",
        "last-event-id",
        "accept",
        "if-none-match",
        "authorization",
        "content-length",
        "transfer-encoding",
        "x-what",
    ]);
    let others = prop::collection::vec((name, value).prop_map(|(name, value)| (name.to_owned(), value)), 0..4);
    let content = prop_oneof![9 => content.prop_map(Some), 1 => Just(None)];
    (content, others).prop_map(|(content, others)| {
        let content = content.map(|value| ("content-type".to_owned(), value.as_bytes().to_vec()));
        content.into_iter().chain(others).collect()
    })
}

fn body(operation: &Value) -> BoxedStrategy<Vec<u8>> {
    let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object();
    let examples: Vec<Value> = examples
        .into_iter()
        .flat_map(|examples| examples.values())
        .map(|example| example["value"].clone())
        .collect();
    let noise = prop_oneof![
        4 => json().prop_map(|value| value.to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (1usize..40_000).prop_map(|depth| "[".repeat(depth).into_bytes()),
        1 => (1usize..6_000).prop_map(|depth| format!("{}0{}", r#"{"fault":"#.repeat(depth), "}".repeat(depth)).into_bytes()),
        1 => (60_000usize..140_000).prop_map(|length| format!("\"{}\"", "x".repeat(length)).into_bytes()),
    ];
    if examples.is_empty() {
        return noise.boxed();
    }
    prop_oneof![1 => noise, 4 => select(examples).prop_flat_map(mutated)].boxed()
}

/// A document that is nearly this one.
pub(crate) fn mutated(value: Value) -> impl Strategy<Value = Vec<u8>> {
    let tree = (Just(value), prop::collection::vec((any::<Index>(), json()), 0..3)).prop_map(|(mut value, changes)| {
        for (place, new) in changes {
            let count = count(&value);
            *node(&mut value, &mut place.index(count)).unwrap() = new;
        }
        value.to_string().into_bytes()
    });
    (tree, spoil()).prop_map(|(mut bytes, spoil)| {
        spoil.apply(&mut bytes);
        bytes
    })
}

/// What is done to a document's text.
#[derive(Debug, Clone)]
enum Spoil {
    None,
    Cut(Index),
    Byte(Index, u8),
    /// One member twice.
    Twice(&'static str),
    /// In the place of the first number.
    Number(&'static str),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        3 => Just(Spoil::None),
        1 => any::<Index>().prop_map(Spoil::Cut),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Spoil::Byte(place, byte)),
        1 => select(vec![r#""quantity":2,"#, r#""fault":"stale","#, r#""instance":"1","#, r#""type":"release","#])
            .prop_map(Spoil::Twice),
        1 => select(vec!["1e999", "-0", "1.0", "18446744073709551616", "-9223372036854775809", "9007199254740992", "NaN", "00"])
            .prop_map(Spoil::Number),
    ]
}

impl Spoil {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Cut(place) => bytes.truncate(place.index(bytes.len() + 1)),
            Self::Byte(place, byte) => {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = *byte;
                }
            }
            Self::Twice(member) => {
                if bytes.first() == Some(&b'{') {
                    bytes.splice(1..1, member.bytes());
                }
            }
            Self::Number(number) => {
                let is_digit = |byte: &u8| byte.is_ascii_digit();
                if let Some(from) = bytes.iter().position(is_digit) {
                    let length = bytes[from..].iter().take_while(|byte| is_digit(byte)).count();
                    bytes.splice(from..from + length, number.bytes());
                }
            }
        }
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

fn node<'a>(value: &'a mut Value, place: &mut usize) -> Option<&'a mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| node(item, place)),
        Value::Object(members) => members.values_mut().find_map(|member| node(member, place)),
        _ => None,
    }
}

/// JSON of all kinds.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0u64..3).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec![
            "1",
            "2",
            "PROD-001",
            "latency",
            "crash",
            "classic",
            "2026-01-01T00:00:00Z",
            "accrual"
        ])
        .prop_map(Value::from),
    ];
    let name = prop_oneof![
        select(vec![
            "product_id",
            "quantity",
            "fault",
            "faults",
            "scope",
            "instance",
            "detector",
            "at",
            "mono_ns"
        ])
        .prop_map(ToOwned::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..4).prop_map(|members| Map::from_iter(members).into()),
        ]
    })
}

/// Sends it. What comes back must be described, and errors must be problems.
pub(crate) async fn answer(router: &Router, document: &Value, ask: &Ask) -> StatusCode {
    let Ok(uri) = ask.target.parse::<Uri>() else {
        return StatusCode::BAD_REQUEST;
    };
    let mut request = Request::new(Body::from(ask.body.clone()));
    *request.uri_mut() = uri;
    *request.method_mut() = Method::from_bytes(ask.method.as_bytes()).unwrap();
    for (name, value) in &ask.headers {
        // What is no header's value never gets here.
        if let Ok(value) = HeaderValue::from_bytes(value) {
            request
                .headers_mut()
                .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
    }
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    // HEAD is answered as GET is (RFC 9110, section 9.3.2).
    let method = match ask.method.to_lowercase().as_str() {
        "head" => "get".to_owned(),
        method => method.to_owned(),
    };
    let operation = &document["paths"][&ask.path][&method];
    let described = &operation["responses"][status.as_str()];
    let is_other = operation.is_null() || ask.target.contains("//") || ask.method == "HEAD";
    // The path of another route, or of none.
    let elsewhere = is_other || status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED;
    assert!(
        described.is_object() || (elsewhere && !status.is_server_error()),
        "{status} is not described: {ask:?}"
    );
    let media_type = answer.headers().get(header::CONTENT_TYPE).cloned();
    let is_problem = media_type
        .as_ref()
        .is_some_and(|kind| kind == "application/problem+json");
    if status.is_client_error() && !described["content"]["application/json"].is_object() && ask.method != "HEAD" {
        assert!(is_problem, "{status} as {media_type:?}: {ask:?}");
    }
    if is_problem && ask.method != "HEAD" {
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], status.as_u16(), "{problem}");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.len() < 2000),
            "{ask:?}: {problem}"
        );
    }
    status
}

/// Many of them: PROPTEST_CASES, 256 where that is not set.
pub(crate) fn cases(document: &Value, always: &[(&str, &str)]) -> impl Iterator<Item = Ask> + use<> {
    let mut runner = TestRunner::new(ProptestConfig::default());
    let asks = asks(document, always);
    (0..runner.config().cases).map(move |_| asks.new_tree(&mut runner).unwrap().current())
}

impl Ask {
    /// Whether the body has this word.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.body.windows(word.len()).any(|part| part == word.as_bytes())
    }

    /// Whether it is to this path.
    pub(crate) fn is_to(&self, path: &str) -> bool {
        self.path == path
    }
}
