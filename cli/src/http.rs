//! The HTTP client of the commands.

use std::error::Error;
use std::time::Duration;

use crate::outcome::Failure;

/// How long an answer may take. Longer than any latency fault short of the absurd.
const TIMEOUT: Duration = Duration::from_secs(5);

/// No request here is encrypted. But the embedded broker's tree switches TLS on in the HTTP client, and without a
/// provider no client can be made then.
pub fn choose_tls() {
    #[cfg(feature = "embedded")]
    // An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for services of this host or a near one: no proxy in between.
pub fn client() -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(1))
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| Failure::cannot(format!("no HTTP client ({})", cause(&error))))
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
