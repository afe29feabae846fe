//! The HTTP client of the commands.

use std::error::Error;
use std::time::Duration;

/// How long an answer may take. Longer than any latency fault short of the absurd.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client for services of this host or a near one: no proxy in between.
pub fn client() -> reqwest::Client {
    tolerancia_client::http::client(TIMEOUT)
}

/// The innermost cause, which says what happened: `Connection refused`, not `error sending request`.
pub fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
