//! Replicas killed with SIGKILL at random moments while orders are written: does every restart end equal?
//!
//! `cargo build --release -p tolerancia && cargo run --release -p tolerancia-lab --example kills -- --kills 1000`. A system
//! of its own in a temporary directory; see [`tolerancia_lab::kills`] for what is done and what is compared. Exit code 0:
//! every restart ended equal to a replay of the log. 1: not so, and what was wrong. 2: it could not be carried out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tolerancia_lab::kills::{self, Plan};

/// Kills replicas and compares what comes back with the log.
#[derive(Debug, Parser)]
struct Args {
    /// How many kills, of all replicas together.
    #[arg(long, default_value_t = 1000)]
    kills: u32,

    /// Where the random moments come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The first of a hundred free ports.
    #[arg(long, default_value_t = 24_001, value_parser = clap::value_parser!(u16).range(1024..=65_000))]
    base_port: u16,

    /// The binary; by default the one of this build.
    #[arg(long)]
    binary: Option<PathBuf>,

    /// Where data and logs are left; by default a temporary directory, which is removed if all is well.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// `target/release/tolerancia` beside `target/release/examples/kills`.
fn beside() -> Option<PathBuf> {
    let example = std::env::current_exe().ok()?;
    Some(example.parent()?.parent()?.join("tolerancia"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let given = args.dir.is_some();
    let dir = args
        .dir
        .unwrap_or_else(|| std::env::temp_dir().join(format!("tolerancia-kills-{}", std::process::id())));
    let Some(binary) = args.binary.or_else(beside).filter(|binary| binary.is_file()) else {
        eprintln!("there is no binary: `cargo build --release -p tolerancia` first, or name it with --binary");
        return ExitCode::from(2);
    };
    if let Err(error) = std::fs::create_dir_all(&dir) {
        eprintln!("{}: {error}: choose another with --dir", dir.display());
        return ExitCode::from(2);
    }
    let plan = Plan {
        binary,
        dir: dir.clone(),
        base_port: args.base_port,
        kills: args.kills,
        seed: args.seed,
    };
    match kills::run(plan, |killed| eprintln!("{killed} of {} kills", args.kills)).await {
        Ok(outcome) => {
            println!("{outcome}");
            if !given {
                // What is left of it is in the system's own hands.
                let _ = std::fs::remove_dir_all(&dir);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("seed {}: {error:#}\ndata and logs are in {}", args.seed, dir.display());
            ExitCode::FAILURE
        }
    }
}
