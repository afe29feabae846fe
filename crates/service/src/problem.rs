//! Errors for the caller, as `application/problem+json` (RFC 9457). The detail says what to do.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tolerancia_wire::Problem;
use tolerancia_wire::problem::MEDIA_TYPE;

/// A problem as an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiProblem(pub Problem);

/// Longest detail, in characters: whoever sends much must not get it all back.
const MOST_DETAIL: usize = 1000;
/// What is kept of the end of one that is longer: what to do stands there.
const END: usize = 300;

impl ApiProblem {
    /// A problem with this status; the title is the status in words. Of a detail of more than 1,000 characters the middle is left out.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error"),
            short(detail.into()),
        ))
    }

    /// 400: the request cannot be understood.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: a token is missing or wrong.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 404: there is no such thing.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409: it contradicts the present state.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 422: understood, but not acceptable.
    #[must_use]
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 500: a defect of the service.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// 503: not now.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The same problem with one more member.
    #[must_use]
    pub fn with(self, name: &str, value: impl Serialize) -> Self {
        Self(self.0.with(name, value))
    }
}

fn short(text: String) -> String {
    let count = text.chars().count();
    if count <= MOST_DETAIL {
        return text;
    }
    let begin = text.chars().take(MOST_DETAIL - END - 1);
    let end = text.chars().skip(count - END);
    begin.chain(['…']).chain(end).collect()
}

impl From<Problem> for ApiProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).expect("a problem has only text keys");
        let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))];
        let mut response = (status, media_type, body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // Whoever knows better puts another in its place.
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_much_text_beginning_and_end_are_told() {
        let long = format!("{} is no number: send one", "é".repeat(5000));
        let ApiProblem(problem) = ApiProblem::bad_request(long);
        let detail = problem.detail;
        assert_eq!(detail.chars().count(), MOST_DETAIL);
        assert!(
            detail.starts_with("éé") && detail.ends_with("é is no number: send one"),
            "{detail}"
        );
        let ApiProblem(problem) = ApiProblem::bad_request("é".repeat(MOST_DETAIL));
        assert!(!problem.detail.contains('…'));
    }
}
