//! What `inject` prints.

use serde::Serialize;
use tolerancia_wire::activation::{Audit, AuditEntry};
use tolerancia_wire::core::ReplicaId;
use tolerancia_wire::core::fault::Scope;
use tolerancia_wire::fault::{ActiveFault, Fault, FaultSpec, FaultState};
use tolerancia_wire::status::Verdict;
use tolerancia_wire::time::rfc3339;

use super::say;
use crate::http;
use crate::outcome::{Failure, Outcome};

/// A replica's faults, or that there is none; `next` is what the user can do then.
pub fn state(state: &FaultState, json: bool, next: Option<&str>) -> Outcome {
    if json {
        return print(state);
    }
    say(&text(state, next))
}

/// One line; of several faults each has a line of its own below it.
fn text(state: &FaultState, next: Option<&str>) -> String {
    let who = format!("instance {} (process {})", state.instance, state.pid);
    let next = next.map(|next| format!("; {next}")).unwrap_or_default();
    let since = |fault: &ActiveFault| format!("{} since {}", describe(&fault.spec), rfc3339(fault.activated_at.at));
    let instead = match &state.ended[..] {
        [] => String::new(),
        ended => {
            let ended: Vec<_> = ended.iter().map(|fault| describe(&fault.spec)).collect();
            format!(", in the place of {}", ended.join(" and "))
        }
    };
    match (&state.faults[..], state.cleared_at) {
        ([], Some(cleared)) => format!("{who}: no fault since {}", rfc3339(cleared.at)),
        ([], None) => format!("{who}: no fault"),
        ([fault], _) => format!("{who}: {}{instead}{next}", since(fault)),
        ([.., last], _) => {
            let line = |fault| {
                let instead = if fault == last { &instead } else { "" };
                format!("\n  {}{instead}", since(fault))
            };
            let lines: String = state.faults.iter().map(line).collect();
            format!("{who}: {} faults{next}{lines}", state.faults.len())
        }
    }
}

fn describe(spec: &FaultSpec) -> String {
    let name = spec.fault.name();
    let what = match &spec.fault {
        Fault::Latency { latency_ms: Some(ms) } => format!("{name} of {ms} ms ± 20 %"),
        Fault::Latency { latency_ms: None } => format!("{name} of 500 to 1500 ms"),
        Fault::Intermittent { probability } => format!("{name} with probability {probability}"),
        Fault::Incorrect { product } => format!("{name} about {product}"),
        Fault::Crash | Fault::Freeze | Fault::Stale => name.to_owned(),
    };
    match spec.scope {
        Scope::All => what,
        Scope::Queries => format!("{what}, queries only"),
        Scope::Health => format!("{what}, health checks only"),
    }
}

/// The monitor's audit of one replica.
pub async fn failures(monitor: &str, instance: ReplicaId, json: bool) -> Outcome {
    let url = format!("{}/failures?instance={instance}", monitor.trim_end_matches('/'));
    let silent = |error: reqwest::Error| {
        Failure::refused(format!(
            "{url} does not answer ({}): is the monitor running? (`tolerancia up` starts the system)",
            http::cause(&error)
        ))
    };
    let answer = http::client().get(&url).send().await.map_err(silent)?;
    if !answer.status().is_success() {
        let status = answer.status();
        let detail = answer
            .json()
            .await
            .map(|problem: tolerancia_wire::Problem| problem.detail);
        return Err(Failure::refused(format!(
            "{url} answered {status}: {}",
            detail.unwrap_or_default()
        )));
    }
    let failures: Audit = answer.json().await.map_err(silent)?;
    if json {
        return print(&failures);
    }
    if failures.failures.is_empty() {
        return say(&format!("instance {instance}: the monitor noticed nothing"));
    }
    say(&table(&failures.failures))
}

/// The entries as a table, with times where any is known.
fn table(entries: &[AuditEntry]) -> String {
    let timed = entries.iter().any(|entry| entry.ttd_ms.is_some());
    let times = |ttd: &str, ttr: &str| match timed {
        true => format!("{ttd:>8}  {ttr:>8}  "),
        false => String::new(),
    };
    let ms = |ms: Option<f64>| ms.map_or_else(String::new, |ms| format!("{ms:.1}"));
    let head = format!("{:<27}  {:<10}  {}reason", "at", "verdict", times("TTD ms", "TTR ms"));
    let rows = entries.iter().map(|entry| {
        let (at, verdict) = row(entry);
        let times = times(&ms(entry.ttd_ms), &ms(entry.ttr_ms));
        format!("{at:<27}  {verdict:<10}  {times}{}", entry.transition.reason.text)
    });
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}

/// When, and what became of the verdict.
fn row(AuditEntry { transition, .. }: &AuditEntry) -> (String, String) {
    let word = |verdict| match verdict {
        Verdict::On => "ON",
        Verdict::Off => "OFF",
    };
    let verdict = match (transition.from, transition.to) {
        (from, to) if from == to => word(to).to_owned(),
        (from, to) => format!("{} -> {}", word(from), word(to)),
    };
    (rfc3339(transition.stamp.at), verdict)
}

fn print(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::cannot(error.to_string()))?;
    say(&text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entries(times: &str) -> Vec<AuditEntry> {
        let entry = |times: &str| {
            let text = format!(
                r#"{{"seq": 1, "at": "2026-01-01T00:00:00.000000Z", "mono_ns": 5, "service": "inventory-svc", {times}
                    "instance": "2", "from": "ON", "to": "OFF", "phase": "quarantine",
                    "reason": {{"kind": "late", "text": "3 of 3 late"}}, "quorum_lost": false}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        vec![entry(times), entry("")]
    }

    #[test]
    fn each_fault_is_shown_and_what_a_new_one_ended() {
        let fault = |text: &str| -> ActiveFault {
            let at = r#""activated_at": {"at": "2026-01-01T00:00:00.000000Z", "mono_ns": 5}"#;
            serde_json::from_str(&format!("{{{text}, {at}}}")).unwrap()
        };
        let slow = fault(r#""fault": "latency", "latency_ms": 900, "scope": "health""#);
        let lie = fault(r#""fault": "incorrect", "product": "PROD-001""#);
        let show = |faults: &[&ActiveFault], ended: &[&ActiveFault]| {
            let own = |faults: &[&ActiveFault]| faults.iter().map(|&fault| fault.clone()).collect::<Vec<_>>();
            let state = FaultState {
                instance: "2".to_owned(),
                pid: 7,
                active: faults.last().map(|&fault| fault.clone()),
                faults: own(faults),
                ended: own(ended),
                cleared_at: None,
            };
            text(&state, (!faults.is_empty()).then_some("go on"))
        };
        let at = "2026-01-01T00:00:00.000000Z";
        assert_eq!(show(&[], &[]), "instance 2 (process 7): no fault");
        assert_eq!(
            show(&[&lie], &[]),
            format!("instance 2 (process 7): incorrect about PROD-001 since {at}; go on")
        );
        assert_eq!(
            show(&[&lie], &[&slow]),
            format!(
                "instance 2 (process 7): incorrect about PROD-001 since {at}, in the place of latency of 900 ms ± 20 %, \
                 health checks only; go on"
            )
        );
        assert_eq!(
            show(&[&slow, &lie], &[&lie]),
            format!(
                "instance 2 (process 7): 2 faults; go on\n  latency of 900 ms ± 20 %, health checks only since {at}\n  \
                 incorrect about PROD-001 since {at}, in the place of incorrect about PROD-001"
            )
        );
    }

    #[test]
    fn times_have_columns_only_where_there_are_any() {
        let without = table(&entries(""));
        assert!(!without.contains("TTD"), "{without}");
        let with = table(&entries(r#""ttd_ms": 306.25, "#));
        let lines: Vec<_> = with.lines().collect();
        let [head, timed, untimed] = lines[..] else {
            panic!("{with}")
        };
        assert!(
            head.contains("TTD ms    TTR ms  reason") && timed.contains("306.2"),
            "{with}"
        );
        assert_eq!(timed.find("3 of 3"), untimed.find("3 of 3"), "{with}");
        assert_eq!(timed.find("3 of 3"), head.find("reason"), "{with}");
    }
}
