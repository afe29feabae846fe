//! `tolerancia scenario`: looks at scenario files. It starts nothing and touches no system.

use std::path::{Path, PathBuf};

use tolerancia_lab::console;
use tolerancia_lab::experiment::roughly;
use tolerancia_lab::scenario::{self, Pace, Scenario};

use crate::outcome::{CANNOT, DONE, Failure, Outcome};

/// What to do with scenarios.
#[derive(Debug, clap::Subcommand)]
pub enum ScenarioCommand {
    /// Say what is wrong in scenario files, with line and column, and what each good one does.
    Check(CheckArgs),
    /// Print the form of a scenario file as a JSON schema (draft 2020-12), for editors.
    Schema,
}

/// Arguments of `tolerancia scenario check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The scenarios, TOML files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Exit codes: 0 all is well, 2 something is not.
pub async fn run(command: ScenarioCommand) -> Outcome {
    match command {
        ScenarioCommand::Check(args) => Ok(check(&args.files)),
        ScenarioCommand::Schema => {
            let text = serde_json::to_string_pretty(&scenario::schema());
            console::out(text.map_err(|error| Failure::cannot(format!("the schema cannot be printed ({error})")))?);
            Ok(DONE)
        }
    }
}

/// Good files on standard output, what is wrong on standard error, in the order of the arguments.
fn check(files: &[PathBuf]) -> u8 {
    let mut code = DONE;
    for file in files {
        match scenario::load(file) {
            Ok(scenario) => console::out(summary(file, &scenario)),
            Err(error) => {
                console::err(format_args!("error: {error}"));
                code = CANNOT;
            }
        }
    }
    code
}

/// What a scenario does, in a line.
fn summary(file: &Path, scenario: &Scenario) -> String {
    let Scenario {
        pace, quick, detectors, ..
    } = scenario;
    let replicas = scenario
        .replicas
        .map_or(String::new(), |replicas| format!(", {replicas} replicas"));
    let duration = |pace: &Pace| roughly(scenario.estimate(*pace));
    let what = match scenario.faults.len() {
        0 => "no fault".to_owned(),
        faults => {
            let compared = match detectors.as_slice() {
                [] | [_] => String::new(),
                several => format!(" × {} detectors", several.len()),
            };
            let (trials, total) = (pace.trials, scenario.trials(*pace));
            format!(
                "{} × {trials} trials{compared} = {total} ({})",
                counted(faults, "fault"),
                scenario.names().join(", ")
            )
        }
    };
    format!(
        "{}: {}{replicas}: {what}, about {}; with --quick {}",
        file.display(),
        scenario.name,
        duration(pace),
        duration(quick)
    )
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use clap::{Args as _, Command};
    use tolerancia_lab::scenario::parameters::{Kind, OTHERS, PARAMETERS};

    use super::*;

    #[test]
    fn a_summary_has_faults_trials_and_duration() {
        let text = summary(Path::new("scenarios/classic.toml"), &Scenario::classic());
        assert_eq!(
            text,
            "scenarios/classic.toml: classic: 6 faults × 10 trials = 60 (crash, latency, intermittent, incorrect, \
             freeze, stale), about 3 min; with --quick 53 s"
        );
    }

    #[test]
    fn one_bad_file_makes_the_check_fail_and_the_others_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good.toml"), dir.path().join("bad.toml"));
        std::fs::write(&good, "name = 'x'\nfaults = [{ fault = 'crash' }]").unwrap();
        std::fs::write(&bad, "name = 'x'\nreplicas = 2").unwrap();
        assert_eq!(check(std::slice::from_ref(&good)), DONE);
        assert_eq!(check(&[bad, good]), CANNOT);
    }

    /// The services, as far as their arguments are concerned.
    fn services() -> [Command; 4] {
        let of = |name| Command::new(name).no_binary_name(true);
        [
            tolerancia_orders_svc::Args::augment_args(of("orders")),
            tolerancia_inventory_svc::Args::augment_args(of("inventory")),
            tolerancia_monitor_svc::Args::augment_args(of("monitor")),
            tolerancia_voter_svc::Args::augment_args(of("voter")),
        ]
    }

    /// Whether each service that knows the variable takes this value.
    fn is_taken(variable: &str, value: &str) -> bool {
        services().into_iter().all(|service| {
            let known = service
                .get_arguments()
                .find(|argument| argument.get_env().is_some_and(|env| env == variable));
            let Some(flag) = known
                .and_then(|argument| argument.get_long())
                .map(|long| format!("--{long}={value}"))
            else {
                return true;
            };
            service.try_get_matches_from([flag]).is_ok()
        })
    }

    #[test]
    fn a_scenario_knows_the_parameters_that_the_services_know() {
        let services = services();
        let known: BTreeSet<String> = services
            .iter()
            .flat_map(Command::get_arguments)
            .filter_map(|argument| argument.get_env())
            .map(|env| env.to_str().unwrap().to_owned())
            .collect();
        let listed = PARAMETERS.iter().map(|parameter| parameter.name);
        let listed: BTreeSet<String> = listed
            .chain(OTHERS.iter().map(|(name, _)| *name))
            .map(str::to_owned)
            .collect();
        assert_eq!(listed, known);
    }

    #[test]
    fn a_scenario_takes_the_values_that_the_services_take() {
        for parameter in PARAMETERS {
            let name = parameter.name;
            match parameter.kind {
                Kind::Whole(low, high) => {
                    for value in [low, high] {
                        assert!(is_taken(name, &value.to_string()), "{name} = {value}");
                    }
                    // The detectors judge the length of this window themselves, at start.
                    if name == "PHI_WINDOW" {
                        continue;
                    }
                    for value in [low - 1, high + 1] {
                        assert!(!is_taken(name, &value.to_string()), "{name} = {value}");
                    }
                }
                Kind::Real(low, high) => {
                    assert!(
                        is_taken(name, &low.to_string()) && is_taken(name, &high.to_string()),
                        "{name}"
                    );
                    assert!(!is_taken(name, "much"), "{name}");
                }
                Kind::Detector => assert!(is_taken(name, "phi") && !is_taken(name, "psychic"), "{name}"),
                Kind::Text => assert!(is_taken(name, "A=1"), "{name}"),
            }
        }
    }
}
