//! Who may inject faults.

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};

/// The token, as a digest: it is not kept, not printed, and compared in constant time.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    pub(super) fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether the request's `Authorization: Bearer` is this token.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, given)) = given.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let difference = self
            .0
            .iter()
            .zip(Self::new(given.trim()).0)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        scheme.eq_ignore_ascii_case("bearer") && difference == 0
    }
}
