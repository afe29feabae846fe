//! What can be asked.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::{SchemaOf, schema_of};
use crate::shell::BODY_LIMIT;

/// One method of one path, as the document describes it.
#[derive(Debug, Clone)]
#[must_use]
pub struct Operation {
    id: &'static str,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    /// Whether a token is needed; none: only where one is set.
    pub(super) token: bool,
}

#[derive(Debug, Clone)]
struct Parameter {
    name: &'static str,
    place: &'static str,
    description: String,
    schema: SchemaOf,
    example: Option<Value>,
}

#[derive(Debug, Clone)]
struct Body {
    schema: SchemaOf,
    examples: Vec<(&'static str, Value)>,
}

impl Operation {
    /// One with this name, unique within the service, and this line about it.
    pub fn new(id: &'static str, summary: &str) -> Self {
        Self {
            id,
            summary: summary.to_owned(),
            description: String::new(),
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            token: false,
        }
    }

    /// More about it.
    pub fn about(mut self, description: &str) -> Self {
        description.clone_into(&mut self.description);
        self
    }

    /// With a part of the path, and an example of it.
    pub fn path<T: JsonSchema>(self, name: &'static str, description: &str, example: impl Serialize) -> Self {
        self.parameter::<T>("path", name, description, Some(json!(example)))
    }

    /// With a parameter of the query, which may be left out.
    pub fn query<T: JsonSchema>(self, name: &'static str, description: &str) -> Self {
        self.parameter::<T>("query", name, description, None)
    }

    /// With a header, which may be left out.
    pub fn header<T: JsonSchema>(self, name: &'static str, description: &str) -> Self {
        self.parameter::<T>("header", name, description, None)
    }

    fn parameter<T: JsonSchema>(
        mut self,
        place: &'static str,
        name: &'static str,
        description: &str,
        example: Option<Value>,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            place,
            description: description.to_owned(),
            schema: schema_of::<T>,
            example,
        });
        self
    }

    /// With a JSON body, as [`ApiJson`](crate::extract::ApiJson) reads it, and all that is answered where it cannot be
    /// read: 400, 413, 415.
    ///
    /// # Panics
    /// When the example has keys that are no text.
    pub fn body<T: JsonSchema>(mut self, name: &'static str, example: &impl Serialize) -> Self {
        self.body = Some(Body {
            schema: schema_of::<T>,
            examples: Vec::new(),
        });
        self.example(name, example)
            .problem(
                400,
                "The body cannot be read as what is asked for; the detail names the field.",
            )
            .problem(413, &format!("The body is larger than {} KiB.", BODY_LIMIT / 1024))
            .problem(415, "The body is not said to be JSON.")
    }

    /// With one more example of the body.
    ///
    /// # Panics
    /// When the example has keys that are no text.
    pub fn example(mut self, name: &'static str, example: &impl Serialize) -> Self {
        let example = serde_json::to_value(example).expect("examples have only text keys");
        if let Some(body) = &mut self.body {
            body.examples.push((name, example));
        }
        self
    }

    /// With a possible answer.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// With a possible error.
    pub fn problem(self, status: u16, description: &str) -> Self {
        self.answer(Answer::problem(status, description))
    }

    /// The operation object. `bodies` makes schemas of what is read, `answers` of what is written; `prefix` tells an
    /// alias from the operation that it is one of.
    pub(super) fn render(
        &self,
        bodies: &mut SchemaGenerator,
        answers: &mut SchemaGenerator,
        prefix: Option<&str>,
    ) -> Value {
        let id = format!("{}{}", prefix.unwrap_or_default(), self.id);
        let mut operation = json!({ "operationId": id, "summary": self.summary });
        if !self.description.is_empty() {
            operation["description"] = self.description.as_str().into();
        }
        let parameters: Vec<Value> = self
            .parameters
            .iter()
            .map(|parameter| parameter.render(bodies))
            .collect();
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = &self.body {
            let examples = body
                .examples
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!({ "value": value })));
            let content = json!({
                "schema": Value::from((body.schema)(bodies)),
                "examples": Map::from_iter(examples),
            });
            operation["requestBody"] = json!({ "required": true, "content": { "application/json": content } });
        }
        operation["responses"] = json!({});
        for answer in &self.answers {
            let response = &mut operation["responses"][answer.status.to_string()];
            answer.write(response, answers, prefix);
        }
        if self.token {
            operation["security"] = json!([{ super::document::TOKEN: [] }]);
        }
        operation
    }
}

impl Parameter {
    fn render(&self, generator: &mut SchemaGenerator) -> Value {
        let mut parameter = json!({
            "name": self.name,
            "in": self.place,
            "description": self.description,
            "required": self.place == "path",
            "schema": Value::from((self.schema)(generator)),
        });
        if let Some(example) = &self.example {
            parameter["example"] = example.clone();
        }
        parameter
    }
}
