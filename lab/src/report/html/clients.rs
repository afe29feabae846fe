//! What the clients got.

use super::parts::{Table, paragraph};
use crate::report::chart::load;
use crate::report::model::{Phase, Report};
use crate::report::{CLIENTS, between, ms, percent};

/// Nothing where there was no load.
pub(super) fn over_time(report: &Report) -> String {
    let Some(chart) = load::draw(report, "time") else {
        return String::new();
    };
    let told = "Latencies count from the intended start of a request: a stalled system shows in all requests that it kept \
                waiting. Shaded, and below by fault: from the activation of a fault to its end.";
    format!(
        "{}<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Latency over time\"><figure>{chart}</figure></div>\n",
        paragraph("soft", told)
    )
}

pub(super) fn phases(report: &Report) -> String {
    let columns = [
        "fault",
        "phase",
        "#requests",
        "#success (95 %)",
        "#quorum (95 %)",
        "#p50 ms",
        "#p95 ms",
        "#p99 ms",
        "#max ms",
        "failures",
    ];
    let mut table = Table::new("What clients saw", &columns);
    table.row(row("baseline".to_owned(), "", &report.baseline.phase));
    for fault in &report.faults {
        let (name, phases) = (report.label(fault), &fault.phases);
        table.row(row(name, "during", &fault.during));
        let parts = [
            ("undetected", &phases.undetected),
            ("detected", &phases.detected),
            ("recovering", &phases.recovering),
        ];
        // Older reports do not tell them apart; a crash has no last one.
        for (name, part) in parts.into_iter().filter(|(_, part)| part.requests > 0) {
            table.row(row(String::new(), name, part));
        }
    }
    let told = format!(
        "During: {} Undetected: up to the monitor's OFF. Detected: from there to the end of the fault. Recovering: from \
         there to ON. In brackets 95 % intervals (Wilson), as if requests failed independently of each other.",
        CLIENTS.replacen("From", "from", 1)
    );
    table.finish() + &paragraph("soft", &told)
}

fn row(name: String, part: &str, phase: &Phase) -> [String; 10] {
    let failures: Vec<String> = phase
        .failed
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    [
        name,
        part.to_owned(),
        phase.requests.to_string(),
        percent(phase.success_rate) + &between(phase.success_ci95),
        percent(phase.quorum_rate) + &between(phase.quorum_ci95),
        ms(phase.p50_ms),
        ms(phase.p95_ms),
        ms(phase.p99_ms),
        ms(phase.max_ms),
        failures.join(", "),
    ]
}
