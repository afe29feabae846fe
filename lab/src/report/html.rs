//! `report.html`: one file, no script, fine in light and dark, on a phone and in print.

use std::fmt::Write as _;

use super::compare::{Comparison, comparison};
use super::markdown::spread;
use super::model::{Phase, Report, Verdict};
use super::reasons::reasons;
use super::table::verdict;
use super::{CLIENTS, ms, percent, short};

mod dots;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--good:#1a7f37;--bad:#c62828}\
@media(prefers-color-scheme:dark){:root{--good:#57c26b;--bad:#ff7b72}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:1rem}\
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{border-bottom:1px solid var(--line);padding:.25rem .6rem;text-align:left;vertical-align:top}\
.n{text-align:right;white-space:nowrap}.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}\
svg{max-width:100%;height:auto}code{overflow-wrap:anywhere}";

/// Draws the report.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = draw(&mut text, report);
    text
}

fn draw(out: &mut String, report: &Report) -> std::fmt::Result {
    let class = if report.verdict == Verdict::Pass { "good" } else { "bad" };
    let name = escape(&report.scenario);
    let verdict = verdict(report.verdict);
    let environment = &report.environment;
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{name}: {verdict}</title><style>{STYLE}</style></head><body>\
         <h1>Experiment {name}: <span class=\"{class}\">{verdict}</span></h1>\
         <p>{}, {:.1} s, seed {}. {} replicas, detector {}, Kafka {}, database {}, {} cores, version {}.</p>\
         <p>Repeat it with <code>{}</code>.</p>",
        report.started_at,
        report.duration_s,
        report.seed,
        environment.replicas,
        escape(&environment.detector),
        environment.kafka,
        environment.database,
        environment.cores,
        environment.version,
        escape(&report.repeat)
    )?;
    let alarms = report.false_alarms.iter().map(|alarm| {
        format!(
            "False alarm: instance {} at {}: {}",
            alarm.instance, alarm.at, alarm.reason
        )
    });
    let notes: Vec<String> = report
        .notes
        .iter()
        .chain(&report.oracle.findings)
        .cloned()
        .chain(alarms)
        .collect();
    if !notes.is_empty() {
        let items: String = notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
        write!(out, "<ul class=\"bad\">{items}</ul>")?;
    }

    head(out, "Objectives", &["objective", "fault", "#limit", "#value", "met"])?;
    for objective in &report.objectives {
        let (class, met) = if objective.met { ("good", "yes") } else { ("bad", "no") };
        write!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"{class}\">{met}</td></tr>",
            objective.name,
            objective.fault.as_deref().unwrap_or(""),
            short(Some(objective.limit)),
            short(objective.value)
        )?;
    }
    foot(out)?;

    let columns = [
        "fault",
        "#trials",
        "#detected",
        "#recovered",
        "#TTD ms",
        "#TTR ms",
        "#repair ms",
        "#wrong answers",
    ];
    head(out, "Faults", &columns)?;
    for fault in &report.faults {
        write!(out, "<tr><td>{}</td>", escape(&report.label(fault)))?;
        numbers(
            out,
            &[
                fault.trials.to_string(),
                fault.detected.to_string(),
                fault.recovered.to_string(),
                spread(fault.ttd_ms),
                spread(fault.ttr_ms),
                spread(fault.repair_ms),
                fault.wrong_answers.to_string(),
            ],
        )?;
    }
    foot(out)?;
    out.push_str("<p>Median (95 % interval of the median) / 95th percentile / maximum.</p>");
    dots::draw(out, report)?;
    compared(out, report)?;
    explained(out, report)?;

    let columns = [
        "phase",
        "#requests",
        "#success",
        "#quorum",
        "#p50 ms",
        "#p95 ms",
        "#p99 ms",
        "#max ms",
    ];
    head(out, "What clients saw", &columns)?;
    phase(out, "baseline", &report.baseline.phase)?;
    for fault in &report.faults {
        phase(out, &escape(&report.label(fault)), &fault.during)?;
    }
    foot(out)?;
    write!(out, "<p>{CLIENTS}</p>")?;

    let columns = [
        "fault",
        "instance",
        "activated",
        "#TTD ms",
        "#TTR ms",
        "#repair ms",
        "reason",
    ];
    head(out, "Trials", &columns)?;
    for fault in &report.faults {
        for trial in &fault.trials_detail {
            write!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td>{}</td></tr>",
                escape(&report.label(fault)),
                trial.instances(),
                trial.activated_at,
                ms(trial.ttd_ms),
                ms(trial.ttr_ms),
                ms(trial.repair_ms),
                escape(trial.reason.as_deref().unwrap_or("not detected"))
            )?;
        }
    }
    foot(out)?;

    let oracle = &report.oracle;
    out.push_str("<h2>The log</h2>");
    if oracle.complete {
        write!(
            out,
            "<p>{} records replayed. {} answers checked, {} wrong. {} orders and cancels acknowledged, {} lost, \
             {} doubled. Replicas equal: {}.</p>",
            oracle.records,
            oracle.answers_checked,
            oracle.wrong_answers,
            oracle.orders_acknowledged,
            oracle.orders_lost,
            oracle.orders_doubled,
            if oracle.replicas_equal { "yes" } else { "no" }
        )?;
    } else {
        out.push_str("<p>Not read: the experiment did not come to its end.</p>");
    }
    out.push_str("</body></html>\n");
    Ok(())
}

/// A heading and the beginning of a table; columns of numbers are marked with `#`.
fn head(out: &mut String, title: &str, columns: &[&str]) -> std::fmt::Result {
    write!(out, "<h2>{title}</h2><div class=\"scroll\"><table><thead><tr>")?;
    for column in columns {
        match column.strip_prefix('#') {
            Some(number) => write!(out, "<th class=\"n\">{number}</th>")?,
            None => write!(out, "<th>{column}</th>")?,
        }
    }
    write!(out, "</tr></thead><tbody>")
}

fn foot(out: &mut String) -> std::fmt::Result {
    write!(out, "</tbody></table></div>")
}

/// The rest of a row.
fn numbers(out: &mut String, cells: &[String]) -> std::fmt::Result {
    let cells: String = cells
        .iter()
        .map(|cell| format!("<td class=\"n\">{cell}</td>"))
        .collect();
    write!(out, "{cells}</tr>")
}

fn phase(out: &mut String, name: &str, phase: &Phase) -> std::fmt::Result {
    write!(out, "<tr><td>{name}</td>")?;
    numbers(
        out,
        &[
            phase.requests.to_string(),
            percent(phase.success_rate),
            percent(phase.quorum_rate),
            ms(phase.p50_ms),
            ms(phase.p95_ms),
            ms(phase.p99_ms),
            ms(phase.max_ms),
        ],
    )
}

fn compared(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(Comparison { heads, rows }) = comparison(report) else {
        return Ok(());
    };
    let heads: Vec<String> = heads
        .into_iter()
        .enumerate()
        .map(|(n, name)| if n == 0 { name } else { format!("#{name}") })
        .collect();
    head(out, "Detectors", &heads.iter().map(String::as_str).collect::<Vec<_>>())?;
    for row in rows {
        if let Some((fault, cells)) = row.split_first() {
            write!(out, "<tr><td>{}</td>", escape(fault))?;
            numbers(out, cells)?;
        }
    }
    foot(out)
}

fn explained(out: &mut String, report: &Report) -> std::fmt::Result {
    let reasons = reasons(report);
    if reasons.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Reasons</h2><p>One trial of each fault, as the monitor explains it.</p><ul>");
    for reason in reasons {
        let (label, text) = (escape(&reason.label), escape(&reason.text));
        write!(out, "<li>{label}, instance {}: {text}", reason.instances)?;
        if !reason.clues.is_empty() {
            let clues: String = reason
                .clues
                .iter()
                .map(|clue| format!("<li>{}</li>", escape(clue)))
                .collect();
            write!(out, "<details><summary>evidence</summary><ul>{clues}</ul></details>")?;
        }
        out.push_str("</li>");
    }
    out.push_str("</ul>");
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
