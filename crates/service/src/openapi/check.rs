//! What every service's document must be like. For tests: each service includes this file.
// Not every test program needs all of it.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// <https://spec.openapis.org/oas/3.1/schema/2022-10-07>, Apache-2.0.
const SCHEMA: &str = include_str!("../../tests/openapi-3.1.schema.json");

/// The document of a service; panics where it is not what it must be. `headers` are what the service wants besides.
pub(crate) async fn check(router: &Router, headers: &[(&str, &str)]) -> Value {
    let document = document(router, headers).await;
    validate(&serde_json::from_str(SCHEMA).unwrap(), &document, "the document");
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(operation["summary"].is_string(), "{place} has no summary");
        let id = operation["operationId"].as_str().unwrap();
        assert!(
            ids.insert(id.to_owned()),
            "{place}: {id} is the name of another operation"
        );
        schemas(&document, operation, &place);
        routed(router, headers, &document, path, method, operation).await;
    }
    links(&document, &ids);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    document
}

/// All `METHOD /path` that are described, those under the prefix of an alias left out.
pub(crate) fn listed(document: &Value, alias: &str) -> BTreeSet<String> {
    let all = operations(document);
    let own = all
        .iter()
        .filter(|(path, ..)| alias.is_empty() || !path.starts_with(alias));
    own.map(|(path, method, _)| format!("{} {path}", method.to_uppercase()))
        .collect()
}

/// Each path under the prefix is what it is without.
pub(crate) fn check_aliases(document: &Value, prefix: &str) {
    let mut aliases = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(own) = path.strip_prefix(prefix) else { continue };
        aliases += 1;
        for (method, operation) in item.as_object().unwrap() {
            let mut own = document["paths"][own][method].clone();
            assert_ne!(own["operationId"], operation["operationId"], "{path}");
            own["operationId"] = operation["operationId"].clone();
            assert_eq!(own, *operation, "{path}");
        }
    }
    assert!(aliases > 0, "nothing is under {prefix}");
}

async fn document(router: &Router, headers: &[(&str, &str)]) -> Value {
    let answer = ask(router, headers, "GET", "/openapi.json").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

async fn ask(router: &Router, headers: &[(&str, &str)], method: &str, path: &str) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    all.collect()
}

/// Schemas are schemas, and examples are examples of them.
fn schemas(document: &Value, operation: &Value, place: &str) {
    let answers = operation["responses"].as_object().unwrap().values();
    let contents = answers
        .chain([&operation["requestBody"]])
        .filter_map(|holder| holder["content"].as_object());
    let media = contents.flat_map(|content| content.values());
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    for holder in media.chain(parameters) {
        let mut schema = holder["schema"].clone();
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{place}: {error}"));
        schema["components"] = document["components"].clone();
        let named = holder["examples"]
            .as_object()
            .into_iter()
            .flat_map(|examples| examples.values());
        let examples = named.map(|example| &example["value"]).chain(holder.get("example"));
        for example in examples {
            validate(&schema, example, place);
        }
    }
}

fn validate(schema: &Value, value: &Value, what: &str) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?}");
}

/// The route is there: it answers, and as is described.
async fn routed(
    router: &Router,
    headers: &[(&str, &str)],
    document: &Value,
    path: &str,
    method: &str,
    operation: &Value,
) {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let in_path = parameters.filter(|parameter| parameter["in"] == "path");
    let asked = in_path.fold(path.to_owned(), |path, parameter| {
        let (name, example) = (
            parameter["name"].as_str().unwrap(),
            parameter["example"].as_str().unwrap(),
        );
        path.replace(&format!("{{{name}}}"), example)
    });
    assert!(!asked.contains('{'), "{path} has a part that is not described");
    let method = method.to_uppercase();
    let answer = ask(router, headers, &method, &asked).await;
    let status = answer.status();
    let media_type = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap().to_owned());
    let described = &operation["responses"][status.as_str()];
    assert!(
        described.is_object(),
        "{method} {path} answers {status}, which is not described"
    );
    for name in described["headers"]
        .as_object()
        .into_iter()
        .flat_map(|headers| headers.keys())
    {
        assert!(
            answer.headers().contains_key(name),
            "{method} {path}: {status} without {name}"
        );
    }
    let Some(media_type) = media_type else {
        assert!(
            described["content"].is_null(),
            "{method} {path} answers {status} without content"
        );
        return;
    };
    let essence = media_type.split(';').next().unwrap();
    let described = &described["content"][essence];
    assert!(
        described.is_object(),
        "{method} {path} answers {status} with {media_type}"
    );
    // Not `application/x-ndjson`, which goes on for ever.
    if essence != "application/json" && !essence.ends_with("+json") {
        return;
    }
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    if status == StatusCode::NOT_FOUND {
        let detail = body["detail"].as_str().unwrap_or_default();
        assert!(
            !detail.starts_with("there is nothing at"),
            "{method} {path} is not routed"
        );
    }
    let mut schema = described["schema"].clone();
    schema["components"] = document["components"].clone();
    validate(&schema, &body, &format!("{method} {path} ({status})"));
    // Whatever is not described is not there.
    let item = &document["paths"][path];
    for other in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
        if item[other.to_lowercase()].is_null() {
            let answer = ask(router, headers, other, &asked).await;
            let is_guarded = matches!(answer.status().as_u16(), 401 | 404);
            let is_none = answer.status() == StatusCode::METHOD_NOT_ALLOWED;
            assert!(
                is_none || is_guarded,
                "{other} {path} is not described and answers {}",
                answer.status()
            );
            assert!(
                !is_none || answer.headers().contains_key(header::ALLOW),
                "{other} {path}: 405 without Allow"
            );
        }
    }
}

fn links(document: &Value, ids: &BTreeSet<String>) {
    for (path, method, operation) in operations(document) {
        for answer in operation["responses"].as_object().unwrap().values() {
            for link in answer["links"].as_object().into_iter().flat_map(|links| links.values()) {
                let id = link["operationId"].as_str().unwrap();
                assert!(
                    ids.contains(id),
                    "{method} {path} is linked to {id}, which is not there"
                );
            }
        }
    }
    let text = json!(document["paths"]).to_string();
    for reference in text.split("\"$ref\":\"").skip(1) {
        let name = reference.split('"').next().unwrap();
        let place = name.strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "{name} is nowhere");
    }
}
