//! Who may inject faults.
//!
//! The question costs the same whatever the answer is: one digest of a block of fixed length, and one comparison of
//! digests in constant time, also where no token was sent and where injection is off. So neither an answer nor the time
//! that it takes says anything about the token.

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The longest token, in bytes. A longer one is never the right one.
pub const MOST_TOKEN: usize = 512;

/// The token, as a digest: it is not kept, not printed, and compared in constant time.
#[derive(Clone)]
pub(super) struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    pub(super) fn new(text: &str) -> Self {
        Self(digest(text.as_bytes()))
    }

    /// One that nobody knows, to compare with where there is none.
    pub(super) fn unknown() -> Self {
        Self(rand::random())
    }

    /// Whether the request's `Authorization: Bearer` is this token; none if it has none.
    pub(super) fn admits(&self, headers: &HeaderMap) -> Option<bool> {
        let given = bearer(headers);
        let is_same = digest(given.unwrap_or_default()).ct_eq(&self.0);
        let fits = given.is_some_and(|given| given.len() <= MOST_TOKEN);
        given.map(|_| bool::from(is_same) && fits)
    }
}

/// What comes after `Bearer`, if that is the scheme.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, given) = value.split_at_checked(BEARER.len())?;
    let given = given.trim_ascii();
    (scheme.eq_ignore_ascii_case(BEARER) && !given.is_empty()).then_some(given)
}

const BEARER: &[u8] = b"bearer ";

/// The digest of the first [`MOST_TOKEN`] bytes and of the length.
fn digest(text: &[u8]) -> [u8; 32] {
    let mut block = [0; MOST_TOKEN + 8];
    let length = text.len().min(MOST_TOKEN);
    block[..length].copy_from_slice(&text[..length]);
    block[MOST_TOKEN..].copy_from_slice(&(text.len() as u64).to_le_bytes());
    Sha256::digest(block).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let value = value.parse().expect("a header's value");
        [(header::AUTHORIZATION, value)].into_iter().collect()
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new("secret");
        assert_eq!(token.admits(&HeaderMap::new()), None);
        for (given, admitted) in [
            ("Bearer secret", Some(true)),
            ("bearer   secret ", Some(true)),
            ("BEARER secret", Some(true)),
            ("Bearer secre", Some(false)),
            ("Bearer secret2", Some(false)),
            ("Bearer Secret", Some(false)),
            ("Bearer secret\u{e9}", Some(false)),
            ("Bearer ", None),
            ("Bearer", None),
            ("Bearersecret", None),
            ("Basic secret", None),
            ("secret", None),
            ("", None),
        ] {
            assert_eq!(token.admits(&headers(given)), admitted, "{given:?}");
        }
        assert_eq!(Token::unknown().admits(&headers("Bearer secret")), Some(false));
    }

    #[test]
    fn a_token_may_have_512_bytes_and_counts_to_the_last() {
        let text = "x".repeat(MOST_TOKEN);
        let given = |text: &str| Token::new(text).admits(&headers(&format!("Bearer {text}")));
        assert_eq!(given(&text), Some(true));
        let other = format!("{}y", &text[1..]);
        assert_eq!(
            Token::new(&text).admits(&headers(&format!("Bearer {other}"))),
            Some(false)
        );
        // Nobody could tell two of them apart that begin alike, so none is right.
        assert_eq!(given(&format!("{text}x")), Some(false));
        // What is not there is not the same as zeros.
        assert_ne!(digest(b"a"), digest(b"a\0"));
    }
}
