//! `tolerancia compare`: two experiments side by side, from their reports. It starts nothing, touches no system and changes
//! no file.

use std::path::{Path, PathBuf};

use tolerancia_lab::comparison::{self, Comparison, Conclusion, Options};
use tolerancia_lab::{console, report};

use crate::outcome::{DONE, Failure, NO, Outcome};

/// Arguments of `tolerancia compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// The folder of the experiment to compare with, as `tolerancia experiment --out DIR` has written it.
    #[arg(value_name = "DIR_A")]
    a: PathBuf,

    /// The folder of the experiment to compare.
    #[arg(value_name = "DIR_B")]
    b: PathBuf,

    /// By how much B may be worse than A, percent.
    #[arg(long, allow_negative_numbers = true, value_name = "PERCENT", default_value = "10", value_parser = percent)]
    tolerance: f64,

    /// Print JSON instead of Markdown.
    #[arg(long)]
    json: bool,

    /// Seed of the bootstrap and of the permutations: the same seed gives the same numbers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim_end().parse::<f64>();
    number
        .ok()
        .filter(|percent| (0.0..=1000.0).contains(percent))
        .ok_or_else(|| "give a number of percent from 0 to 1000".to_owned())
}

/// Compares two folders. 0: no regression; 1: B is worse than is tolerated; 2: they cannot be compared.
pub async fn run(args: CompareArgs) -> Outcome {
    let json = args.json;
    let compared = tokio::task::spawn_blocking(move || compare(&args)).await;
    let compared = compared.map_err(|error| Failure::cannot(format!("the comparison broke off ({error})")))??;
    if json {
        let text = serde_json::to_string_pretty(&compared);
        console::out(text.map_err(|error| Failure::cannot(format!("the comparison is no JSON ({error})")))?);
    } else {
        console::out(comparison::render(&compared));
    }
    Ok(match compared.conclusion {
        Conclusion::Regression => NO,
        Conclusion::Difference | Conclusion::NoDifference | Conclusion::TooFewTrials => DONE,
    })
}

fn compare(args: &CompareArgs) -> Result<Comparison, Failure> {
    let read = |dir: &Path| report::read(dir).map_err(|error| Failure::cannot(error.to_string()));
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let options = Options {
        names: [&args.a, &args.b].map(|dir| dir.display().to_string()),
        tolerance: args.tolerance,
        seed: args.seed,
    };
    comparison::compare(&a, &b, &options).map_err(|error| Failure::cannot(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_a_percentage() {
        for (text, expected) in [("10", 10.0), ("0", 0.0), ("2.5%", 2.5), ("15 %", 15.0)] {
            assert_eq!(percent(text), Ok(expected), "{text}");
        }
        for text in ["", "-1", "1001", "NaN", "inf", "ten", "%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
