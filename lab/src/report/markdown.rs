//! `report.md`.

use std::fmt::Write as _;

use super::compare::{Comparison, comparison};
use super::few::{TOO_FEW, caveats};
use super::model::{Phase, Report};
use super::reasons::reasons;
use super::steady::steady;
use super::table::verdict;
use super::{CLIENTS, Times, between, ms, percent, short, whole};
use crate::statistics::FEW;

/// Draws the report.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = draw(&mut text, report);
    text
}

fn draw(out: &mut String, report: &Report) -> std::fmt::Result {
    head(out, report)?;
    faults(out, report)?;
    compared(out, report)?;
    explained(out, report)?;
    clients(out, report)?;
    trials(out, report)?;
    log(out, report)
}

/// What was measured, and on what, in one line.
pub(super) fn environment(report: &Report) -> String {
    let environment = &report.environment;
    format!(
        "{} replicas, detector {}, Kafka {}, database {}, {} cores, version {}",
        environment.replicas,
        cell(&environment.detector),
        cell(&environment.kafka),
        cell(&environment.database),
        environment.cores,
        cell(&environment.version)
    )
}

fn head(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "# Experiment {}: {}\n",
        cell(&report.scenario),
        verdict(report.verdict)
    )?;
    writeln!(
        out,
        "{}, {:.1} s, seed {}. {}.\n",
        cell(&report.started_at),
        report.duration_s,
        report.seed,
        environment(report)
    )?;
    let host = &report.environment.host;
    let memory = host.memory_mib.map(|mib| format!("{:.1} GiB", mib as f64 / 1024.0));
    let known = [host.cpu.clone(), memory, host.os.clone(), host.kernel.clone()];
    let known: Vec<String> = known.into_iter().flatten().collect();
    if !known.is_empty() {
        writeln!(out, "On {}.\n", cell(&known.join(", ")))?;
    }
    writeln!(out, "Repeat it with `{}`.\n", report.repeat)?;
    for note in report.notes.iter().chain(&report.oracle.findings) {
        writeln!(out, "- {}", cell(note))?;
    }
    for alarm in &report.false_alarms {
        writeln!(
            out,
            "- false alarm: instance {} at {}: {}",
            alarm.instance,
            cell(&alarm.at),
            cell(&alarm.reason)
        )?;
    }

    writeln!(
        out,
        "\n## Objectives\n\n| objective | fault | limit | value | met |\n| --- | --- | ---: | ---: | --- |"
    )?;
    for objective in &report.objectives {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            cell(&objective.name),
            cell(objective.fault.as_deref().unwrap_or("")),
            short(Some(objective.limit)),
            short(objective.value),
            if objective.met { "yes" } else { "**no**" }
        )?;
    }
    Ok(())
}

fn faults(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n## Faults\n\nTimes in milliseconds: median / 95th percentile / maximum; in brackets 95 % bootstrap intervals, \
         where there are trials enough for one.\n\n\
         | fault | trials | detected | recovered | TTD | TTR | repair | wrong answers |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for fault in &report.faults {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(&report.label(fault)),
            fault.trials,
            fault.detected,
            fault.recovered,
            spread(fault.ttd_ms),
            spread(fault.ttr_ms),
            spread(fault.repair_ms),
            fault.wrong_answers
        )?;
    }
    for caveat in caveats(report) {
        writeln!(out, "\n{}", cell(&caveat))?;
    }
    Ok(())
}

fn compared(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(Comparison { heads, rows }) = comparison(report) else {
        return Ok(());
    };
    let line = |cells: Vec<String>| cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(" | ");
    let columns = heads.len();
    writeln!(out, "\n## Detectors\n\n| {} |", line(heads))?;
    writeln!(out, "| --- |{}", " ---: |".repeat(columns - 1))?;
    for row in rows {
        writeln!(out, "| {} |", line(row))?;
    }
    Ok(())
}

fn explained(out: &mut String, report: &Report) -> std::fmt::Result {
    let reasons = reasons(report);
    if !reasons.is_empty() {
        writeln!(
            out,
            "\n## Reasons\n\nOne trial of each fault, as the monitor explains it.\n"
        )?;
    }
    for reason in reasons {
        let instances = reason.instances;
        writeln!(
            out,
            "- **{}**, instance {instances}: {}",
            cell(&reason.label),
            cell(&reason.text)
        )?;
        for clue in &reason.clues {
            writeln!(out, "  - {}", cell(clue))?;
        }
    }
    Ok(())
}

fn clients(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n## What clients saw\n\n{CLIENTS} In brackets 95 % intervals (Wilson), as if requests failed independently of each \
         other.\n\n\
         | phase | requests | success | quorum | p50 ms | p95 ms | p99 ms | max ms | failures |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    )?;
    phase(out, "baseline", &report.baseline.phase)?;
    for fault in &report.faults {
        let (label, phases) = (report.label(fault), &fault.phases);
        phase(out, &label, &fault.during)?;
        let parts = [
            ("undetected", &phases.undetected),
            ("detected", &phases.detected),
            ("recovering", &phases.recovering),
        ];
        for (name, part) in parts.into_iter().filter(|(_, part)| part.requests > 0) {
            phase(out, &format!("{label}: {name}"), part)?;
        }
    }
    Ok(())
}

fn phase(out: &mut String, name: &str, phase: &Phase) -> std::fmt::Result {
    let failures: Vec<String> = phase
        .failed
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    writeln!(
        out,
        "| {} | {} | {}{} | {}{} | {} | {} | {} | {} | {} |",
        cell(name),
        phase.requests,
        percent(phase.success_rate),
        between(phase.success_ci95),
        percent(phase.quorum_rate),
        between(phase.quorum_ci95),
        ms(phase.p50_ms),
        ms(phase.p95_ms),
        ms(phase.p99_ms),
        ms(phase.max_ms),
        cell(&failures.join(", "))
    )
}

fn trials(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n## Trials\n\n| fault | instance | activated | TTD ms | TTR ms | repair ms | reason |\n\
         | --- | --- | --- | ---: | ---: | ---: | --- |"
    )?;
    for fault in &report.faults {
        for trial in &fault.trials_detail {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                cell(&report.label(fault)),
                trial.instances(),
                cell(&trial.activated_at),
                ms(trial.ttd_ms),
                ms(trial.ttr_ms),
                ms(trial.repair_ms),
                cell(trial.reason.as_deref().unwrap_or("not detected"))
            )?;
        }
    }
    Ok(())
}

fn log(out: &mut String, report: &Report) -> std::fmt::Result {
    let steady = steady(report);
    if !steady.is_empty() {
        writeln!(out, "\n## Steady state")?;
    }
    for text in steady {
        writeln!(out, "\n{}", cell(&text))?;
    }
    let oracle = &report.oracle;
    writeln!(out, "\n## The log\n")?;
    if !oracle.complete {
        return writeln!(out, "Not read: the experiment did not come to its end.");
    }
    writeln!(
        out,
        "{} records replayed. {} answers checked, {} wrong. {} orders and cancels acknowledged, {} lost, {} doubled. \
         Replicas equal: {}.",
        oracle.records,
        oracle.answers_checked,
        oracle.wrong_answers,
        oracle.orders_acknowledged,
        oracle.orders_lost,
        oracle.orders_doubled,
        if oracle.replicas_equal { "yes" } else { "**no**" }
    )
}

/// Median, 95th percentile and maximum, as in [`parts`].
fn spread(times: Option<Times>) -> String {
    parts(times).map_or_else(|| "–".to_owned(), |parts| parts.join(" / "))
}

/// Median, 95th percentile and maximum in whole milliseconds; the first two with their intervals, if there are trials
/// enough to speak of any. `None` if nothing was measured.
pub(super) fn parts(times: Option<Times>) -> Option<[String; 3]> {
    let Times {
        median,
        p95,
        max,
        ci95,
        p95_ci95,
        n,
    } = times?;
    let interval = |interval: Option<[f64; 2]>, least: usize| match interval {
        Some([low, high]) if n >= least => format!(" ({low:.0}–{high:.0})"),
        _ => String::new(),
    };
    Some([
        // Older reports do not say how many there were.
        whole(median) + &interval(ci95, if n == 0 { 0 } else { TOO_FEW }),
        whole(p95) + &interval(p95_ci95, FEW),
        whole(max),
    ])
}

/// Text that stays in its cell.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}
