//! `report.md`.

use std::fmt::Write as _;

use super::compare::{Comparison, comparison};
use super::model::{Phase, Report};
use super::reasons::reasons;
use super::table::verdict;
use super::{CLIENTS, Times, ms, percent, short, whole};

/// Draws the report.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = draw(&mut text, report);
    text
}

fn draw(out: &mut String, report: &Report) -> std::fmt::Result {
    let environment = &report.environment;
    writeln!(
        out,
        "# Experiment {}: {}\n",
        cell(&report.scenario),
        verdict(report.verdict)
    )?;
    writeln!(
        out,
        "{}, {:.1} s, seed {}. {} replicas, detector {}, Kafka {}, database {}, {} cores, version {}.\n",
        report.started_at,
        report.duration_s,
        report.seed,
        environment.replicas,
        environment.detector,
        environment.kafka,
        environment.database,
        environment.cores,
        environment.version
    )?;
    writeln!(out, "Repeat it with `{}`.\n", report.repeat)?;
    for note in report.notes.iter().chain(&report.oracle.findings) {
        writeln!(out, "- {}", cell(note))?;
    }
    for alarm in &report.false_alarms {
        writeln!(
            out,
            "- false alarm: instance {} at {}: {}",
            alarm.instance,
            alarm.at,
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
            objective.name,
            objective.fault.as_deref().unwrap_or(""),
            short(Some(objective.limit)),
            short(objective.value),
            if objective.met { "yes" } else { "**no**" }
        )?;
    }

    writeln!(
        out,
        "\n## Faults\n\nTimes in milliseconds: median (95 % interval of the median) / 95th percentile / maximum.\n\n\
         | fault | trials | detected | recovered | TTD | TTR | repair | wrong answers |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for fault in &report.faults {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            report.label(fault),
            fault.trials,
            fault.detected,
            fault.recovered,
            spread(fault.ttd_ms),
            spread(fault.ttr_ms),
            spread(fault.repair_ms),
            fault.wrong_answers
        )?;
    }
    compared(out, report)?;
    explained(out, report)?;

    writeln!(
        out,
        "\n## What clients saw\n\n{CLIENTS}\n\n\
         | phase | requests | success | quorum | p50 ms | p95 ms | p99 ms | max ms | failures |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    )?;
    phase(out, "baseline", &report.baseline.phase)?;
    for fault in &report.faults {
        phase(out, &report.label(fault), &fault.during)?;
    }

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
                report.label(fault),
                trial.instances(),
                trial.activated_at,
                ms(trial.ttd_ms),
                ms(trial.ttr_ms),
                ms(trial.repair_ms),
                cell(trial.reason.as_deref().unwrap_or("not detected"))
            )?;
        }
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

fn compared(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(Comparison { heads, rows }) = comparison(report) else {
        return Ok(());
    };
    writeln!(out, "\n## Detectors\n\n| {} |", heads.join(" | "))?;
    writeln!(out, "| --- |{}", " ---: |".repeat(heads.len() - 1))?;
    for row in rows {
        writeln!(out, "| {} |", row.join(" | "))?;
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
            reason.label,
            cell(&reason.text)
        )?;
        for clue in &reason.clues {
            writeln!(out, "  - {}", cell(clue))?;
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
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
        phase.requests,
        percent(phase.success_rate),
        percent(phase.quorum_rate),
        ms(phase.p50_ms),
        ms(phase.p95_ms),
        ms(phase.p99_ms),
        ms(phase.max_ms),
        failures.join(", ")
    )
}

/// Median, its interval, 95th percentile and maximum.
pub(super) fn spread(times: Option<Times>) -> String {
    times.map_or_else(
        || "–".to_owned(),
        |Times { median, p95, max, ci95 }| {
            let interval = ci95.map_or_else(String::new, |[low, high]| format!(" ({low:.0}–{high:.0})"));
            format!("{}{interval} / {} / {}", whole(median), whole(p95), whole(max))
        },
    )
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}
