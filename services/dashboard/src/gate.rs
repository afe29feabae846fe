//! What a request must be like before anything answers it.
//!
//! The page needs no login, so whatever a browser on this host can send arrives here: pages of other sites, too. Three
//! things keep them out. A host name that is not ours is refused: another site can make its own name resolve to this
//! address, and its page would then be of the same origin as ours. What a browser says comes from another site is
//! refused. And what changes something must be JSON, which another site's page may not send unasked. Who may inject
//! faults at all, [`FaultSwitch`] says, as in every service.

mod host;

use std::sync::Arc;

use anyhow::{Result, bail};
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tolerancia_service::fault::FaultSwitch;
use tolerancia_service::problem::ApiProblem;

use host::Authority;

/// What the page's own parts begin with. The rest is for people, who may follow a link from elsewhere.
const API: &str = "/api/";

/// On every answer; a policy only where the answer has none of its own.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// The gate; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    hosts: Arc<[String]>,
    faults: FaultSwitch,
}

/// Host names out of what was given, in the form in which they are compared. What is empty was not given.
///
/// # Errors
/// When one is no host name: a page that is refused for it would only say that it is not known.
pub(crate) fn hosts(given: &[String]) -> Result<Vec<String>> {
    let named = given.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    let host = |name: &str| match Authority::parse(name) {
        Some(authority) => Ok(authority.host),
        None => bail!(
            "DASHBOARD_HOSTS names {name:?}, which is no host name: give names like dash.example.org, without scheme and \
             path, separated by commas"
        ),
    };
    named.map(host).collect()
}

impl Gate {
    /// One that knows these host names, as [`hosts`] gives them, besides `localhost` and addresses, and lets those change
    /// something who may inject faults.
    pub(crate) fn new(hosts: &[String], faults: FaultSwitch) -> Self {
        Self {
            hosts: hosts.into(),
            faults,
        }
    }

    /// Why a request is not let in, if it is not.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let Some(host) = self.host(request) else {
            let problem = ApiProblem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this host name is not known here: use localhost or the address, or name it in DASHBOARD_HOSTS",
            );
            return Some(problem.into_response());
        };
        let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if (writes || request.uri().path().starts_with(API)) && is_foreign(headers, &host) {
            let detail = "this request comes from another site's page: use the dashboard's own page, or no browser";
            return Some(ApiProblem::new(StatusCode::FORBIDDEN, detail).into_response());
        }
        if !writes {
            return None;
        }
        self.faults.refusal(request).or_else(|| {
            let is_json = headers.get(header::CONTENT_TYPE).is_some_and(is_json);
            (!is_json && !request.body().is_end_stream()).then(|| {
                let detail = "the body must be JSON: send the header Content-Type: application/json";
                ApiProblem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response()
            })
        })
    }

    /// Where the request believes to be, if that is here.
    fn host(&self, request: &Request) -> Option<Authority> {
        // HTTP/2 has it in the request line, and may have it again among the headers.
        let line = request.uri().authority().map(|authority| authority.as_str());
        let mut named = request.headers().get_all(header::HOST).iter();
        let header = match (named.next(), named.next()) {
            (None, _) => None,
            (Some(one), None) => Some(one.to_str().ok()?),
            (Some(_), Some(_)) => return None,
        };
        let mut all = line.into_iter().chain(header).map(Authority::parse);
        let host = all.next()??;
        let is_same = all.all(|other| other.is_some_and(|other| other == host));
        (is_same && host.is_here(&self.hosts)).then_some(host)
    }
}

/// Lets a request in, or not.
pub(crate) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let mut response = match gate.refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Whether a browser says that a page of another site is behind the request. Who says nothing is no browser: it could
/// say anything.
fn is_foreign(headers: &HeaderMap, host: &Authority) -> bool {
    let is_other = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(Authority::of_origin);
        origin.is_none_or(|origin| !origin.is_at(host))
    };
    let is_cross = |site: &HeaderValue| site == "cross-site" || site == "same-site";
    headers.get_all(header::ORIGIN).iter().any(is_other) || headers.get_all("sec-fetch-site").iter().any(is_cross)
}

fn is_json(media_type: &HeaderValue) -> bool {
    let media_type = media_type.to_str().unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests;
