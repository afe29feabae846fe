//! From the first fault to the verdict.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tolerancia_wire::time::mono_ns;

use super::args::TortureArgs;
use super::checks::{self, Checked, Violation};
use super::clients::Load;
use super::driver::{Driver, Hands, healed};
use super::evidence::Evidence;
use super::gather::Observer;
use super::report::{About, Report};
use super::{System, Window};
use crate::console;

/// Clients at work. Each waits for its answers.
const CLIENTS: u16 = 8;
/// How often somebody who reads along is told how far it is.
const TELL: Duration = Duration::from_secs(10);

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TortureOutcome {
    /// Nothing is wrong.
    Pass,
    /// Something is wrong; it was told.
    Violations,
    /// It was interrupted, and nothing was wrong until then.
    Aborted,
}

/// Tortures `system`, which is up and healthy, judges it, and prints the result. `stop` interrupts: what was done is undone,
/// and what was seen until then is judged all the same.
///
/// # Errors
/// When clients cannot be started, the log cannot be read at the end, or the result cannot be written.
pub async fn run(args: &TortureArgs, system: System, hands: Hands, stop: &CancellationToken) -> Result<TortureOutcome> {
    let seed = args.seed();
    let schedule = args.schedule(seed, system.replicas());
    let load = Load {
        seed,
        rps: args.rps,
        clients: CLIENTS,
    };
    let driver = Arc::new(Driver::new(system.clone(), hands));
    let left_out = driver.left_out();
    console::err(format_args!(
        "seed {seed}: {} actions in {} s; Ctrl-C ends it and judges what was seen",
        schedule.planned.len(),
        args.seconds
    ));
    for out in &left_out {
        console::err(format_args!("left out: {}: {}", out.kind, out.why));
    }
    let observer = Observer::start(&system, load).await?;
    let windows = {
        let carried_out = Arc::clone(&driver).carry_out(&schedule, stop);
        let mut carried_out = std::pin::pin!(carried_out);
        let mut tick = interval(TELL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            tokio::select! {
                windows = &mut carried_out => break windows,
                _ = tick.tick() => console::err(format_args!(
                    "            {} requests answered, {} verdicts", observer.answers(), observer.verdicts()
                )),
            }
        }
    };
    let aborted = stop.is_cancelled();
    tell_failed(&windows);
    console::err("faults are over: waiting for all to heal");
    let began = mono_ns();
    let evidence = observer.finish(windows).await?;
    // Being interrupted again is the caller's business.
    let well = healed(&system, &CancellationToken::new()).await;
    // Until now: the way to PostgreSQL may lead through its hands.
    drop(driver);
    let mut checks = checks::all(&evidence);
    checks.push(recovered(&system, well, began));
    let about = About {
        seed,
        seconds: args.seconds,
        aborted,
        kafka: system.kafka,
        database: system.database,
        replicas: system.replicas(),
        left_out,
    };
    told(args, &Report::new(about, &evidence, checks), &evidence, aborted)
}

/// Prints and writes the result.
fn told(args: &TortureArgs, report: &Report, evidence: &Evidence, aborted: bool) -> Result<TortureOutcome> {
    if let Some(dir) = &args.out {
        let unwritable = || format!("the result cannot be written to {}", dir.display());
        report.write(dir, evidence).with_context(unwritable)?;
    }
    if args.json {
        console::out(serde_json::to_string(report)?);
    } else {
        console::out(report.text());
    }
    Ok(match (report.passed(), aborted) {
        (false, _) => TortureOutcome::Violations,
        (true, true) => TortureOutcome::Aborted,
        (true, false) => TortureOutcome::Pass,
    })
}

/// What was not done, for whoever reads along.
fn tell_failed(windows: &[Window]) {
    for window in windows.iter().filter(|window| !window.applied) {
        console::err(format_args!(
            "not done: {} {}: {}",
            window.target, window.kind, window.note
        ));
    }
}

/// The check that everything works again soon after the last fault.
fn recovered(system: &System, well: Result<(), Vec<String>>, began_ns: u64) -> Checked {
    let took = Duration::from_nanos(mono_ns().saturating_sub(began_ns)).as_secs_f64();
    let violation = |what: String| Violation {
        what: format!("{took:.0} s after the quiet end it had not recovered: {what}"),
        history: Vec::new(),
    };
    Checked {
        name: "all_recovered",
        looked_at: 3 + u64::from(system.replicas()),
        violations: well.err().unwrap_or_default().into_iter().map(violation).collect(),
        more: 0,
        notes: Vec::new(),
    }
}
