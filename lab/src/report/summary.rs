//! The report as the step summary of a CI run: Markdown as GitHub, GitLab and Gitea show it. What is wrong comes first, and
//! what need not be read is folded.

use std::fmt::Write as _;

use super::few::caveats;
use super::markdown::{cell, environment};
use super::model::{FaultReport, Objective, Phase, Report};
use super::table::verdict;
use super::{CLIENTS, Times, between, ms, percent, short};

/// Entries that a list shows at most: a step's summary may have 1 MiB.
const MOST: usize = 200;

/// Draws the report.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = draw(&mut text, report);
    text
}

fn draw(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "## Experiment {}: {}\n",
        cell(&report.scenario),
        verdict(report.verdict)
    )?;
    let missed: Vec<&Objective> = report.objectives.iter().filter(|objective| !objective.met).collect();
    let all = report.objectives.len();
    match (missed.len(), all) {
        (_, 0) => writeln!(out, "Nothing was judged: the experiment did not come to its end.")?,
        (0, _) => writeln!(out, "All {all} objectives were met.")?,
        (some, _) => {
            writeln!(out, "**{some} of {all} objectives were missed.**\n")?;
            objectives(out, &missed)?;
        }
    }
    let told: Vec<&String> = report.notes.iter().chain(&report.oracle.findings).collect();
    if !told.is_empty() {
        writeln!(out)?;
    }
    for note in told.iter().take(MOST) {
        writeln!(out, "- {}", cell(note))?;
    }
    for alarm in report.false_alarms.iter().take(MOST) {
        let (instance, at) = (alarm.instance, cell(&alarm.at));
        writeln!(
            out,
            "- false alarm: instance {instance} at {at}: {}",
            cell(&alarm.reason)
        )?;
    }
    if !report.faults.is_empty() {
        faults(out, report)?;
    }

    if all > 0 {
        fold(out, &format!("All {all} objectives"))?;
        objectives(out, &report.objectives.iter().collect::<Vec<_>>())?;
        unfold(out)?;
    }
    fold(out, "What clients saw")?;
    clients(out, report)?;
    unfold(out)?;
    fold(out, "The log, the environment, and how to repeat it")?;
    about(out, report)?;
    unfold(out)
}

fn fold(out: &mut String, summary: &str) -> std::fmt::Result {
    // Markdown inside begins after an empty line.
    writeln!(out, "\n<details><summary>{summary}</summary>\n")
}

fn unfold(out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n</details>")
}

fn objectives(out: &mut String, objectives: &[&Objective]) -> std::fmt::Result {
    writeln!(
        out,
        "| objective | fault | measured | limit | met |\n| --- | --- | ---: | ---: | --- |"
    )?;
    for objective in objectives.iter().take(MOST) {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            cell(&objective.name),
            cell(objective.fault.as_deref().unwrap_or("")),
            short(objective.value),
            short(Some(objective.limit)),
            if objective.met { "yes" } else { "**no**" }
        )?;
    }
    if objectives.len() > MOST {
        writeln!(out, "\nand {} more: see report.html.", objectives.len() - MOST)?;
    }
    Ok(())
}

fn faults(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n### Faults\n\nMilliseconds, with 95 % intervals.\n\n\
         | fault | trials | detected | recovered | TTD median | TTD p95 | TTD max | TTR median | repair median | wrong answers |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for fault in report.faults.iter().take(MOST) {
        let FaultReport {
            ttd_ms,
            ttr_ms,
            repair_ms,
            ..
        } = fault;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(&report.label(fault)),
            fault.trials,
            of_all(fault.detected, fault.trials),
            of_all(fault.recovered, fault.trials),
            median(*ttd_ms),
            with(ttd_ms.and_then(|ttd| ttd.p95), ttd_ms.and_then(|ttd| ttd.p95_ci95)),
            ms(ttd_ms.and_then(|ttd| ttd.max)),
            median(*ttr_ms),
            median(*repair_ms),
            fault.wrong_answers
        )?;
    }
    for caveat in caveats(report) {
        writeln!(out, "\n{}", cell(&caveat))?;
    }
    Ok(())
}

/// What is less than all stands out.
fn of_all(count: usize, all: usize) -> String {
    if count < all {
        format!("**{count}**")
    } else {
        count.to_string()
    }
}

fn median(times: Option<Times>) -> String {
    with(times.and_then(|times| times.median), times.and_then(|times| times.ci95))
}

fn with(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    let interval = interval.map_or_else(String::new, |[low, high]| format!(" ({low:.1}–{high:.1})"));
    ms(value) + &interval
}

fn clients(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "{CLIENTS}\n\n| phase | requests | success | quorum | p50 ms | p95 ms | p99 ms | max ms |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    let mut row = |name: &str, phase: &Phase| {
        writeln!(
            out,
            "| {} | {} | {}{} | {}{} | {} | {} | {} | {} |",
            cell(name),
            phase.requests,
            percent(phase.success_rate),
            between(phase.success_ci95),
            percent(phase.quorum_rate),
            between(phase.quorum_ci95),
            ms(phase.p50_ms),
            ms(phase.p95_ms),
            ms(phase.p99_ms),
            ms(phase.max_ms)
        )
    };
    row("baseline", &report.baseline.phase)?;
    for fault in report.faults.iter().take(MOST) {
        row(&report.label(fault), &fault.during)?;
    }
    Ok(())
}

fn about(out: &mut String, report: &Report) -> std::fmt::Result {
    let oracle = &report.oracle;
    if oracle.complete {
        writeln!(
            out,
            "{} records replayed: {} answers checked, {} wrong; {} orders and cancels acknowledged, {} lost, {} doubled; \
             replicas {}.",
            oracle.records,
            oracle.answers_checked,
            oracle.wrong_answers,
            oracle.orders_acknowledged,
            oracle.orders_lost,
            oracle.orders_doubled,
            if oracle.replicas_equal {
                "equal"
            } else {
                "**not equal**"
            }
        )?;
    } else {
        writeln!(out, "The log was not read.")?;
    }
    writeln!(
        out,
        "\nStarted at {}, {:.1} s, seed {}; {}.\n",
        cell(&report.started_at),
        report.duration_s,
        report.seed,
        environment(report)
    )?;
    // Indented it is code, whatever is in it.
    writeln!(out, "    {}", report.repeat.replace(char::is_control, " "))
}

#[cfg(test)]
mod tests;
