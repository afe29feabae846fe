//! Breaking one replica, and mending it.
//!
//! A replica obeys only if it was started with `FAULT_INJECTION=on`. A stopped process (`freeze`) cannot
//! answer the request that would end the fault, so [`clear`] continues it with SIGCONT first; for that it
//! must run on this host, and its process id must be known from before ([`pid_of`] asks the monitor).
//!
//! Whoever injects or clears a fault tells the monitor's audit afterwards ([`report`]).

use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::check_all;
use tolerancia_wire::activation::Activation;
use tolerancia_wire::fault::{FaultList, FaultSpec, FaultState};
use tolerancia_wire::status::InstanceStatus;

use crate::http;

/// A request about a fault that takes longer has failed: `/fault` is never slowed down by a fault.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Why a fault could not be injected, cleared or looked up.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// Nobody answered.
    #[error("{url} does not answer ({cause}): is the instance running? (`tolerancia up` starts the system)")]
    NoAnswer {
        /// Where.
        url: String,
        /// What happened instead.
        cause: String,
        /// Whether the connection was refused: nobody listens there. A fault lives in its process, so there is none.
        gone: bool,
    },
    /// The replica was started without fault injection.
    #[error("{url} refuses faults: start the replicas with FAULT_INJECTION=on")]
    Off {
        /// Where.
        url: String,
    },
    /// The token is missing or wrong.
    #[error("{url} asks for a token: set FAULT_TOKEN to the one that the replica was started with")]
    Unauthorized {
        /// Where.
        url: String,
    },
    /// The replica does not do it: it does not accept this fault, or has failed.
    #[error("{url} answered {answer}")]
    Refused {
        /// Where.
        url: String,
        /// The status of the answer; one of success where what it says makes no sense.
        status: u16,
        /// Status and explanation.
        answer: String,
    },
    /// The fault is out of range; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The stopped process could not be continued.
    #[error("process {pid} cannot be continued ({cause}): run `kill -CONT {pid}` as its owner, then clear again")]
    Resume {
        /// The process.
        pid: u32,
        /// What is in the way.
        cause: String,
    },
}

/// Activates a fault in the replica at `url` (scheme, host and port), in the place of whatever is active there, and
/// answers since when it is active.
///
/// # Errors
/// When the fault is out of range, the replica does not answer within 2 s, or it refuses.
pub async fn put_fault(url: &str, token: Option<&str>, spec: FaultSpec) -> Result<FaultState, InjectError> {
    spec.fault.check().map_err(InjectError::Invalid)?;
    request(Method::PUT, url, token, Some(&spec)).await
}

/// As [`put_fault`], several at once: they are active from the same instant on, but for the few milliseconds that
/// `crash` and `freeze` take.
///
/// # Errors
/// As [`put_fault`], and when they cannot be there at a time (none, more than
/// [`MAX_FAULTS`](tolerancia_core::fault::MAX_FAULTS), or the same one twice).
pub async fn put_faults(url: &str, token: Option<&str>, faults: Vec<FaultSpec>) -> Result<FaultState, InjectError> {
    check_all(&faults).map_err(InjectError::Invalid)?;
    request(Method::PUT, url, token, Some(&FaultList { faults })).await
}

/// As [`put_fault`], and what is active stays, but for the same kind of fault with the same scope
/// ([`FaultState::ended`] says which).
///
/// # Errors
/// As [`put_fault`].
pub async fn add_fault(url: &str, token: Option<&str>, spec: FaultSpec) -> Result<FaultState, InjectError> {
    spec.fault.check().map_err(InjectError::Invalid)?;
    request(Method::POST, url, token, Some(&spec)).await
}

/// Ends all faults that are active in the replica at `url`, and says which they were ([`FaultState::ended`]);
/// without one it changes nothing. `pid` is the replica's process, if known: when the replica does not answer and
/// that process is stopped, it is continued.
///
/// # Errors
/// When the replica does not answer within 2 s, or it refuses.
pub async fn clear(url: &str, token: Option<&str>, pid: Option<u32>) -> Result<FaultState, InjectError> {
    // A stopped process would only let the request time out.
    let resumed = pid.map_or(Ok(()), resume_if_stopped);
    prefer(request(Method::DELETE, url, token, NOTHING).await, resumed)
}

/// The answer, or why there was none: the process could not be continued.
fn prefer(
    answer: Result<FaultState, InjectError>,
    resumed: Result<(), InjectError>,
) -> Result<FaultState, InjectError> {
    match (answer, resumed) {
        (Err(InjectError::NoAnswer { .. }), Err(error)) => Err(error),
        (answer, _) => answer,
    }
}

/// Tells the audit of the monitor at `monitor_url` about a fault: since when it is active, or that it was cleared.
///
/// # Errors
/// A sentence with the address and what is wrong there, when the monitor does not answer within 2 s or refuses.
/// The fault is what it is all the same, only the audit lacks its times.
pub async fn report(monitor_url: &str, token: Option<&str>, activation: &Activation) -> Result<(), String> {
    let url = format!("{}/faults", monitor_url.trim_end_matches('/'));
    let mut request = http::client(TIMEOUT).post(&url).json(activation);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let no_answer = |error: reqwest::Error| {
        format!(
            "{url} does not answer ({}): is the monitor running?",
            http::cause(&error)
        )
    };
    let response = request.send().await.map_err(no_answer)?;
    let status = response.status();
    let body = response.bytes().await.map_err(no_answer)?;
    match status {
        StatusCode::NOT_FOUND => Err(format!(
            "{url} takes no reports: start the monitor with FAULT_INJECTION=on"
        )),
        StatusCode::UNAUTHORIZED => Err(format!(
            "{url} asks for a token: set FAULT_TOKEN to the one that the monitor was started with"
        )),
        _ if !status.is_success() => Err(format!("{url} answered {}", http::describe(status.as_u16(), &body))),
        _ => Ok(()),
    }
}

/// The faults that are active in the replica at `url`.
///
/// # Errors
/// When the replica does not answer within 2 s, or it refuses.
pub async fn status(url: &str, token: Option<&str>) -> Result<FaultState, InjectError> {
    request(Method::GET, url, token, NOTHING).await
}

/// As [`status`], asked by `client`: who asks often keeps the connection, and chooses how long an answer may take.
///
/// # Errors
/// When the replica does not answer in the client's time, or it refuses.
pub async fn status_by(client: &reqwest::Client, url: &str, token: Option<&str>) -> Result<FaultState, InjectError> {
    request_by(client, Method::GET, url, token, NOTHING).await
}

/// The process of an instance as the monitor at `monitor_url` last saw it; `None` if it cannot say.
pub async fn pid_of(monitor_url: &str, instance: ReplicaId) -> Option<u32> {
    let url = format!("{monitor_url}/status/inventory-svc/{instance}");
    let status: InstanceStatus = http::get_json(&http::client(TIMEOUT), &url).await.ok()?;
    status.pid
}

/// A request without a body.
const NOTHING: Option<&()> = None;

async fn request(
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Option<&impl Serialize>,
) -> Result<FaultState, InjectError> {
    request_by(&http::client(TIMEOUT), method, url, token, body).await
}

async fn request_by(
    client: &reqwest::Client,
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Option<&impl Serialize>,
) -> Result<FaultState, InjectError> {
    let url = format!("{}/fault", url.trim_end_matches('/'));
    let mut request = client.request(method, &url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let no_answer = |error: reqwest::Error| InjectError::NoAnswer {
        url: url.clone(),
        cause: http::cause(&error),
        gone: http::is_refused(&error),
    };
    let response = request.send().await.map_err(no_answer)?;
    let status = response.status();
    let body = response.bytes().await.map_err(no_answer)?;
    match status {
        StatusCode::NOT_FOUND => Err(InjectError::Off { url }),
        StatusCode::UNAUTHORIZED => Err(InjectError::Unauthorized { url }),
        _ if !status.is_success() => Err(InjectError::Refused {
            answer: http::describe(status.as_u16(), &body),
            status: status.as_u16(),
            url,
        }),
        _ => serde_json::from_slice(&body).map_err(|error| InjectError::Refused {
            url,
            status: status.as_u16(),
            answer: format!("something unexpected: {error}"),
        }),
    }
}

/// Whether `pid` is a replica on this host that is stopped (`freeze`).
#[must_use]
pub fn is_stopped_replica(pid: u32) -> bool {
    let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    read("cmdline").contains("inventory-svc") && is_stopped(&read("stat"))
}

/// Continues `pid` if it is a stopped replica. A process id may have been reused since the monitor saw it, so
/// nothing but a stopped process of this program is ever signalled.
fn resume_if_stopped(pid: u32) -> Result<(), InjectError> {
    if !is_stopped_replica(pid) {
        return Ok(());
    }
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    raw.map_or(Err(rustix::io::Errno::SRCH), |raw| kill_process(raw, Signal::CONT))
        .map_err(|error| InjectError::Resume {
            pid,
            cause: error.to_string(),
        })
}

/// Whether `/proc/PID/stat` shows a stopped process. The name before the state may contain anything.
fn is_stopped(stat: &str) -> bool {
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::extract::State;
    use axum::routing::post;
    use axum::{Json, Router};
    use serde_json::{Value, json};
    use tolerancia_core::fault::{Fault, Scope};
    use tolerancia_wire::Stamp;
    use tolerancia_wire::fault::ActiveFault;

    #[test]
    fn the_state_of_a_process_is_read_after_its_name() {
        assert!(is_stopped("42 (a) b) T 1 42"));
        assert!(!is_stopped("42 (T) S 1 42"));
        assert!(!is_stopped(""));
    }

    #[tokio::test]
    async fn an_impossible_fault_is_not_even_sent() {
        let spec = FaultSpec {
            fault: Fault::Intermittent { probability: 1.5 },
            scope: Scope::All,
        };
        // Port 0 cannot be connected to: an attempt would be `NoAnswer`.
        let nobody = "http://127.0.0.1:0";
        for answer in [
            put_fault(nobody, None, spec.clone()).await,
            add_fault(nobody, None, spec.clone()).await,
            put_faults(nobody, None, vec![spec]).await,
            put_faults(nobody, None, Vec::new()).await,
        ] {
            assert!(matches!(answer, Err(InjectError::Invalid(_))), "{answer:?}");
        }
        let error = status("http://127.0.0.1:0", None).await.unwrap_err();
        assert!(matches!(error, InjectError::NoAnswer { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_replica_that_is_gone_is_told_from_one_that_does_not_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let is_gone = async || match status_by(&http::client(Duration::from_millis(100)), &url, None).await {
            Err(InjectError::NoAnswer { gone, .. }) => gone,
            other => panic!("{other:?}"),
        };
        // It listens, as a stopped process does.
        assert!(!is_gone().await);
        drop(listener);
        assert!(is_gone().await);
    }

    /// Answers a report with this status, and takes nothing but a report.
    async fn answer(State(status): State<u16>, Json(_): Json<Activation>) -> (StatusCode, Json<Value>) {
        let problem = json!({ "type": "about:blank", "title": "", "status": status, "detail": "the reason" });
        (StatusCode::from_u16(status).unwrap(), Json(problem))
    }

    #[tokio::test]
    async fn a_report_that_is_not_taken_says_what_to_do() {
        let active = ActiveFault {
            spec: FaultSpec {
                fault: Fault::Crash,
                scope: Scope::All,
            },
            activated_at: Stamp::now(),
        };
        let activation = Activation::new(ReplicaId::new(1).unwrap(), &active, None);
        for (status, hint) in [
            (202, None),
            (404, Some("FAULT_INJECTION=on")),
            (401, Some("FAULT_TOKEN")),
            (422, Some("the reason")),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let router = Router::new().route("/faults", post(answer)).with_state(status);
            tokio::spawn(async move { axum::serve(listener, router).await });
            let told = report(&url, Some("token"), &activation).await;
            match hint {
                None => told.unwrap(),
                Some(hint) => assert!(told.as_ref().is_err_and(|why| why.contains(hint)), "{told:?}"),
            }
        }
        let nobody = report("http://127.0.0.1:0", None, &activation).await.unwrap_err();
        assert!(nobody.contains("is the monitor running?"), "{nobody}");
    }
}
