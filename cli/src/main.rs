//! `tolerancia`: one binary for the whole laboratory. Every service is a subcommand, so that a container, a
//! supervised child and a debugger all start the same thing.
//!
//! Exit codes: 0 done; 1 the answer is no (an objective missed, an injection refused); 2 the command could not
//! be carried out, be it for its arguments or for the state of this host; 130 interrupted.

#[cfg(feature = "embedded")]
mod broker;
mod compare;
mod experiment;
mod guard;
mod http;
mod inject;
mod load;
mod outcome;
mod planted;
mod redraw;
mod scenario;
mod services;
mod signals;
mod simulate;
mod supervisor;
mod torture;
mod up;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::Runtime;
use tolerancia_lab::console;

use crate::outcome::{CANNOT, Outcome};

/// A laboratory for fault tolerance: a triple-redundant order system over Kafka that is broken on purpose and measured.
#[derive(Debug, Parser)]
#[command(
    name = "tolerancia",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
enum Command {
    /// Start the whole system under a supervisor, until Ctrl-C.
    Up(up::UpArgs),
    /// Inject a fault into one inventory replica, clear it, or look at what happened.
    #[command(subcommand)]
    Inject(inject::InjectCommand),
    /// Send load at a fixed rate and report latencies and errors.
    Load(load::LoadCommand),
    /// Inject every fault under load, measure detection, masking and repair, and give a verdict.
    Experiment(experiment::ExperimentCommand),
    /// Compare two result folders: what differs, how certain that is, and whether it got worse.
    Compare(compare::CompareArgs),
    /// Verify a result folder: run the oracle again, from its files alone.
    Verify(verify::VerifyArgs),
    /// Draw the report of a result folder again, from its report.json.
    Report(redraw::ReportArgs),
    /// Check scenario files, or print their form.
    #[command(subcommand)]
    Scenario(scenario::ScenarioCommand),
    /// Simulate thousands of trials of a fault in seconds, or compare the model with a recorded trace.
    Simulate(tolerancia_lab::simulation::SimulateArgs),
    /// Torture a system of its own with random faults of every kind, and look whether anything was lost or wrong.
    Torture(torture::TortureCommand),
    #[command(flatten)]
    Service(services::Service),
}

fn main() -> ExitCode {
    if let Err(error) = planted::from_environment() {
        console::err(format_args!("error: {error}"));
        console::flush();
        return ExitCode::from(CANNOT);
    }
    // A wrong argument ends here, with exit code 2.
    let command = Command::parse();
    let code = match Runtime::new() {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(command));
            // A blocking call into librdkafka may still be under way. Nothing depends on it.
            runtime.shutdown_timeout(Duration::from_millis(100));
            outcome.unwrap_or_else(|failure| {
                console::err(format_args!("error: {}", failure.message));
                failure.code
            })
        }
        Err(error) => {
            console::err(format_args!("error: the process cannot start its threads ({error})"));
            CANNOT
        }
    };
    console::flush();
    ExitCode::from(code)
}

async fn run(command: Command) -> Outcome {
    match command {
        Command::Up(args) => up::run(args).await,
        Command::Inject(command) => inject::run(command).await,
        Command::Load(args) => load::run(args).await,
        Command::Experiment(args) => experiment::run(args).await,
        Command::Compare(args) => compare::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Report(args) => redraw::run(args).await,
        Command::Scenario(command) => scenario::run(command).await,
        Command::Simulate(args) => simulate::run(args).await,
        Command::Torture(args) => torture::run(args).await,
        Command::Service(service) => service.run().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_of_all_subcommands_fit_together() {
        Command::command().debug_assert();
    }
}
