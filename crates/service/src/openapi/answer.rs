//! What may come back.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tolerancia_wire::Problem;
use tolerancia_wire::problem::MEDIA_TYPE;

use super::{SchemaOf, schema_of};

/// One answer of an operation: a status, headers and a body. Several with the same status are forms of one answer.
#[derive(Debug, Clone)]
#[must_use]
pub struct Answer {
    pub(super) status: u16,
    description: String,
    body: Option<Body>,
    headers: Vec<(&'static str, Value)>,
    links: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone)]
struct Body {
    media_type: &'static str,
    /// None: any text.
    schema: Option<SchemaOf>,
    example: Option<Value>,
}

impl Answer {
    fn new(status: u16, description: &str, body: Option<Body>) -> Self {
        Self {
            status,
            description: description.to_owned(),
            body,
            headers: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Nothing but the status.
    pub fn empty(status: u16, description: &str) -> Self {
        Self::new(status, description, None)
    }

    /// JSON.
    pub fn json<T: JsonSchema>(status: u16, description: &str) -> Self {
        Self::of::<T>(status, "application/json", description)
    }

    /// Another form of JSON, such as `application/x-ndjson` with a `T` per line.
    pub fn of<T: JsonSchema>(status: u16, media_type: &'static str, description: &str) -> Self {
        let schema: Option<SchemaOf> = Some(schema_of::<T>);
        let example = None;
        let body = Body {
            media_type,
            schema,
            example,
        };
        Self::new(status, description, Some(body))
    }

    /// Text.
    pub fn text(status: u16, media_type: &'static str, description: &str) -> Self {
        let body = Body {
            media_type,
            schema: None,
            example: None,
        };
        Self::new(status, description, Some(body))
    }

    /// Server-sent events, which go on until the service stops.
    pub fn events(description: &str) -> Self {
        Self::text(200, "text/event-stream", description)
    }

    /// An error, as RFC 9457 has it.
    pub fn problem(status: u16, description: &str) -> Self {
        Self::of::<Problem>(status, MEDIA_TYPE, description)
    }

    /// 503 with `Retry-After`.
    pub fn busy(description: &str) -> Self {
        let seconds = json!({ "type": "string", "pattern": "^[0-9]+$" });
        Self::problem(503, description).header("Retry-After", "Seconds after which to try again.", &seconds)
    }

    /// With a header that is always there.
    pub fn header(mut self, name: &'static str, description: &str, schema: &Value) -> Self {
        let header = json!({ "description": description, "required": true, "schema": schema });
        self.headers.push((name, header));
        self
    }

    /// With an example of the body.
    ///
    /// # Panics
    /// When it has keys that are no text.
    pub fn example(mut self, example: &impl Serialize) -> Self {
        let example = serde_json::to_value(example).expect("examples have only text keys");
        if let Some(body) = &mut self.body {
            body.example = Some(example);
        }
        self
    }

    /// With what can be asked next: the operation, and where its parameter is found in this answer, as a runtime
    /// expression (OpenAPI 3.1, section 4.8.20.3).
    pub fn link(mut self, name: &'static str, operation: &str, parameter: &str, expression: &str) -> Self {
        let link = json!({ "operationId": operation, "parameters": { parameter: expression } });
        self.links.push((name, link));
        self
    }

    /// Adds it to what is said of this status already.
    pub(super) fn write(&self, response: &mut Value, generator: &mut SchemaGenerator, prefix: Option<&str>) {
        response["description"] = match response["description"].as_str() {
            Some(before) if before.contains(&self.description) => before.into(),
            Some(before) => format!("{before} {}", self.description).into(),
            None => self.description.as_str().into(),
        };
        for (name, header) in &self.headers {
            response["headers"][name] = header.clone();
        }
        for (name, link) in &self.links {
            let mut link = link.clone();
            if let (Some(prefix), Some(id)) = (prefix, link["operationId"].as_str()) {
                link["operationId"] = format!("{prefix}{id}").into();
            }
            response["links"][name] = link;
        }
        let Some(body) = &self.body else { return };
        let schema = match body.schema {
            Some(schema) => schema(generator).into(),
            None => json!({ "type": "string" }),
        };
        let mut content = Map::from_iter([("schema".to_owned(), schema)]);
        if let Some(example) = &body.example {
            content.insert("example".to_owned(), example.clone());
        }
        response["content"][body.media_type] = content.into();
    }
}
