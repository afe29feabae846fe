//! What a snapshot says about itself: the position it belongs to, and what proves that it is whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The layout of the file. Another one is set aside.
pub(super) const FORMAT: u32 = 2;

/// What the headers of all layouts have.
#[derive(Debug, Deserialize)]
pub(super) struct Format {
    pub format: u32,
}

/// The only entry of the header table.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    format: u32,
    pub positions: BTreeMap<u16, u64>,
    pub last: BTreeMap<u16, Fingerprint>,
    /// Over all products and orders.
    pub digest: String,
    /// Over everything above.
    check: String,
}

impl Header {
    pub(super) fn new(positions: BTreeMap<u16, u64>, last: BTreeMap<u16, Fingerprint>, digest: String) -> Self {
        let mut header = Self {
            format: FORMAT,
            positions,
            last,
            digest,
            check: String::new(),
        };
        header.check = header.expected();
        header
    }

    /// Whether it is as it was written.
    pub(super) fn is_whole(&self) -> bool {
        self.check == self.expected()
    }

    fn expected(&self) -> String {
        let Self {
            positions,
            last,
            digest,
            ..
        } = self;
        hex(&Sha256::digest(format!("{FORMAT} {positions:?} {last:?} {digest}")))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What tells one record of a log from all others: a log that has it at the same offset is the same log up
/// to there. 128 bits of the SHA-256 of its bytes, which hold the record's unique `event_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(payload: &[u8]) -> Self {
        Self(hex(&Sha256::digest(payload)[..16]))
    }
}
