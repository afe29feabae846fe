//! The document.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::header;
use bytes::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::api::{Api, Described};
use super::operation::Operation;

/// The name of the scheme in which the token is sent.
pub(super) const TOKEN: &str = "faultToken";

/// What a document says besides its operations.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The service.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// What every operation may answer, whatever it is.
    pub everywhere: Vec<Answer>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            title: "tolerancia".to_owned(),
            description: "A service of tolerancia, a laboratory for fault tolerance.".to_owned(),
            everywhere: Vec::new(),
        }
    }
}

impl Document {
    /// These routes, and `GET /openapi.json` about them and itself.
    pub(crate) fn serve(&self, api: Api) -> Router {
        let about = Operation::new("document", "This document")
            .about("OpenAPI 3.1, made from the routes and types of the program.")
            .answer(Answer::json::<Map<String, Value>>(200, "The document."));
        let text = Arc::new(OnceLock::<Bytes>::new());
        let answer = {
            let text = Arc::clone(&text);
            move || {
                let text = text.get().cloned().unwrap_or_default();
                std::future::ready(([(header::CONTENT_TYPE, "application/json")], text))
            }
        };
        let (router, described) = api.get("/openapi.json", answer, about).into_parts();
        // It is in itself, so it cannot be made before its own route is.
        let document = Bytes::from(self.render(&described).to_string());
        text.get_or_init(|| document);
        router
    }

    /// The document about these operations.
    fn render(&self, described: &Described) -> Value {
        // What is read may leave out what has a default; what is written has it. A body is described where it is asked
        // for, so that the two cannot be mixed up under one name.
        let mut bodies = generator(Contract::Deserialize, true);
        let mut answers = generator(Contract::Serialize, false);
        let mut paths = Map::new();
        let mut token = false;
        for (path, entries) in described {
            let mut item = Map::new();
            for entry in entries {
                let mut operation = entry.operation.clone();
                token |= operation.token;
                operation.answers.extend(self.everywhere.iter().cloned());
                let prefix = entry.prefix.as_deref();
                let rendered = operation.render(&mut bodies, &mut answers, prefix);
                item.insert(entry.method.to_owned(), rendered);
            }
            paths.insert(path.clone(), item.into());
        }
        let mut components = json!({ "schemas": answers.take_definitions(true) });
        if token {
            components["securitySchemes"][TOKEN] = json!({
                "type": "http",
                "scheme": "bearer",
                "description": "The service's FAULT_TOKEN.",
            });
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "description": self.description,
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            // Relative: where the document is.
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": components,
        })
    }
}

fn generator(contract: Contract, inline: bool) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.inline_subschemas = inline;
    settings.contract = contract;
    settings.into_generator()
}
