//! Attempts to break something that were refused: on `error-queue`, in the database, and in the answer of
//! `GET /denials` on the monitor. Nothing that judges a replica reads them.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Stamp;

/// Why an attempt was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The service was started without `FAULT_INJECTION=on`.
    InjectionOff,
    /// No token was sent.
    NoToken,
    /// Another token was sent. Which one is nowhere.
    WrongToken,
    /// A page in a browser asked, past the dashboard.
    Browser,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InjectionOff, Self::NoToken, Self::WrongToken, Self::Browser];

    /// The word for it, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InjectionOff => "injection_off",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Browser => "browser",
        }
    }
}

/// Attempts of one kind that a process refused since it told of such ones last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Denial {
    /// Who asked: the other end of the connection. Absent where it is not known, or where attempts of several are
    /// told together because there were too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// What was tried: `PUT /fault`, [`ANYTHING`] where several are told together.
    pub tried: String,
    /// Why it was refused.
    pub why: Why,
    /// How often, from 1.
    pub count: u64,
}

/// [`Denial::tried`], where different attempts are told together.
pub const ANYTHING: &str = "*";

/// The longest [`Denial::tried`] in bytes; a reader refuses more.
pub const MOST_TRIED: usize = 128;

/// One entry of `GET /denials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DenialEntry {
    /// The record that told of it.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub event_id: uuid::Uuid,
    /// When that was made; the attempts were made before.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The process that refused: `inventory-svc/2`.
    pub source: String,
    /// What.
    #[serde(flatten)]
    pub denial: Denial,
}

/// The answer of `GET /denials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Denials {
    /// Newest first.
    pub denials: Vec<DenialEntry>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Record;
    use crate::evidence::{ErrorBody, ErrorRecord};

    #[test]
    fn a_reason_has_one_word_everywhere() {
        for why in Why::ALL {
            assert_eq!(serde_json::to_value(why).unwrap(), why.name());
        }
    }

    #[test]
    fn a_denial_is_flat_json_and_comes_back() {
        for peer in [None, Some("::1".parse().unwrap()), Some("192.0.2.7".parse().unwrap())] {
            let denial = Denial {
                peer,
                tried: "PUT /fault".to_owned(),
                why: Why::WrongToken,
                count: 3,
            };
            let record: ErrorRecord = Record::new("inventory-svc/2", ErrorBody::Denied(denial.clone()));
            assert_eq!(ErrorRecord::from_bytes(&record.to_bytes()).unwrap(), record);
            let json: serde_json::Value = serde_json::from_slice(&record.to_bytes()).unwrap();
            assert_eq!((&json["type"], &json["why"]), (&"denied".into(), &"wrong_token".into()));
            let entry = DenialEntry {
                event_id: record.event_id,
                stamp: record.stamp(),
                source: record.source,
                denial,
            };
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<DenialEntry>(&text).unwrap(), entry);
        }
    }
}
