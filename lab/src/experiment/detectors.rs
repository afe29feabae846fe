//! Which detector the monitor uses: chosen before trials, and afterwards what it was before.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::time::sleep;
use tolerancia_core::detector::DetectorKind;

use super::runner::Lab;
use super::{ExperimentError, Target};
use crate::http;

/// The monitor answers once the change was made.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A detector that begins has seen nothing; after so long it knows the healthy system.
const SETTLE: Duration = Duration::from_secs(1);

/// The detectors of one round of trials: each of them, another one first than in the round before.
pub(super) fn round(detectors: &[DetectorKind], number: usize) -> impl Iterator<Item = DetectorKind> {
    let first = number.checked_rem(detectors.len()).unwrap_or(0);
    detectors.iter().cycle().skip(first).take(detectors.len()).copied()
}

impl Lab {
    /// Finds out which detectors trials are made with, and puts the first in force.
    pub(super) async fn choose_detectors(&self) -> Result<Vec<DetectorKind>, ExperimentError> {
        let name = self.steady.status().await.map_err(ExperimentError::NotSteady)?.detector;
        let in_force: DetectorKind = name.parse().map_err(ExperimentError::Detector)?;
        let mut detectors = self.scenario.detectors.clone();
        if detectors.is_empty() {
            detectors.push(in_force);
        }
        self.locked().detectors.clone_from(&detectors);
        self.locked().in_force = Some(in_force);
        self.use_detector(detectors[0]).await?;
        Ok(detectors)
    }

    /// Puts a detector in force, unless it is.
    pub(super) async fn use_detector(&self, kind: DetectorKind) -> Result<(), ExperimentError> {
        let in_force = self.locked().in_force;
        if in_force == Some(kind) {
            return Ok(());
        }
        {
            // From here on there is something to restore, whatever becomes of the request.
            let mut record = self.locked();
            record.restore = record.restore.or(in_force);
            record.in_force = None;
        }
        put(&self.target, kind).await.map_err(ExperimentError::Detector)?;
        self.locked().in_force = Some(kind);
        sleep(SETTLE).await;
        Ok(())
    }

    /// Puts the detector in force that was so before the experiment.
    pub(super) async fn restore_detector(&self) -> Result<(), String> {
        let Some(before) = self.locked().restore else {
            return Ok(());
        };
        put(&self.target, before)
            .await
            .map_err(|why| format!("the detector {before} was not put in force again: {why}"))
    }
}

/// Asks the monitor to judge by this detector.
async fn put(target: &Target, kind: DetectorKind) -> Result<(), String> {
    let url = format!("{}/detector", target.monitor_url);
    let mut request = http::client(TIMEOUT).put(&url).json(&json!({ "detector": kind }));
    if let Some(token) = &target.fault_token {
        request = request.bearer_auth(token);
    }
    let no_answer = |error: reqwest::Error| format!("{url} does not answer ({})", http::cause(&error));
    let response = request.send().await.map_err(no_answer)?;
    let status = response.status();
    let body = response.bytes().await.map_err(no_answer)?;
    match status {
        StatusCode::NOT_FOUND => Err(format!("{url} refuses: start the monitor with FAULT_INJECTION=on")),
        StatusCode::UNAUTHORIZED => Err(format!(
            "{url} asks for a token: set FAULT_TOKEN to the one that the monitor was started with"
        )),
        _ if !status.is_success() => Err(format!("{url} answered {}", http::describe(status.as_u16(), &body))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DetectorKind::{Accrual, Consecutive};

    #[test]
    fn each_detector_has_its_turn_and_none_is_always_first() {
        let of = |number| round(&[Accrual, Consecutive], number).collect::<Vec<_>>();
        assert_eq!(of(0), [Accrual, Consecutive]);
        assert_eq!(of(1), [Consecutive, Accrual]);
        assert_eq!(of(2), of(0));
        assert_eq!(round(&[Accrual], 5).collect::<Vec<_>>(), [Accrual]);
        assert_eq!(round(&[], 5).count(), 0);
    }
}
