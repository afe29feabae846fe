//! Request bodies. Whatever is wrong with one is a problem that says what to change.

use std::error::Error as _;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::problem::ApiProblem;
use crate::shell::BODY_LIMIT;

/// A JSON request body. 415 when the content type is not JSON, 413 above [`BODY_LIMIT`], 400 when it is not
/// JSON or not what is asked for; the detail names the field.
#[derive(Debug, Clone, Copy)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        if !is_json(request.headers()) {
            return Err(ApiProblem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON: send the header Content-Type: application/json",
            ));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiProblem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("the body is larger than {} KiB: send less", BODY_LIMIT / 1024),
                ),
                _ => ApiProblem::bad_request("the body was cut off: send it again"),
            })?;
        // Serde reads a list as the fields in their order, too. Nothing here is asked for so, and no document says so.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(ApiProblem::bad_request(
                "the body is a list: send a JSON object, with the names of its fields",
            ));
        }
        match Json::from_bytes(&bytes) {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(explain(&rejection)),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn explain(rejection: &JsonRejection) -> ApiProblem {
    let cause = rejection
        .source()
        .map_or_else(|| rejection.body_text(), ToString::to_string);
    ApiProblem::bad_request(match rejection {
        JsonRejection::JsonDataError(_) => format!("the body is not what is asked for: {cause}"),
        _ => format!("the body is not JSON: {cause}"),
    })
}
