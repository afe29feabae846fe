//! `tolerancia-sim`: hunts for violations in simulated time. Exit codes: 0 none found; 1 found; 2 could not be run.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use tolerancia_sim::hunt::{Found, Hunt, News, hunt, one};
use tolerancia_sim::run::Words;

/// Simulates the whole system in virtual time, with faults of every kind, and checks that nothing is lost and nothing
/// is wrong. Each seed is another run, and the same seed is always the same run.
#[derive(Debug, Parser)]
#[command(name = "tolerancia-sim", version)]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1000, conflicts_with = "seed")]
    seeds: u64,

    /// The first of them.
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,

    /// Threads; as many as the host has cores, if not given.
    #[arg(long)]
    jobs: Option<usize>,

    /// Violations after which the hunt ends.
    #[arg(long, default_value_t = 5)]
    most: usize,

    /// Run this seed only.
    #[arg(long)]
    seed: Option<u64>,

    /// Tell all that happens in it.
    #[arg(long, requires = "seed")]
    trace: bool,

    /// The result as JSON.
    #[arg(long)]
    json: bool,

    /// Plant this bug first.
    #[cfg(feature = "planted-bugs")]
    #[arg(long)]
    plant: Option<tolerancia_core::planted::Planted>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    #[cfg(feature = "planted-bugs")]
    tolerancia_core::planted::plant(args.plant);
    // What an assertion says is part of the violation.
    std::panic::set_hook(Box::new(|_| {}));
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever read the output has gone, or it cannot be written.
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: the result cannot be written ({error})");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found.
fn run(args: &Args) -> std::io::Result<bool> {
    if let Some(seed) = args.seed {
        return run_one(args, seed);
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.unwrap_or_else(cores);
    let plan = Hunt {
        from: args.from,
        seeds: args.seeds,
        jobs,
        most: args.most.max(1),
        limit: None,
    };
    let found = hunt(plan, |news| {
        // Whether anybody reads the progress does not matter.
        let _ = match news {
            News::Done(done, bad) => writeln!(std::io::stderr(), "{done} of {} seeds, {bad} violations", args.seeds),
            News::Found(seed, violation) => {
                writeln!(
                    std::io::stderr(),
                    "seed {seed}: {}: {}",
                    violation.check,
                    violation.text
                )
            }
        };
    });
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &found)?;
        writeln!(out)?;
    } else {
        print(&mut out, &found)?;
    }
    Ok(found.violations.is_empty())
}

fn run_one(args: &Args, seed: u64) -> std::io::Result<bool> {
    let report = one(seed, if args.trace { Words::All } else { Words::OfViolation });
    let mut out = std::io::stdout().lock();
    for line in &report.lines {
        writeln!(out, "{line}")?;
    }
    for (what, count) in &report.counts {
        writeln!(out, "{count:>10}  {what}")?;
    }
    writeln!(
        out,
        "seed {seed}: {} events in {:.1} s of virtual time, trace {:016x}",
        report.events,
        report.virtual_ns as f64 / 1e9,
        report.hash
    )?;
    if let Some(violation) = &report.violation {
        writeln!(out, "VIOLATION of {}: {}", violation.check, violation.text)?;
    }
    Ok(report.violation.is_none())
}

fn print(out: &mut impl std::io::Write, found: &Found) -> std::io::Result<()> {
    for (what, count) in &found.counts {
        writeln!(out, "{count:>12}  {what}")?;
    }
    writeln!(
        out,
        "{} seeds, {:.0} s of virtual time, {} events in {:.1} s: {:.0} seeds/s, {:.0} events/s, {:.0} times as fast as time",
        found.seeds,
        found.virtual_s,
        found.events,
        found.real_s,
        found.seeds as f64 / found.real_s,
        found.events as f64 / found.real_s,
        found.virtual_s / found.real_s
    )?;
    for (seed, violation, lines) in &found.violations {
        writeln!(out, "\nVIOLATION of {}: {}", violation.check, violation.text)?;
        for line in lines {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "  again: tolerancia-sim --seed {seed} --trace")?;
    }
    Ok(())
}
