//! HTTP clients, and what they say when something goes wrong.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tolerancia_wire::Problem;

/// How long a connection may take to open. Everything is near; a longer wait hides a dead service.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a connection is kept that nobody uses. The services close theirs after 10 s, and a request that is sent at the
/// very moment fails without having been served: so they must not be the first.
const IDLE: Duration = Duration::from_secs(5);

/// A client with kept-open HTTP/1.1 connections, as ordinary clients of the system have. Each request
/// ends after `timeout`. Proxies from the environment are ignored: they would be measured too.
#[must_use]
pub fn client(timeout: Duration) -> reqwest::Client {
    build(builder().timeout(timeout))
}

/// A client for answers that never end; silence of `idle` ends them.
#[must_use]
pub fn streaming(idle: Duration) -> reqwest::Client {
    build(builder().read_timeout(idle))
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
}

fn build(builder: reqwest::ClientBuilder) -> reqwest::Client {
    #[cfg(feature = "without-certificates")]
    let builder = {
        // An error means that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        builder.tls_certs_only([])
    };
    builder
        .build()
        .expect("a client without TLS needs nothing that could be missing")
}

/// The JSON behind `url`; otherwise a sentence that names the address and what is wrong there.
///
/// # Errors
/// When nobody answers in the client's time, the status is none of success, or the body is something else.
pub async fn get_json<T: DeserializeOwned>(client: &reqwest::Client, url: &str) -> Result<T, String> {
    let response = client
        .get(url)
        .send()
        .await
        .map_err(|error| format!("{url}: {}", cause(&error)))?;
    let status = response.status();
    let body = response
        .bytes()
        .await
        .map_err(|error| format!("{url}: {}", cause(&error)))?;
    if !status.is_success() {
        return Err(format!("{url} answered {}", describe(status.as_u16(), &body)));
    }
    serde_json::from_slice(&body).map_err(|error| format!("{url} answered something unexpected: {error}"))
}

/// A status and, if the body is a problem, its explanation.
#[must_use]
pub fn describe(status: u16, body: &[u8]) -> String {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => format!("{status}: {}", problem.detail),
        Err(_) => status.to_string(),
    }
}

/// Whether the connection was refused: nobody listens there.
#[must_use]
pub fn is_refused(error: &reqwest::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        let is_refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        if source.downcast_ref().is_some_and(is_refused) {
            return true;
        }
        next = source.source();
    }
    false
}

/// The innermost cause of a failed request, which is the one that says what happened.
#[must_use]
pub fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
