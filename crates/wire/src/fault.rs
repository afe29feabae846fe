//! Bodies of `GET PUT POST DELETE /fault`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use tolerancia_core::fault::{Fault, FaultSpec, MAX_FAULTS, Scope};

use crate::Stamp;

/// The body of `PUT /fault` that injects several faults at once. For one, `PUT` and `POST` take a [`FaultSpec`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FaultList {
    /// 1 to [`MAX_FAULTS`] faults that can be there at a time.
    #[schemars(length(min = 1, max = MAX_FAULTS))]
    pub faults: Vec<FaultSpec>,
}

/// The answer of `GET`, `PUT`, `POST` and `DELETE /fault`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultState {
    /// The replica.
    pub instance: String,
    /// Its process, so that a stopped one (`freeze`) can be continued from outside.
    pub pid: u32,
    /// The fault that was injected last, if any is active: the last of `faults`.
    pub active: Option<ActiveFault>,
    /// All active faults, in the order in which they were injected.
    #[serde(default)]
    pub faults: Vec<ActiveFault>,
    /// What this request put an end to: `PUT` and `DELETE` all that were active, `POST` the one whose place the new
    /// one took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<ActiveFault>,
    /// `DELETE` only: when the faults were cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<Stamp>,
}

/// A fault and since when it is active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActiveFault {
    /// The fault and its scope.
    #[serde(flatten)]
    pub spec: FaultSpec,
    /// The instant from which it acts. For `crash` and `freeze` that is a few milliseconds after the
    /// answer, so that the answer still gets out; time to detect starts here.
    pub activated_at: Stamp,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn who_knows_of_one_fault_only_is_understood() {
        let state: FaultState = serde_json::from_value(json!({ "instance": "1", "pid": 7, "active": null })).unwrap();
        assert_eq!((state.faults.len(), state.ended.len()), (0, 0));
        let text = serde_json::to_value(&state).unwrap();
        assert_eq!(text, json!({ "instance": "1", "pid": 7, "active": null, "faults": [] }));
    }
}
