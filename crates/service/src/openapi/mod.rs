//! The OpenAPI document of a service, `GET /openapi.json` (OpenAPI 3.1), made from the code's own routes and types.
//!
//! A route is added to an [`Api`] together with the [`Operation`] that describes it, and the [`Shell`](crate::shell::Shell)
//! serves nothing else: what is served is described, and what is described is served. Schemas are those of the types
//! that are read and written (`schemars`), with the bounds that the code enforces.
//!
//! ```
//! use tolerancia_service::openapi::{Answer, Api, Operation};
//!
//! let api: Api = Api::new().get(
//!     "/answer",
//!     async || axum::Json(42),
//!     Operation::new("answer", "The answer").answer(Answer::json::<u64>(200, "A number.").example(&42)),
//! );
//! # drop(api);
//! ```
//!
//! It is not one of the libraries that there are for this: the stable `aide` brings an older `schemars` and an older
//! JSON Schema, and `utoipa` takes derives of its own on every type and cannot describe a generic handler. What is left
//! to do once `schemars` has made the schemas is little.

mod answer;
mod api;
mod document;
mod operation;
mod whole;

pub use answer::Answer;
pub use api::Api;
pub(crate) use document::Document;
pub use operation::Operation;
pub use whole::Whole;

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of one type.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

#[cfg(test)]
mod check;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
