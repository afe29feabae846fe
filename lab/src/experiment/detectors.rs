//! Which detector the monitor uses: chosen before trials, and afterwards what it was before.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tolerancia_client::http;
use tolerancia_core::detector::DetectorKind;

use super::runner::Lab;
use super::{ExperimentError, Target, cleanup};

/// The monitor answers once the change was made.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A detector that begins has seen nothing. After so long all have seen the healthy system; `phi`, which estimates from
/// up to 100 intervals, then knows five or so, and that they are regular.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a monitor that is gone is waited for where the experiment was interrupted: whoever supervises it starts it again
/// within that, or is stopping everything.
const RESTART: Duration = Duration::from_secs(3);

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
        self.locked().judges_by(in_force);
        self.use_detector(detectors[0]).await?;
        Ok(detectors)
    }

    /// Puts a detector in force, unless it is. What the monitor says counts: one that was started again judges as it
    /// was configured.
    pub(super) async fn use_detector(&self, kind: DetectorKind) -> Result<(), ExperimentError> {
        let known = self.locked().in_force;
        let actual = self.detector_in_force().await.map_err(ExperimentError::Detector)?;
        if let Some(known) = known.filter(|known| *known != actual) {
            self.note_once(format!(
                "the monitor judged by {actual} instead of {known}, so it was started again or switched by somebody \
                 else: trials before that may have been judged by {actual} too"
            ));
        }
        {
            let mut record = self.locked();
            record.judges_by(actual);
            if actual == kind {
                return Ok(());
            }
            // From here on there is something to restore, whatever becomes of the request.
            record.restore = record.restore.or(known).or(Some(actual));
            record.in_force = None;
        }
        put(&self.target, kind)
            .await
            .map_err(|failed| ExperimentError::Detector(failed.to_string()))?;
        self.locked().judges_by(kind);
        sleep(SETTLE).await;
        Ok(())
    }

    /// The detector that the monitor says it judges by. It may be about to be restarted.
    async fn detector_in_force(&self) -> Result<DetectorKind, String> {
        let deadline = Instant::now() + cleanup::PATIENCE;
        loop {
            match self.steady.status().await {
                Ok(status) => return status.detector.parse(),
                Err(_) if Instant::now() < deadline => sleep(cleanup::PAUSE).await,
                Err(why) => return Err(why),
            }
        }
    }

    /// Puts the detector in force that was so before the experiment. Once `interrupted` is cancelled, a monitor that is gone
    /// is not waited for for long.
    pub(super) async fn restore_detector(&self, interrupted: &CancellationToken) -> Result<(), String> {
        let Some(before) = self.locked().restore else {
            return Ok(());
        };
        let begun = Instant::now();
        let patience = |gone| match gone && interrupted.is_cancelled() {
            true => RESTART,
            false => cleanup::PATIENCE,
        };
        loop {
            match put(&self.target, before).await {
                Err(Failed::NoAnswer { gone, .. }) if begun.elapsed() < patience(gone) => sleep(cleanup::PAUSE).await,
                put => {
                    return put.map_err(|failed| {
                        format!("the detector {before} was not put in force again ({failed}): do it with PUT /detector")
                    });
                }
            }
        }
    }
}

/// Why the detector was not changed, as far as is known.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{why}")]
    NoAnswer {
        why: String,
        /// Nobody listens there.
        gone: bool,
    },
    #[error("{0}")]
    Refused(String),
}

/// Asks the monitor to judge by this detector.
async fn put(target: &Target, kind: DetectorKind) -> Result<(), Failed> {
    let url = format!("{}/detector", target.monitor_url);
    let mut request = http::client(TIMEOUT).put(&url).json(&json!({ "detector": kind }));
    if let Some(token) = &target.fault_token {
        request = request.bearer_auth(token);
    }
    let no_answer = |error: reqwest::Error| Failed::NoAnswer {
        why: format!("{url} does not answer ({})", http::cause(&error)),
        gone: http::is_refused(&error),
    };
    let response = request.send().await.map_err(no_answer)?;
    let status = response.status();
    let body = response.bytes().await.map_err(no_answer)?;
    if status.is_success() {
        return Ok(());
    }
    Err(Failed::Refused(match status {
        StatusCode::NOT_FOUND => format!("{url} refuses: start the monitor with FAULT_INJECTION=on"),
        StatusCode::UNAUTHORIZED => {
            format!("{url} asks for a token: set FAULT_TOKEN to the one that the monitor was started with")
        }
        _ => format!("{url} answered {}", http::describe(status.as_u16(), &body)),
    }))
}
