//! Bodies of `GET PUT DELETE /fault`.

use serde::{Deserialize, Serialize};
pub use tolerancia_core::fault::{Fault, FaultSpec, Scope};

use crate::Stamp;

/// The answer of `PUT /fault`, `DELETE /fault` and `GET /fault`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultState {
    /// The replica.
    pub instance: String,
    /// Its process, so that a stopped one (`freeze`) can be continued from outside.
    pub pid: u32,
    /// The active fault, if any.
    pub active: Option<ActiveFault>,
    /// `DELETE` only: when the fault was cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<Stamp>,
}

/// A fault and since when it is active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveFault {
    /// The fault and its scope.
    #[serde(flatten)]
    pub spec: FaultSpec,
    /// The instant from which it acts. For `crash` and `freeze` that is a few milliseconds after the
    /// answer, so that the answer still gets out; time to detect starts here.
    pub activated_at: Stamp,
}
